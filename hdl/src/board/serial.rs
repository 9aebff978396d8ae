//! Serial port: 8 data bits, no parity, one stop bit.
//!
//! **Algorithm.** Reception: the pin passes two flops and a majority of its last three levels, so a spike of one cycle is not seen. A
//! fall starts a character; half a bit later the line must still be low (else it was a false start, and is forgotten), and from there each bit is
//! taken in its middle. A low stop bit is a framing error: the character is dropped and counted, and the next one starts only after the line
//! has been high, so a break counts once however long it is. After a good stop bit the receiver waits for the next fall at
//! once, half a bit early: the far end's clock may differ by 4 %. A character that finds the queue full is dropped and counted as an overrun.
//! Transmission: start bit, eight bits from the lowest, stop bit, without a pause while the queue has more.
//!
//! **Limits.** A bit lasts `divisor + 1` cycles, at least 8 (smaller divisors count as 7): 1,907 baud to 15 Mbaud at 125 MHz. 16 characters wait each way. A change of
//! the divisor counts from the next bit on.
//!
//! **Protocol.** `divisor[16]`; `tx_valid`, `tx_data[8]` (a pulse; lost while `tx_ready` is clear); `tx_idle`: nothing is to be sent any more; `rx_valid`,
//! `rx_data[8]`: the oldest character, dropped by `rx_take`; `framing_errors[16]`, `overruns[16]` wrap. Pins `serial_rx`, `serial_tx`.
//!
//! **Latency.** A character is readable 4 cycles after the middle of its stop bit. **Cost** (ECP5, yosys): 134 LUT4, 137 FF, 4 LUT RAMs of 16 x 4; 227 MHz routed alone.
//! **Test:** `tests/serial.rs`.

use crate::cdc::bit_sync;
use crate::rtl::prim::queue;
use crate::rtl::{E, Module, cat, lit, mux};

/// The divisor of 115,200 baud at a core clock of 125 MHz.
pub const DIVISOR: u64 = 1084;
/// The smallest divisor that counts.
pub const LEAST_DIVISOR: u64 = 7;
/// Characters that wait each way.
pub const DEPTH: u32 = 16;

/// The serial port. See the module.
pub fn serial() -> Module {
    let m = Module::new("serial");
    m.sync();
    let asked = m.input("divisor", 16);
    // Registered: it feeds two reloads.
    let divisor = m.reg("divisor_q", 16, LEAST_DIVISOR);
    m.assign(
        &divisor,
        mux(asked.slice(3, 13).any(), &asked, lit(16, LEAST_DIVISOR)),
    );
    receive(&m, &divisor);
    transmit(&m, &divisor);
    m
}

fn transmit(m: &Module, divisor: &E) {
    let (valid, data) = (m.input("tx_valid", 1), m.input("tx_data", 8));
    let ready = m.output("tx_ready", 1);
    let timer = m.reg("tx_timer", 16, 0);
    // Bits to send, the next one lowest; a one above them marks the end.
    let bits = m.reg("tx_bits", 9, 0);
    let line = m.output_reg("serial_tx", 1, 1);
    let due = m.named("tx_due", timer.is_zero());
    let last = m.named("tx_last", bits.is_zero());
    let take = m.wire("tx_take", 1);
    let push = m.named("tx_push", &valid & &ready);
    let q = queue(m, "tx_queue", DEPTH, &push, &data, &take);
    m.assign(&ready, &q.ready);
    m.assign(&take, &due & &last & &q.valid);
    let busy = m.reg("tx_busy", 1, 0);
    m.process(|p| {
        p.if_(!&due, |p| p.set(&timer, &timer - 1));
        p.else_(|p| {
            p.set(&busy, !&last);
            p.set(&line, true);
            p.if_(!&last, |p| {
                // The mark itself goes out as the stop bit.
                p.set(&line, bits.bit(0));
                p.set(&bits, bits.shr(1));
                p.set(&timer, divisor);
            });
            p.elif(&q.valid, |p| {
                p.set(&line, false);
                p.set(&bits, cat(&[lit(1, 1), q.head.clone()]));
                p.set(&timer, divisor);
                p.set(&busy, true);
            });
        });
    });
    let idle = m.output_reg("tx_idle", 1, 0);
    m.assign(&idle, !&busy & !&q.valid & !&push);
}

fn receive(m: &Module, divisor: &E) {
    let pin = m.inst("pin", &bit_sync(1));
    pin.drive("d", !m.input("serial_rx", 1));
    // Inverted, so that reset means an idle line.
    let now = pin.port("q");
    let past = m.reg("rx_past", 2, 0);
    m.assign(&past, cat(&[past.bit(0), now.clone()]));
    let low = m.reg("rx_low", 1, 0);
    let (a, b) = (past.bit(0), past.bit(1));
    m.assign(&low, (&now & &a) | (&now & &b) | (&a & &b));

    let active = m.reg("rx_active", 1, 0);
    // The line has been high since the last character.
    let armed = m.reg("rx_armed", 1, 0);
    let timer = m.reg("rx_timer", 16, 0);
    // The mark reaches the bottom with the start bit, so that the next bit is the stop bit.
    let bits = m.reg_nr("rx_bits", 9);
    let first = m.reg_nr("rx_first", 1);
    let due = m.named("rx_due", &active & timer.is_zero());
    let stop = m.named("rx_stop", &due & bits.bit(0) & !&first);
    let (good, bad) = (
        m.named("rx_good", &stop & !&low),
        m.named("rx_bad", &stop & &low),
    );
    m.process(|p| {
        p.set(&timer, &timer - 1);
        p.if_(!&low, |p| p.set(&armed, true));
        p.if_(!&active, |p| {
            p.set(&timer, divisor.shr(1));
            p.set(&first, true);
            p.set(&active, &low & &armed);
        });
        p.if_(&due, |p| {
            p.set(&timer, divisor);
            p.set(&first, false);
            p.if_(&first, |p| {
                p.set(&bits, lit(9, 0x100));
                p.set(&active, &low);
            });
            p.elif(&stop, |p| {
                p.set(&active, false);
                p.set(&armed, !&low);
            });
            p.else_(|p| p.set(&bits, cat(&[!&low, bits.slice(1, 8)])));
        });
    });

    let take = m.input("rx_take", 1);
    let valid = m.output("rx_valid", 1);
    let room = m.wire("rx_room", 1);
    let push = m.named("rx_push", &good & &room);
    let pop = m.named("rx_pop", &take & &valid);
    let q = queue(m, "rx_queue", DEPTH, &push, &bits.slice(1, 8), &pop);
    m.assign(&valid, &q.valid);
    m.assign(&room, &q.ready);
    m.output_of("rx_data", &q.head);
    let framing = m.output_reg("framing_errors", 16, 0);
    let overrun = m.output_reg("overruns", 16, 0);
    m.process(|p| {
        p.if_(&bad, |p| p.set(&framing, &framing + 1));
        p.if_(&good & !&room, |p| p.set(&overrun, &overrun + 1));
    });
}
