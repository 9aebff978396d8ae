//! Random commands of software.

use super::pair::Pair;
use super::traffic::{self, FIDS};
use rand::Rng;
use smartnic_refswitch::{
    Action, BUCKETS, Dest, Endpoint, Entry, Flush, Key, Kind, Learn, Mode, Policy, Port, Reserved,
    State,
};

fn pick<T: Copy>(rng: &mut impl Rng, of: &[T]) -> T {
    of[rng.random_range(0..of.len())]
}

/// A configuration in which some traffic flows.
fn configuration(rng: &mut impl Rng, all: &[Endpoint], lags: f64) -> Port {
    use State::*;
    let states = [Disabled, Listening, Learning, Blocking];
    Port {
        state: if rng.random_bool(0.8) {
            Forwarding
        } else {
            pick(rng, &states)
        },
        learn: pick(
            rng,
            &[
                Learn::Hardware,
                Learn::Hardware,
                Learn::SlowPath,
                Learn::Off,
            ],
        ),
        flood_unicast: rng.random_bool(0.8),
        flood_multicast: rng.random_bool(0.8),
        flood_broadcast: rng.random_bool(0.8),
        hairpin: rng.random_bool(0.2),
        isolated: rng.random_bool(0.2),
        class: rng.random_range(0..2),
        lag: rng
            .random_bool(lags)
            .then(|| pick(rng, &[0, 0, 1, 1, 2, 3, 4, 7])),
        fid: pick(rng, &[0, 0, 0, FIDS[1], FIDS[2]]),
        reach: all
            .iter()
            .copied()
            .filter(|_| rng.random_bool(0.9))
            .collect(),
        rx_enable: rng.random_bool(0.97),
        max_frame: pick(rng, &[1518, 1518, 1518, 1518, 1518, 1518, 2000, 200, 64]),
        link: true, // the cable decides
    }
}

fn members(rng: &mut impl Rng, ports: usize) -> std::collections::BTreeSet<usize> {
    let share = pick(rng, &[0.0, 0.7, 0.7, 0.9]);
    (0..ports).filter(|_| rng.random_bool(share)).collect()
}

/// A destination, now and then one that is not there.
pub fn destination(rng: &mut impl Rng, ports: usize) -> Dest {
    match rng.random_range(0..12) {
        0..5 => Dest::To(Endpoint::Port(rng.random_range(0..ports))),
        5 | 6 => Dest::To(Endpoint::Host),
        7..10 => Dest::Lag(rng.random_range(0..4)),
        10 => pick(
            rng,
            &[Dest::Lag(4), Dest::Lag(9), Dest::Lag(15), Dest::Set(3)],
        ),
        _ => Dest::To(Endpoint::Port(rng.random_range(ports..12))),
    }
}

fn key(rng: &mut impl Rng) -> Key {
    Key {
        fid: pick(rng, &[0, 0, 0, FIDS[1], FIDS[2]]),
        mac: traffic::address(rng),
    }
}

fn kind(rng: &mut impl Rng) -> Kind {
    let usual = [
        Kind::DYNAMIC,
        Kind::DYNAMIC,
        Kind::STATIC,
        Kind::STATIC,
        Kind::STICKY,
        Kind::EXTERN,
        Kind::STICKY,
        Kind::EXTERN,
        Kind::BLACKHOLE,
        Kind::LOCAL,
    ];
    if rng.random_bool(0.9) {
        return pick(rng, &usual);
    }
    Kind {
        fixed: rng.random_bool(0.5),
        sticky: rng.random_bool(0.5),
        external: rng.random_bool(0.5),
        blackhole: rng.random_bool(0.5),
    }
}

