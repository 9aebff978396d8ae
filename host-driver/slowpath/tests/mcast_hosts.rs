//! Random hosts behind ports, as RFC 3376 and RFC 3810 have them (5.1 state changes, 5.2 answers to queries), join, leave and change
//! their source lists. What the bridge forwards is at every instant at least what they want, and, once all timers that a change
//! started have run out, exactly that. The model knows nothing but the hosts' intent.

mod mcast;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use mcast::*;
use rand::Rng;
use rand::seq::IteratorRandom;
use rand_chacha::ChaCha8Rng;
use smartnic_slowpath::mcast::*;
use smartnic_slowpath::wire::membership::RecordKind::{self, *};

const PORTS: PortId = 4;
const GROUPS: u8 = 3;
/// The last one is in nobody's list.
const SOURCES: u8 = 5;

/// What a host wants of a group: INCLUDE with no source is nothing.
#[derive(Clone, Debug, PartialEq)]
struct Want {
    mode: FilterMode,
    sources: BTreeSet<IpAddr>,
}

impl Want {
    fn nothing() -> Self {
        Self {
            mode: FilterMode::Include,
            sources: BTreeSet::new(),
        }
    }

    fn wants(&self, source: IpAddr) -> bool {
        self.sources.contains(&source) == (self.mode == FilterMode::Include)
    }
}

struct Host {
    port: PortId,
    number: u8,
    /// Speaks IGMPv2 or MLDv1.
    old: bool,
    wants: BTreeMap<IpAddr, Want>,
}

impl Host {
    fn want(&self, group: IpAddr) -> Want {
        self.wants.get(&group).cloned().unwrap_or(Want::nothing())
    }
}

struct World {
    rng: ChaCha8Rng,
    family: Family,
    bridge: Bridge,
    hosts: Vec<Host>,
    /// Answers under way: when, who, about which group (none: all) and sources.
    answers: Vec<(Duration, usize, Option<IpAddr>, Vec<IpAddr>)>,
}

impl World {
    /// A host says something.
    fn say(&mut self, host: usize, said: Vec<Said>) {
        let host = &self.hosts[host];
        let (port, number) = (host.port, host.number);
        let from = mcast::host(self.family, number);
        // Shown if the test fails.
        println!("{:?} port {port} host {number} {said:?}", self.bridge.now);
        if !host.old {
            if !said.is_empty() {
                self.bridge.receive(port, number, &report(from, &said));
            }
            return;
        }
        for (kind, group, sources) in said {
            let packet = match (kind, sources.is_empty()) {
                (IsInclude | ToInclude, true) => leave(from, group),
                _ => old_report(from, group),
            };
            self.bridge.receive(port, number, &packet);
        }
    }

    /// A host wants something else (RFC 3376, 5.1).
    fn change(&mut self) {
        let host = self.rng.random_range(0..self.hosts.len());
        let group = group(self.family, self.rng.random_range(0..GROUPS));
        let old = self.hosts[host].want(group);
        let sources = (0..SOURCES - 1).map(|n| source(self.family, n));
        let count = self.rng.random_range(0..3);
        let mut new = Want {
            mode: match self.rng.random() {
                true => FilterMode::Include,
                false => FilterMode::Exclude,
            },
            sources: sources
                .choose_multiple(&mut self.rng, count)
                .into_iter()
                .collect(),
        };
        if self.rng.random_bool(0.3) {
            new = Want::nothing();
        }
        if self.hosts[host].old {
            new.sources.clear();
        }
        self.hosts[host].wants.insert(group, new.clone());
        let list = |sources: BTreeSet<IpAddr>| sources.into_iter().collect::<Vec<_>>();
        let said: Vec<(RecordKind, Vec<IpAddr>)> = match (old.mode, new.mode) {
            (FilterMode::Include, FilterMode::Exclude) => vec![(ToExclude, list(new.sources))],
            (FilterMode::Exclude, FilterMode::Include) => vec![(ToInclude, list(new.sources))],
            (_, mode) => {
                let (more, fewer) = (&new.sources - &old.sources, &old.sources - &new.sources);
                let (allow, block) = match mode {
                    FilterMode::Include => (more, fewer),
                    FilterMode::Exclude => (fewer, more),
                };
                let both = [(Allow, list(allow)), (Block, list(block))];
                both.into_iter()
                    .filter(|(_, sources)| !sources.is_empty())
                    .collect()
            }
        };
        let said = said
            .into_iter()
            .map(|(kind, sources)| (kind, group, sources));
        self.say(host, said.collect());
    }

    /// A host answers a query (RFC 3376, 5.2).
    fn answer(&mut self, host: usize, group: Option<IpAddr>, asked: &[IpAddr]) {
        let said = self.hosts[host].wants.iter().filter_map(|(of, want)| {
            if group.is_some_and(|group| group != *of) || *want == Want::nothing() {
                return None;
            }
            if asked.is_empty() {
                let kind = match want.mode {
                    FilterMode::Include => IsInclude,
                    FilterMode::Exclude => IsExclude,
                };
                return Some((kind, *of, want.sources.iter().copied().collect()));
            }
            let wanted: Vec<_> = asked.iter().copied().filter(|s| want.wants(*s)).collect();
            (!wanted.is_empty()).then_some((IsInclude, *of, wanted))
        });
        let said = said.collect();
        self.say(host, said);
    }

