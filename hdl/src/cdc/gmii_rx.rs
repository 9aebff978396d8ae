//! GMII receive pins (IEEE 802.3-2022 clause 35) to samples in the core domain.
//!
//! Algorithm: the pins are registered once and written into an async FIFO of 16 samples, which the core reads as they come. Idle is
//! not carried: only samples of a frame (`sample_dv`), one sample that ends it, and the first sample of each false carrier
//! (RX_ER with 0x0E and no RX_DV: `sample_er` without `sample_dv`). A receive clock 100 ppm fast fills one place in 10,000
//! bytes, so only a carrier of more than 100,000 bytes can overflow; then, and if the core stops reading, the
//! frame is ended by a sample with `sample_overflow` and the rest of it is skipped. A frame that begins while that
//! sample still waits for room is skipped whole, without another flag.
//!
//! Restart: a reset of either domain, however short, restarts both sides: `down` in the receive domain stands until
//! the core's `hold` answers it, and the write pointer goes back to zero only while the reader is held. `sample_down` is
//! set meanwhile: samples mean nothing then, and the reader must forget a frame that it has begun. After it the first sample is always the first of a
//! frame: carrier that was up is skipped. Without a receive clock `sample_down` stays set.
//!
//! Ports, receive domain (`rx_clock`, `rx_reset`): `gmii_rxd[8]`, `gmii_rx_dv`, `gmii_rx_er`, `gmii_rx_ce` (1: the pins carry a byte;
//! always 1 at 1000 Mb/s). Core domain (`clock`, `reset`): `sample_valid`, `sample_data[8]`, `sample_dv`, `sample_er`,
//! `sample_overflow`, `sample_down`. Samples cannot be stalled.
//!
//! Latency: the pins are taken at one receive edge and written at the next; after the second core edge that follows, the sample can be read.
//! The sample outputs are not registers (about 3 levels). Cost: see `mac`. Test: `tests/gmii_rx.rs`.

use super::{async_fifo, bit_sync};
use crate::rtl::{Module, cat};

/// RXD of a false carrier indication (802.3 table 35-2).
pub const FALSE_CARRIER: u64 = 0x0e;
/// Samples in the FIFO.
const DEPTH: u64 = 16;

/// The crossing of one port's receive side. See the module.
pub fn gmii_rx() -> Module {
    let m = Module::new("gmii_rx");
    let core = m.sync();
    let rx = m.domain("rx");
    let rxd = m.input("gmii_rxd", 8);
    let rx_dv = m.input("gmii_rx_dv", 1);
    let rx_er = m.input("gmii_rx_er", 1);
    let rx_ce = m.input("gmii_rx_ce", 1);
    let rx_reg = |name: &str, d: &crate::rtl::E| {
        let r = m.reg_nr_in(&rx, name, d.width());
        m.assign(&r, d);
        r
    };
    let (data, dv) = (rx_reg("rxd_q", &rxd), rx_reg("rx_dv_q", &rx_dv));
    let (er, ce) = (rx_reg("rx_er_q", &rx_er), rx_reg("rx_ce_q", &rx_ce));

    // Restart handshake.
    let ask = m.reg("ask", 1, 1);
    let hold = m.reg("hold", 1, 1);
    let down = m.reg_in(&rx, "down", 1, 1);
    let to_core = m.inst("to_core", &bit_sync(1));
    to_core
        .drive("clock", &core.clock)
        .drive("reset", &core.reset)
        .drive("d", &down);
    let to_rx = m.inst("to_rx", &bit_sync(2));
    to_rx
        .drive("clock", &rx.clock)
        .drive("reset", &rx.reset)
        .drive("d", cat(&[ask.clone(), hold.clone()]));
    let (asked, held) = (to_rx.port("q").bit(1), to_rx.port("q").bit(0));
    m.assign(&down, asked | (&down & !held));
    m.assign(&ask, &ask & !to_core.port("q"));
    // `hold` goes on until `down` has answered `ask`: before that the write pointer is an old one.
    m.assign(&hold, &ask | to_core.port("q"));
    let sample_down = m.output_of("sample_down", &hold | to_core.port("q"));
    // Two cycles later, so that the reader is held before the pointer jumps.
    let down_1 = rx_reg("down_1", &down);
    let restart = rx_reg("restart", &down_1);

    let fifo = m.inst("fifo", &async_fifo(11, DEPTH));
    let skip = m.reg_in(&rx, "skip", 1, 1);
    let open = m.reg_in(&rx, "open", 1, 0);
    let lost = m.reg_in(&rx, "lost", 1, 0);
    let carrier = m.reg_in(&rx, "carrier", 1, 0);
    let room = fifo.port("write_ready");
    let is_carrier = m.named("is_carrier", !&dv & &er & data.eq(FALSE_CARRIER));
    let take = m.named("take", &ce & &dv & !&skip & !&lost);
    let end = m.named("carrier_end", &ce & !&dv & &open);
    let false_carrier = m.named("false_carrier", &ce & &is_carrier & !&carrier);
    m.process(|p| {
        p.if_(&ce, |p| {
            p.set(&carrier, &is_carrier);
            p.set(&open, &take);
            p.if_(!&dv, |p| p.set(&skip, false));
            p.if_(&dv & &lost, |p| p.set(&skip, true));
        });
        p.if_(&lost & &room, |p| p.set(&lost, false));
        p.if_((&take | &end) & !&room, |p| {
            p.set(&lost, true);
            p.set(&open, false);
            p.set(&skip, &dv);
        });
        p.if_(&restart, |p| {
            p.set(&skip, true);
            p.set(&open, false);
            p.set(&lost, false);
        });
    });
    let flag = m.named("sample_flag", (&dv & &er) | &is_carrier);
    // While `lost`, whatever is written is the record that ends the frame.
    fifo.drive("write_valid", &take | &end | &false_carrier | &lost)
        .drive(
            "write_data",
            cat(&[lost.clone(), flag & !&lost, &dv & !&lost, data.clone()]),
        )
        .drive("write_clock", &rx.clock)
        .drive("write_reset", &restart)
        .drive("read_clock", &core.clock)
        .drive("read_reset", &sample_down)
        .drive("read_ready", true);
    m.output_of("sample_valid", fifo.port("read_valid"));
    let word = fifo.port("read_data");
    m.output_of("sample_data", word.slice(0, 8));
    m.output_of("sample_dv", word.bit(8));
    m.output_of("sample_er", word.bit(9));
    m.output_of("sample_overflow", word.bit(10));
    m
}
