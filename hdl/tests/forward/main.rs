//! Forwarding: random headers, tables, configuration and frame ends against the rules written out in plain Rust.

use rand::{Rng, SeedableRng};
use smartnic_hdl::forward::forward;
use smartnic_hdl::meta;
use smartnic_hdl::params::Params;
use smartnic_hdl::rtl::design;
use smartnic_verilated::{Model, Options};
use std::collections::VecDeque;

mod model;
use model::{Config, Entry, Frame, World, entry, mac};

const FDB_LATENCY: usize = 5;
const LAG_LATENCY: usize = 14;

fn run(ports: u32, seed: u64, worlds: usize, frames: usize) {
    println!("SEED={seed}");
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let p = Params::for_ports(ports);
    let n = p.sources() as usize;
    let mut dut = Model::build(
        &design(&forward(&p)),
        &Options {
            lint: true,
            ..Options::default()
        },
    )
    .expect("builds");
    for _ in 0..worlds {
        let configs: Vec<Config> = (0..n)
            .map(|i| Config {
                state: [0, 1, 2, 3, 3, 3, 3, 3, 4][rng.random_range(0..9)],
                learn: rng.random_range(0..3),
                flood: [
                    rng.random_bool(0.8),
                    rng.random_bool(0.8),
                    rng.random_bool(0.8),
                ],
                hairpin: rng.random_bool(0.2),
                isolated: rng.random_bool(0.2),
                class: rng.random_range(0..8),
                lag: (i < n - 1 && rng.random_bool(0.5)).then(|| rng.random_range(0..5)),
                fid: rng.random_range(0..4096),
                mask: rng.random_range(0..1u64 << n) | rng.random_range(0..1u64 << n),
            })
            .collect();
        let w = World {
            ports: n - 1,
            configs,
            link: rng.random_range(0..1u64 << (n - 1)) | rng.random_range(0..1u64 << (n - 1)),
            collecting: rng.random_range(0..1u64 << (n - 1)),
            actions: (0..16).map(|_| rng.random_range(0..4)).collect(),
            reasons: (0..16).map(|i| 16 + i).collect(),
            enable: rng.random_bool(0.8),
        };
        play(&mut dut, &w, &mut rng, frames, p.cell_bits());
    }
}

const DROPS: [&str; 8] = [
    "drop_state",
    "drop_reserved",
    "drop_no_destination",
    "drop_blackhole",
    "drop_not_collecting",
    "drop_bad_source",
    "drop_cut",
    "drop_no_cell",
];