    /// The bridge's queries reach the hosts, which answer within the time given.
    fn hear(&mut self) {
        for (port, asked) in self.bridge.queries() {
            if asked.family != self.family {
                continue;
            }
            println!("{:?} port {port} {asked:?}", self.bridge.now);
            for (at, host) in self.hosts.iter().enumerate() {
                if host.port == port {
                    let delay = asked.response.mul_f64(self.rng.random_range(0.0..0.99));
                    let when = self.bridge.now + delay;
                    self.answers
                        .push((when, at, asked.group, asked.sources.clone()));
                }
            }
        }
    }

    /// Lets time pass, at every deadline and every answer.
    fn run(&mut self, time: Duration, exact_after: bool) {
        let end = self.bridge.now + time;
        loop {
            self.hear();
            let timer = self.bridge.snooping.next_deadline();
            let answer = self.answers.iter().map(|answer| answer.0).min();
            let next = timer
                .into_iter()
                .chain(answer)
                .min()
                .filter(|at| *at <= end);
            let Some(next) = next else { break };
            self.bridge.now = self.bridge.now.max(next);
            self.bridge.snooping.advance(self.bridge.now);
            let now = self.bridge.now;
            let (due, later) = std::mem::take(&mut self.answers)
                .into_iter()
                .partition(|a| a.0 <= now);
            self.answers = later;
            let due: Vec<_> = due;
            for (_, host, group, asked) in due {
                self.answer(host, group, &asked);
                self.check(false);
            }
            self.check(false);
        }
        self.bridge.now = end;
        self.bridge.snooping.advance(end);
        self.check(exact_after);
    }

    /// Compares what is forwarded with what is wanted, and the hardware's plan with both.
    fn check(&mut self, exact: bool) {
        let plan = self.bridge.snooping.plan(|vid| vid);
        for group in (0..GROUPS).map(|n| group(self.family, n)) {
            let in_plan = |key| {
                plan.groups
                    .get(&key)
                    .or(plan.unregistered.get(&(0, self.family)))
            };
            let mac = GroupAddress::Ip(group).mac();
            let planned = in_plan((0, mac)).expect("the bridge queries").ports.clone();
            for source in (0..SOURCES).map(|n| source(self.family, n)) {
                let wanted: BTreeSet<_> = self
                    .hosts
                    .iter()
                    .filter(|host| host.want(group).wants(source))
                    .map(|host| host.port)
                    .collect();
                let ports = self
                    .bridge
                    .ports(source, group)
                    .expect("the bridge queries");
                let ports: BTreeSet<_> = ports.into_iter().collect();
                let at = self.bridge.now;
                assert!(
                    wanted.is_subset(&ports),
                    "at {at:?} {group} from {source} is wanted on {wanted:?} and goes to {ports:?}: {:#?}",
                    self.bridge.snooping.mdb()
                );
                assert!(ports.is_subset(&planned), "{ports:?} {planned:?}");
                let route = plan.routes.get(&(0, group, Some(source)));
                let route = route.or(plan.routes.get(&(0, group, None)));
                let route = route.map_or(BTreeSet::new(), |route| route.ports.clone());
                assert_eq!(route, ports, "at {at:?} {group} from {source}");
                if exact {
                    assert_eq!(
                        wanted,
                        ports,
                        "at {at:?} {group} from {source}: {:#?}",
                        self.bridge.snooping.mdb()
                    );
                }
            }
        }
    }
}

/// `old`: how many of the hosts speak the older version.
fn run(family: Family, bridge: Bridge, old: impl Fn(u8) -> bool, rounds: usize) {
    let rng = rng();
    let hosts = (1..=8).map(|number| Host {
        port: 1 + PortId::from(number) % (PORTS - 1),
        number,
        old: old(number),
        wants: BTreeMap::new(),
    });
    let mut world = World {
        rng,
        family,
        bridge,
        hosts: hosts.collect(),
        answers: Vec::new(),
    };
    for _ in 0..rounds {
        for _ in 0..world.rng.random_range(1..12) {
            world.change();
            world.check(false);
            let time = Duration::from_millis(world.rng.random_range(0..4000));
            world.run(time, false);
        }
        // A change is forgotten after a membership interval: what an EXCLUDE list once blocked may be in doubt for that long.
        world.run(secs(2 * 260), true);
    }
    let counted = world.bridge.snooping.stats(Some(2)).expect("a port");
    assert_eq!(counted.igmp_parse_errors + counted.mld_parse_errors, 0);
}

#[test]
fn igmpv3_hosts() {
    run(Family::V4, Bridge::querier(PORTS), |_| false, 12);
}

#[test]
fn mldv2_hosts() {
    run(Family::V6, Bridge::querier(PORTS), |_| false, 12);
}

#[test]
fn hosts_of_both_versions() {
    run(Family::V4, Bridge::querier(PORTS), |n| n % 3 == 0, 6);
    run(Family::V6, Bridge::querier(PORTS), |n| n % 3 == 0, 6);
}

#[test]
fn old_hosts_on_an_old_bridge() {
    for family in Family::ALL {
        let mut bridge = Bridge::new(PORTS);
        bridge.set(Knob::Querier, 1);
        bridge.run_to(secs(60));
        bridge.snooping.take_outputs();
        run(family, bridge, |_| true, 8);
    }
}

/// With fast leave hosts are tracked one by one: nobody who stays loses anything, and what nobody wants goes at once.
#[test]
fn tracked_hosts() {
    for family in Family::ALL {
        let mut bridge = Bridge::querier(PORTS);
        for port in 1..=PORTS {
            bridge.set_port(port, PortKnob::FastLeave, 1);
        }
        run(family, bridge, |_| false, 6);
    }
}
