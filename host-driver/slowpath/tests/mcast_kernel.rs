//! The machine's own kernel bridge hears the same reports as ours, and `bridge -d mdb show` says what [`Snooping::mdb`] says, timers
//! to half a second. Each group has one reporting port, which says anything, or several, which only ever want more: the kernel
//! forgets a port in mode EXCLUDE in the (S, G) entries of others when its source list shrinks.

mod mcast;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use mcast::*;
use rand::Rng;
use rand::seq::IteratorRandom;
use rand_chacha::ChaCha8Rng;
use smartnic_lab::netns::{Lab, LabError, Namespace};
use smartnic_lab::skip::{Lack, namespaces, skip, tool};
use smartnic_slowpath::mcast::*;
use smartnic_slowpath::wire::membership::RecordKind::{self, *};

const PORTS: PortId = 3;

/// Sends whole frames by an interface of the calling thread's namespace.
mod wire {
    use std::io;
    use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};

    pub struct Wire(OwnedFd, libc::sockaddr_ll);

    impl Wire {
        pub fn open(interface: &str) -> io::Result<Self> {
            let name = std::ffi::CString::new(interface)?;
            // SAFETY: socket takes no pointers.
            let socket =
                unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
            if socket < 0 {
                return Err(io::Error::last_os_error());
            }
            // SAFETY: the descriptor is new and nobody else's.
            let socket = unsafe { OwnedFd::from_raw_fd(socket) };
            // SAFETY: the name ends with a zero and lives through the call.
            let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
            // SAFETY: all zeroes is a value of this plain structure.
            let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
            address.sll_family = libc::AF_PACKET as u16;
            address.sll_ifindex = i32::try_from(index).map_err(io::Error::other)?;
            Ok(Self(socket, address))
        }

        pub fn send(&self, frame: &[u8]) -> io::Result<()> {
            // SAFETY: frame and address are valid for the lengths given, and only read.
            let sent = unsafe {
                libc::sendto(
                    self.0.as_raw_fd(),
                    frame.as_ptr().cast(),
                    frame.len(),
                    0,
                    (&raw const self.1).cast(),
                    size_of_val(&self.1) as u32,
                )
            };
            match usize::try_from(sent) {
                Ok(sent) if sent == frame.len() => Ok(()),
                _ => Err(io::Error::last_os_error()),
            }
        }
    }
}

/// What both say of a member.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    group: String,
    source: Option<String>,
    port: String,
    mode: String,
    flags: BTreeSet<String>,
    sources: Vec<(String, u64)>,
}

struct Peers {
    rng: ChaCha8Rng,
    start: Instant,
    family: Family,
    ours: Bridge,
    kernel: Namespace,
    wires: Vec<wire::Wire>,
    _lab: Lab,
}

impl Peers {
    fn new(name: &str, family: Family, with_sources: bool) -> Result<Self, LabError> {
        let mut lab = Lab::new(&format!("smartnic-{name}"))?;
        let (kernel, hosts) = (lab.namespace("bridge")?, lab.namespace("hosts")?);
        let (igmp, mld) = if with_sources { ("3", "2") } else { ("2", "1") };
        let kind = [
            "type",
            "bridge",
            "mcast_snooping",
            "1",
            "mcast_igmp_version",
            igmp,
            "mcast_mld_version",
            mld,
        ];
        kernel.link(&[&["add", "name", "br0"][..], &kind].concat())?;
        kernel.up("br0")?;
        for port in 1..=PORTS {
            let (inside, outside) = (format!("p{port}"), format!("h{port}"));
            lab.veth((&kernel, &inside), (&hosts, &outside))?;
            kernel.link(&["set", "dev", &inside, "master", "br0"])?;
        }
        let wires = hosts.run(|| {
            let open = |port| wire::Wire::open(&format!("h{port}"));
            let wires: std::io::Result<_> = (1..=PORTS).map(open).collect();
            wires.map_err(|source| LabError::System {
                what: "a packet socket".into(),
                source,
            })
        })?;
        let mut ours = Bridge::new(PORTS);
        ours.set(Knob::IgmpVersion, if with_sources { 3 } else { 2 });
        ours.set(Knob::MldVersion, if with_sources { 2 } else { 1 });
        Ok(Self {
            rng: rng(),
            start: Instant::now(),
            family,
            ours,
            kernel,
            wires,
            _lab: lab,
        })
    }

