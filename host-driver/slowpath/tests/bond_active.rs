//! The active slave: primary, prio and reselection against a plain model; delays, announcements, memberships.

#[path = "common/bond_base.rs"]
mod bond_base;
#[path = "common/clock.rs"]
mod clock;
#[path = "common/seed.rs"]
mod seed;

use std::time::Duration;

use bond_base::{GIGABIT, bond};
use clock::ms;
use rand::Rng;
use rand::seq::IndexedRandom;
use seed::rng;
use smartnic_slowpath::bond::{Action, Bond, LinkState, Tx};
use smartnic_slowpath::lacp::Link;

fn run(bond: &mut Bond, from: Duration, to: Duration) -> Vec<(Duration, Action)> {
    let mut log = Vec::new();
    let mut now = from;
    loop {
        log.extend(std::iter::from_fn(|| bond.poll()).map(|a| (now, a)));
        match bond.next_deadline().map(|t| t.max(now)) {
            Some(t) if t <= to => {
                now = t;
                bond.tick(now);
            }
            _ => return log,
        }
    }
}

/// What the kernel's documentation says of the active slave, for links without delays.
struct Model {
    up: Vec<bool>,
    speed: Vec<u32>,
    prio: Vec<i32>,
    primary: Option<usize>,
    reselect: &'static str,
    active: Option<usize>,
}

impl Model {
    /// After every change: the active one stays unless it is gone or somebody has a better claim.
    fn choose(&mut self) {
        let alive: Vec<usize> = (0..self.up.len()).filter(|i| self.up[*i]).collect();
        self.active = self.active.filter(|a| self.up[*a]);
        let top = alive.iter().map(|i| self.prio[*i]).max();
        let claim = match self.primary.filter(|p| self.up[*p]) {
            Some(primary) => Some(primary),
            None if self.active.is_some_and(|a| Some(self.prio[a]) == top) => self.active,
            None => alive.iter().copied().find(|i| Some(self.prio[*i]) == top),
        };
        self.active = match (self.active, claim) {
            (Some(active), Some(claim)) => {
                let faster = self.speed[claim] > self.speed[active];
                let takes = self.reselect == "always" || (self.reselect == "better" && faster);
                Some(if takes { claim } else { active })
            }
            (active, claim) => active.or(claim),
        };
    }
}

