//! The machine's own kernel bridge, in a network namespace, gets the same frames by the same ports under the same options: it delivers the same, and learns the same. Needs root. (That kernel
//! may lack VLAN filtering, so there are no tags here.)

use std::path::Path;
use std::time::{Duration, Instant};

use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use smartnic_bridge::{FdbFilter, FdbState};
use smartnic_lab::netns::{Lab, LabError, Namespace};
use smartnic_lab::skip;
use smartnic_slowpath::MacAddr;

use super::common::{Rig, frame, mac, port_mac, rng};
use super::socket::PacketSocket;

const PORTS: usize = 4;
const FLAGS: [&str; 7] = [
    "learning",
    "flood",
    "mcast_flood",
    "bcast_flood",
    "hairpin",
    "isolated",
    "locked",
];

struct Kernel {
    _lab: Lab,
    host: Namespace,
    /// At the other ends of the ports' cables.
    ports: Vec<PacketSocket>,
    /// On the bridge's own device.
    own: PacketSocket,
}

fn socket(namespace: &Namespace, name: &str) -> Result<PacketSocket, LabError> {
    let mut socket = None;
    namespace.run(|| {
        socket = Some(PacketSocket::open(name));
        Ok::<_, LabError>(())
    })?;
    Ok(socket.expect("the work was done").expect("a packet socket"))
}

fn kernel() -> Result<Kernel, LabError> {
    let mut lab = Lab::new(&format!("snb{}", std::process::id()))?;
    let (card, host) = (lab.namespace("card")?, lab.namespace("host")?);
    // Packet filters would look into frames and drop what is no packet.
    for filter in ["iptables", "ip6tables", "arptables"] {
        let name = format!("net/bridge/bridge-nf-call-{filter}");
        if Path::new("/proc/sys").join(&name).exists() {
            host.sysctl(&name, "0")?;
        }
    }
    host.link(&["add", "name", "br0", "type", "bridge"])?;
    for n in 0..PORTS {
        let (c, k) = (format!("c{n}"), format!("k{n}"));
        lab.veth((&card, &c), (&host, &k))?;
        host.link(&["set", "dev", &k, "address", &port_mac(n).to_string()])?;
        host.link(&["set", "dev", &k, "master", "br0"])?;
    }
    host.up("br0")?;
    let ports = (0..PORTS).map(|n| socket(&card, &format!("c{n}")));
    let ports = ports.collect::<Result<_, _>>()?;
    let own = socket(&host, "br0")?;
    Ok(Kernel {
        _lab: lab,
        host,
        ports,
        own,
    })
}

fn read(socket: &mut PacketSocket, into: &mut Vec<Vec<u8>>) {
    let mut buffer = [0; 2048];
    while let Some(len) = socket.receive(&mut buffer).expect("a frame, or none") {
        // The kernel's own memberships (IGMP, with the router alert option) are not what is compared.
        if buffer[12..15] != [8, 0, 0x46] {
            into.push(buffer[..len].to_vec());
        }
    }
}

impl Kernel {
    /// What the ports deliver, and the bridge itself gets: so many frames, or what came when time was up.
    fn delivered(&mut self, expected: &[usize], own: usize) -> (Vec<Vec<Vec<u8>>>, Vec<Vec<u8>>) {
        let begin = Instant::now();
        let (mut sent, mut up) = (vec![Vec::new(); PORTS], Vec::new());
        loop {
            for (socket, sent) in self.ports.iter_mut().zip(&mut sent) {
                read(socket, sent);
            }
            read(&mut self.own, &mut up);
            let all = sent.iter().zip(expected).all(|(s, n)| s.len() >= *n) && up.len() >= own;
            if all || begin.elapsed() > Duration::from_secs(30) {
                return (sent, up);
            }
            std::thread::yield_now();
        }
    }

    fn fdb(&self) -> Vec<(MacAddr, String)> {
        let bridge = smartnic_lab::which("bridge").expect("iproute2 is there");
        let mut show = self.host.command(&bridge);
        let out = show
            .args(["fdb", "show", "br", "br0"])
            .output()
            .expect("bridge runs");
        let text = String::from_utf8(out.stdout).expect("text");
        let learned = text
            .lines()
            .filter(|l| l.contains("master br0") && !l.contains("permanent"));
        let mut found: Vec<_> = learned
            .map(|line| {
                let words: Vec<&str> = line.split_whitespace().collect();
                (
                    words[0].parse().expect("an address"),
                    words[2].replace('k', "p"),
                )
            })
            .collect();
        found.sort();
        found
    }
}

fn address(rng: &mut ChaCha8Rng) -> MacAddr {
    match rng.random_range(0..16) {
        0 => MacAddr::BROADCAST,
        1 => MacAddr([1, 0, 0x5e, 0, 0, 1]),
        2 => MacAddr([1, 0x80, 0xc2, 0, 0, rng.random_range(0..18)]),
        3 => port_mac(rng.random_range(0..PORTS)),
        _ => mac(rng.random_range(1..8)),
    }
}

#[test]
fn the_kernels_bridge_delivers_and_learns_the_same() {
    if !skip::namespaces() {
        return;
    }
    let mut rng = rng("the_kernels_bridge_delivers_and_learns_the_same");
    let mut kernel = kernel().expect("a lab");
    let mut rig = Rig::new(PORTS);
    for round in 0u32..400 {
        let port = rng.random_range(0..PORTS);
        if rng.random_ratio(1, 12) {
            let flag = *FLAGS.choose(&mut rng).expect("flags");
            let value = if rng.random_bool(0.6) == (FLAGS[..4].contains(&flag)) {
                "on"
            } else {
                "off"
            };
            rig.set_port(port, &[(flag, value)]).expect("legal");
            let name = format!("k{port}");
            let set = kernel
                .host
                .link(&["set", "dev", &name, "type", "bridge_slave", flag, value]);
            set.expect("the kernel takes it");
        }
        // Sources that are groups are not sent: a kernel's own veth may mind.
        let (to, mut from) = (address(&mut rng), address(&mut rng));
        from.0[0] &= !1;
        let protocol = *[0x9000u16, 0x9000, 0x0800, 0x0806]
            .choose(&mut rng)
            .expect("types");
        let bytes = frame(to, from, protocol, &round.to_be_bytes());
        rig.input(port, &bytes);
        kernel.ports[port].send(&bytes).expect("sent");
        let (sent, up) = rig.take();
        let counts: Vec<usize> = sent.iter().map(Vec::len).collect();
        let theirs = kernel.delivered(&counts, up.len());
        assert_eq!(
            (sent, up),
            theirs,
            "round {round}: into port {port}: {bytes:02x?}"
        );
        if round % 50 == 49 {
            let shown = rig.bridge.fdb_show(&rig.core, &FdbFilter::default());
            let learned = shown
                .iter()
                .filter(|e| e.vlan == 0 && e.state == FdbState::Reachable);
            let name = |ifindex| rig.core.by_index(ifindex).expect("a port").name();
            let ours: Vec<_> = learned.map(|e| (e.mac, name(e.ifindex))).collect();
            assert_eq!(ours, kernel.fdb());
        }
    }
}
