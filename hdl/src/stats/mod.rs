//! Counters of 64 bits for every port and the host, behind page `stats`.
//!
//! Algorithm: a [`bank()`] for each port. Increments wait in a register of a few bits for each counter; a sweep visits all counters of a bank in turn, one a
//! cycle, at the slot of the counter's number, and moves what waits into the total in block RAM. Every counter says how close together its
//! increments can come ([`Counter::every`]): most come once a frame at most, which is longer than a sweep, so that one bit can wait for them. A
//! total lies in two words, whose high one is mended in the one visit of a sweep that belongs to no counter (`sweep.rs`). A read takes
//! both words from the visits, so it includes every event up to that moment: it neither lags nor steps back. It answers within three
//! sweeps ([`READ_CYCLES`]).
//!
//! Limits: increments of any value, as often as [`Counter::every`] says; nothing is lost or counted twice. Reset clears all totals, for which it
//! takes [`CLEAR_CYCLES`]; what comes meanwhile waits like everything else, so it must not be more than a sweep's worth (the card's ports
//! do not receive before its tables are swept, which takes longer).
//!
//! Ports: `ev{port}_{counter}` (increment; width as given to [`stats`], the host is port number P), register bus, `idle` (no read is under way).
//! Protocol for the reader: write INDEX, read READY until it is set, read LO and HI; they rest until INDEX is written again. A counter
//! that does not exist reads as zero.
//!
//! Cost for 2 ports and the host on ECP5, as `bench resources` counts: 1,432 LUT4, 937 flops, 3 block RAMs (one a bank); 210 MHz at -8.
//! Test: `tests/stats.rs`.

mod bank;
mod meter;
mod sweep;

pub use bank::{bank, pending_bits};
pub use meter::meter;
pub use sweep::sweep;

use crate::mac::{EVENTS, TX_LENGTH_BITS, counter_name};
use crate::params::Params;
use crate::regbus::{RegFile, field};
use crate::rtl::{E, Module, bits_for, cat, select_onehot};
use smartnic_regs::stats as page;
use smartnic_regs::values::counter as c;

/// Cycles of a sweep: the numbers of counters, and no more, so that the shortest frame on the wire lasts longer.
pub const SLOTS: u64 = 50;
/// The visit of a sweep that belongs to no counter: a number that none has.
pub const SPARE: u64 = 21;
/// Bits of a word of a total; the low one's top bit belongs to the high one.
pub const PART_BITS: u32 = 36;
/// Most cycles from the write of INDEX until READY.
pub const READ_CYCLES: u64 = 3 * SLOTS + 8;
/// Cycles that reset takes to clear the totals.
pub const CLEAR_CYCLES: u64 = 128;

/// A counter that the card has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter {
    /// Port, or the number of ports for the host.
    pub port: u32,
    /// Number, see `smartnic_regs::values::counter`.
    pub number: u32,
    /// Bits of the increment.
    pub width: u32,
    /// Least cycles from one increment to the next.
    pub every: u64,
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

/// Least cycles between two increments of a counter of a port or of the host.
fn every(number: u32, host: bool) -> u64 {
    match number {
        // What needs no frame, or a frame of a few bytes. Two sources of one counter can meet.
        c::RX_OVERFLOW | c::DROP_LINK_DOWN => 1,
        c::RX_SYMBOL_ERRORS | c::RX_UNDERSIZE | c::RX_FRAGMENTS | c::RX_FALSE_CARRIER => 2,
        // A frame that ran dry in its second beat: preamble, beat, FCS and gap.
        c::TX_UNDERRUN => 32,
        // `forward` and the queues take a frame each second cycle at most, if many wait.
        n if DROPS.contains(&n) => 2,
        // The host's frames come from memory, a beat a cycle.
        _ if host => 1,
        // A frame of 64 bytes with its start delimiter, the shortest gap taken as one byte time.
        _ => 60,
    }
}

/// All counters of a card: for each port those of its MAC and [`DROPS`], for the host [`HOST`] and [`DROPS`].
pub fn counters(params: &Params) -> Vec<Counter> {
    let drops = DROPS.iter().map(|number| match *number {
        c::DROP_LINK_DOWN => (*number, 2),
        _ => (*number, 1),
    });
    (0..params.sources())
        .flat_map(|port| {
            let host = port == params.ports;
            let own = if host { HOST } else { EVENTS };
            own.iter()
                .copied()
                .chain(drops.clone())
                .map(move |(number, width)| Counter {
                    port,
                    number,
                    width,
                    every: every(number, host),
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
    let busy = m.wire("busy", 1);
    let value = m.wire("value", 64);
    let (write, wdata) = rf.rwh(&page::INDEX, &index);
    rf.ro(&page::READY, &!&busy);
    rf.ro(&page::LO, &value.slice(0, 32));
    rf.ro(&page::HI, &value.slice(32, 32));
    rf.finish();
    let wanted_port = field(&wdata, page::INDEX::PORT);
    let wanted = field(&wdata, page::INDEX::COUNTER);

    let banks = params.sources();
    let sb = bits_for(SLOTS);
    let turn = m.inst("sweep", &sweep(banks));
    let chosen: Vec<E> = (0..banks).map(|b| wanted_port.eq(b as u64)).collect();
    let chosen = m.named("chosen", cat(chosen.iter().rev()));
    turn.drive("write", &write)
        .drive("exists", chosen.any() & wanted.lt(SLOTS) & wanted.ne(SPARE))
        .drive("bank", &chosen)
        .drive("counter", wanted.trunc(sb));
    let (mut full, mut sums) = (vec![], vec![]);
    for port in 0..banks {
        let own: Vec<Counter> = counters
            .iter()
            .copied()
            .filter(|k| k.port == port)
            .collect();
        let b = m.inst(&format!("bank{port}"), &bank(&own));
        for k in &own {
            let ev = m.input(&input_name(k), k.width);
            b.drive(&format!("ev_{}", counter_name(k.number)), &ev);
        }
        for n in ["ring", "raddr", "waddr", "clear"] {
            b.drive(n, turn.port(n));
        }
        b.drive("write", turn.port("write_totals"))
            .drive("bump", turn.port("bump").bit(port))
            .drive("spill", turn.port("spill").bit(port));
        full.push(b.port("sum").bit(PART_BITS - 1));
        sums.push((turn.port("reading").bit(port), b.port("sum")));
    }
    turn.drive("full", cat(full.iter().rev()))
        .drive("sum", select_onehot(PART_BITS, &sums));
    m.assign(&value, turn.port("value"));
    m.assign(&busy, turn.port("busy"));
    m.process(|p| {
        p.if_(&write, |p| {
            p.set(&index, cat(&[wanted_port.clone(), wanted.clone()]))
        });
    });
    m.output_of("idle", !&busy);
    m
}
