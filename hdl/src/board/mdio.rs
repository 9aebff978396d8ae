//! MDIO master (IEEE 802.3-2022 clause 22): management frames to the PHYs, one at a time, over one of several buses.
//!
//! **Algorithm.** A frame is 64 periods of MDC: 32 ones of preamble, then start 01, operation (10 read, 01 write), PHY address, register
//! address, two bits of turnaround and 16 of data, each most significant bit first (22.2.4.5). MDIO changes where MDC falls, so it is
//! stable half a period before and after each rise (22.3.4 asks for 10 ns each). It is sampled at the end of MDC's low half: a PHY
//! drives at most 300 ns after a rise, and the next one is a period of at least 400 ns away. In a read
//! the master lets go of the bus at the turnaround; if no PHY pulls its second bit low, `no_answer` is set (the pull-up gives ones).
//! After the last bit half a period passes before `busy` falls: a PHY may drive as late as 300 ns after the last rise.
//! Every frame has its preamble, so a PHY that has lost its place, after a reset in mid-frame too, finds it again. Between frames MDC is low and the bus is released.
//!
//! **Limits.** Clause 22 frames only. Half a period of MDC is `4 * (divider + 1)` cycles: [`DIVIDER`] gives 2.23 MHz at 125 MHz; 22.2.2.13
//! allows 2.5 MHz. The smallest, 4 cycles, still covers the synchroniser.
//!
//! **Protocol.** `start` (a pulse; ignored while `busy`) with `write`, `bus`, `phy[5]`, `regad[5]`, `wdata[16]`, which are taken with it; `divider[6]` is a
//! level and may change between frames. `busy` is set from the next cycle on; when it falls, `data[16]` holds the bits that were on the bus
//! (of a write: what was written) and `no_answer` tells of reads; both stay until the next frame ends. Pins, per bus: `mdc`, `mdio_o`, `mdio_oe`, `mdio_i`.
//!
//! **Latency.** 64 periods and a half, and 1 cycle. **Cost** (ECP5, yosys, two buses): 83 LUT4, 62 FF; 280 MHz routed alone. **Test:** `tests/mdio.rs`, with PHYs at pin level.

use crate::cdc::bit_sync;
use crate::rtl::{E, Module, bits_for, cat, lit, mux, pick};

/// The divider for a core clock of 125 MHz.
pub const DIVIDER: u64 = 6;
/// Periods of MDC in a frame.
pub const PERIODS: u64 = 64;
/// Ones before the start.
const PREAMBLE: u64 = 32;
/// Period in which the master stops driving in a read: the first one of the turnaround.
const RELEASE: u64 = 46;
/// Period in which a PHY answers a read with a zero.
const ANSWER: u64 = 47;

/// The master of `buses` buses. See the module.
pub fn mdio(buses: u32) -> Module {
    let m = Module::new(&format!("mdio_{buses}"));
    m.sync();
    let bus_bits = bits_for(buses as u64).max(1);
    let (start, write) = (m.input("start", 1), m.input("write", 1));
    let bus_in = m.input("bus", bus_bits);
    let (phy, register) = (m.input("phy", 5), m.input("regad", 5));
    let (wdata, divider) = (m.input("wdata", 16), m.input("divider", 6));
    let pins = m.input("mdio_i", buses);

    let busy = m.output_reg("busy", 1, 0);
    let no_answer = m.output_reg("no_answer", 1, 0);
    let bus = m.reg("bus_q", bus_bits, 0);
    let reads = m.reg_nr("reads", 1);
    let lines: Vec<E> = (0..buses).map(|i| pins.bit(i)).collect();
    let line = m.inst("pin", &bit_sync(1));
    line.drive("d", pick(&bus, &lines));
    let line = line.port("q");

    let timer = m.reg("timer", 8, 0);
    let high = m.reg("high", 1, 0);
    let period = m.reg("period", 6, 0);
    // Half a period without a driver, in which a PHY can let go.
    let tail = m.reg("tail", 1, 0);
    // Bits still to send leave at the top, bits seen come in at the bottom.
    let bits = m.reg_nr("bits", 32);
    let seen = m.reg_nr("seen", 1);
    let out = m.reg("out", 1, 1);
    let drive = m.reg("drive", 1, 0);
    m.output_of("data", bits.slice(0, 16));

    let reload = cat(&[divider, lit(2, 3)]);
    let over = m.named("half_over", &busy & timer.is_zero());
    let op = mux(&write, lit(2, 0b01), lit(2, 0b10));
    let frame = cat(&[lit(2, 0b01), op, phy, register, lit(2, 0b10), wdata]);
    let sending = m.named("sending", period.ge(PREAMBLE - 1));
    m.process(|p| {
        p.set(&timer, &timer - 1);
        p.if_(&over | !&busy, |p| p.set(&timer, &reload));
        p.if_(&over, |p| {
            p.if_(&tail, |p| {
                p.set(&tail, false);
                p.set(&busy, false);
            });
            p.elif(!&high, |p| {
                p.set(&high, true);
                p.set(&seen, &line);
                p.if_(period.eq(ANSWER), |p| p.set(&no_answer, &reads & &line));
            });
            p.else_(|p| {
                p.set(&high, false);
                p.set(&period, &period + 1);
                p.set(&out, !&sending | bits.bit(31));
                p.if_(&sending, |p| {
                    p.set(&bits, cat(&[bits.slice(0, 31), seen.clone()]))
                });
                p.if_(period.eq(RELEASE - 1) & &reads, |p| p.set(&drive, false));
                p.if_(period.eq(PERIODS - 1), |p| {
                    p.set(&tail, true);
                    p.set(&drive, false);
                });
            });
        });
        p.if_(&start & !&busy, |p| {
            p.set(&busy, true);
            p.set(&bus, &bus_in);
            p.set(&reads, !&write);
            p.set(&bits, frame);
            p.set(&out, true);
            p.set(&drive, true);
            p.set(&high, false);
            p.set(&period, 0);
        });
    });
    // One more register each, so that the choice of the bus makes no glitches.
    let chosen = m.named("chosen", bus.decode(buses));
    for (name, level) in [("mdc", &high), ("mdio_oe", &drive)] {
        let r = m.output_reg(name, buses, 0);
        m.assign(&r, &chosen & level.repl(buses));
    }
    let o = m.output_reg("mdio_o", buses, 0);
    m.assign(&o, out.repl(buses));
    m
}
