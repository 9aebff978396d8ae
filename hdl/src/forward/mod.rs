//! Forwarding: from parsed headers and finished frames to enqueued copies.
//!
//! Three stages, each a module: `lookup` takes one header each 4 cycles from the sources in turn and asks the FDB (destination, then
//! source) and the LAG stage; `decide` makes the verdict; what only travels (addresses, tags, hash) waits in LUT RAM meanwhile; `commit` joins verdicts with the buffer's records of finished frames, in order
//! for each source, and enqueues, frees, learns and counts. Order of the rules (first that applies):
//!
//! 1. source disabled: DROP_STATE.
//! 2. source address zero or multicast: DROP_BAD_SOURCE.
//! 3. reserved address with action drop or trap.
//! 4. LAG member not collecting: DROP_NOT_COLLECTING.
//! 5. state other than forwarding: DROP_STATE.
//! 6. blackhole by source or destination: DROP_BLACKHOLE.
//! 7. destinations by FDB or flood, less those not forwarding or without link, outside the source's FORWARD_MASK, the source itself
//!    (unless hairpin), isolated to isolated, the source's own LAG; if none is left: DROP_NO_DESTINATION.
//! 8. forwarding is cut and the source is a port: less all ports; if none is left: DROP_CUT.
//!
//! A frame counts once, by the first of these; a fault found by the MAC comes before all (its RX_ counter alone), then the want of
//! cells (DROP_NO_CELL). An action "copy" adds the host wherever rules 4 to 8 end. Learning happens in states learning and forwarding, for good frames, before
//! rules 5 to 7. A frame that the host addresses to a port or LAG goes there whatever the rules say.
//!
//! A LAG stands for its chosen member; a flood leaves by the member that each LAG itself chose; a LAG group that the card does not have
//! has no member. Good frames that reach rule 7 (or are addressed to a LAG by the host) count in `no_member` and `pruned`, others do not;
//! a flood is addressed to nobody, so it never counts in `no_member`.
//!
//! Latency: header to verdict 9 + LAG latency cycles, hidden behind the rest of the frame; `done` to `enq_valid` 1 cycle.
//! Cost for 2 ports on ECP5, as `bench resources` counts: 1,568 LUT4, 860 flops; 189 MHz at -8. Test: `tests/forward/`.

mod commit;
mod decide;
mod lookup;

pub use commit::commit;
pub use decide::decide;
pub use lookup::lookup;

use crate::params::Params;
use crate::rtl::{E, Module};

/// Drop codes inside a verdict; 0 is none.
pub(crate) mod code {
    pub const STATE: u64 = 1;
    pub const RESERVED: u64 = 2;
    pub const NO_DESTINATION: u64 = 3;
    pub const BLACKHOLE: u64 = 4;
    pub const NOT_COLLECTING: u64 = 5;
    pub const BAD_SOURCE: u64 = 6;
    pub const CUT: u64 = 7;
    /// The header was overwritten before its turn: only frames too short to be legal come that fast.
    pub const OVERRUN: u64 = 8;
}

/// The whole stage; ports are those of its parts that are not between them (docs/architecture.md, "Forward").
pub fn forward(p: &Params) -> Module {
    let m = Module::new("forward");
    m.sync();
    let lookup = m.inst("lookup", &lookup(p));
    let decide = m.inst("decide", &decide(p));
    let commit = m.inst("commit", &commit(p));
    lookup.drive("consumed", commit.port("consumed"));
    decide.drive_all("dec_", |f| lookup.port(&format!("dec_{f}")));
    commit.drive_all("verdict_", |f| decide.port(&format!("verdict_{f}")));
    commit.drive_all("record_", |f| lookup.port(&format!("record_{f}")));
    commit.drive_all("hash_", |f| lookup.port(&format!("hash_{f}")));
    let idle = m.output_reg("idle", 1, 0);
    m.assign(
        &idle,
        lookup.port("idle") & decide.port("idle") & commit.port("idle"),
    );
    for i in [&lookup, &decide, &commit] {
        i.expose(|n| {
            let inner = ["dec_", "verdict_", "record_", "hash_"];
            !inner.iter().any(|p| n.starts_with(p)) && n != "idle" && n != "consumed"
        });
    }
    m
}

/// Frames of a source between `lookup` and `commit`: places for their records and verdicts.
pub(crate) const SLOTS: u32 = 4;

/// Where the record, the hash and the verdict of a frame lie: source (as a number) above, slot in the lowest bits.
pub(crate) fn slot_bits(sources: u32) -> u32 {
    crate::rtl::bits_for(u64::from(sources)) + SLOTS.trailing_zeros()
}

/// What `lookup` writes about a frame and only `commit` reads: names and widths.
pub(crate) const RECORD_FIELDS: &[(&str, u32)] = &[
    ("src", 48),
    ("fid", 12),
    ("tci", 16),
    ("tagged", 1),
    ("timestamp", 32),
];

/// Context of a frame from `lookup` to `decide`: names and widths.
pub(crate) fn context_fields(sources: u32) -> Vec<(&'static str, u32)> {
    vec![
        ("source", sources), // one-hot
        ("slot", slot_bits(sources)),
        ("lost", 1),
        ("mc", 1),
        ("bc", 1),
        ("reserved", 1),
        ("reserved_index", 4),
        ("bad_source", 1),
        ("direct", 1),
        ("direct_dest", 6),
        ("direct_class", 3),
    ]
}

/// FDB results from `lookup` to `decide`.
pub(crate) const FDB_FIELDS: &[(&str, u32)] = &[
    ("da_hit", 1),
    ("da_dest", 6),
    ("da_kind", 4),
    ("sa_hit", 1),
    ("sa_dest", 6),
    ("sa_kind", 4),
    ("sa_age", 2),
];

/// Fields of a verdict from `decide` to `commit`.
pub(crate) fn verdict_fields(sources: u32, groups: u32) -> Vec<(&'static str, u32)> {
    vec![
        ("dest", sources),
        ("class", 3),
        ("drop", 4),
        ("learn", 1),
        ("learn_insert", 1),
        ("learn_dest", 6),
        ("pruned", 1),
        ("no_member", groups),
        ("reason", 8),
    ]
}

/// Joins fields to one word, first field lowest.
pub(crate) fn join(fields: &[(&str, u32)], f: impl Fn(&str) -> E) -> E {
    let parts: Vec<E> = fields
        .iter()
        .rev()
        .map(|(n, w)| {
            let e = f(n);
            assert_eq!(e.width(), *w, "field {n}");
            e
        })
        .collect();
    crate::rtl::cat(&parts)
}

/// One field of a joined word.
pub(crate) fn part(fields: &[(&str, u32)], word: &E, name: &str) -> E {
    let mut lsb = 0;
    for (n, w) in fields {
        if *n == name {
            return word.slice(lsb, *w);
        }
        lsb += w;
    }
    panic!("no field {name}")
}
