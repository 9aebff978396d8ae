//! The machine's own kernel bridge as the neighbour: two cables between it and ours, in network namespaces. Both elect the same root,
//! one end of the redundant pair is blocked, and a cut of the cable in use heals. Needs root.
//!
//! Time is the wall's here, so the root's times are the shortest that both allow.

mod socket;

use std::path::Path;
use std::time::{Duration, Instant};

use smartnic_lab::netns::{Lab, LabError, Namespace};
use smartnic_lab::skip;
use smartnic_slowpath::stp::{
    Action, Bridge, BridgeSettings, BridgeTimes, Link, PortSettings, PortState, Protocol,
};
use socket::PacketSocket;

const SECOND: Duration = Duration::from_secs(1);
const FORWARDING: u8 = PortState::Forwarding as u8;
const BLOCKING: u8 = PortState::Blocking as u8;

/// Our bridge `card`, with its ports `p1` and `p2` on sockets, and the kernel's `br0` with `k1` and `k2` at the other ends.
struct Pair {
    _lab: Lab,
    card: Namespace,
    host: Namespace,
    bridge: Bridge,
    sockets: Vec<PacketSocket>,
    begin: Instant,
}

fn pair(name: &str, protocol: Protocol, ours: u16, kernels: u16) -> Result<Pair, LabError> {
    let mut lab = Lab::new(&format!("snt{}{name}", std::process::id()))?;
    let (card, host) = (lab.namespace("card")?, lab.namespace("host")?);
    let priority = kernels.to_string();
    let options = [
        "type",
        "bridge",
        "stp_state",
        "1",
        "hello_time",
        "100",
        "forward_delay",
        "200",
        "max_age",
        "600",
        "mcast_snooping",
        "0",
        "priority",
        &priority,
    ];
    host.link(&[&["add", "name", "br0"], &options[..]].concat())?;
    for n in ["1", "2"] {
        let (p, k) = (format!("p{n}"), format!("k{n}"));
        lab.veth((&card, &p), (&host, &k))?;
        host.link(&["set", "dev", &k, "master", "br0"])?;
    }
    host.up("br0")?;
    let address = card.mac("p1")?.parse().expect("a MAC address");
    let mut settings = BridgeSettings::new(address, protocol);
    settings.priority = ours;
    settings.times = BridgeTimes {
        max_age: 6 * SECOND,
        hello_time: SECOND,
        forward_delay: 4 * SECOND,
    };
    let mut bridge = Bridge::new(settings).expect("legal settings");
    bridge.set_running(Duration::ZERO, true);
    let mut sockets = Vec::new();
    for name in ["p1", "p2"] {
        let mut socket = None;
        card.run(|| {
            socket = Some(PacketSocket::open(name));
            Ok::<_, LabError>(())
        })?;
        sockets.push(socket.expect("the work was done").expect("a packet socket"));
        let address = card.mac(name)?.parse().expect("a MAC address");
        let port = bridge.add_port(Duration::ZERO, address, PortSettings::default());
        let port = port.expect("a free number");
        let up = bridge.set_link(Duration::ZERO, port, Link::up(10_000));
        up.expect("the port is there");
    }
    Ok(Pair {
        _lab: lab,
        card,
        host,
        bridge,
        sockets,
        begin: Instant::now(),
    })
}

impl Pair {
    /// Root identifier, and states of k1 and k2, as the kernel shows them.
    fn kernel(&self) -> (String, [u8; 2]) {
        let net = "/sys/class/net/br0";
        let files = ["bridge/root_id", "brif/k1/state", "brif/k2/state"];
        let files = files.map(|file| format!("{net}/{file}"));
        let mut cat = self.host.command(Path::new("/bin/cat"));
        let out = cat.args(files).output().expect("cat runs");
        let text = String::from_utf8(out.stdout).expect("text");
        let mut words = text.split_whitespace();
        let root = words.next().expect("a root").to_owned();
        let state = |word: Option<&str>| word.and_then(|w| w.parse().ok()).expect("a state");
        (root, [state(words.next()), state(words.next())])
    }

    fn ours(&self) -> (String, [u8; 2]) {
        let state = |port| self.bridge.port_status(port).expect("a port").state as u8;
        let root = self.bridge.status().designated_root.to_string();
        (root, [state(1), state(2)])
    }

