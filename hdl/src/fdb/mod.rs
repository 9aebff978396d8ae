//! The forwarding database.
//!
//! **Algorithm.** Cuckoo hashing over two tables of 4 ways in block RAM, with a fully associative CAM as its stash. A lookup reads
//! both buckets of its key and the CAM at once. A new entry goes to a free way of its two buckets, else to the CAM (`cam.rs`). A
//! relocation machine then places the CAM's entries in idle time: into a free way, or in exchange for a random entry of a full bucket, which goes
//! to its other table in the same way: a chain of moves. The entry that such an exchange took out stands in the hand, a place of its own in the eyes
//! of lookups. A chain ends where there is a free way; after 16 moves, or when software waits or half of the learn queue is filled, it ends with
//! the hand's entry back in the CAM. The hashes are Toeplitz under the keys in `HASH_KEY`.
//!
//! **Word** (72 bits): key 60 (MAC 48, FID 12), destination 6 (exclusive or [`NO_DEST`]; zero marks a free way), kind 4, stamp 2. The stamp is the
//! value that a 2-bit epoch had when the station was last seen, so that age = stamp - epoch - 1 (modulo 4) and nothing is
//! rewritten when a period ends: a sweep takes out what is at age 0, then the epoch advances.
//!
//! **Engine.** Everything that changes an entry is done by one serial engine, 6 cycles an operation (read both buckets, compare,
//! decide, write; 5 for each further move of a chain). Software and learning take turns; relocation and sweeps get what is left, and at least every fourth
//! turn, in which a chain goes on as far as said above: the learn queue has room for what comes meanwhile. An operation is atomic for lookups, whether
//! the entry stands in the tables, in the CAM or in the hand: an entry on the move is never missed, and never seen with two values.
//!
//! **Sweeps** (ageing, flush) visit one slot an operation: (entries + CAM) * 6 cycles, 0.4 ms at 8,192 entries, on an engine that is idle otherwise. An entry that relocation
//! would carry past the sweep is dropped on the way if the sweep would have taken it.
//!
//! **Protocol.** `lookup_*` may be set in every cycle; the answer comes [`LATENCY`] cycles later; `found_dest`, `found_kind` and `found_age` mean something only with
//! `found_hit`. `learn_ready` is always set: a request that finds the queue (17) full is lost and counted. `ready` is clear for
//! buckets + 9 cycles after reset; lookups miss, and requests and commands wait, until it is set. A command's
//! operands must stay while RESULT.BUSY is set; a search or change takes 5 to 40 cycles
//! (more in a chain whose entries may not go back to the CAM, for which see `cam.rs`). Relocation gives up after 1,023 exchanges in which nothing found a place, and
//! tries again when an entry goes or enters the CAM. Destination [`NO_DEST`] cannot be stored: ADD answers FULL, learning refuses.
//!
//! A learned entry (insert or move) is DYNAMIC: learning takes an EXTERN entry over when its station moves, as Linux's bridge does.
//! UNKNOWN_SOURCE and REFUSED are reported whatever CONTROL says.
//!
//! **Figures** (random keys, 32 in the CAM, six seeds): 98 % of 8,192 entries before the first refusal at an unhurried pace; a new source every 21 cycles
//! is learned to 90 % without a loss, with 1 to 11 entries in the CAM at the end. A learn request takes effect for lookups made 10 cycles later if the
//! engine is idle.
//!
//! **Cost** (8,192 entries, CAM 32, ECP5, yosys): 6,318 LUT4, 3,396 FF, 32 DP16KD (4 a way). Of the LUTs 1,056 are LUT RAM (176 cells); most of
//! the rest are the three hashes (about 1,300) and the comparators of the ways (about 700). Clock: docs/hdl.md.
//!
//! **Tests:** `tests/fdb.rs` (operations), `fdb_cam.rs` (fingerprints), `fdb_fill.rs` (fill, line rate, overruns, hashes), `fdb_sweep.rs`
//! (ageing, flush, reset), `fdb_random.rs` (everything at once).