    /// A host's packet to both.
    fn say(&mut self, port: PortId, packet: &[u8]) {
        self.ours.run_to(self.start.elapsed());
        self.ours.receive(port, 1, packet);
        let (destination, ethertype): (IpAddr, [u8; 2]) = match self.family {
            Family::V4 => (
                <[u8; 4]>::try_from(&packet[16..20]).expect("four").into(),
                [8, 0],
            ),
            Family::V6 => (
                <[u8; 16]>::try_from(&packet[24..40])
                    .expect("sixteen")
                    .into(),
                [0x86, 0xdd],
            ),
        };
        let to = GroupAddress::Ip(destination).mac();
        let frame = [&to.0[..], &mac(1).0, &ethertype, packet].concat();
        self.wires[port as usize - 1]
            .send(&frame)
            .expect("the veth takes it");
    }

    fn kernels(&self) -> Vec<Line> {
        let program = smartnic_lab::which("bridge").expect("asked for before");
        let output = self
            .kernel
            .command(&program)
            .args(["-j", "-d", "mdb", "show"])
            .output();
        let output = output.expect("it runs");
        let all: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
        let list = |value: &serde_json::Value| value.as_array().cloned().unwrap_or_default();
        let line = |entry: &serde_json::Value| Line {
            group: text(&entry["grp"]).expect("a group"),
            source: text(&entry["src"]),
            port: text(&entry["port"]).expect("a port"),
            mode: text(&entry["filter_mode"]).unwrap_or_default(),
            flags: list(&entry["flags"]).iter().filter_map(text).collect(),
            sources: sorted(list(&entry["source_list"]).iter().map(|source| {
                let timer: f64 = text(&source["timer"])
                    .expect("a timer")
                    .trim()
                    .parse()
                    .expect("a number");
                (
                    text(&source["address"]).expect("an address"),
                    (timer * 100.0).round() as u64,
                )
            })),
        };
        let lines = all
            .as_array()
            .into_iter()
            .flatten()
            .flat_map(|part| list(&part["mdb"]));
        // The bridge's own memberships are its host's.
        sorted(
            lines
                .map(|entry| line(&entry))
                .filter(|line| line.port != "br0"),
        )
    }

    fn ours(&mut self) -> Vec<Line> {
        self.ours.run_to(self.start.elapsed());
        let line = |entry: MdbEntry| {
            let flags = [
                (entry.flags.added_by_star_ex, "added_by_star_ex"),
                (entry.flags.blocked, "blocked"),
            ];
            Line {
                group: entry.key.group.to_string(),
                source: entry.key.source.map(|source| source.to_string()),
                port: format!("p{}", entry.port.expect("only ports report")),
                mode: entry
                    .filter_mode
                    .map_or(String::new(), |mode| mode.to_string()),
                flags: flags
                    .into_iter()
                    .filter(|flag| flag.0)
                    .map(|flag| flag.1.to_owned())
                    .collect(),
                sources: sorted(
                    entry
                        .sources
                        .iter()
                        .map(|source| (source.address.to_string(), source.timer)),
                ),
            }
        };
        sorted(self.ours.snooping.mdb().into_iter().map(line))
    }

