//! The parser: one header record for each frame, from the byte stream of a MAC or of the host.
//!
//! **Algorithm.** A byte-serial state machine ([`walk`]): `state` is the layer that the next byte belongs to, `pos` its
//! offset in that layer. Each layer ends by naming the next one, so nested headers are followed as they come: today Ethernet,
//! one or two VLAN tags, IPv4 or IPv6, the transport header, and the packet inside an ICMP error. The fields
//! ([`fields`]) are caught as their bytes pass and are copied to the outputs when nothing more can change them.
//!
//! **What it follows** is what Linux 6.12's bonding driver sees of a frame on `layer2`, `layer2+3` and `layer3+4`
//! (`bond_flow_dissect`), so that a hash over the record equals Linux's:
//! - the outer tag (0x8100, 0x88a8) is taken off; a second one is an EtherType without IP behind it;
//! - an IP header counts when all its 20 or 40 bytes are there (version and total length are not looked at, and
//!   padding counts as data); else `ip` = 0, and `proto`, `fragment`, `l3` and `ports` are 0;
//! - `ports`: bytes 0 to 3 behind TCP, UDP, DCCP, ESP, SCTP and UDP-Lite, bytes 4 to 7 of AH; ICMP and ICMPv6 types 0, 8, 13, 14,
//!   128 and 129: type, code and identifier (1 if it is 0), if the ICMP header's 8 bytes are there; 0 for any
//!   IPv4 fragment, behind IPv6 extension headers, for other protocols, or where the frame ends before;
//! - an ICMP error (types 3, 4, 5, 11, 12; ICMPv6 1 to 4) of at least 8 bytes gives `l3` and `ports` of the packet
//!   inside, read as the same IP version; ICMP in there has no ports. If the inner IP header is cut off,
//!   `ip` and `l3` are 0 (Linux then hashes the Ethernet header); `proto` stays that of the outer packet.
//!
//! Linux differs in one case: it reads "ports" out of an IPv4 header whose IHL is below 5; here such a packet, which every
//! receiver must discard (RFC 1122, 3.2.1), has none.
//!
//! A frame that ends within a two-byte field has that field 0; the fields of a frame of fewer than 14 bytes mean nothing.
//! Every frame gives a record, however short, so that records and frames stay in step (`forward`).
//!
//! **For encap2+3 and encap3+4** (a later step): add the tunnel layers to [`layer`] and their successors to
//! [`walk`], let IP layers go on to them, and add a second set of `ip`, `l3`, `ports` that is not frozen at the first IP header.
//!
//! **Protocol.** Bytes as in docs/architecture.md (one a cycle at most, gaps anywhere, `byte_err` does not matter here).
//! `hdr_valid` comes once for each `byte_sof`, [`LATENCY`] cycles after the byte that settles the record: byte 13
//! for no IP, byte 37 for TCP or UDP over IPv4 without options, 41 for an ICMP echo, 57 for TCP over IPv6; with a tag 4 more;
//! at the latest the byte with `byte_eof`. Fields hold until the next `hdr_valid`. Bytes before the first
//! `byte_sof` after a reset are ignored.
//!
//! `idle` is clear while a record is under way; a frame that has begun does not count.
//!
//! **Cost:** 240 LUT4, 475 FF; 235 MHz on its own (LFE5UM5G-45F-8). **Test:** `tests/parser.rs`.

mod fields;
mod layer;
mod walk;

use crate::rtl::{E, Module};

/// Fields of the record (ports `hdr_NAME`) and their widths, as in docs/architecture.md.
pub const HDR_FIELDS: &[(&str, u32)] = &[
    ("dst", 48),
    ("src", 48),
    ("ethertype", 16),
    ("tagged", 1),
    ("tci", 16),
    ("tagged2", 1),
    ("tci2", 16),
    ("ip", 2),
    ("proto", 8),
    ("fragment", 1),
    ("l3", 32),
    ("ports", 32),
];

/// Cycles from the byte that settles the record to `hdr_valid`.
pub const LATENCY: u32 = 3;

/// What the parts of the parser share.
struct Shared {
    m: Module,
    /// A byte that begins a frame.
    first: E,
    /// A byte of a frame that is being parsed, not its first.
    take: E,
    data: E,
    eof: E,
    /// The byte before.
    prev: E,
    /// Layer of the next byte.
    state: E,
    /// Its offset in the layer.
    pos: E,
    /// The record is settled: one cycle after the byte that did it.
    finish: E,
    /// Inside an ICMP error.
    inner: E,
    /// The IP layers are IPv6.
    v6: E,
    tagged: E,
    tagged2: E,
}

/// The parser. Ports: `clock`, `reset`, `byte_valid`, `byte_data[8]`, `byte_sof`, `byte_eof`, `byte_err` in; `hdr_valid` and
/// `hdr_` with every field of [`HDR_FIELDS`] and `idle` out.
pub fn parser() -> Module {
    let m = Module::new("parser");
    m.sync();
    // Registers: the MAC stands at its pins, the parser where there is room.
    let valid = m.reg("valid", 1, 0);
    let comes = m.input("byte_valid", 1);
    m.assign(&valid, &comes);
    let [data, sof, eof] = [("data", 8), ("sof", 1), ("eof", 1)]
        .map(|(name, bits)| m.delay(name, &m.input(&format!("byte_{name}"), bits)));
    m.input("byte_err", 1);
    let state = m.reg("state", layer::BITS, layer::IDLE);
    let first = m.named("first", &valid & &sof);
    let take = m.named("take", &valid & !&sof & state.ne(layer::IDLE));
    let prev = m.reg_nr("prev", 8);
    m.process(|p| p.if_(&valid, |p| p.set(&prev, &data)));
    let s = Shared {
        first,
        take,
        data,
        eof,
        prev,
        state,
        pos: m.reg_nr("pos", 6),
        finish: m.reg("finish", 1, 0),
        inner: m.reg_nr("inner", 1),
        v6: m.reg_nr("v6", 1),
        tagged: m.reg_nr("has_tag", 1),
        tagged2: m.reg_nr("has_tag2", 1),
        m,
    };
    let idle = s.m.output_reg("idle", 1, 0);
    s.m.assign(&idle, !(comes | valid | &s.finish));
    let events = walk::walk(&s);
    fields::fields(&s, &events);
    s.m
}