mod background;
mod cam;
mod control;
mod core;
mod decide;
mod engine;
mod fifo;
mod hash;
mod lookup;
mod prepare;
mod search;

use crate::params::Params;
use crate::rtl::{E, Module, bits_for, mux, ram};
pub use hash::{HASH_KEY_BASE, KEY_BITS, toeplitz};

/// Cycles from `lookup_valid` to `found_valid`.
pub const LATENCY: u32 = 6;
/// The destination that no entry can have.
pub const NO_DEST: u64 = 0x1e;
/// Learn requests that wait for the engine (one more stands at the queue's output).
pub const LEARN_QUEUE: u64 = 16;
/// Events that wait to be taken (likewise).
pub const EVENT_QUEUE: u64 = 16;

/// Destination, kind, stamp.
const DATA_BITS: u32 = 12;
const WORD_BITS: u32 = KEY_BITS + DATA_BITS;

/// The engine's operations. Those up to LOOKUP search for a key.
mod op {
    pub const LEARN: u64 = 0;
    pub const REPORT: u64 = 1;
    pub const ADD: u64 = 2;
    pub const DELETE: u64 = 3;
    pub const LOOKUP: u64 = 4;
    pub const READ: u64 = 5;
    pub const SWEEP: u64 = 6;
    pub const PLACE: u64 = 7;
}

/// Widths and counts.
#[derive(Clone, Copy)]
struct Size {
    /// Bits of a bucket's number.
    index: u32,
    cam: u32,
    cam_bits: u32,
    /// Bits of a slot's number: bucket, table, way, and on top whether it is one of the CAM.
    slot: u32,
}

/// What is counted.
struct Pulses {
    used_up: E,
    used_down: E,
    cam_up: E,
    cam_down: E,
    refused: E,
    learned: E,
    moved: E,
    aged: E,
    relocated: E,
    event_lost: E,
    learn_lost: E,
}

/// Destination to its stored form and back.
fn dest_code(dest: &E) -> E {
    dest ^ NO_DEST
}

/// Whether an entry of this kind ages.
fn ages(kind: &E) -> E {
    !(kind.bit(0) | kind.bit(2) | kind.bit(3))
}

/// Age of an entry's data. Entries that do not age keep the number that ADD gave.
fn age_of(data: &E, epoch: &E) -> E {
    let stamp = data.slice(10, 2);
    mux(ages(&data.slice(6, 4)), &stamp + !epoch, &stamp)
}

impl Size {
    /// Banks of the CAM.
    fn banks(&self) -> u32 {
        self.cam.div_ceil(cam::BANK)
    }
}

/// The block; see the contract in docs/architecture.md.
pub fn fdb(p: &Params) -> Module {
    let m = Module::new("fdb");
    m.sync();
    let index = (p.fdb_entries / 8).trailing_zeros();
    let s = Size {
        index,
        cam: p.cam,
        cam_bits: bits_for(p.cam as u64),
        slot: index + 4,
    };
    engine::build(&m, &s);
    m
}

/// The eight ways: registered outputs of port A and of port B.
fn tables(m: &Module, s: &Size, a: &[E; 2], b: &[E; 2], ways: &E, word: &E) -> (Vec<E>, Vec<E>) {
    let ram = ram::dual_port(WORD_BITS, 1 << s.index);
    (0..8)
        .map(|i| {
            let t = i / 4;
            let way = m.inst(&format!("way{i}"), &ram);
            way.drive("a_addr", &a[t])
                .drive("b_addr", &b[t])
                .drive("b_we", ways.bit(i as u32))
                .drive("b_wdata", word);
            (
                m.delay(&format!("way{i}_a"), &way.port("a_rdata")),
                m.delay(&format!("way{i}_b"), &way.port("b_rdata")),
            )
        })
        .unzip()
}
