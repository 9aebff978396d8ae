//! Counters of 64 bits for every port and the host, behind page `stats`.
//!
//! Algorithm: a [`bank()`] for each port. Events add to an accumulator of a few bits for each counter; a sweep visits the counters in turn,
//! one a cycle, and moves the accumulator into the total in block RAM. A read waits for the sweep to reach its counter and takes the sum that
//! is written back, so it includes every event up to that moment: it neither lags nor steps back. It answers
//! within one sweep and [`READ_LATENCY`] cycles (about 50 cycles).
//!
//! Limits: none for events: each increment may have any value in every cycle; the accumulators are wide enough for a whole sweep of
//! largest increments (`bank::accumulator_bits`, asserted when the bank is built). Reset clears all totals; events are counted
//! from the first cycle after it.
//!
//! Ports: `ev{port}_{counter}` (increment; width as given to [`stats`], the host is port number P), register bus, `idle` (no read is under way).
//! Protocol for the reader: write INDEX, read READY until it is set, read LO and HI; they rest until INDEX is written again. A counter
//! that does not exist reads as zero.
//!
//! Cost for 2 ports and the host on ECP5: 1,948 LUT4, 2,117 flops, 6 block RAMs (two a bank); 169 MHz at -8. Test: `tests/stats.rs`.

mod bank;
mod meter;

pub use bank::{READ_LATENCY, bank, sweep_cycles};
pub use meter::meter;

use crate::mac::{EVENTS, TX_LENGTH_BITS, counter_name};
use crate::params::Params;
use crate::regbus::{RegFile, field};
use crate::rtl::{E, Module, any_of, cat, lit, select_onehot};
use smartnic_regs::stats as page;
use smartnic_regs::values::counter as c;

/// A counter that the card has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter {
    /// Port, or the number of ports for the host.
    pub port: u32,
    /// Number, see `smartnic_regs::values::counter`.
    pub number: u32,
    /// Bits of the increment.
    pub width: u32,
}

/// Counters of `forward` and the queues, for every source and destination: one-bit pulses, but for what a missing link costs, which
/// the queues and the MAC may both have in one cycle.
pub const DROPS: &[u32] = &[
    c::DROP_STATE,
    c::DROP_RESERVED,
    c::DROP_NO_DESTINATION,
    c::DROP_BLACKHOLE,
    c::DROP_NO_CELL,
    c::DROP_NOT_COLLECTING,
    c::DROP_BAD_SOURCE,
    c::DROP_QUEUE_FULL,
    c::DROP_CUT,
    c::DROP_LINK_DOWN,
];

/// Counters of the host port, besides [`DROPS`]: RX is what the host sends into the switch, as a port would receive it.
pub const HOST: &[(u32, u32)] = &[
    (c::RX_FRAMES, 1),
    (c::RX_BYTES, TX_LENGTH_BITS),
    (c::TX_FRAMES, 1),
    (c::TX_BYTES, TX_LENGTH_BITS),
];

/// All counters of a card: for each port those of its MAC and [`DROPS`], for the host [`HOST`] and [`DROPS`].
pub fn counters(params: &Params) -> Vec<Counter> {
    let drops = DROPS.iter().map(|number| match *number {
        c::DROP_LINK_DOWN => (*number, 2),
        _ => (*number, 1),
    });
    (0..params.sources())
        .flat_map(|port| {
            let own = if port < params.ports { EVENTS } else { HOST };
            own.iter()
                .copied()
                .chain(drops.clone())
                .map(move |(number, width)| Counter {
                    port,
                    number,
                    width,
                })
        })
        .collect()
}

/// The name of the increment input of a counter.
pub fn input_name(counter: &Counter) -> String {
    format!("ev{}_{}", counter.port, counter_name(counter.number))
}

/// The counters of a card behind page `stats`. See the module.
pub fn stats(params: &Params, counters: &[Counter]) -> Module {
    let m = Module::new("stats");
    m.sync();
    let mut rf = RegFile::new(&m, &page::PAGE);
    let index = m.reg("index", 12, 0);
    let busy = m.reg("busy", 1, 0);
    let value = m.reg("value", 64, 0);
    let (write, wdata) = rf.rwh(&page::INDEX, &index);
    rf.ro(&page::READY, &!&busy);
    rf.ro(&page::LO, &value.slice(0, 32));
    rf.ro(&page::HI, &value.slice(32, 32));
    rf.finish();
    let wanted_port = field(&wdata, page::INDEX::PORT);
    let wanted = field(&wdata, page::INDEX::COUNTER);

    let mut found: Vec<(E, E)> = vec![];
    let mut exists: Vec<E> = vec![];
    for port in 0..params.sources() {
        let own: Vec<Counter> = counters
            .iter()
            .copied()
            .filter(|k| k.port == port)
            .collect();
        if own.is_empty() {
            continue;
        }
        let list: Vec<(u32, u32)> = own.iter().map(|k| (k.number, k.width)).collect();
        let b = m.inst(&format!("bank{port}"), &bank(&list));
        for k in &own {
            let ev = m.input(&input_name(k), k.width);
            b.drive(&format!("ev_{}", counter_name(k.number)), &ev);
        }
        let mine = m.named(&format!("wanted{port}"), wanted_port.eq(port as u64));
        b.drive("read_valid", &write & &mine)
            .drive("read_cancel", &write)
            .drive("read_counter", &wanted);
        exists.push(&mine & b.port("read_exists"));
        found.push((b.port("done_valid"), b.port("done_value")));
    }
    let done: Vec<E> = found.iter().map(|f| f.0.clone()).collect();
    let done = m.named("done", any_of(1, &done));
    let exists = m.named("exists", any_of(1, &exists));
    m.process(|p| {
        p.if_(&done, |p| {
            p.set(&busy, false);
            p.set(&value, select_onehot(64, &found));
        });
        p.if_(&write, |p| {
            p.set(&index, cat(&[wanted_port.clone(), wanted.clone()]));
            p.set(&busy, &exists);
            p.set(&value, lit(64, 0));
        });
    });
    m.output_of("idle", !&busy);
    m
}
