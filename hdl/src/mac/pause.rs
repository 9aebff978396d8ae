//! Pause, both ways (IEEE 802.3-2022 annex 31B).
//!
//! Obeying: a received `pause_quanta` loads a timer in units of 512 bit times (64 bytes, counted by `tx_ce`); `paused` is set while it runs, and
//! a frame that has begun goes on. Zero ends the pause. Without `obey` the timer is zero.
//!
//! Asking: when `request` rises a pause frame with `request_quanta` is wanted, again after each half of that time while it
//! stays, and one with zero quanta when it falls (or `send` does). Without `enable` (link down, transmitter off) nothing is wanted, and
//! nothing is remembered of what the peer was told. Repetitions are at least 1,024 byte times apart, so that a short time cannot
//! fill the line with pause frames: `request_quanta` below 16 leaves holes in the pause. Zero never asks.
//!
//! Ports: `tx_ce`, `enable`, `obey`, `send`; `pause_valid`, `pause_quanta[16]` from the receiver; `request` (level), `request_quanta[16]`;
//! `frame_request` (level), `frame_quanta[16]`, and `frame_start` (pulse: the transmitter has taken it); `paused`; `idle` (no timer
//! runs). Latency 1 cycle. Test: `tests/mac_tx.rs`.

use crate::rtl::{E, Module, cat, lit, mux};

/// Pause timers of one port. See the module.
pub fn pause() -> Module {
    let m = Module::new("pause");
    let tx_ce = m.input("tx_ce", 1);
    let enable = m.input("enable", 1);
    let obey = m.input("obey", 1);
    let send = m.input("send", 1);
    let valid = m.input("pause_valid", 1);
    let quanta = m.input("pause_quanta", 16);
    let request = m.input("request", 1);
    let request_quanta = m.input("request_quanta", 16);
    let frame_start = m.input("frame_start", 1);

    // 22 bits: quanta and byte times of the current one.
    let timer = m.reg("timer", 22, 0);
    let paused = m.output_reg("paused", 1, 0);
    let running = m.named("running", timer.any());
    let loaded = cat(&[quanta, lit(6, 0)]);
    m.process(|p| {
        p.if_(&running & &tx_ce, |p| p.set(&timer, &timer - 1));
        p.if_(&valid, |p| p.set(&timer, &loaded));
        p.if_(!&obey, |p| p.set(&timer, 0));
        p.set(&paused, &running & &obey);
    });

    let told = m.reg("told", 1, 0); // the last frame sent was not zero
    let refresh = m.reg("refresh", 21, 0); // half of the time, in byte times
    let expired = m.named("expired", refresh.is_zero());
    let want = m.named("want", &request & &send & request_quanta.any());
    let due = m.named("due", &enable & (want.ne(&told) | (&want & &expired)));
    let frame_request = m.output_reg("frame_request", 1, 0);
    let frame_quanta = m.output_reg("frame_quanta", 16, 0);
    let zero: E = lit(16, 0);
    m.process(|p| {
        p.if_(!&expired & &tx_ce, |p| p.set(&refresh, &refresh - 1));
        p.set(&frame_request, &due & !&frame_start);
        p.set(&frame_quanta, mux(&want, &request_quanta, &zero));
        p.if_(&frame_start, |p| {
            p.set(&told, frame_quanta.any());
            let half = cat(&[frame_quanta.clone(), lit(5, 0)]);
            p.set(&refresh, mux(frame_quanta.lt(32), lit(21, 1024), half));
        });
        p.if_(!&enable, |p| p.set(&told, false));
    });
    let idle = m.output_reg("idle", 1, 0);
    m.assign(
        &idle,
        !&running & !&paused & !&due & !&told & !&frame_request,
    );
    m
}
