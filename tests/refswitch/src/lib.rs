//! The reference switch: what the whole card must do with each frame, in plain Rust, from the specification alone.
//!
//! It depends on nothing of the card: not the hardware, the simulator, the driver or the register map. It has no clock and no queues: a
//! frame goes in, and out comes at once the set of copies that must leave, each with its destination and bytes. A caller feeds the
//! card the same frames and commands and compares, in order for each pair of source and destination, and every counter. What
//! the card may do in either order (two frames in flight, one of which teaches what the other asks) the caller keeps apart.
//!
//! # Clauses
//! Numbers that are read or written by software are those of the register map. A test in `tests/` bears each clause's number.
//!
//! **1. Arrival.** Frames run from the destination address, without FCS.
//! - 1.1 A port with its receiver off, or without link, takes nothing.
//! - 1.2 A frame that the caller marks faulty, one shorter than 60 bytes, or one longer than `max_frame` - 4 + 4 for each of up to two
//!   leading tags (0x8100, 0x88a8) is dropped and teaches nothing; it is counted by the MAC, which this model leaves out.
//! - 1.3 A pause frame (01:80:C2:00:00:01, 0x8808, opcode 1) is counted as received and goes no further.
//! - 1.4 Others are counted (`rx_frames`, `rx_bytes` and the size and address classes, FCS included).
//! - 1.5 A frame of the host has 14 to 9,216 bytes (else it is refused) and is not counted as received.
//!
//! **2. Verdict:** the first that applies.
//! - 2.1 The source's state is disabled: `drop_state`.
//! - 2.2 The source address is multicast or zero: `drop_bad_source`.
//! - 2.3 To 01:80:C2:00:00:00-0F, not from the host, by that address's action: drop: `drop_reserved`; trap: to the host alone, class 1,
//!   with its reason; copy: as if nothing were, and to the host with its reason, also where 2.4 to 2.8 would drop (which then do not
//!   count); forward: nothing special.
//! - 2.4 The source is in a LAG and not collecting in an enabled group: `drop_not_collecting`.
//! - 2.5 The source's state is not forwarding: `drop_state`.
//! - 2.6 The FDB has the source or the destination as blackhole: `drop_blackhole`.
//! - 2.7 No destination is left (clause 3) because forwarding is cut: the source is a port, and without the cut a port would be
//!   left: `drop_cut`.
//! - 2.8 No destination is left: `drop_no_destination`.
//!
//! **3. Destinations.**
//! - 3.1 Candidates: what the FDB has for (FID of the source, destination address), unless it is a multicast set; else every
//!   destination whose flood flag for unknown unicast, multicast or broadcast is set.
//! - 3.2 A LAG stands for its chosen member (clause 5); none: no candidate, counted in `no_member` of the group. A flood leaves by one
//!   member of each LAG, and counts nowhere if there is none.
//! - 3.3 Out go: those whose state is not forwarding; ports without link; those that the source's mask does not reach;
//!   the source itself unless it is a hairpin; isolated ones if the source is isolated; all ports if forwarding is cut and
//!   the source is a port; ports of the source's own LAG, which counts in `pruned`.
//! - 3.4 The host's copy has reason LOCAL if the FDB has the destination address at the host, else FLOOD, unless 2.3 gives
//!   another. The class is the source's.
//! - 3.5 Ports pad to 60 bytes with zeros and count `tx_` frames; the host gets the frame as it came, with source, reason, layer3+4
//!   hash, tag and FID.
//!
//! **4. Direct.** A frame that the host addresses to a port or a LAG's chosen member goes there with the class given, whatever clauses 2
//! and 3 say, but not through a port without link; it teaches nothing. Any other destination, a LAG without a member too, is refused:
//! the host is told, and nothing counts.
//!
//! **5. LAG.**
//! - 5.1 Hashes are those of Linux 6.12's bonding ([`Flow`]); encap2+3 and encap3+4 hash as layer2+3 and layer3+4 as long as the card
//!   does not read inner headers; unknown policies as layer2. The bucket is hash mod 840.
//! - 5.2 Live members are those distributing whose link is up; a group that is not enabled has none.
//! - 5.3 Chosen is the bucket's member (active-backup: the active one) if live, else the next higher-numbered live one, cyclically. An
//!   unfilled bucket, or a member that is no port, counts as member 0, dead.
//!
//! **6. FDB.** The table has no end here; a caller stays below what the card holds.
//! - 6.1 After the verdict a frame teaches its source address if the source's state is learning or forwarding and its learning is on,
//!   unless 1.2, 1.3, 2.1 or 2.2 dropped it, it is direct, or its LAG member is not collecting. It is learned at the LAG if the source is
//!   in one, else at the source.
//! - 6.2 Hardware learning: an unknown address enters as dynamic with age 3 (LEARNED). A known one at the same place gets age 3 if it ages.
//!   At another place it moves and becomes dynamic with age 3 (MOVED), unless it is static, sticky or blackhole.
//! - 6.3 Slow path: nothing enters or moves; where 6.2 would insert or move, UNKNOWN_SOURCE is reported; ages are renewed.
//! - 6.4 A sweep, one each `age_period` ticks (0: never), takes out the entries of age 0 that age (AGED), and takes 1 from the
//!   ages of the others. Dynamic and sticky entries age; static, extern and blackhole ones do not.
//! - 6.5 Software adds or replaces, deletes, and flushes by destination, FID, ageing entries only, extern entries only, or
//!   any of these together.
//!
//! ```
//! use smartnic_refswitch::{Endpoint, State, Switch};
//! let mut switch = Switch::new(2, 1);
//! let everything = switch.endpoints();
//! for e in everything.clone() {
//!     let port = switch.port_mut(e);
//!     (port.state, port.link, port.flood_unicast) = (State::Forwarding, true, true);
//!     port.reach = everything.iter().copied().collect();
//! }
//! let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
//! frame.resize(60, 0);
//! let outcome = switch.receive(0, &frame, false);
//! let to: Vec<_> = outcome.copies.iter().map(|c| c.to).collect();
//! assert_eq!(to, [Endpoint::Port(1), Endpoint::Host]);
//! ```

mod counters;
mod fdb;
mod flow;
mod group;
mod outcome;
mod port;
mod switch;
mod verdict;

pub use counters::{Counter, Counters};
pub use fdb::{Dest, Entry, Event, EventKind, Fdb, Flush, Key, Kind};
pub use flow::{Flow, Policy};
pub use group::{BUCKETS, Group, Mode};
pub use outcome::{Copy, HostInfo, Outcome, reason};
pub use port::{Action, Endpoint, Learn, Mac, Port, Reserved, State};
pub use switch::Switch;