/// Everything anew.
pub fn renew(pair: &mut Pair, rng: &mut impl Rng) {
    let all = pair.switch.endpoints();
    let lags = pick(rng, &[0.0, 0.4, 0.7]);
    if rng.random_bool(0.4) {
        pair.flush(Flush::default());
    }
    for cable in &mut pair.cables {
        *cable = (rng.random_bool(0.95), rng.random_bool(0.05));
    }
    for e in all.clone() {
        let fresh = configuration(rng, &all, lags);
        pair.port(e, |p| *p = fresh);
    }
    for g in 0..pair.switch.groups.len() {
        group(pair, rng, g);
    }
    let g = rng.random_range(0..pair.switch.groups.len());
    fill(pair, rng, g);
    pair.forward(rng.random_bool(0.9));
    pair.age_period(rng.random_range(0..3));
}

fn group(pair: &mut Pair, rng: &mut impl Rng, g: usize) {
    use Policy::*;
    let ports = pair.cables.len();
    let policies = [Layer2, Layer34, Layer23, Encap23, Encap34, VlanSrcmac];
    pair.group(g, |group| {
        group.enabled = rng.random_bool(0.85);
        group.policy = pick(rng, &policies);
        group.mode = match rng.random_range(0..4) {
            0 => Mode::ActiveBackup {
                active: rng.random_range(0..ports + 2),
            },
            _ => Mode::Hash,
        };
        group.distributing = members(rng, ports);
        group.collecting = members(rng, ports);
    });
}

/// Buckets as Linux chooses.
fn fill(pair: &mut Pair, rng: &mut impl Rng, g: usize) {
    let mut filled = pair.switch.groups[g].clone();
    let usable: Vec<usize> = members(rng, pair.cables.len()).into_iter().collect();
    filled.fill(&usable);
    let all: Vec<_> = filled.buckets.iter().copied().enumerate().collect();
    pair.buckets(g, &all);
}

/// One command.
pub fn command(pair: &mut Pair, rng: &mut impl Rng) {
    let all = pair.switch.endpoints();
    let e = pick(rng, &all);
    let g = rng.random_range(0..pair.switch.groups.len());
    match rng.random_range(0..40) {
        0..5 => {
            let fresh = configuration(rng, &all, 0.3);
            pair.port(e, |p| *p = fresh);
        }
        5 | 6 => {
            let i = rng.random_range(0..pair.cables.len());
            pair.cables[i] = (rng.random_bool(0.8), rng.random_bool(0.2));
            pair.port(Endpoint::Port(i), |_| ());
        }
        7..10 => group(pair, rng, g),
        10 if rng.random_bool(0.3) => fill(pair, rng, g),
        10 | 11 => {
            // Some are not there.
            let member = rng
                .random_bool(0.9)
                .then(|| rng.random_range(0..all.len() + 1));
            pair.buckets(g, &[(rng.random_range(0..BUCKETS), member)]);
        }
        12..16 => {
            let what = Reserved {
                action: pick(
                    rng,
                    &[Action::Drop, Action::Trap, Action::Copy, Action::Forward],
                ),
                reason: pick(rng, &[0, 0, 77]),
            };
            pair.reserved(rng.random_range(0..16), what);
        }
        16 => pair.forward(rng.random_bool(0.7)),
        17..30 => {
            let entry = Entry {
                dest: destination(rng, all.len() - 1),
                kind: kind(rng),
                age: rng.random_range(0..4),
            };
            pair.add(key(rng), entry);
        }
        30..34 => {
            let known: Vec<Key> = pair.switch.fdb.iter().map(|(k, _)| *k).collect();
            let k = if known.is_empty() || rng.random_bool(0.3) {
                key(rng)
            } else {
                pick(rng, &known)
            };
            pair.delete(k);
        }
        34 if rng.random_bool(0.5) => {
            let what = Flush {
                dest: rng
                    .random_bool(0.6)
                    .then(|| destination(rng, all.len() - 1)),
                fid: rng.random_bool(0.5).then(|| pick(rng, &FIDS)),
                ageing: rng.random_bool(0.5),
                external: rng.random_bool(0.2),
            };
            pair.flush(what);
        }
        35 | 36 => pair.tick(),
        _ => {}
    }
}
