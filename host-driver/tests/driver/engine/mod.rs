//! A card's bridge goes into software when hardware cannot do what is asked of it, and back: registers, frames, settings, `offload`.

mod tables;

use serde_json::{Value, json};
use smartnic_regs::port;
use smartnic_regs::values::{dest, learn, reason, state};

use crate::fake::Shape;
use crate::harness::{Running, eventually, start};
use crate::switch::field;

/// br0 of port1, port2 and port3, up.
fn bridge(options: &str) -> Running {
    let running = start(Shape::default());
    running.ctl_ok(&[
        &format!("link add br0 type bridge {options}"),
        "link set port1 master br0 up",
        "link set port2 master br0 up",
        "link set port3 master br0 up",
        "link set br0 up",
    ]);
    running
}

pub(crate) fn linkinfo(running: &Running, name: &str) -> Value {
    let links = running.call("ListLinks", json!({ "name": name })).unwrap();
    links["links"][0]["linkinfo"].clone()
}

/// Destination, source, an optional tag, and a payload that tells frames apart.
fn frame(to: u8, from: u8, vid: Option<u16>, n: u8) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 1, to, 2, 0, 0, 0, 1, from];
    if to == 0xff {
        frame[..6].fill(0xff);
    }
    if let Some(vid) = vid {
        frame.extend([0x81, 0x00]);
        frame.extend(vid.to_be_bytes());
    }
    frame.extend([0x90, 0x00, n]);
    frame.resize(64, 0);
    frame
}

/// Lets a frame in by a port, and gives the ports that it left by, with what left there.
fn pass(running: &Running, port: u32, frame: &[u8]) -> Vec<(u32, Vec<u8>)> {
    let before = running.fake.state().sent.len();
    let fid = port::CONFIG::FID.get(running.fake.state().get(port::CONFIG, port));
    assert!(
        running
            .fake
            .state()
            .deliver(frame, port, reason::FLOOD, fid as u16)
    );
    // Rings are served before calls.
    running.ctl_ok(&["dev", "dev"]);
    let state = running.fake.state();
    let sent = state.sent[before..].iter();
    sent.map(|f| (f.direct.unwrap() - dest::PORT, f.data.clone()))
        .collect()
}

fn ports_of(sent: &[(u32, Vec<u8>)]) -> Vec<u32> {
    let mut ports: Vec<u32> = sent.iter().map(|(port, _)| *port).collect();
    ports.sort_unstable();
    ports
}

fn is_trapped(running: &Running, port: u32) -> bool {
    let host = running.fake.state().shape.ports;
    let state = field(&running.fake, port, port::CONFIG::STATE) == state::FORWARDING;
    let mask = running.fake.state().get(port::FORWARD_MASK, port);
    state && mask == 1 << host
}