    /// Runs our bridge until `done`, which is looked at four times a second, and says how long that took.
    fn until(&mut self, what: &str, mut done: impl FnMut(&Self) -> bool) -> Duration {
        let begin = Instant::now();
        let mut look = begin;
        loop {
            let now = self.begin.elapsed();
            let mut frame = [0; 2048];
            for n in 0..self.sockets.len() {
                while let Some(len) = self.sockets[n].receive(&mut frame).expect("receives") {
                    // Whatever is not a BPDU for us is refused; the kernel sends other things too.
                    let _ = self.bridge.receive(now, n as u16 + 1, &frame[..len]);
                }
            }
            if self.bridge.next_deadline().is_some_and(|due| due <= now) {
                self.bridge.poll(now);
            }
            for action in self.bridge.take_actions() {
                if let Action::Send { port, frame } = action {
                    // A cable that was just cut takes nothing.
                    let _ = self.sockets[usize::from(port) - 1].send(&frame);
                }
            }
            if Instant::now() >= look {
                if done(self) {
                    return begin.elapsed();
                }
                look = Instant::now() + SECOND / 4;
            }
            let state = || format!("ours {:?}, kernel {:?}", self.ours(), self.kernel());
            assert!(
                begin.elapsed() < 40 * SECOND,
                "not in time: {what}: {}",
                state()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Both agree on this root, and of the four ends of the two cables three forward and one is blocked.
    fn agrees(&self, root: &str) -> bool {
        let ((our_root, ours), (kernels_root, kernels)) = (self.ours(), self.kernel());
        let count = |state| ours.iter().chain(&kernels).filter(|s| **s == state).count();
        our_root == root && kernels_root == root && count(FORWARDING) == 3 && count(BLOCKING) == 1
    }

    /// Cuts cable 1 or 2: our end goes down, and with it the carrier of the other.
    fn cut(&mut self, cable: usize) {
        let name = format!("p{cable}");
        self.card
            .link(&["set", "dev", &name, "down"])
            .expect("cuts");
        let now = self.begin.elapsed();
        let down = self.bridge.set_link(now, cable as u16, Link::down());
        down.expect("the port is there");
    }
}

/// The whole story; `kernel_is_root` says who has the better priority.
fn story(name: &str, protocol: Protocol, kernel_is_root: bool) {
    let (ours, kernels) = if kernel_is_root {
        (0x8000, 0x1000)
    } else {
        (0x1000, 0x8000)
    };
    let mut pair = pair(name, protocol, ours, kernels).expect("a lab");
    let own = pair.bridge.status().bridge_id.to_string();
    let root = if kernel_is_root {
        let mut cat = pair.host.command(Path::new("/bin/cat"));
        let out = cat.arg("/sys/class/net/br0/bridge/bridge_id").output();
        let text = String::from_utf8(out.expect("cat runs").stdout).expect("text");
        text.trim().to_owned()
    } else {
        own
    };
    let elected = pair.until("one root, one end blocked", |pair| pair.agrees(&root));
    // The blocked end is on the side that is not the root, and on the cable with the higher port number.
    let (ours, kernels) = (pair.ours().1, pair.kernel().1);
    let (leaf, rest) = if kernel_is_root {
        (ours, kernels)
    } else {
        (kernels, ours)
    };
    assert_eq!((leaf, rest), ([FORWARDING, BLOCKING], [FORWARDING; 2]));
    pair.cut(1);
    let healed = pair.until("the other cable forwards", |pair| {
        let (ours, kernels) = (pair.ours().1, pair.kernel().1);
        (ours[1], kernels[1]) == (FORWARDING, FORWARDING)
    });
    println!("{name}: one tree after {elected:?}, healed after {healed:?}");
    for port in 1..=2 {
        let c = pair.bridge.port_status(port).expect("a port").counters;
        // Only designated ports say something of their own accord.
        let said = if kernel_is_root {
            c.rx_config
        } else {
            c.tx_config
        };
        assert!(said > 0, "{port}: {c:?}");
        assert_eq!(c.rx_looped, 0);
    }
}

/// All four at the same time: they mostly wait.
#[test]
fn one_tree_with_the_kernel() {
    if !skip::namespaces() {
        return;
    }
    let mut lab = Lab::new(&format!("snt{}probe", std::process::id())).expect("a lab");
    let probe = lab.namespace("host").expect("a namespace");
    if let Err(error) = probe.link(&["add", "name", "br0", "type", "bridge", "stp_state", "1"]) {
        return skip::skip(skip::Lack::Kernel, &format!("no bridge: {error}"));
    }
    std::thread::scope(|scope| {
        scope.spawn(|| story("ks", Protocol::Stp, true));
        scope.spawn(|| story("os", Protocol::Stp, false));
        scope.spawn(|| story("kr", Protocol::Rstp, true));
        scope.spawn(|| story("or", Protocol::Rstp, false));
    });
}
