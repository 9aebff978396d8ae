//! Clock-domain crossings. Every crossing of the card is one of these, and none lies elsewhere.
//!
//! - [`bit_sync`]: levels, two flops a bit. Several bits in one instance cross independently.
//! - [`reset_sync`]: a reset that asserts at once and releases in step with the clock.
//! - [`async_fifo()`]: words, in order.
//! - [`gmii_rx()`]: GMII receive pins to samples in the core domain, with the restart of both sides.
//!
//! Constraints for place and route need only these module names. Tests: `tests/cdc.rs`, `tests/gmii_rx.rs`.

mod async_fifo;
mod gmii_rx;

pub use async_fifo::async_fifo;
pub use gmii_rx::{FALSE_CARRIER, gmii_rx};

use crate::rtl::Module;

/// `width` independent levels into the domain `clock`: two flops each. Ports: `d` (any domain), `q`.
///
/// A level must last longer than one period of `clock` to be seen. Latency 2 cycles, or 3 if the level changes at the edge.
/// Cost: 2 flops a bit.
pub fn bit_sync(width: u32) -> Module {
    let m = Module::new(&format!("bit_sync_{width}"));
    let d = m.input("d", width);
    let first = m.reg("first", width, 0);
    let q = m.output_reg("q", width, 0);
    m.assign(&first, &d);
    m.assign(&q, &first);
    m
}

/// A reset for the domain `clock` out of the level `reset` of any domain. Ports: `clock`, `reset`, `q`.
///
/// `q` follows `reset` up without a clock edge in between, so it holds even where the clock stands still, and goes
/// down two edges after `reset` does. Cost: 2 flops.
pub fn reset_sync() -> Module {
    let m = Module::new("reset_sync");
    m.sync();
    m.output("q", 1);
    m.set_custom(
        "reg [1:0] stage;\nalways @(posedge clock or posedge reset)\n    if (reset) stage <= 2'b11;\n    else stage <= {stage[0], 1'b0};\nassign q = stage[1];\n"
            .into(),
    );
    m
}