#[test]
fn vlan_filtering_brings_a_bridge_into_software_and_back() {
    let running = bridge("priority 4096");
    running.ctl_ok(&[
        "port set port2 isolated on cost 77",
        "fdb add 02:00:00:00:01:09 dev port3 master static",
        "mdb add dev br0 port port1 grp 239.1.1.1 permanent",
    ]);
    let index = running.ctl("link show br0").unwrap();
    assert!(!is_trapped(&running, 0));
    assert_eq!(
        linkinfo(&running, "br0")["info_data"]["offload"]["ageing_time"],
        true
    );
    running.ctl_ok(&["link set br0 type bridge vlan_filtering 1"]);
    // The ports give everything to the host alone; each has an FID of its own.
    assert!((0..3).all(|p| is_trapped(&running, p)));
    let fids: Vec<u32> = (0..3)
        .map(|p| field(&running.fake, p, port::CONFIG::FID))
        .collect();
    assert!(fids[0] != fids[1] && fids[1] != fids[2]);
    // The device is the same, with the same settings, and says what is in hardware: nothing.
    assert_eq!(running.ctl("link show br0").unwrap(), index);
    let data = linkinfo(&running, "br0")["info_data"].clone();
    for (key, value) in [
        ("vlan_filtering", 1),
        ("priority", 4096),
        ("mcast_snooping", 1),
    ] {
        assert_eq!(data[key], value, "{key}");
    }
    assert!(
        data["offload"]
            .as_object()
            .unwrap()
            .values()
            .all(|v| v == false)
    );
    let port = linkinfo(&running, "port2")["info_slave_data"].clone();
    assert_eq!(
        (&port["isolated"], &port["cost"]),
        (&json!(true), &json!(77))
    );
    assert_eq!(
        (&port["state"], &port["offload"]["isolated"]),
        (&json!("forwarding"), &json!(false))
    );
    let fdb = running.ctl("fdb show br br0").unwrap();
    assert!(
        fdb.contains("02:00:00:00:01:09 dev port3 master br0 static"),
        "{fdb}"
    );
    let groups = running.ctl("mdb show dev br0").unwrap();
    assert!(
        groups.contains("dev br0 port port1 grp 239.1.1.1 permanent"),
        "{groups}"
    );
    // Frames: VLAN 1 untagged everywhere; 10 tagged on port1 and port3.
    assert_eq!(
        ports_of(&pass(&running, 0, &frame(0xff, 1, None, 1))),
        [1, 2]
    );
    running.ctl_ok(&[
        "vlan add dev port1 vid 10",
        "vlan add dev port3 vid 10 pvid untagged",
    ]);
    let tagged = frame(0xff, 1, Some(10), 2);
    let sent = pass(&running, 0, &tagged);
    assert_eq!(ports_of(&sent), [2]);
    assert_eq!(sent[0].1[12..15], [0x90, 0, 2], "untagged on port3");
    assert!(
        pass(&running, 1, &frame(0xff, 2, Some(10), 3)).is_empty(),
        "port2 is not in it"
    );
    // A station that was heard gets its frames alone, and back with the tag.
    let sent = pass(&running, 2, &frame(1, 3, None, 4));
    assert_eq!(ports_of(&sent), [0]);
    assert_eq!(sent[0].1[12..16], [0x81, 0, 0, 10]);
    // Filtering alone does not bring it back: the VLANs wait for it.
    running.ctl_ok(&["link set br0 type bridge vlan_filtering 0"]);
    assert!(is_trapped(&running, 0));
    running.ctl_ok(&["vlan del dev port1 vid 10", "vlan del dev port3 vid 10"]);
    assert!(is_trapped(&running, 2), "port3 has no PVID any more");
    running.ctl_ok(&["vlan add dev port3 vid 1 pvid untagged"]);
    assert!((0..3).all(|p| !is_trapped(&running, p)));
    for p in 0..3 {
        assert_eq!(
            field(&running.fake, p, port::CONFIG::LEARN),
            learn::HARDWARE
        );
        assert_eq!(
            field(&running.fake, p, port::CONFIG::STATE),
            state::FORWARDING
        );
    }
    assert_eq!(field(&running.fake, 1, port::CONFIG::ISOLATED), 1);
    let data = linkinfo(&running, "br0")["info_data"].clone();
    assert_eq!(
        (&data["priority"], &data["offload"]["ageing_time"]),
        (&json!(4096), &json!(true))
    );
    assert_eq!(linkinfo(&running, "port2")["info_slave_data"]["cost"], 77);
    let fdb = running.ctl("fdb show br br0").unwrap();
    assert!(
        fdb.contains("02:00:00:00:01:09 dev port3 offload master br0 static"),
        "{fdb}"
    );
    let groups = running.ctl("mdb show dev br0").unwrap();
    assert!(
        groups.contains("dev br0 port port1 grp 239.1.1.1 permanent"),
        "{groups}"
    );
    assert_eq!(running.ctl("link show br0").unwrap(), index);
}