#[test]
fn primary_prio_and_reselection() {
    let mut rng = rng();
    for round in 0..60 {
        let n = rng.random_range(2..6);
        let mode = *["active-backup", "balance-tlb", "balance-alb"]
            .choose(&mut rng)
            .unwrap();
        let reselect = *["always", "better", "failure"].choose(&mut rng).unwrap();
        let options = [("miimon", "10"), ("primary_reselect", reselect)];
        let (mut bond, _) = bond(mode, &options, n);
        let mut model = Model {
            up: vec![true; n as usize],
            speed: vec![1000; n as usize],
            prio: vec![0; n as usize],
            primary: None,
            reselect,
            active: Some(0),
        };
        let mut now = Duration::ZERO;
        for step in 0..100 {
            let i = rng.random_range(0..n as usize);
            let id = i as u32 + 1;
            now += ms(1);
            match rng.random_range(0..10) {
                0 => {
                    bond.set(now, "primary", &format!("port{id}")).unwrap();
                    model.primary = Some(i);
                    // Named just now: it takes over at once, or once it is up.
                    if model.up[i] {
                        model.active = Some(i);
                    } else {
                        model.choose();
                    }
                }
                1 => {
                    bond.set(now, "primary", "").unwrap();
                    model.primary = None;
                    model.choose();
                }
                2 if model.primary.is_none() => {
                    model.prio[i] = rng.random_range(-2..3);
                    bond.set_slave(now, id, "prio", &model.prio[i].to_string())
                        .unwrap();
                    model.choose();
                }
                3 if model.up[i] => {
                    let took = bond.set(now, "active_slave", &format!("port{id}"));
                    assert_eq!(took.is_ok(), model.active.is_some(), "round {round}");
                    if took.is_ok() {
                        model.active = Some(i);
                    }
                }
                _ => {
                    // A primary that was named while it was down is due an unconditional take-over: not modelled.
                    if model.primary == Some(i) && !model.up[i] && bond.active_slave() != Some(id) {
                        bond.set(now, "primary", "").unwrap();
                        model.primary = None;
                        model.choose();
                    }
                    model.up[i] = !model.up[i];
                    model.speed[i] = *[100, 1000, 2500].choose(&mut rng).unwrap();
                    let link = Link {
                        speed: model.speed[i],
                        full_duplex: true,
                    };
                    bond.set_link(now, id, model.up[i].then_some(link));
                    now += ms(10);
                    bond.tick(now);
                    // Others that come up change nothing while a primary is up: somebody may have chosen against it.
                    let primary_up = model.primary.is_some_and(|p| p != i && model.up[p]);
                    let news = if model.up[i] {
                        model.active.is_none() || !primary_up
                    } else {
                        model.active == Some(i)
                    };
                    if news {
                        model.choose();
                    }
                }
            }
            let active = bond.active_slave().map(|id| id as usize - 1);
            assert_eq!(
                active, model.active,
                "round {round} ({mode}, {reselect}) step {step}"
            );
            assert_eq!(bond.carrier(), model.up.contains(&true));
            let mut frame = [0xff; 60];
            if mode == "active-backup" {
                let want = model.active.map_or(Tx::Drop, |a| Tx::One(a as u32 + 1));
                assert_eq!(bond.transmit(now, &mut frame, 0), want);
            }
        }
    }
}

/// A primary that returns: at once, if it is better, or not before the active one fails.
#[test]
fn a_primary_that_returns() {
    for (reselect, speed, returns) in [
        ("always", 100, true),
        ("better", 1000, false),
        ("better", 2500, true),
        ("failure", 2500, false),
    ] {
        let options = [
            ("miimon", "10"),
            ("primary_reselect", reselect),
            ("primary", "port1"),
        ];
        let (mut bond, _) = bond("active-backup", &options, 2);
        assert_eq!(bond.active_slave(), Some(1));
        bond.set_link(ms(100), 1, None);
        run(&mut bond, ms(100), ms(120));
        assert_eq!(bond.active_slave(), Some(2));
        let link = Link { speed, ..GIGABIT };
        bond.set_link(ms(200), 1, Some(link));
        run(&mut bond, ms(200), ms(220));
        assert_eq!(
            bond.active_slave(),
            Some(if returns { 1 } else { 2 }),
            "{reselect} {speed}"
        );
        bond.set_link(ms(300), 2, None);
        run(&mut bond, ms(300), ms(320));
        assert_eq!(bond.active_slave(), Some(1));
    }
}

