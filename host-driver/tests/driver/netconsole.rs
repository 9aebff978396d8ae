//! The daemon's log over its devices, and the magic sequence that comes back.

use std::time::Duration;

use serde_json::{Value, json};
use smartnic_regs::port;
use smartnic_regs::values::{dest, reason};

use crate::fake::Shape;
use crate::harness::{DEMO, Running, eventually, start};

const PEER: [u8; 6] = [2, 9, 9, 9, 9, 9];

/// Datagrams that the card was given to send, with where to.
fn datagrams(running: &Running) -> Vec<(Option<u32>, String)> {
    let state = running.fake.state();
    let udp = |frame: &&crate::fake::SentFrame| {
        frame.data.get(12..14) == Some(&[8, 0]) && frame.data.get(23) == Some(&17)
    };
    let sent = state.sent.iter().filter(udp);
    sent.map(|f| (f.direct, String::from_utf8_lossy(&f.data[42..]).into()))
        .collect()
}

/// A datagram from the peer to the console, without a UDP checksum.
fn back(to: [u8; 6], payload: &[u8]) -> Vec<u8> {
    let len = payload.len() as u8;
    let mut ip = vec![0x45, 0, 0, 28 + len, 0, 0, 0, 0, 64, 17, 0, 0];
    ip.extend([10, 0, 0, 9, 10, 0, 0, 1]);
    let words = ip.chunks(2).map(|w| u32::from(w[0]) << 8 | u32::from(w[1]));
    let sum: u32 = words.sum();
    let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    let udp = [0x1a, 0x0a, 0x1a, 0x09, 0, 8 + len, 0, 0];
    let mut frame = [&to[..], &PEER, &[8, 0], &ip, &udp, payload].concat();
    frame.resize(frame.len().max(60), 0);
    frame
}

fn address(running: &Running, name: &str) -> [u8; 6] {
    let links: Value = running.call("ListLinks", json!({ "name": name })).unwrap();
    let text = links["links"][0]["address"].as_str().unwrap().to_owned();
    text.parse::<smartnic_driver::device::MacAddr>().unwrap().0
}

const CONSOLE: &str = "local 10.0.0.1:6665 remote 10.0.0.9:6666 mac 02:09:09:09:09:09";

#[test]
fn the_log_goes_over_a_bond_of_lacp_and_the_magic_sequence_comes_back() {
    let running = start(Shape::default());
    running.ctl_ok(&[
        "link add bond0 up type bond mode 802.3ad miimon 100",
        "link set port1 master bond0",
        "link set port2 master bond0",
        "link set port4 up",
        &format!("netconsole add bond0 {CONSOLE} secret s3"),
    ]);
    assert_eq!(
        running.ctl("netconsole").unwrap(),
        "bond0: local 10.0.0.1:6665 remote 10.0.0.9:6666 mac 02:09:09:09:09:09 level 6 format basic\n"
    );
    // The bond's machine runs by the clock: until it has given up waiting for a partner, and uses one member alone.
    for _ in 0..100 {
        running.clock.advance(Duration::from_millis(100));
        running.ctl_ok(&["link show bond0"]);
    }
    let shown = running.ctl("link show bond0").unwrap();
    assert!(shown.contains("LOWER_UP"), "{shown}");
    // What a link does is logged.
    running.fake.state().set_link(3, false);
    let told = |running: &Running, text: &str| {
        let all = datagrams(running);
        all.iter()
            .any(|(to, line)| *to == Some(dest::LAG) && line.contains(text))
    };
    eventually("the log comes", || told(&running, "link port=4 up=false\n"));
    let own = address(&running, "bond0");
    // By both members: without a partner each is an aggregator of its own, and one of them is the active one.
    let say = |payload: &[u8]| {
        let frame = back(own, payload);
        for member in 0..2 {
            let taken = running
                .fake
                .state()
                .deliver(&frame, member, reason::LOCAL, 1);
            assert!(taken, "there is a buffer");
        }
    };
    // Anything is answered; without the secret nothing is done.
    say(b"ping");
    eventually("an answer", || told(&running, "PONG"));
    say(b"\x1bsysrq d");
    say(b"\x1bsysrq s3 h\x1bsysrq s3 d");
    eventually("help and state", || {
        told(&running, "sysrq: h help")
            && told(&running, "link name=\"port4\" up=true carrier=false")
    });
    let commands = datagrams(&running);
    let commands = commands
        .iter()
        .filter(|(_, l)| l.starts_with("sysrq command="));
    assert_eq!(commands.count(), 2);
    // A table that is not what it should be, and a port.
    running.fake.state().set(port::FORWARD_MASK, 0, 0x77);
    say(b"\x1bsysrq s3 t");
    eventually("written again", || {
        running.fake.state().get(port::FORWARD_MASK, 0) != 0x77
    });
    running.fake.state().set(port::MAC, 1, 0);
    say(b"\x1bsysrq s3 p2");
    eventually("the MAC runs again", || {
        running.fake.state().get(port::MAC, 1) != 0
    });
    say(b"\x1bsysrq s3 p9");
    eventually("refused", || told(&running, "no such port"));
}

#[test]
fn consoles_come_and_go_with_their_devices() {
    let running = start(Shape::default());
    running.ctl_ok(&DEMO);
    running.ctl_ok(&["link add link br0 name br0.5 up type vlan id 5"]);
    for (line, why) in [
        (format!("add port1 {CONSOLE}"), "(EBUSY)"),
        (format!("add nobody {CONSOLE}"), "Cannot find device"),
        ("add br0 local 1 remote 2".into(), "an address and a port"),
        (
            "add br0 local 10.0.0.1:1 remote [fd00::1]:2".into(),
            "both of IPv4",
        ),
        (format!("add br0 {CONSOLE} level 8"), "0 to 7"),
        (format!("add br0 {CONSOLE} format pretty"), "use one of"),
        ("add br0 local 10.0.0.1:1".into(), "\"remote\" is missing"),
        ("del br0".into(), "(ENOENT)"),
    ] {
        let (error, _) = running.ctl(&format!("netconsole {line}")).unwrap_err();
        assert!(error.contains(why), "{line}: {error}");
    }
    running.ctl_ok(&[
        &format!("netconsole add br0 {CONSOLE} format extended level 4"),
        &format!("netconsole add br0.5 {CONSOLE}"),
    ]);
    let (error, _) = running
        .ctl(&format!("netconsole add br0 {CONSOLE}"))
        .unwrap_err();
    assert!(error.contains("(EEXIST)"), "{error}");
    // A mild record goes where it is wanted: with its tag.
    running.fake.state().set_link(0, false);
    let tagged = |f: &crate::fake::SentFrame| f.data.get(12..16) == Some(&[0x81, 0, 0, 5]);
    eventually("the log comes", || {
        running.fake.state().sent.iter().any(tagged)
    });
    assert!(datagrams(&running).is_empty());
    running.ctl_ok(&["link del br0.5"]);
    let left: Value = running.call("ListNetconsoles", json!({})).unwrap();
    let devs: Vec<_> = left["netconsoles"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| &c["dev"])
        .collect();
    assert_eq!(devs, ["br0"]);
    running.ctl_ok(&["netconsole del br0"]);
    assert_eq!(running.ctl("netconsole show").unwrap(), "");
}
