//! The card with clocks that a simulator may leave out.
//!
//! Parts that often rest have clocks of their own here, which on a chip would be one net with `clock`: `NAME_clock`, beside an output
//! `NAME_wake`. Whoever drives the clocks lets `NAME_clock` rise together with `clock` while `NAME_wake` is set and for [`LINGER`] cycles
//! after, and may leave it out otherwise: the part is idle then, so that its registers would keep their values. Left out are also what only
//! turns (which ring is looked at, the phase of the read timeout's tick), so that what the host sees may come some cycles earlier or later.
//!
//! | NAME | parts | also awake for the caller's own changes of |
//! |---|---|---|
//! | `host` | `pcie`, `host`, the host's parser | `tlp_rx_*` (with `tlp_rx_valid`), `cfg_*` |
//! | `tables` | `fdb`, `lag` | |
//!
//! Nothing but the clock nets and the two outputs differs from [`smartnic`](super::smartnic). **Gain:** with four ports at 90 % load `tables` runs in a sixth of the
//! cycles and `host` in none, and a Verilated model is half as fast again. **Test:** `tests/tests/gates.rs`.

use super::{Top, card};
use crate::params::{ParamError, Params};
use crate::rtl::{Inst, Module, any_of};

/// Cycles that a part's clock goes on after its `NAME_wake`: longer than any way from an input of a part to its `idle`.
pub const LINGER: u32 = 64;

/// Builds the card with these clocks. Fails as [`smartnic`](super::smartnic) does.
pub fn gated(p: &Params) -> Result<Module, ParamError> {
    p.check()?;
    let m = Module::new("smartnic");
    let t = card(&m, p);
    let frame = format!("out{}_valid", p.ports);
    let parser = &t.parsers[p.ports as usize];
    t.gate(
        "host",
        &[
            (&t.pcie, &["host_reset"]),
            (&t.host, &["reg_valid", &frame, "event_valid"]),
            (parser, &["reset"]),
        ],
    );
    t.gate(
        "tables",
        &[
            (
                &t.fdb,
                &["reset", "reg_valid", "lookup_valid", "learn_valid", "tick"],
            ),
            (&t.lag, &["reg_valid", "req_valid", "no_member", "pruned"]),
        ],
    );
    Ok(m)
}

impl Top<'_> {
    /// Gives these parts the clock `NAME_clock`, and makes `NAME_wake`: one of the inputs that stand beside a part is set, a part is not idle,
    /// or a link, which is a level everywhere, has changed.
    fn gate(&self, name: &str, parts: &[(&Inst, &[&str])]) {
        let clock = self.m.clock(&format!("{name}_clock"));
        let mut wakes = vec![self.port.port("link_changed")];
        for (part, inputs) in parts {
            part.drive("clock", &clock);
            wakes.extend(inputs.iter().map(|n| part.port(n).any()));
            wakes.extend(part.has("idle").then(|| !part.port("idle")));
        }
        self.m.output_of(&format!("{name}_wake"), any_of(1, &wakes));
    }
}
