//! Link aggregation: the member of each group that takes a frame, by Linux's hash.
//!
//! **Algorithm.** One pipeline serves all groups, a group each cycle: [`hash`] makes the four hashes of the frame's header, the
//! group's policy chooses one, [`modulo`] takes it mod 840, a block RAM gives the bucket's member, and [`member`] replaces
//! a dead member by the next higher-numbered live one, cyclically. 840 is the least common multiple of 1 to 8, so
//! that with bucket b filled by `usable[b % n]` a frame goes to `usable[hash % n]` exactly as in Linux, for
//! every n up to 8.
//!
//! **Policies** are Linux 6.12's, bit for bit (`tests/data/lag-vectors.json` holds a kernel's choices): layer2, layer2+3,
//! layer3+4, vlan+srcmac. encap2+3 and encap3+4 need the inner headers, which the parser does not give yet: until it does they
//! hash as layer2+3 and layer3+4, which is the same for TCP and UDP outside of tunnels behind at most one tag. Other
//! numbers hash as layer2.
//!
//! **Members.** The live members of a group are `DISTRIBUTING & link`. `rsp_member_g{g}` is the bucket's member if that is
//! live, else the next live one; in active-backup `ACTIVE` stands for the bucket's member. A bucket that is not
//! filled, and a member number that no port has (which is stored as not filled), count as member 0, dead: the search begins
//! with member 1. A group that is not enabled or has no live member gives 0. For group g `link` counts as it is
//! `6 + g` cycles after the request: a link that goes down is avoided by every frame that asks from then on.
//!
//! **Filling** is the driver's: `linux` writes `usable[b % n]` into bucket b, in order of joining, whenever the usable
//! members change; `resilient` rewrites only the buckets of lost members, or gives a new one its share. Until it
//! has done so the rule above keeps the frames flowing.
//!
//! **Protocol.** `req_valid` with `req_` and each of `parser::HDR_FIELDS`, at most once in [`SPACING`] cycles (`req_ready` is
//! always set); `rsp_valid` with `rsp_hash` (layer3+4) and `rsp_member_g{g}` exactly [`LATENCY`] cycles after, for one cycle.
//! `rsp_collecting[P]`, a level: ports that collect in an enabled group. Pulses `no_member[G]` and `pruned` are counted in
//! page `lag`. `live[G]`, a level: groups with a live member. `ready` is clear while the buckets are emptied after reset (1,024 cycles a group); meanwhile requests are
//! answered as if no bucket were filled, and writes to BUCKET are lost.
//!
//! **Cost** (2 ports, 4 groups): 862 LUT4, 513 FF, two block RAMs, of which the second answers reads of BUCKET; 186 to 216
//! MHz on its own (LFE5UM5G-45F-8) before its counters went to LUT RAM; not placed since. **Tests:** `tests/lag.rs`, `tests/lag_frames.rs`.

mod hash;
mod member;
mod modulo;
mod page;

use crate::params::Params;
use crate::parser::HDR_FIELDS;
use crate::regbus::field;
use crate::rtl::{E, Module, bits_for, cat, lit, mux, pick, ram};
use smartnic_regs::lag::GROUP;
use smartnic_regs::values::lag_mode;

/// Cycles from `req_valid` to `rsp_valid`.
pub const LATENCY: u32 = 12;
/// Least number of cycles from one request to the next.
pub const SPACING: u32 = 4;