#[test]
fn each_thing_that_hardware_cannot_do_is_done_in_software() {
    let running = bridge("");
    for (on, off) in [
        ("port set port1 locked on", "port set port1 locked off"),
        (
            "port set port2 proxy_arp on",
            "port set port2 proxy_arp off",
        ),
        (
            "port set port2 proxy_arp_wifi on",
            "port set port2 proxy_arp_wifi off",
        ),
        (
            "port set port2 neigh_suppress on",
            "port set port2 neigh_suppress off",
        ),
        (
            "port set port1 backup_port port2",
            "port set port1 backup_port none",
        ),
        (
            "port set port1 fastleave on",
            "port set port1 fastleave off",
        ),
        (
            "link set br0 type bridge mst_enabled 0 vlan_default_pvid 0",
            "link set br0 type bridge vlan_default_pvid 1",
        ),
        (
            "link set br0 type bridge no_linklocal_learn 1",
            "link set br0 type bridge no_linklocal_learn 0",
        ),
        (
            "link set br0 type bridge fdb_max_learned 100",
            "link set br0 type bridge fdb_max_learned 0",
        ),
    ] {
        running.ctl_ok(&[on]);
        assert!(is_trapped(&running, 0), "{on}");
        running.ctl_ok(&[off]);
        assert!(!is_trapped(&running, 0), "{off}");
    }
    // What it is anyway changes nothing; what makes no sense neither, and says why.
    for line in [
        "port set port1 locked off",
        "link set br0 type bridge vlan_filtering off",
    ] {
        running.ctl_ok(&[line]);
        assert!(!is_trapped(&running, 0), "{line}");
    }
    for (line, why) in [
        ("port set port1 mab on", "EINVAL"),
        ("port set port1 backup_port port1", "EINVAL"),
        ("port set port1 backup_port port9", "Cannot find device"),
        ("link set br0 type bridge vlan_filtering maybe", "EINVAL"),
        (
            "link set br0 type bridge vlan_protocol 802.3",
            "EPROTONOSUPPORT",
        ),
        ("link set br0 type bridge nonsense 1", "has no such option"),
        (
            "link set br0 mtu 1501",
            "a port of br0 takes no more than 1500 (EINVAL)",
        ),
    ] {
        let (error, _) = running.ctl(line).unwrap_err();
        assert!(error.contains(why), "{line}: {error}");
        assert!(!is_trapped(&running, 0), "{line}");
    }
    // A locked port lets nobody in whom it does not know, and the hardware does not either.
    running.ctl_ok(&["port set port1 locked on"]);
    assert!(pass(&running, 0, &frame(0xff, 1, None, 1)).is_empty());
    running.ctl_ok(&["fdb add 02:00:00:00:01:01 dev port1 master static"]);
    assert_eq!(
        ports_of(&pass(&running, 0, &frame(0xff, 1, None, 2))),
        [1, 2]
    );
    // A bridge that is made with it is one in software from the first; what it refuses leaves nothing.
    running.ctl_ok(&[
        "link add br1 type bridge vlan_filtering 1 priority 7",
        "link set port4 master br1 up",
        "link set br1 up",
    ]);
    assert!(is_trapped(&running, 3));
    assert_eq!(linkinfo(&running, "br1")["info_data"]["priority"], 7);
    let (error, _) = running
        .ctl("link add br2 type bridge vlan_filtering 1 vlan_default_pvid 5000")
        .unwrap_err();
    assert!(error.contains("EINVAL"), "{error}");
    assert!(running.ctl("link show br2").is_err());
    running.ctl_ok(&["link del br1"]);
    assert!(!is_trapped(&running, 3));
}

#[test]
fn a_device_of_no_card_and_the_tree_in_software() {
    let running = bridge("stp_state 1 forcevers rstp");
    running.ctl_ok(&[
        "link set port4 up",
        "link add link port4 name v up type vlan id 5",
        "link set v master br0",
    ]);
    assert!(is_trapped(&running, 0) && is_trapped(&running, 3));
    // BPDUs leave by every port, before all other frames.
    let bpdu = |d: &[u8]| d.starts_with(&[1, 0x80, 0xc2, 0, 0, 0]);
    eventually("BPDUs", || {
        running.clock.advance(std::time::Duration::from_secs(2));
        let _ = running.ctl("link show br0");
        let state = running.fake.state();
        let by = |p| {
            state
                .sent
                .iter()
                .any(|f| f.direct == Some(dest::PORT + p) && bpdu(&f.data) && f.class != 0)
        };
        (0..3).all(by)
    });
    running.ctl_ok(&["port set port1 mcheck 1", "port set port1 flush 1"]);
    let (error, _) = running.ctl("port set port1 state blocking").unwrap_err();
    assert!(error.contains("EBUSY"), "{error}");
    running.ctl_ok(&["link set v nomaster"]);
    assert!(!is_trapped(&running, 0));
    assert_eq!(linkinfo(&running, "br0")["info_data"]["stp_state"], 1);
    running.ctl_ok(&["port set port1 mcheck 1", "port set port1 flush 1"]);
    running.ctl_ok(&[
        "link set br0 type bridge stp_state 0",
        "link set port2 down",
    ]);
    for (line, code) in [
        ("port set port2 state blocking", "ENETDOWN"),
        ("port set port3 cost 300000000", "wrong"),
    ] {
        let (error, _) = running.ctl(line).unwrap_err();
        assert!(error.contains(code), "{line}: {error}");
    }
}
