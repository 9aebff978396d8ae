//! The LAG stage against plain formulas. Behind the parser, and against a kernel's choices: `lag_frames.rs`.

#[path = "common/headers.rs"]
mod headers;
#[path = "common/lag_bench.rs"]
mod lag_bench;
#[path = "common/seed.rs"]
mod seed;

use headers::Header;
use lag_bench::{Bench, Group};
use rand::Rng;
use seed::rng;
use smartnic_hdl::lag::{LATENCY, SPACING, lag};
use smartnic_hdl::params::Params;
use smartnic_hdl::parser::HDR_FIELDS;
use smartnic_regs::lag as r;

fn params(ports: u32, groups: u32) -> Params {
    Params {
        lag_groups: groups,
        ..Params::for_ports(ports)
    }
}

fn bench(ports: u32, groups: u32) -> Bench {
    let p = params(ports, groups);
    let mut b = Bench::new(&lag(&p), &p);
    for n in ["reg_valid", "req_valid", "no_member", "pruned"] {
        b.dut.poke(n, 0);
    }
    b
}

/// A header with random bits in every field; half of the addresses alike, as on a real LAN.
fn header(rng: &mut impl Rng) -> Header {
    let tagged = rng.random_range(0..2);
    Header {
        dst: rng.random::<u64>() >> 16,
        src: rng.random::<u64>() >> 16,
        ethertype: rng.random_range(0..0x1_0000),
        tagged,
        tci: rng.random_range(0..0x1_0000) * tagged,
        tagged2: rng.random_range(0..2),
        tci2: rng.random_range(0..0x1_0000),
        ip: rng.random_range(0..3),
        proto: rng.random_range(0..256),
        fragment: rng.random_range(0..2),
        l3: rng.random::<u32>() as u64,
        ports: rng.random::<u32>() as u64,
    }
}

fn group(rng: &mut impl Rng, ports: u32) -> Group {
    let all = (1 << ports) - 1;
    Group {
        policy: rng.random_range(0..7),
        enable: rng.random_ratio(7, 8),
        backup: rng.random_ratio(1, 4),
        active: rng.random_range(0..16),
        distributing: rng.random_range(0..=all),
        collecting: rng.random_range(0..=all),
        buckets: vec![None; 840],
    }
}

/// Asks for `h` in this cycle.
fn ask(b: &mut Bench, h: &Header) {
    assert_eq!(b.dut.peek("req_ready"), 1);
    b.dut.poke("req_valid", 1);
    for (n, v) in h.fields() {
        b.dut.poke(&format!("req_{n}"), v);
    }
    b.expect(b.now(), *h);
    b.tick();
    b.dut.poke("req_valid", 0);
    // What follows a request is nobody's header.
    for (n, w) in HDR_FIELDS {
        b.dut
            .poke(&format!("req_{n}"), 0x5555_5555_5555 & ((1 << w) - 1));
    }
}

/// Requests at the closest and at any spacing, with the link flapping all the while.
fn traffic(b: &mut Bench, rng: &mut impl Rng, n: u32) {
    let before = b.answers;
    for i in 0..n {
        ask(b, &header(rng));
        let more = if i % 64 < 32 {
            0
        } else {
            rng.random_range(0..9)
        };
        for _ in 0..SPACING - 1 + more {
            if rng.random_ratio(1, 6) {
                b.link ^= 1 << rng.random_range(0..b.ports);
            }
            b.tick();
        }
    }
    for _ in 0..LATENCY {
        b.tick();
    }
    assert_eq!(b.answers - before, n as u64);
    b.tick();
    assert_eq!(b.dut.peek("idle"), 1);
}

/// Random bucket tables, policies, modes and members in every group; random links.
fn random_tables(ports: u32, groups: u32, rounds: u32) {
    let mut rng = rng();
    let mut b = bench(ports, groups);
    b.clear();
    for round in 0..rounds {
        for g in 0..groups as usize {
            if round == 0 {
                for k in 0..840 {
                    // Some stay unfilled, some name ports that do not exist.
                    let m = rng.random_range(0..ports + 3);
                    if m <= 8 && rng.random_ratio(15, 16) {
                        b.fill(g, k, Some(m));
                    }
                }
            }
            let buckets = b.groups[g].buckets.clone();
            let new = Group {
                buckets,
                ..group(&mut rng, ports)
            };
            b.configure(g, new);
        }
        traffic(&mut b, &mut rng, 1000);
    }
}

#[test]
fn random_tables_4_ports_4_groups() {
    random_tables(4, 4, 12);
}

#[test]
fn random_tables_8_ports_3_groups() {
    random_tables(8, 3, 6);
}

#[test]
fn random_tables_2_ports_1_group() {
    random_tables(2, 1, 4);
}