/// Totals of pulses: (drop reason, source), plus pruned and no_member by group.
type Totals = std::collections::BTreeMap<(&'static str, usize), u64>;

fn count_bits(totals: &mut Totals, name: &'static str, bits: u64) {
    for i in 0..16 {
        if bits >> i & 1 == 1 {
            *totals.entry((name, i)).or_default() += 1;
        }
    }
}

fn frame(w: &World, source: usize, id: u64, rng: &mut impl Rng, cell_bits: u32) -> Frame {
    let host = source == w.ports;
    let direct = [0u64, 1, 2, 3, 9, 0x10, 0x11, 0x12, 0x13, 0x17][rng.random_range(0..10)];
    let member = |g: u64, rng: &mut dyn rand::RngCore| {
        // Registers may name a member that is not of the group.
        let strangers = rng.random_bool(0.2);
        let of: Vec<usize> = (0..w.ports)
            .filter(|i| strangers || w.configs[*i].lag == Some(g))
            .collect();
        if of.is_empty() || rng.random_bool(0.2) {
            0
        } else {
            1 << of[rng.random_range(0..of.len())]
        }
    };
    Frame {
        source,
        host,
        dst: mac(rng),
        src: mac(rng),
        tci: rng.random_range(0..1 << 16),
        tagged: rng.random_range(0..2),
        direct: (host && rng.random_bool(0.4)).then(|| (direct, rng.random_range(0..8))),
        da: entry(rng),
        sa: entry(rng),
        members: (0..4).map(|g| member(g, rng)).collect(),
        hash: id,
        length: rng.random_range(1..2000),
        err: rng.random_bool(0.1),
        nocell: rng.random_bool(0.1),
        head: rng.random_range(0..1 << cell_bits),
    }
}

fn reset_and_configure(dut: &mut Model, w: &World) {
    dut.poke("reset", 1);
    for name in ["found_valid", "rsp_valid", "done_valid", "enq_ready"] {
        dut.poke(name, 0);
    }
    for s in 0..=w.ports {
        dut.poke(&format!("hdr{s}_valid"), 0);
    }
    dut.tick(1);
    dut.tick(1);
    dut.poke("reset", 0);
    for (i, c) in w.configs.iter().enumerate() {
        dut.poke(&format!("config{i}"), c.word());
        dut.poke(&format!("forward_mask{i}"), c.mask);
        dut.poke(&format!("fid{i}"), c.fid);
    }
    for i in 0..16 {
        dut.poke(&format!("action{i}"), w.actions[i]);
        dut.poke(&format!("reason{i}"), w.reasons[i]);
    }
    let levels = [
        ("link", w.link),
        ("collecting", w.collecting),
        ("forward_enable", w.enable as u64),
        ("req_ready", 1),
    ];
    for (name, v) in levels {
        dut.poke(name, v);
    }
}

fn poke_header(dut: &mut Model, f: &Frame) {
    let s = f.source;
    for (name, v) in [
        ("dst", f.dst),
        ("src", f.src),
        ("tci", f.tci),
        ("tagged", f.tagged),
        ("ports", f.hash),
    ] {
        dut.poke(&format!("hdr{s}_{name}"), v);
    }
    dut.poke(&format!("hdr{s}_valid"), 1);
    if f.host {
        dut.poke("direct_valid", f.direct.is_some() as u64);
        dut.poke("direct_dest", f.direct.map_or(0, |d| d.0));
        dut.poke("direct_class", f.direct.map_or(0, |d| d.1));
    }
}

fn check_enqueued(dut: &Model, w: &World, f: &Frame) {
    let o = w.judge(f);
    let got: Vec<u64> = [
        "enq_head",
        "enq_cells",
        "enq_length",
        "enq_source",
        "enq_dest",
    ]
    .iter()
    .map(|n| dut.peek(n))
    .collect();
    let dest = if f.err { 0 } else { o.dest };
    assert_eq!(
        got,
        [
            f.head,
            f.length.div_ceil(64),
            f.length,
            f.source as u64,
            dest
        ],
        "{f:x?} {o:x?}"
    );
    if dest == 0 {
        return;
    }
    assert_eq!(dut.peek("enq_class"), o.class, "class of {f:x?}");
    let words = dut
        .output("enq_meta")
        .map(|id| dut.get_wide(id).to_vec())
        .expect("port");
    let bits = |lsb: u32, width: u32| {
        (0..width).fold(0u64, |v, i| {
            v | ((words[((lsb + i) / 32) as usize] >> ((lsb + i) % 32) & 1) as u64) << i
        })
    };
    let mut lsb = 0;
    for (name, width) in meta::FIELDS {
        let want = match *name {
            "hash" => f.hash,
            "reason" if f.direct.is_none() => o.reason,
            "tci" => f.tci,
            "tagged" => f.tagged,
            "fid" => w.configs[f.source].fid,
            "msti" => 0,
            _ => bits(lsb, *width),
        };
        assert_eq!(bits(lsb, *width), want, "metadata {name} of {f:x?} {o:x?}");
        lsb += width;
    }
}

/// Drives `frames` frames through one world and checks each outcome, in order for each source.
fn play(dut: &mut Model, w: &World, rng: &mut impl Rng, frames: usize, cell_bits: u32) {
    let n = w.ports + 1;
    reset_and_configure(dut, w);
    let mut by_id: Vec<Frame> = vec![];
    let mut age = vec![1000u64; n]; // cycles since a source's last header
    let mut open: Vec<VecDeque<Frame>> = vec![VecDeque::new(); n];
    let mut asked: VecDeque<(usize, bool)> = VecDeque::new();
    let mut fdb: VecDeque<Option<Option<Entry>>> = vec![None; FDB_LATENCY - 1].into();
    let mut lag: VecDeque<Option<usize>> = vec![None; LAG_LATENCY - 1].into();
    let mut done: Option<Frame> = None;
    let mut enqueue: VecDeque<Frame> = VecDeque::new();
    let mut learn: VecDeque<(u64, u64, u64)> = VecDeque::new();
    let (mut got, mut want) = (Totals::new(), Totals::new());
    let (mut ended, mut quiet, mut cycle) = (0, 0, 0u64);
    while quiet < 60 {
        cycle += 1;
        assert!(
            cycle < 500 * frames as u64 + 1000,
            "stuck: {} headers, {ended} ends",
            by_id.len()
        );
        for s in 0..n {
            dut.poke(&format!("hdr{s}_valid"), 0);
            age[s] += 1;
            if age[s] > 60 && by_id.len() < frames && open[s].len() < 2 && rng.random_bool(0.05) {
                let f = frame(w, s, by_id.len() as u64, rng, cell_bits);
                poke_header(dut, &f);
                open[s].push_back(f.clone());
                by_id.push(f);
                age[s] = 0;
            }
        }
        if done.is_none() && rng.random_bool(0.3) {
            let s = rng.random_range(0..n);
            done = match open[s].front() {
                // The host keeps its marks until the frame has ended, so its end follows the header.
                Some(f) if age[s] > 12 || open[s].len() > 1 => Some(f.clone()),
                _ => None,
            };
        }
        dut.poke("done_valid", done.is_some() as u64);
        if let Some(f) = &done {
            let cells = f.length.div_ceil(64);
            let fields = [
                ("source", f.source as u64),
                ("head", f.head),
                ("cells", cells),
                ("length", f.length),
            ];
            for (name, v) in fields
                .into_iter()
                .chain([("err", f.err as u64), ("nocell", f.nocell as u64)])
            {
                dut.poke(&format!("done_{name}"), v);
            }
        }
        let ready = rng.random_bool(0.6);
        dut.poke("enq_ready", ready as u64);
        let answer = fdb.pop_front().expect("pipe");
        dut.poke("found_valid", answer.is_some() as u64);
        let e = answer.flatten();
        dut.poke("found_hit", e.is_some() as u64);
        let e = e.unwrap_or(Entry {
            dest: rng.random_range(0..64),
            kind: rng.random_range(0..16),
            age: 0,
        });
        for (name, v) in [("dest", e.dest), ("kind", e.kind), ("age", e.age)] {
            dut.poke(&format!("found_{name}"), v);
        }
        let answer = lag.pop_front().expect("pipe");
        dut.poke("rsp_valid", answer.is_some() as u64);
        if let Some(id) = answer {
            dut.poke("rsp_hash", id as u64);
            for g in 0..4 {
                dut.poke(&format!("rsp_member_g{g}"), by_id[id].members[g]);
            }
        }
        dut.eval();
        if dut.peek("enq_valid") == 1 && ready {
            let f = enqueue.pop_front().expect("something was to be enqueued");
            check_enqueued(dut, w, &f);
        }
        if done.is_some() && dut.peek("done_ready") == 1 {
            let f = done.take().expect("checked");
            ended += 1;
            let o = w.judge_end(&f);
            open[f.source].pop_front();
            if let Some(d) = o.drop {
                count_bits(&mut want, d, 1 << f.source);
            }
            count_bits(&mut want, "pruned", o.pruned as u64);
            count_bits(&mut want, "no_member", o.no_member);
            learn.extend(o.learn);
            if !f.nocell {
                enqueue.push_back(f);
            }
        }
        dut.tick(1);
        // What it asks.
        let lookup = (dut.peek("lookup_valid") == 1).then(|| {
            let (id, second) = asked.pop_front().expect("a lookup follows its LAG request");
            let f = &by_id[id];
            let key = if second { f.src } else { f.dst } | w.configs[f.source].fid << 48;
            assert_eq!(dut.peek("lookup_key"), key, "key of {f:x?}");
            if second { f.sa } else { f.da }
        });
        fdb.push_back(lookup);
        let id = (dut.peek("req_valid") == 1).then(|| dut.peek("req_ports") as usize);
        if let Some(id) = id {
            asked.extend([(id, false), (id, true)]);
            assert_eq!(
                (dut.peek("req_dst"), dut.peek("req_src")),
                (by_id[id].dst, by_id[id].src)
            );
        }
        lag.push_back(id);
        for d in DROPS {
            count_bits(&mut got, d, dut.peek(d));
        }
        count_bits(&mut got, "pruned", dut.peek("pruned"));
        count_bits(&mut got, "no_member", dut.peek("no_member"));
        if dut.peek("learn_valid") == 1 {
            let l = (
                dut.peek("learn_key"),
                dut.peek("learn_dest"),
                dut.peek("learn_insert"),
            );
            assert_eq!(Some(l), learn.pop_front());
        }
        let over = by_id.len() == frames
            && open.iter().all(VecDeque::is_empty)
            && done.is_none()
            && enqueue.is_empty();
        quiet = if over { quiet + 1 } else { 0 };
    }
    assert_eq!(got, want, "drops, pruned, no_member");
    assert!(learn.is_empty(), "not learned: {learn:x?}");
    assert_eq!(dut.peek("idle"), 1);
}

#[test]
fn rules_hold_on_2_ports() {
    run(2, seed(1), 40, 60);
}

#[test]
fn rules_hold_on_4_ports() {
    run(4, seed(2), 60, 120);
}

#[test]
fn rules_hold_on_8_ports() {
    run(8, seed(3), 20, 120);
}

fn seed(default: u64) -> u64 {
    std::env::var("SEED")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(default)
}
