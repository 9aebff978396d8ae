//! VLAN devices over what the card carries: a port by itself, a lag, a bridge; and the counters and refusals of the card's devices.

use serde_json::{Value, json};
use smartnic_driver::device::fdb::MAX_FID;
use smartnic_regs::port;
use smartnic_regs::values::{dest, reason, state};

use crate::fake::Shape;
use crate::harness::{DEMO, eventually, start};
use crate::switch::field;

/// A broadcast with one tag, and without it.
fn tagged(vid: u8) -> [Vec<u8>; 2] {
    let head = [[0xff; 6], [2, 7, 7, 7, 7, 7]].concat();
    let rest = [&[0x88, 0xb5][..], &[5; 50]].concat();
    let tag = [0x81, 0, 0, vid];
    [[&head[..], &tag, &rest].concat(), [head, rest].concat()]
}

#[test]
fn a_port_by_itself_is_the_hosts_as_far_as_its_vlans_are() {
    let running = start(Shape::default());
    running.ctl_ok(&["link set port2 up"]);
    let state = |n| field(&running.fake, n, port::CONFIG::STATE);
    assert_eq!(state(1), state::DISABLED);
    running.ctl_ok(&["link add link port2 name v7 up type vlan id 7"]);
    assert_eq!(
        (state(1), field(&running.fake, 1, port::CONFIG::FID)),
        (state::FORWARDING, u32::from(MAX_FID) - 1)
    );
    let mask = |n| running.fake.state().get(port::FORWARD_MASK, n);
    assert_eq!([mask(1), mask(4)], [0b1_0000, 0], "with the host only");
    let shown = running.ctl("link show v7").unwrap();
    assert!(
        shown.starts_with("5: v7@port2: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 state UP"),
        "{shown}"
    );
    let end = running.kernel.end("v7");
    let [outside, inside] = tagged(7);
    assert!(
        running
            .fake
            .state()
            .deliver(&outside, 1, reason::FLOOD, MAX_FID - 1)
    );
    let mut frame = [0; 2048];
    let length = end.recv(&mut frame).unwrap();
    assert_eq!(frame[..length], inside);
    end.send(&inside).unwrap();
    eventually("sent", || running.fake.state().sent.len() == 1);
    let sent = running.fake.state().sent[0].clone();
    assert_eq!((sent.data, sent.direct), (outside, Some(dest::PORT + 1)));
    // The link below goes, and so does the carrier; the device goes, and the port is nobody's again.
    running.fake.state().set_link(1, false);
    eventually("no carrier", || {
        !running.kernel.state("v7").unwrap().carrier
    });
    running.ctl_ok(&["link del v7"]);
    assert_eq!(state(1), state::DISABLED);
}

#[test]
fn vlans_go_over_bridges_and_bonds() {
    let running = start(Shape::default());
    running.ctl_ok(&DEMO);
    running.ctl_ok(&[
        "link add link br0 name br0.9 up type vlan id 9",
        "link add link port1 name p up address 02:00:00:00:00:aa type vlan id 3",
    ]);
    let [outside, inside] = tagged(9);
    let end = running.kernel.end("br0.9");
    assert!(running.fake.state().deliver(&outside, 3, reason::FLOOD, 1));
    let mut frame = [0; 2048];
    let length = end.recv(&mut frame).unwrap();
    assert_eq!(frame[..length], inside);
    end.send(&inside).unwrap();
    eventually("sent", || running.fake.state().sent.len() == 1);
    let sent = running.fake.state().sent[0].clone();
    assert_eq!(
        (sent.data, sent.direct),
        (outside, None),
        "through the switch"
    );
    // A tag that no device has goes up with the frame, and counts for the bridge.
    let [other, _] = tagged(4);
    assert!(running.fake.state().deliver(&other, 0, reason::FLOOD, 1));
    let length = running.kernel.end("br0").recv(&mut frame).unwrap();
    assert_eq!(frame[..length], other);
    let links: Value = running.call("ListLinks", json!({ "name": "br0" })).unwrap();
    assert_eq!(links["links"][0]["stats64"]["rx"]["packets"], 2);
    // An MTU below takes the one above along; a larger one is refused, and nothing of the request is done.
    running.ctl_ok(&["link set br0 mtu 1400"]);
    assert_eq!(running.kernel.state("br0.9").unwrap().mtu, 1400);
    let (error, _) = running.ctl("link set br0.9 down mtu 1500").unwrap_err();
    assert!(error.contains("(ERANGE)"), "{error}");
    assert!(running.kernel.state("br0.9").unwrap().up);
    // A bond of its own, whose flags say so; devices on top go with it.
    running.ctl_ok(&[
        "link del br0",
        "link add bond0 up type bond mode active-backup",
        "link set port1 down",
        "link set port1 master bond0",
        "link add link bond0 name b up type vlan id 2",
    ]);
    assert!(running.ctl("link show br0.9").is_err());
    let shown = running.ctl("link show port1").unwrap();
    assert!(shown.contains("SLAVE,UP"), "{shown}");
    let shown = running.ctl("link show bond0").unwrap();
    assert!(shown.contains("<BROADCAST,MULTICAST,MASTER,UP"), "{shown}");
    running.ctl_ok(&["link del bond0"]);
    assert!(running.ctl("link show b").is_err());
}
