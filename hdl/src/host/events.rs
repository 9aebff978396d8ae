//! The event ring: what happens in the FDB, and link changes, to the host.
//!
//! An event is written as an entry of 32 bytes if the ring runs and has room; otherwise it is counted (LOST). The interrupt follows the last of
//! the events that wait. A link change raises the interrupt alone: `port::LINK_CHANGED` says which link. Events are taken at once, so the FDB never waits for
//! the host longer than for the link. Test: `tests/host.rs`.

use crate::regbus::{RegFile, field};
use crate::rtl::{E, Module, any_of, cat, lit, mux, pick};
use smartnic_regs::{event as page, ring::VERSION, values::vector};

/// The event writer. Ports: `reg_*`, `event_*` of the FDB, `link_changed` (pulse), `w_*` to [`super::channel`], which is
/// `drained` when it holds nothing; `idle`.
pub fn events() -> Module {
    let m = Module::new("host_events");
    m.sync();
    let mut rf = RegFile::new(&m, &page::PAGE);
    let control = rf.rw(&page::CONTROL);
    let (lo, hi) = (rf.rw(&page::BASE_LO), rf.rw(&page::BASE_HI));
    let doorbell = rf.rw(&page::HEAD);
    let lost = m.reg("lost", 32, 0);
    rf.ro(&page::LOST, &lost);
    let enable = m.named("enable", field(&control, page::CONTROL::ENABLE));
    let busy = m.reg("busy", 1, 0);
    rf.ro(&page::STATUS, &busy);
    rf.finish();
    let size = m.named("size", field(&control, page::CONTROL::SIZE_LOG2));
    let valid = m.input("event_valid", 1);
    let (kind_in, key_in) = (m.input("event_kind", 8), m.input("event_key", 60));
    let (dest_in, old_in) = (m.input("event_dest", 6), m.input("event_old_dest", 6));
    let link = m.input("link_changed", 1);
    let w_ready = m.input("w_ready", 1);

    let (made, head) = (m.reg("made", 16, 0), doorbell.slice(0, 16));
    let room = m.reg("room", 1, 0);
    let limit = lit(16, 1).shl_by(&size);
    m.assign(&room, &enable & size.ge(2) & (&made - &head).lt(&limit));
    let state = m.reg("state", 2, 0);
    let (idle, judge, write, signal) = (0, 1, 2, 3);
    let settle = m.reg_nr("settle", 1);
    let (kind, key) = (m.reg_nr("kind", 8), m.reg_nr("key", 60));
    let (dest, old) = (m.reg_nr("dest", 6), m.reg_nr("old", 6));
    let place = m.reg_nr("place", 2);
    let raise = m.reg("raise", 1, 0);
    let signalled = m.named("signalled", state.eq(signal) & &w_ready);
    let finished = m.named("finished", state.eq(write) & &w_ready & place.all());
    m.output_of("event_ready", state.eq(idle));
    m.process(|p| {
        p.set(&raise, (&raise & !&signalled) | &finished | &link);
        p.switch(&state, |s| {
            s.case(idle, |p| {
                p.set(&kind, &kind_in);
                p.set(&key, &key_in);
                p.set(&dest, &dest_in);
                p.set(&old, &old_in);
                p.set(&place, 0);
                p.set(&settle, false);
                p.if_(&valid, |p| p.set(&state, judge));
                p.elif(&raise, |p| p.set(&state, signal));
            });
            s.case(judge, |p| {
                // `room` is that of the pointers one cycle ago.
                p.set(&settle, true);
                p.if_(&settle, |p| {
                    p.if_(&room, |p| p.set(&state, write));
                    p.else_(|p| {
                        p.set(&lost, &lost + 1);
                        p.set(&state, idle);
                    });
                });
            });
            s.case(write, |p| {
                p.if_(&w_ready, |p| {
                    p.set(&place, &place + 1);
                    p.if_(place.all(), |p| {
                        p.set(&made, &made + 1);
                        p.set(&state, idle);
                    });
                })
            });
            s.default(|p| p.if_(&w_ready, |p| p.set(&state, idle)));
        });
        p.if_(!&enable & state.ne(write), |p| p.set(&made, 0));
    });
    // The last word of an entry has left.
    let lingers = m.reg("lingers", 1, 0);
    let drained = m.input("drained", 1);
    let gives = m.named("gives", state.ge(write) & &w_ready);
    m.process(|p| {
        p.if_(&gives, |p| p.set(&lingers, true));
        p.elif(&drained, |p| p.set(&lingers, false));
    });
    m.assign(&busy, any_of(1, &[enable, state.ne(idle), lingers]));
    let mask = &limit - 1;
    let offset = cat(&[&made & mask, lit(5, 0)]);
    let at = m.delay("at", &(cat([&hi, &lo]) + offset.zext(64)));
    let phase = !made.bit_at(&size);
    let words: [E; 4] = [
        cat(&[lit(4, 0), key.clone()]),
        cat(&[lit(42, 0), old, lit(2, 0), dest, kind]),
        lit(64, 0),
        cat(&[phase, lit(3, 0), lit(4, VERSION.into()), lit(56, 0)]),
    ];
    m.output_of("w_valid", state.ge(write));
    m.output_of("w_data", pick(&place, &words));
    m.output_of("w_sop", state.eq(signal) | place.is_zero());
    m.output_of("w_eop", state.eq(signal) | place.all());
    m.output_of(
        "w_addr",
        mux(state.eq(signal), lit(64, vector::EVENT.into()), at),
    );
    m.output_of("w_len", lit(14, 32));
    m.output_of("w_irq", state.eq(signal));
    let quiet = m.output_reg("idle", 1, 0);
    m.assign(&quiet, state.eq(idle) & !&valid & !&raise & !&link);
    m
}
