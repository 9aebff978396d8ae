//! Beats of 128 bits (cards of 8 ports) to and from the host port's 64. Combinational; a few LUTs for the handshake and a mux.
//! Test: `tests/host.rs`.

use crate::rtl::{Module, cat, lit, mux};

/// 128 to 64 bits: `a_*` in, `b_*` out, each beat in one or two halves.
pub fn narrow() -> Module {
    let m = Module::new("host_narrow");
    m.sync();
    let (valid, data) = (m.input("a_valid", 1), m.input("a_data", 128));
    let (keep, sop, eop) = (
        m.input("a_keep", 16),
        m.input("a_sop", 1),
        m.input("a_eop", 1),
    );
    let ready = m.input("b_ready", 1);
    let half = m.reg("half", 1, 0);
    let single = m.named("single", &eop & !keep.slice(8, 8).any());
    let done = m.named("done", &half | &single);
    m.output_of("a_ready", &ready & &done);
    m.output_of("b_valid", &valid);
    m.output_of("b_data", mux(&half, data.slice(64, 64), data.slice(0, 64)));
    m.output_of("b_keep", mux(&half, keep.slice(8, 8), keep.slice(0, 8)));
    m.output_of("b_sop", sop & !&half);
    m.output_of("b_eop", eop & &done);
    m.process(|p| {
        // A reset of the switch takes a beat back after its first half.
        p.if_(!&valid, |p| p.set(&half, false));
        p.elif(&ready, |p| p.set(&half, !&done));
    });
    m
}

/// 64 to 128 bits: `a_*` in, `b_*` out; a frame's odd last beat goes out alone.
pub fn widen() -> Module {
    let m = Module::new("host_widen");
    m.sync();
    let (valid, data) = (m.input("a_valid", 1), m.input("a_data", 64));
    let (keep, sop, eop) = (
        m.input("a_keep", 8),
        m.input("a_sop", 1),
        m.input("a_eop", 1),
    );
    let (err, ready) = (m.input("a_err", 1), m.input("b_ready", 1));
    let (held, low, first) = (
        m.reg("held", 1, 0),
        m.reg_nr("low", 64),
        m.reg_nr("first", 1),
    );
    let keeps = m.named("keeps", !&held & !&eop);
    m.output_of("a_ready", &keeps | &ready);
    m.output_of("b_valid", &valid & !&keeps);
    m.output_of("b_data", mux(&held, cat([&data, &low]), data.zext(128)));
    m.output_of(
        "b_keep",
        mux(&held, cat(&[keep.clone(), lit(8, 0xff)]), keep.zext(16)),
    );
    m.output_of("b_sop", mux(&held, &first, &sop));
    m.output_of("b_eop", &eop);
    m.output_of("b_err", &err);
    m.process(|p| {
        p.if_(&valid & &keeps, |p| {
            p.set(&held, true);
            p.set(&low, &data);
            p.set(&first, &sop);
        });
        p.elif(&valid & &ready, |p| p.set(&held, false));
    });
    m
}
