//! The whole card against the reference switch: the same random frames and commands to both, one after the other, and at the end of
//! each round many frames at once; every copy, event and counter and the FDB must agree. Now and then the switch is reset while it works.
//! `SEED` chooses another run, `ROUNDS` a longer one.

mod check;
mod control;
mod pair;
mod reset;
mod storm;
mod told;
mod traffic;

use pair::Pair;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use smartnic_hdl::params::Params;

/// Frames in a round, which begins with a new configuration of everything and ends with a look at all counters.
const FRAMES: u32 = 220;

/// Frames at once.
const STORM: usize = 60;
/// Seed of the usual run.
const SEED: u64 = 1;
/// Rounds of the usual run.
const ROUNDS: u64 = 12;
/// Rounds of the cards of other sizes, a reset among them.
const SHORT: u64 = 3;

fn env(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(default)
}

fn step(pair: &mut Pair, rng: &mut ChaCha8Rng) {
    if rng.random_bool(0.15) {
        control::command(pair, rng);
    }
    let port = rng.random_range(0..pair.cables.len() + 1);
    if port < pair.cables.len() {
        let (t, faulty) = traffic::on_wire(rng);
        if pair.cables[port].0 {
            pair.receive(port, t, faulty);
        }
        return;
    }
    let mut frame = traffic::frame(rng);
    match rng.random_range(0..20) {
        0..4 => frame.truncate(rng.random_range(10..60)),
        4 => frame.resize(rng.random_range(1500..2000), 0xa5),
        _ => {}
    }
    let direct = rng.random_bool(0.5).then(|| {
        (
            control::destination(rng, pair.cables.len()),
            rng.random_range(0..2),
        )
    });
    pair.send(&frame, direct);
}

/// Short frames, so that no queue reaches its limit.
fn storm(pair: &mut Pair, rng: &mut ChaCha8Rng) {
    let mut frames = vec![];
    while frames.len() < STORM {
        let port = rng.random_range(0..pair.cables.len());
        let (t, faulty) = traffic::on_wire(rng);
        if pair.cables[port].0 && t.frame.len() <= 256 {
            frames.push((port, t, faulty));
        }
        if pair.cables.iter().all(|c| !c.0) {
            break;
        }
    }
    pair.storm(frames);
}

/// A reset while all ports receive.
fn reset(pair: &mut Pair, rng: &mut ChaCha8Rng) {
    let mut frames = vec![];
    for port in 0..pair.cables.len() {
        if pair.cables[port].0 {
            frames.extend((0..4).map(|_| (port, traffic::on_wire(rng).0)));
        }
    }
    pair.reset(frames, rng.random_range(0..1000), rng.random());
}

/// Runs `rounds` rounds on a card and its reference.
fn run(params: Params, rounds: u64) -> Pair {
    let seed = env("SEED", SEED);
    println!("SEED={seed} ROUNDS={rounds} {params:?}");
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut pair = Pair::new(params, seed);
    for round in 0..rounds {
        println!("round {round}");
        control::renew(&mut pair, &mut rng);
        for _ in 0..FRAMES {
            step(&mut pair, &mut rng);
        }
        storm(&mut pair, &mut rng);
        pair.check();
        if round % 4 == 1 && round + 1 < rounds {
            pair.check_dump();
            reset(&mut pair, &mut rng);
            pair.check();
        }
    }
    println!("{} frames agree in {} cycles", pair.frames, pair.cycles());
    pair
}

#[test]
fn card_and_reference_agree() {
    let rounds = env("ROUNDS", ROUNDS);
    let mut pair = run(Params::for_ports(4), rounds);
    pair.check_dump();
    let usual = env("SEED", SEED) == SEED && rounds >= ROUNDS;
    for (what, count) in pair.met() {
        println!("{count:8} {what}");
        // If the usual run misses something, the test has gone blind.
        assert!(count > 0 || !usual, "no {what}");
    }
}

#[test]
fn card_of_2_ports_and_reference_agree() {
    run(Params::for_ports(2), env("ROUNDS", SHORT)).check_dump();
}

/// Beats are 128 bits wide here.
#[test]
fn card_of_8_ports_and_reference_agree() {
    run(Params::for_ports(8), env("ROUNDS", SHORT));
}

/// Sizes of everything that no other card here has: wide beats at 2 ports, a CAM of no power of two, few cells, groups and rings.
#[test]
fn card_of_odd_sizes_and_reference_agree() {
    let params = Params {
        width: 128,
        fdb_entries: 1024,
        cam: 9,
        cells: 256,
        lag_groups: 3,
        queues: 3,
        ..Params::for_ports(2)
    };
    run(params, env("ROUNDS", SHORT)).check_dump();
}
