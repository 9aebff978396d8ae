//! The machine's own kernel bridge as the neighbour of the daemon's: two cables between them, in network namespaces. Both elect the same root, one end of
//! the redundant pair is blocked, and a cut heals. Needs root. Time is the wall's here, so the times are the shortest that both allow.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use smartnic_driver::clock::Clock;
use smartnic_lab::netns::{Lab, LabError, Namespace};
use smartnic_lab::skip;
use smartnic_regs::port;
use smartnic_regs::values::{reason, state};

#[path = "../../slowpath/tests/stp_kernel/socket.rs"]
mod socket;

use crate::fake::{Fake, Shape};
use crate::harness::{Running, start_with};
use crate::switch::field;
use socket::PacketSocket;

const LONGEST: Duration = Duration::from_secs(60);

/// Carries frames between the card's first ports and the interfaces behind the sockets, until `stop`.
fn carry(fake: &Fake, mut sockets: Vec<PacketSocket>, stop: &AtomicBool) {
    let mut frame = [0; 2048];
    let mut seen = 0;
    while !stop.load(Ordering::SeqCst) {
        for (n, socket) in sockets.iter_mut().enumerate() {
            while let Some(length) = socket.receive(&mut frame).expect("receives") {
                let bpdu = frame.starts_with(&[1, 0x80, 0xc2, 0, 0, 0]);
                let takes = field(fake, n as u32, port::CONFIG::STATE) != state::DISABLED;
                // What finds no buffer is lost, as on the card.
                if bpdu && takes {
                    fake.state()
                        .deliver(&frame[..length], n as u32, reason::RESERVED, 1);
                }
            }
        }
        let new: Vec<_> = fake.state().sent[seen..].to_vec();
        seen += new.len();
        for sent in new {
            // A cable that was just cut takes nothing.
            let _ = sockets[sent.direct.expect("to a port") as usize].send(&sent.data);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn kernel(host: &Namespace) -> (String, [u32; 2]) {
    let net = "/sys/class/net/br0";
    let files = ["bridge/root_id", "brif/k1/state", "brif/k2/state"];
    let files = files.map(|file| format!("{net}/{file}"));
    let mut cat = host.command(Path::new("/bin/cat"));
    let out = cat.args(files).output().expect("cat runs");
    let text = String::from_utf8(out.stdout).expect("text");
    let mut words = text.split_whitespace();
    let root = words.next().expect("a root").to_owned();
    let state = |word: Option<&str>| word.and_then(|w| w.parse().ok()).expect("a state");
    (root, [state(words.next()), state(words.next())])
}

fn ours(running: &Running) -> (String, [u32; 2]) {
    let out = running.ctl("-j -d link show br0").unwrap();
    let shown: Value = serde_json::from_str(&out).unwrap();
    let root = shown[0]["linkinfo"]["info_data"]["root_id"].clone();
    let states = [0, 1].map(|n| field(&running.fake, n, port::CONFIG::STATE));
    (root.as_str().expect("a root").to_owned(), states)
}

/// An identifier as sysfs has it, from iproute2's form.
fn sysfs(id: &str) -> String {
    let (priority, address) = id.split_once('.').expect("a dot");
    let bytes = address.split(':').map(|b| format!("{b:0>2}"));
    format!("{priority}.{}", bytes.collect::<String>())
}

fn until(
    what: &str,
    running: &Running,
    host: &Namespace,
    is: impl Fn(&str, [u32; 2], &str, [u32; 2]) -> bool,
) {
    let begin = Instant::now();
    loop {
        let ((our_root, ours), (root, kernels)) = (ours(running), kernel(host));
        if is(&sysfs(&our_root), ours, &root, kernels) {
            println!("{what}: after {:?}", begin.elapsed());
            return;
        }
        let seen = format!("ours {our_root} {ours:?}, kernel's {root} {kernels:?}");
        assert!(begin.elapsed() < LONGEST, "never: {what}: {seen}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn one_tree_with_the_kernel() {
    if !skip::namespaces() {
        return;
    }
    story().expect("a lab");
}

fn story() -> Result<(), LabError> {
    let mut lab = Lab::new(&format!("sns{}", std::process::id()))?;
    let (card, host) = (lab.namespace("card")?, lab.namespace("host")?);
    let options = [
        "add",
        "name",
        "br0",
        "type",
        "bridge",
        "stp_state",
        "1",
        "hello_time",
        "100",
        "forward_delay",
        "400",
        "max_age",
        "600",
        "mcast_snooping",
        "0",
        "priority",
        "4096",
    ];
    host.link(&options)?;
    let mut sockets = Vec::new();
    for n in ["1", "2"] {
        let (p, k) = (format!("p{n}"), format!("k{n}"));
        lab.veth((&card, &p), (&host, &k))?;
        host.link(&["set", "dev", &k, "master", "br0"])?;
        let mut socket = None;
        card.run(|| {
            socket = Some(PacketSocket::open(&p));
            Ok::<_, LabError>(())
        })?;
        sockets.push(socket.expect("the work was done").expect("a packet socket"));
    }
    host.up("br0")?;
    let running = start_with(Shape::default(), Clock::default());
    running.ctl_ok(&[
        "link add br0 type bridge stp_state 1 hello_time 100 forward_delay 400 max_age 600",
        "link set port1 master br0 up",
        "link set port2 master br0 up",
        "link set br0 up",
    ]);
    let stop = Arc::new(AtomicBool::new(false));
    let carrier = {
        let (fake, stop) = (running.fake.clone(), stop.clone());
        std::thread::spawn(move || carry(&fake, sockets, &stop))
    };
    let forwarding = state::FORWARDING;
    until(
        "one tree",
        &running,
        &host,
        |our_root, ours, root, kernels| {
            our_root == root
                && root.starts_with("1000.")
                && kernels == [forwarding; 2]
                && ours == [forwarding, state::BLOCKING]
        },
    );
    // The cable in use is cut: the carrier of both ends goes.
    card.link(&["set", "dev", "p1", "down"])?;
    running.fake.state().set_link(0, false);
    until(
        "the other cable forwards",
        &running,
        &host,
        |_, ours, _, kernels| ours == [state::DISABLED, forwarding] && kernels[1] == forwarding,
    );
    stop.store(true, Ordering::SeqCst);
    carrier.join().expect("no panic");
    Ok(())
}