#[test]
fn delays_in_polls() {
    let options = [("miimon", "100"), ("updelay", "300"), ("downdelay", "250")];
    let (mut bond, _) = bond("active-backup", &options, 2);
    let state = |b: &Bond, n: usize| b.status().slaves[n].mii_status;
    // Joined with a carrier: the first is used at once, for there is no other; the second waits.
    run(&mut bond, Duration::ZERO, ms(50));
    assert_eq!(
        (state(&bond, 0), state(&bond, 1)),
        (LinkState::Up, LinkState::Back)
    );
    assert_eq!(bond.active_slave(), Some(1));
    run(&mut bond, ms(50), ms(500));
    assert_eq!(state(&bond, 1), LinkState::Up);
    // Down: seen at 1000, two polls of delay, gone at 1200. The frame finds no member meanwhile.
    run(&mut bond, ms(500), ms(950));
    bond.set_link(ms(950), 1, None);
    let mut frame = [0; 60];
    assert_eq!(bond.transmit(ms(960), &mut frame, 0), Tx::Drop);
    run(&mut bond, ms(950), ms(1199));
    assert_eq!(
        (state(&bond, 0), bond.active_slave()),
        (LinkState::Fail, Some(1))
    );
    run(&mut bond, ms(1199), ms(1200));
    assert_eq!(
        (state(&bond, 0), bond.active_slave()),
        (LinkState::Down, Some(2))
    );
    assert_eq!(bond.status().slaves[0].link_failure_count, 1);
    // A flap shorter than the delay is none.
    run(&mut bond, ms(1200), ms(1250));
    bond.set_link(ms(1250), 2, None);
    run(&mut bond, ms(1250), ms(1350));
    assert_eq!(state(&bond, 1), LinkState::Fail);
    bond.set_link(ms(1360), 2, Some(GIGABIT));
    run(&mut bond, ms(1360), ms(1400));
    assert_eq!(
        (state(&bond, 1), bond.active_slave()),
        (LinkState::Up, Some(2))
    );
    assert_eq!(bond.status().slaves[1].link_failure_count, 0);
    // Up: three polls, unless nothing else is there.
    run(&mut bond, ms(1400), ms(2010));
    bond.set_link(ms(2010), 1, Some(GIGABIT));
    run(&mut bond, ms(2010), ms(2399));
    assert_eq!(state(&bond, 0), LinkState::Back);
    run(&mut bond, ms(2399), ms(2400));
    assert_eq!(state(&bond, 0), LinkState::Up);
    run(&mut bond, ms(2400), ms(3000));
    bond.set_link(ms(3000), 1, None);
    bond.set_link(ms(3000), 2, None);
    run(&mut bond, ms(3000), ms(3400));
    assert!(!bond.carrier());
    run(&mut bond, ms(3400), ms(4010));
    bond.set_link(ms(4010), 1, Some(GIGABIT));
    run(&mut bond, ms(4010), ms(4100));
    assert_eq!(
        (state(&bond, 0), bond.active_slave()),
        (LinkState::Up, Some(1))
    );
}

/// `num_grat_arp` announcements, `peer_notif_delay` apart; `resend_igmp` repeats, 200 ms apart; none while it is 0.
#[test]
fn announcements_after_a_fail_over() {
    let options = [
        ("miimon", "100"),
        ("num_grat_arp", "3"),
        ("peer_notif_delay", "200"),
        ("resend_igmp", "4"),
    ];
    let (mut bond, _) = bond("active-backup", &options, 2);
    run(&mut bond, Duration::ZERO, ms(5000));
    bond.set_link(ms(5050), 1, None);
    let log = run(&mut bond, ms(5050), ms(9000));
    let times = |wanted: &Action| -> Vec<Duration> {
        log.iter()
            .filter(|(_, a)| a == wanted)
            .map(|(t, _)| *t)
            .collect()
    };
    assert_eq!(times(&Action::ActiveSlave(Some(2))), [ms(5100)]);
    assert_eq!(times(&Action::NotifyPeers), [5100, 5300, 5500].map(ms));
    assert_eq!(times(&Action::ResendIgmp), [5100, 5300, 5500, 5700].map(ms));
    bond.set(ms(9000), "num_unsol_na", "0").unwrap();
    bond.set(ms(9000), "resend_igmp", "0").unwrap();
    bond.set(ms(9000), "active_slave", "").unwrap();
    bond.set_link(ms(9000), 1, Some(GIGABIT));
    bond.set_link(ms(9000), 2, None);
    let log = run(&mut bond, ms(9000), ms(12000));
    assert!(
        log.iter().any(|(_, a)| *a == Action::ActiveSlave(Some(1))),
        "{log:?}"
    );
    let quiet = |a: &Action| !matches!(a, Action::NotifyPeers | Action::ResendIgmp);
    assert!(log.iter().all(|(_, a)| quiet(a)), "{log:?}");
}