/// Every value mod 840 that matters: digits at their ends, and random ones.
#[test]
fn every_bucket_is_reached() {
    let mut rng = rng();
    let mut b = bench(8, 3);
    b.clear();
    for k in 0..840 {
        b.fill(0, k, Some((k % 7) as u32));
    }
    let buckets = b.groups[0].buckets.clone();
    b.configure(
        0,
        Group {
            policy: 2,
            enable: true,
            distributing: 0x7f,
            buckets,
            ..Group::empty()
        },
    );
    b.link = 0xff;
    b.tick();
    let mut seen = vec![false; 840];
    for i in 0..6000u32 {
        // layer2+3 with eth = 0 folds l3: undo the fold to aim at a hash.
        let aim = match i {
            0..1700 => i,
            1700..1800 => u32::MAX - (i - 1700),
            _ => rng.random::<u32>() & if i % 3 == 0 { 0x8000_7fff } else { u32::MAX },
        };
        let unfold8 = aim ^ aim >> 8 ^ aim >> 16 ^ aim >> 24;
        let l3 = unfold8 ^ unfold8 >> 16;
        let h = Header {
            ip: 1,
            l3: l3 as u64,
            ..Header::default()
        };
        assert_eq!(lag_bench::hash(2, &h), aim);
        seen[aim as usize % 840] = true;
        ask(&mut b, &h);
        for _ in 1..SPACING {
            b.tick();
        }
    }
    assert!(seen.iter().all(|s| *s));
    for _ in 0..LATENCY {
        b.tick();
    }
    assert_eq!(b.under_way(), 0);
}

/// What is written can be read; what does not exist reads as zero; counters count.
#[test]
fn registers() {
    let mut rng = rng();
    let mut b = bench(4, 4);
    b.clear();
    let mut want = vec![[0u32; 1024]; 8];
    for _ in 0..3000 {
        let g = rng.random_range(0..8);
        let k = if rng.random_ratio(1, 8) {
            [838, 839, 840, 841, 1023][rng.random_range(0..5)]
        } else {
            rng.random_range(0..840)
        };
        if rng.random() {
            let m = rng.random_range(0..16);
            b.fill(g, k, Some(m));
            if g < 4 && k < 840 {
                want[g][k] = if m < 4 { 16 | m } else { 0 };
            }
        } else {
            let index =
                r::BUCKET_INDEX::BUCKET.put(k as u32) | r::BUCKET_INDEX::GROUP.put(g as u32);
            b.write(r::BUCKET_INDEX.addr, index);
            assert_eq!(b.read(r::BUCKET_INDEX.addr), index);
        }
        assert_eq!(b.read(r::BUCKET.addr), want[g][k], "group {g} bucket {k}");
    }
    b.link = 0;
    for g in 0..8 {
        b.write(r::DISTRIBUTING.at(g), 0xffff_fff5);
        b.write(r::COLLECTING.at(g), 0xffff_fffa);
        b.write(r::GROUP.at(g), !r::GROUP::ENABLE.put(1));
    }
    for g in 0..8 {
        let here = |v| if g < 4 { v } else { 0 };
        assert_eq!(b.read(r::DISTRIBUTING.at(g)), here(5));
        assert_eq!(b.read(r::COLLECTING.at(g)), here(10));
        assert_eq!(b.read(r::GROUP.at(g)), here(0xf6f));
    }
    let mut counts = [0u32; 5];
    for _ in 0..500 {
        let (nm, pr) = (rng.random_range(0..16u64), rng.random_range(0..2u64));
        b.dut.poke("no_member", nm);
        b.dut.poke("pruned", pr);
        b.tick();
        for (g, c) in counts.iter_mut().enumerate() {
            *c += ((nm | pr << 4) >> g & 1) as u32;
        }
    }
    b.dut.poke("no_member", 0);
    b.dut.poke("pruned", 0);
    // A pulse shows within 18 cycles.
    for _ in 0..18 {
        b.tick();
    }
    for g in 0..8 {
        let c = counts
            .get(g as usize)
            .filter(|_| g < 4)
            .copied()
            .unwrap_or(0);
        assert_eq!(b.read(r::NO_MEMBER.at(g)), c);
    }
    assert_eq!(b.read(r::PRUNED.addr), counts[4]);
}

/// A reset among requests: no late answer, everything empty again, and answers while the buckets are being emptied.
#[test]
fn reset_empties() {
    let mut rng = rng();
    let mut b = bench(4, 4);
    for _ in 0..3 {
        b.clear();
        for k in 0..840 {
            b.fill(k % 2, k, Some(3));
        }
        b.configure(
            0,
            Group {
                policy: 1,
                enable: true,
                distributing: 15,
                ..b.groups[0].clone()
            },
        );
        b.link = 15;
        traffic(&mut b, &mut rng, 100);
        ask(&mut b, &header(&mut rng));
        for _ in 0..rng.random_range(0..LATENCY - 2) {
            b.tick();
        }
        b.reset();
        assert_eq!(b.dut.peek("ready"), 0);
        assert_eq!(b.read(r::GROUP.addr), 0);
        // Groups in use at once: buckets count as not filled, also those that still hold their old word.
        b.configure(
            0,
            Group {
                policy: 1,
                enable: true,
                distributing: 15,
                ..Group::empty()
            },
        );
        for _ in 0..100 {
            ask(&mut b, &header(&mut rng));
            for _ in 0..SPACING {
                b.tick();
            }
        }
        for _ in 0..LATENCY {
            b.tick();
        }
    }
    b.clear();
    for k in [0, 1, 419, 838, 839] {
        b.write(r::BUCKET_INDEX.addr, k | r::BUCKET_INDEX::GROUP.put(k & 1));
        assert_eq!(b.read(r::BUCKET.addr), 0);
    }
}