/// The module.
pub fn lag(p: &Params) -> Module {
    assert!(p.lag_groups <= SPACING, "a group each cycle");
    let m = Module::new("lag");
    m.sync();
    let groups = p.lag_groups;
    let req = m.input("req_valid", 1);
    let header: Vec<E> = HDR_FIELDS
        .iter()
        .map(|(n, w)| m.input(&format!("req_{n}"), *w))
        .collect();
    let of = |name: &str| {
        let i = HDR_FIELDS.iter().position(|f| f.0 == name);
        header[i.expect("a field of the record")].clone()
    };
    m.output_of("req_ready", lit(1, 1));
    let link_in = m.input("link", p.ports);
    let link = m.delay("link_q", &link_in);

    let buckets = Buckets::new(p);
    let page = page::page(&m, p, &buckets);

    // `age[n]`: a request came n cycles ago.
    let mut age = vec![req.clone()];
    for n in 1..=LATENCY {
        let last = age.last().expect("begun");
        let r = m.reg(&format!("age{n}"), 1, 0);
        m.assign(&r, last);
        age.push(r);
    }
    // Whose turn it is in cycle 1 + g of a request, then 1 cycle later, ...
    let mut turn = vec![m.reg_nr("turn", bits_for(groups as u64))];
    m.process(|q| {
        q.set(&turn[0], &turn[0] + 1);
        q.if_(&req, |q| q.set(&turn[0], 0));
    });
    for n in 1..8 {
        turn.push(m.delay(&format!("turn{n}"), &turn[n - 1]));
    }
    let by_turn = |n: usize, f: &dyn Fn(u32) -> E| {
        let all: Vec<E> = (0..groups).map(f).collect();
        pick(&turn[n], &all)
    };

    // Cycle 1: the hashes. Cycle 2 + g: the hash of the group. Cycle 5 + g: its bucket.
    let hashes = hash::hashes(&m, &of, &req);
    let policy = by_turn(0, &|g| field(&page.groups[g as usize], GROUP::POLICY));
    let policy = m.named("policy", policy);
    let chosen = m.delay("chosen", &hash::choose(&policy, &hashes));
    let bucket = modulo::mod_840(&m, &chosen);
    // Cycle 7 + g: the member in the bucket, registered behind the RAM.
    let read = buckets.inst(&m, "buckets", &page.write, &buckets.addr(&turn[4], &bucket));
    let stored = m.named("stored", &read & page.ready.repl(read.width()));
    // Cycle 8 + g, 9 + g: the live member that stands for it.
    let config = m.named(
        "group_now",
        by_turn(6, &|g| page.groups[g as usize].clone()),
    );
    let active = buckets.word(&field(&config, GROUP::ACTIVE), &lit(1, 1));
    let backup = field(&config, GROUP::MODE).eq(lag_mode::ACTIVE_BACKUP as u64);
    let wanted = m.named("wanted", mux(backup, active, stored));
    let any_live: Vec<E> = (0..groups as usize)
        .rev()
        .map(|g| (&page.distributing[g] & &link).any() & field(&page.groups[g], GROUP::ENABLE))
        .collect();
    let live_groups = m.output_reg("live", groups, 0);
    m.assign(&live_groups, cat(&any_live));
    let live = by_turn(6, &|g| &page.distributing[g as usize] & &link);
    let live = live & field(&config, GROUP::ENABLE).repl(p.ports);
    let member = member::first_live(&m, &wanted, &m.named("live_of_group", live));
    for g in 0..groups {
        let out = m.output_reg_nr(&format!("rsp_member_g{g}"), p.ports);
        m.process(|q| q.if_(&age[8 + g as usize], |q| q.set(&out, &member)));
    }

    // The hash waits in hops of SPACING cycles, which no later one can catch up with.
    let hop = m.reg_nr("hash_hop", 32);
    m.process(|q| q.if_(&age[4], |q| q.set(&hop, &hashes.layer34)));
    let rsp_hash = m.output_reg_nr("rsp_hash", 32);
    m.process(|q| q.if_(&age[8], |q| q.set(&rsp_hash, &hop)));
    m.output_of("rsp_valid", &age[LATENCY as usize]);
    let idle = m.output_reg("idle", 1, 0);
    m.assign(&idle, &page.ready & !&page.counting & !cat(&age).any());
    m
}

/// The bucket table: a word is the member's number with VALID above it, zero if the bucket is not filled.
struct Buckets {
    ports: u32,
    member_bits: u32,
    addr_bits: u32,
}

impl Buckets {
    fn new(p: &Params) -> Buckets {
        let group_bits = if p.lag_groups == 1 {
            0
        } else {
            bits_for(p.lag_groups as u64)
        };
        Buckets {
            ports: p.ports,
            member_bits: bits_for(p.ports as u64),
            addr_bits: 10 + group_bits,
        }
    }
    fn addr(&self, group: &E, bucket: &E) -> E {
        cat(&[group.clone(), bucket.trunc(10)]).trunc(self.addr_bits)
    }
    /// The word for a member number of any width.
    fn word(&self, member: &E, valid: &E) -> E {
        let known = valid & member.lt(self.ports as u64);
        let bits = member.trunc(self.member_bits) & known.repl(self.member_bits);
        cat(&[known, bits])
    }
    /// One copy of the table; gives the word at `raddr`, 2 cycles later.
    fn inst(&self, m: &Module, name: &str, write: &page::Write, raddr: &E) -> E {
        let depth = 1 << self.addr_bits;
        let i = m.inst(name, &ram::block_old(self.member_bits + 1, depth));
        i.drive("we", &write.enable)
            .drive("waddr", &write.addr)
            .drive("wdata", &write.data)
            .drive("ren", true)
            .drive("raddr", raddr);
        m.delay(&format!("{name}_q"), &i.port("rdata"))
    }
}
