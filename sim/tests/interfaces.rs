//! Attachments to interfaces of the kernel, in network namespaces that the tests make: they need root.

#[path = "common/wire.rs"]
mod wire;

use smartnic_lab::netns::{Lab, LabError, Namespace};
use smartnic_lab::skip;
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
    let end = Instant::now() + Duration::from_secs(60);
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

/// Two namespaces: `card`, where the card's ends of the cables are, and `host`, with the other end `eth0` under this address.
fn cable(name: &str, address: &str) -> (Lab, Namespace, Namespace) {
    let mut lab = Lab::new(&format!("snt{}{name}", std::process::id())).unwrap();
    let (card, host) = (
        lab.namespace("card").unwrap(),
        lab.namespace("host").unwrap(),
    );
    plug(&card, "port", &host, address);
    (lab, card, host)
}

/// A veth pair with the kernel's offloads on: segmentation and unfinished checksums.
fn plug(card: &Namespace, port: &str, host: &Namespace, address: &str) {
    let peer = ["peer", "name", "eth0", "netns", host.name()];
    card.link(&[&["add", port, "type", "veth"][..], &peer].concat())
        .unwrap();
    card.up(port).unwrap();
    host.address("eth0", &format!("{address}/24")).unwrap();
    host.up("eth0").unwrap();
}

/// An attachment to an interface of the namespace.
fn packet_socket(card: &Namespace, port: &str) -> Result<PacketSocket, Box<PortError>> {
    let mut opened = None;
    let done: Result<(), LabError> = card.run(|| {
        opened = Some(PacketSocket::open(port));
        Ok(())
    });
    done.unwrap();
    opened.unwrap().map_err(Box::new)
}

/// Starts a Python program in a namespace.
fn python(ns: &Namespace, args: &[&str]) -> Child {
    ns.command("python3".as_ref()).args(args).spawn().unwrap()
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
fn ping(ns: &Namespace, address: &str) -> Child {
    python(ns, &["-c", PING, address])
}

/// Real stacks ping and move a file over TCP through packet sockets on veth: with segmentation and
/// unfinished checksums, which the wire must not see.
#[test]
fn kernels_talk_through_packet_sockets() {
    if !skip::namespaces() {
        return;
    }
    let (mut lab, card, a) = cable("k", "10.77.0.1");
    let b = lab.namespace("b").unwrap();
    plug(&card, "other", &b, "10.77.0.2");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("wire.pcapng");
    let (mut pa, mut pb) = (
        packet_socket(&card, "port").unwrap(),
        packet_socket(&card, "other").unwrap(),
    );
    assert!(pa.link() && pa.readiness().is_some());
    let mut captured = Captured::new(&mut pa, &file, "a").unwrap();
    let mut ping = ping(&a, "10.77.0.2");
    let mut status = None;
    join(&mut captured, &mut pb, || {
        status = status.or(ping.try_wait().unwrap());
        status.is_some()
    });
    assert!(status.is_some_and(|s| s.success()), "ping");

    let ready = dir.path().join("ready");
    let mut server = python(&b, &["-c", SERVER, ready.to_str().unwrap()]);
    while !ready.exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut client = python(&a, &["-c", CLIENT]);
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
    if let Some(tshark) = skip::tool("tshark") {
        let path = file.to_str().unwrap();
        let out = Command::new(tshark)
            .args(["-r", path])
            .args([
                "-o",
                "tcp.check_checksum:TRUE",
                "-o",
                "ip.check_checksum:TRUE",
            ])
            .args(["-Y", "tcp.checksum.status==0 || ip.checksum.status==0"])
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8_lossy(bytes);
        let (said, error) = (text(&out.stdout), text(&out.stderr));
        assert!(out.status.success() && said.is_empty(), "{said}{error}");
    }
    drop(captured);
    assert_eq!(
        (pa.refused, pb.refused, pa.traffic.lost, pb.traffic.bad),
        (0, 0, 0, 0)
    );
    card.link(&["del", "port"]).unwrap();
    assert!(!pa.link());
    let gone = packet_socket(&card, "port").err().unwrap();
    assert!(matches!(*gone, PortError::System { .. }), "{gone}");
}

/// VLAN tags, which kernels carry beside the frame, are in it on the wire.
#[test]
fn tags_stay_in_the_frame() {
    if !skip::namespaces() {
        return;
    }
    let (_lab, card, a) = cable("v", "10.78.0.1");
    let vlan = ["link", "eth0", "name", "eth0.7", "type", "vlan", "id", "7"];
    if let Err(error) = a.link(&[&["add"][..], &vlan].concat()) {
        return skip::skip(skip::Lack::Kernel, &format!("no VLAN interfaces: {error}"));
    }
    a.address("eth0.7", "10.79.0.1/24").unwrap();
    a.up("eth0.7").unwrap();
    let mut port = packet_socket(&card, "port").unwrap();
    let mut ping = ping(&a, "10.79.0.2");
    let end = Instant::now() + Duration::from_secs(60);
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
    if !skip::namespaces() {
        return;
    }
    let mut lab = Lab::new(&format!("snt{}t", std::process::id())).unwrap();
    let host = lab.namespace("host").unwrap();
    let mut tap = None;
    let made: Result<(), LabError> = host.run(|| {
        tap = Some(Tap::open("sntap"));
        Ok(())
    });
    made.unwrap();
    let mut tap = tap.unwrap().unwrap();
    host.address("sntap", "10.80.0.1/24").unwrap();
    host.up("sntap").unwrap();
    let mut ping = ping(&host, "10.80.0.2");
    let end = Instant::now() + Duration::from_secs(60);
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
