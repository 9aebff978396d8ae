//! Attachments to interfaces of the kernel, in network namespaces that the tests make: they need root.

#[path = "common/wire.rs"]
mod wire;

use smartnic_sim::gmii::Transmission;
use smartnic_sim::ports::capture::read_frames;
use smartnic_sim::ports::packet::PacketSocket;
use smartnic_sim::ports::tap::Tap;
use smartnic_sim::ports::wrap::Captured;
use smartnic_sim::ports::{Attachment, PortError};
use std::process::{Child, Command};
use std::time::{Duration, Instant};
use wire::wire;

/// Joins two attachments by a wire until `done` or the time is over.
fn join(a: &mut dyn Attachment, b: &mut dyn Attachment, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !done() && Instant::now() < end {
        let mut quiet = true;
        let mut pass = |from: &mut dyn Attachment, to: &mut dyn Attachment| {
            while let Some(t) = from.poll(0).unwrap() {
                quiet = false;
                if let Some(r) = wire(t) {
                    to.deliver(0, &r).unwrap();
                }
            }
        };
        pass(a, b);
        pass(b, a);
        if quiet {
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}

fn run(command: &str) -> bool {
    let mut words = command.split_whitespace();
    let out = Command::new(words.next().unwrap())
        .args(words)
        .output()
        .unwrap();
    if !out.status.success() {
        eprintln!("{command}: {}", String::from_utf8_lossy(&out.stderr));
    }
    out.status.success()
}

fn must(command: &str) {
    assert!(run(command), "{command}");
}

/// Whether this user may make namespaces and interfaces; says why not.
fn may_make_interfaces(test: &str) -> bool {
    let may = nix::unistd::geteuid().is_root() && run("ip netns list");
    if !may {
        println!("{test}: skipped, it needs root and iproute2");
    }
    may
}

/// A namespace that goes away with the value.
struct Namespace(String);

impl Namespace {
    fn new(name: &str) -> Self {
        let name = format!("snt{}{name}", std::process::id());
        must(&format!("ip netns add {name}"));
        must(&format!("ip -n {name} link set lo up"));
        Namespace(name)
    }

    fn exec(&self, command: &str) -> Child {
        let command = format!("ip netns exec {} {command}", self.0);
        let mut words = command.split_whitespace();
        Command::new(words.next().unwrap())
            .args(words)
            .spawn()
            .unwrap()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        run(&format!("ip netns del {}", self.0));
    }
}

/// A veth pair: one end in the namespace with an address, the other here.
fn veth(ns: &Namespace, here: &str, address: &str) {
    must(&format!(
        "ip link add {here} type veth peer name eth0 netns {}",
        ns.0
    ));
    must(&format!("ip link set {here} up"));
    must(&format!("ip -n {} addr add {address}/24 dev eth0", ns.0));
    must(&format!("ip -n {} link set eth0 up", ns.0));
}

const SERVER: &str = "import socket,sys
s=socket.create_server(('0.0.0.0',5000));open(sys.argv[1],'w').close()
c,_=s.accept();n=0
import hashlib;h=hashlib.sha256()
while True:
    d=c.recv(65536)
    if not d: break
    h.update(d)
c.sendall(h.digest())";
const CLIENT: &str = "import socket,hashlib
d=bytes(i*7%251 for i in range(1000003));c=socket.create_connection(('10.77.0.2',5000),8)
c.sendall(d);c.shutdown(1);r=c.recv(32);assert r==hashlib.sha256(d).digest()";

/// Echo requests to an address, by the kernel's own stack; fails unless each is answered.
const PING: &str = "import socket,struct,sys
s=socket.socket(socket.AF_INET,socket.SOCK_RAW,socket.IPPROTO_ICMP);s.settimeout(5)
for i in range(3):
    m=struct.pack('>BBHHH',8,0,0,7,i)+b'smartnic'*7
    t=sum(struct.unpack('>%dH'%(len(m)//2),m));t=(t>>16)+(t&0xffff);t+=t>>16
    s.sendto(m[:2]+struct.pack('>H',~t&0xffff)+m[4:],(sys.argv[1],0))
    while s.recv(2000)[20:28]!=struct.pack('>BBHHH',0,0,~(t-0x800)&0xffff,7,i): pass";

/// A namespace's echo requests to an address.
fn ping(ns: &Namespace, dir: &tempfile::TempDir, address: &str) -> Child {
    let path = dir.path().join("ping.py");
    std::fs::write(&path, PING).unwrap();
    ns.exec(&format!("python3 {} {address}", path.display()))
}

/// Real stacks ping and move a file over TCP through packet sockets on veth: with segmentation and
/// unfinished checksums, which the wire must not see.
#[test]
fn kernels_talk_through_packet_sockets() {
    if !may_make_interfaces("kernels_talk_through_packet_sockets") {
        return;
    }
    let (a, b) = (Namespace::new("a"), Namespace::new("b"));
    let pid = std::process::id();
    let (va, vb) = (format!("sa{pid}"), format!("sb{pid}"));
    veth(&a, &va, "10.77.0.1");
    veth(&b, &vb, "10.77.0.2");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("wire.pcapng");
    let (mut pa, mut pb) = (
        PacketSocket::open(&va).unwrap(),
        PacketSocket::open(&vb).unwrap(),
    );
    assert!(pa.link() && pa.readiness().is_some());
    let mut captured = Captured::new(&mut pa, &file, "a").unwrap();
    let mut ping = ping(&a, &dir, "10.77.0.2");
    let mut status = None;
    join(&mut captured, &mut pb, || {
        status = status.or(ping.try_wait().unwrap());
        status.is_some()
    });
    assert!(status.is_some_and(|s| s.success()), "ping");

    for (name, text) in [("server.py", SERVER), ("client.py", CLIENT)] {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let path = dir.path().display();
    let ready = dir.path().join("ready");
    let mut server = b.exec(&format!("python3 {path}/server.py {path}/ready"));
    while !ready.exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut client = a.exec(&format!("python3 {path}/client.py"));
    let mut status = None;
    join(&mut captured, &mut pb, || {
        status = status.or(client.try_wait().unwrap());
        status.is_some()
    });
    let _ = server.kill();
    let _ = server.wait();
    assert!(status.is_some_and(|s| s.success()), "file over TCP");
    captured.close().unwrap();
    let frames = read_frames(&file).unwrap();
    let longest = frames.iter().map(Vec::len).max();
    assert!(
        longest <= Some(1514),
        "segmented to the wire's size: {longest:?}"
    );
    // Promiscuous, yet nothing that the card sent comes back: the file moved once.
    let bytes: usize = frames.iter().map(Vec::len).sum();
    assert!((1_000_000..1_250_000).contains(&bytes), "{bytes}");
    // tshark is a second reader, and checks what this crate finished.
    let path = file.to_str().unwrap();
    let options = [
        "-r",
        path,
        "-o",
        "tcp.check_checksum:TRUE",
        "-o",
        "ip.check_checksum:TRUE",
    ];
    let filter = ["-Y", "tcp.checksum.status==0 || ip.checksum.status==0"];
    match Command::new("tshark").args(options).args(filter).output() {
        Ok(out) => {
            let (text, error) = (
                String::from_utf8_lossy(&out.stdout),
                String::from_utf8_lossy(&out.stderr),
            );
            assert!(out.status.success() && text.is_empty(), "{text}{error}");
        }
        Err(e) => println!("tshark: not asked ({e})"),
    }
    drop(captured);
    assert_eq!(
        (pa.refused, pb.refused, pa.traffic.lost, pb.traffic.bad),
        (0, 0, 0, 0)
    );
    must(&format!("ip link del {va}"));
    assert!(!pa.link());
    assert!(matches!(
        PacketSocket::open(&va),
        Err(PortError::System { .. })
    ));
}

/// VLAN tags, which kernels carry beside the frame, are in it on the wire.
#[test]
fn tags_stay_in_the_frame() {
    if !may_make_interfaces("tags_stay_in_the_frame") {
        return;
    }
    let a = Namespace::new("v");
    let here = format!("sv{}", std::process::id());
    veth(&a, &here, "10.78.0.1");
    if !run(&format!(
        "ip -n {} link add link eth0 name eth0.7 type vlan id 7",
        a.0
    )) {
        println!("tags_stay_in_the_frame: skipped, this kernel has no VLAN interfaces");
        return;
    }
    must(&format!("ip -n {} addr add 10.79.0.1/24 dev eth0.7", a.0));
    must(&format!("ip -n {} link set eth0.7 up", a.0));
    let mut port = PacketSocket::open(&here).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut ping = ping(&a, &dir, "10.79.0.2");
    let end = Instant::now() + Duration::from_secs(5);
    let mut arp = None;
    while arp.is_none() && Instant::now() < end {
        arp = port
            .poll(0)
            .unwrap()
            .filter(|t| t.frame[12..18] == [0x81, 0, 0, 7, 0x08, 0x06]);
    }
    let _ = ping.kill();
    let _ = ping.wait();
    assert_eq!(arp.map(|t| t.frame.len()), Some(60));
}

#[test]
fn a_kernel_talks_through_a_tap() {
    if !may_make_interfaces("a_kernel_talks_through_a_tap") {
        return;
    }
    let ns = Namespace::new("t");
    let name = format!("st{}", std::process::id());
    let mut tap = Tap::open(&name).unwrap();
    must(&format!("ip link set {name} netns {}", ns.0));
    must(&format!("ip -n {} addr add 10.80.0.1/24 dev {name}", ns.0));
    must(&format!("ip -n {} link set {name} up", ns.0));
    let dir = tempfile::tempdir().unwrap();
    let mut ping = ping(&ns, &dir, "10.80.0.2");
    let end = Instant::now() + Duration::from_secs(5);
    let mut asked = None;
    while asked.is_none() && Instant::now() < end {
        asked = tap
            .poll(0)
            .unwrap()
            .filter(|t| t.frame[12..14] == [0x08, 0x06]);
    }
    let mut reply = asked.expect("an ARP request").frame;
    assert_eq!(reply.len(), 60, "padded as a MAC does");
    let (sender, target) = (reply[22..32].to_vec(), reply[38..42].to_vec());
    reply[..6].copy_from_slice(&sender[..6]);
    reply[6..12].copy_from_slice(&[2, 0, 0, 0, 0, 9]);
    reply[21] = 2;
    reply[22..28].copy_from_slice(&[2, 0, 0, 0, 0, 9]);
    reply[28..32].copy_from_slice(&target);
    reply[32..42].copy_from_slice(&sender);
    tap.deliver(0, &wire(Transmission::new(reply.clone())).unwrap())
        .unwrap();
    tap.deliver(0, &wire(Transmission::new(reply).bad_fcs(1)).unwrap())
        .unwrap();
    let mut echo = None;
    while echo.is_none() && Instant::now() < end {
        echo = tap
            .poll(0)
            .unwrap()
            .filter(|t| t.frame[12..14] == [8, 0] && t.frame[23] == 1);
    }
    let _ = ping.kill();
    let _ = ping.wait();
    assert_eq!(
        echo.expect("an echo request").frame[..6],
        [2, 0, 0, 0, 0, 9]
    );
    assert_eq!(
        (tap.traffic.from_card, tap.traffic.bad, tap.traffic.lost),
        (1, 1, 0)
    );
}