    /// Both say the same; the kernel gets a moment for what is on its way. How many lines.
    fn compare(&mut self) -> usize {
        let give_up = Instant::now() + Duration::from_secs(2);
        loop {
            let (kernel, ours) = (self.kernels(), self.ours());
            if kernel.len() == ours.len()
                && kernel
                    .iter()
                    .zip(&ours)
                    .all(|(kernel, ours)| alike(kernel, ours))
            {
                return ours.len();
            }
            if Instant::now() > give_up {
                let kernel: BTreeSet<_> =
                    kernel.into_iter().map(|line| format!("{line:?}")).collect();
                let ours: BTreeSet<_> = ours.into_iter().map(|line| format!("{line:?}")).collect();
                panic!(
                    "the kernel only: {:#?}\nours only: {:#?}",
                    kernel.difference(&ours).collect::<Vec<_>>(),
                    ours.difference(&kernel).collect::<Vec<_>>()
                );
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What a record lists. The kernel keeps a port that allows nothing for ever: that is not asked for.
    fn sources(&mut self, kind: RecordKind) -> Vec<IpAddr> {
        let least = usize::from(kind == Allow);
        let count = self.rng.random_range(least..4);
        let all = (1..=5).map(|n| source(self.family, n));
        all.choose_multiple(&mut self.rng, count)
    }
}

fn sorted<T: Ord>(all: impl Iterator<Item = T>) -> Vec<T> {
    all.collect::<BTreeSet<_>>().into_iter().collect()
}

fn alike(kernel: &Line, ours: &Line) -> bool {
    let bare = |line: &Line| Line {
        sources: Vec::new(),
        ..line.clone()
    };
    let near = |(one, other): (&(String, u64), &(String, u64))| {
        one.0 == other.0 && one.1.abs_diff(other.1) < 50
    };
    bare(kernel) == bare(ours)
        && kernel.sources.len() == ours.sources.len()
        && kernel.sources.iter().zip(&ours.sources).all(near)
}

/// A laboratory, or the calling test is noted as skipped.
fn peers(name: &str, family: Family, with_sources: bool) -> Option<Peers> {
    if !namespaces() {
        return None;
    }
    tool("bridge")?;
    match Peers::new(name, family, with_sources) {
        Ok(peers) => Some(peers),
        Err(LabError::Ip { command, said }) if command.contains("type bridge") => {
            skip(
                Lack::Kernel,
                &format!("the kernel has no bridge that snoops: {said}"),
            );
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// Records of all kinds, one after another, about twenty groups that have one port each.
fn tables(name: &str, family: Family) {
    let Some(mut peers) = peers(name, family, true) else {
        return;
    };
    for _ in 0..12 {
        for n in 0..20 {
            let kind: RecordKind = *RecordKind::ALL.iter().choose(&mut peers.rng).expect("six");
            let said = (kind, group(family, n), peers.sources(kind));
            println!("{said:?}");
            peers.say(
                1 + PortId::from(n) % PORTS,
                &report(host(family, 1), &[said]),
            );
        }
        assert!(peers.compare() > 0);
    }
    // What nobody answered for is gone after the last member time.
    std::thread::sleep(Duration::from_millis(2100));
    peers.compare();
}

#[test]
fn igmpv3_state_tables() {
    tables("mcast-igmp3", Family::V4);
}

#[test]
fn mldv2_state_tables() {
    tables("mcast-mld2", Family::V6);
}

/// Several ports want the same groups: (S, G) entries get the ports that exclude.
#[test]
fn ports_that_exclude_are_in_all_entries() {
    for (name, family) in [("mcast-star4", Family::V4), ("mcast-star6", Family::V6)] {
        let Some(mut peers) = peers(name, family, true) else {
            return;
        };
        for _ in 0..6 {
            for n in 0..8 {
                for port in 1..=PORTS {
                    let kind = if port == 1 { IsExclude } else { Allow };
                    // The list of a port that excludes stays as it is.
                    let sources = match kind {
                        IsExclude => vec![source(family, n % 4 + 1)],
                        _ => peers.sources(kind),
                    };
                    peers.say(
                        port,
                        &report(host(family, 1), &[(kind, group(family, n), sources)]),
                    );
                }
            }
            assert!(peers.compare() > 8);
        }
    }
}

/// Reports and leaves of IGMPv2 and MLDv1.
#[test]
fn old_reports_and_leaves() {
    for (name, family) in [("mcast-old4", Family::V4), ("mcast-old6", Family::V6)] {
        let Some(mut peers) = peers(name, family, false) else {
            return;
        };
        for round in 0..3 {
            for n in 0..12 {
                for port in 1..=PORTS {
                    let packet = match peers.rng.random_bool(0.6) {
                        true => old_report(host(family, 1), group(family, n)),
                        false => leave(host(family, 1), group(family, n)),
                    };
                    peers.say(port, &packet);
                }
            }
            assert!(peers.compare() > 0);
            if round == 1 {
                std::thread::sleep(Duration::from_millis(2100));
                peers.compare();
            }
        }
    }
}
