//! Frames through parser and LAG stage to members: every kind against the plain model, and a kernel's choices.

#[path = "common/headers.rs"]
mod headers;
#[path = "common/lag_bench.rs"]
mod lag_bench;
#[path = "../../tests/data/lag_vectors.rs"]
mod lag_vectors;
#[path = "common/seed.rs"]
mod seed;

use headers::{dissect, frame};
use lag_bench::{Bench, Group};
use lag_vectors::Vectors;
use rand::Rng;
use seed::rng;
use smartnic_hdl::lag::{LATENCY, lag};
use smartnic_hdl::params::Params;
use smartnic_hdl::parser::{self, parser};
use smartnic_hdl::rtl::Module;

/// The parser with the LAG stage behind it.
fn parser_and_lag(p: &Params) -> Module {
    let m = Module::new("parser_and_lag");
    m.sync();
    let (parser, lag) = (m.inst("parser", &parser()), m.inst("lag", &lag(p)));
    lag.drive_all("req_", |f| parser.port(&format!("hdr_{f}")));
    parser.expose(|n| n.starts_with("byte_"));
    lag.expose(|n| !n.starts_with("req_"));
    m.output_of("asked", parser.port("hdr_valid"));
    m
}

/// Sends a frame and waits for the answer about it; gives the member of each group, one-hot.
fn send(b: &mut Bench, f: &[u8]) -> Vec<u64> {
    let before = b.answers;
    let mut asked = false;
    for i in 0..f.len() + (parser::LATENCY + LATENCY) as usize {
        b.dut.poke("byte_valid", (i < f.len()) as u64);
        b.dut.poke("byte_data", *f.get(i).unwrap_or(&0) as u64);
        b.dut.poke("byte_sof", (i == 0) as u64);
        b.dut.poke("byte_eof", (i + 1 == f.len()) as u64);
        b.tick();
        if b.dut.peek("asked") == 1 {
            b.expect(b.now(), dissect(f));
            asked = true;
        }
        if b.answers > before && i >= f.len() {
            break;
        }
    }
    assert!(asked && b.answers == before + 1, "no answer for {f:02x?}");
    b.last.clone()
}

fn parser_bench() -> Bench {
    let p = Params::for_ports(8);
    let mut b = Bench::new(&parser_and_lag(&p), &p);
    for n in ["reg_valid", "no_member", "pruned", "byte_valid", "byte_err"] {
        b.dut.poke(n, 0);
    }
    b.clear();
    b
}

/// Random frames of every kind through parser and stage.
#[test]
fn frames_to_members() {
    let mut rng = rng();
    let mut b = parser_bench();
    b.link = 0xb7;
    for g in 0..4 {
        for k in 0..840 {
            b.fill(g, k, Some(rng.random_range(0..8)));
        }
        let buckets = b.groups[g].buckets.clone();
        let new = Group {
            buckets,
            enable: true,
            policy: [0, 1, 2, 5][g],
            distributing: rng.random_range(1..256),
            ..Group::empty()
        };
        b.configure(g, new);
    }
    for _ in 0..1500 {
        let f = frame(&mut rng);
        // A shorter frame has a record without meaning.
        if f.len() >= 14 {
            send(&mut b, &f);
        }
    }
}

/// Every choice of the captured kernel, for the policies that are Linux's bit for bit; for the two others, of the
/// kinds of frame that they share.
#[test]
fn as_the_kernel_chose() {
    let vectors = Vectors::read();
    let mut b = parser_bench();
    b.link = 0xff;
    let rounds = [
        [
            ("layer2", 0),
            ("layer2+3", 2),
            ("layer3+4", 1),
            ("vlan+srcmac", 5),
        ],
        [
            ("encap2+3", 3),
            ("encap3+4", 4),
            ("layer2", 0),
            ("layer2+3", 2),
        ],
    ];
    let mut checked = 0;
    for slaves in [2, 3, 5] {
        for g in 0..4 {
            for k in 0..840 {
                b.fill(g, k, Some((k % slaves) as u32));
            }
        }
        for policies in rounds {
            for (g, (_, policy)) in policies.iter().enumerate() {
                let new = Group {
                    policy: *policy,
                    enable: true,
                    distributing: (1 << slaves) - 1,
                    ..b.groups[g].clone()
                };
                b.configure(g, new);
            }
            for frame in &vectors.frames {
                let got = send(&mut b, &frame.bytes);
                for (g, (name, _)) in policies.iter().enumerate() {
                    let Some(choice) = vectors.choice(frame, name, slaves) else {
                        continue;
                    };
                    let (kind, bytes) = (&frame.kind, &frame.bytes);
                    assert_eq!(got[g], 1 << choice, "{kind} {name} {slaves} {bytes:02x?}");
                    checked += 1;
                }
            }
        }
    }
    println!("{checked} choices");
    assert!(checked > 20_000);
}
