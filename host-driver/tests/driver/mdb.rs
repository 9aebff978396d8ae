//! Multicast snooping in the switch: reports that the card gives to the host, queries, the user's entries, what is shown.

use std::time::Duration;

use serde_json::{Value, json};
use smartnic_regs::values::reason;

use crate::fake::Shape;
use crate::harness::{Running, eventually, start};

/// An IGMP message in its packet and frame, from a host at a port.
fn igmp(host: u8, to: [u8; 4], kind: u8, group: [u8; 4]) -> Vec<u8> {
    let mut frame = vec![0x01, 0, 0x5e, to[1] & 0x7f, to[2], to[3]];
    frame.extend([2, 0, 0, 0, 9, host, 0x08, 0x00]);
    let mut ip = vec![0x46, 0, 0, 32, 0, 0, 0, 0, 1, 2, 0, 0, 10, 0, 0, host];
    ip.extend(to);
    ip.extend([0x94, 4, 0, 0]);
    let sum = checksum(&ip);
    ip[10..12].copy_from_slice(&sum);
    let mut message = vec![kind, 0, 0, 0];
    message.extend(group);
    let sum = checksum(&message);
    message[2..4].copy_from_slice(&sum);
    frame.extend(ip);
    frame.extend(message);
    frame.resize(60, 0);
    frame
}

/// RFC 1071.
fn checksum(bytes: &[u8]) -> [u8; 2] {
    let words = bytes
        .chunks(2)
        .map(|w| u32::from(w[0]) << 8 | u32::from(w[1]));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    (!(folded as u16)).to_be_bytes()
}

const GROUP: [u8; 4] = [239, 1, 1, 1];

fn bridge() -> Running {
    let running = start(Shape::default());
    running.ctl_ok(&[
        "link add br0 type bridge mcast_querier 1 mcast_startup_query_interval 100",
        "link set port1 master br0 up",
        "link set port2 master br0 up",
        "link set br0 up",
    ]);
    running
}

fn mdb(running: &Running) -> String {
    running.ctl("mdb show dev br0").unwrap()
}

#[test]
fn reports_become_entries_and_time_out() {
    let running = bridge();
    let deliver = |frame: &[u8], port| {
        assert!(running.fake.state().deliver(frame, port, reason::FLOOD, 1));
    };
    deliver(&igmp(1, GROUP, 0x16, GROUP), 0);
    eventually("a member", || {
        mdb(&running) == "dev br0 port port1 grp 239.1.1.1 temp\n"
    });
    // The bridge's own stack gets it all the same.
    assert_eq!(running.kernel.end("br0").recv(&mut [0; 100]).unwrap(), 60);
    deliver(&igmp(2, GROUP, 0x16, GROUP), 1);
    eventually("two", || mdb(&running).lines().count() == 2);
    // What is malformed changes nothing.
    let mut bad = igmp(1, [239, 2, 2, 2], 0x16, [239, 2, 2, 2]);
    bad[40] ^= 1;
    deliver(&bad, 0);
    deliver(&igmp(1, GROUP, 0x16, GROUP)[..20], 0);
    running.ctl_ok(&["dev"]);
    assert_eq!(mdb(&running).lines().count(), 2);
    // One leaves, and is asked for twice more, a second apart; the other is forgotten after the membership interval.
    deliver(&igmp(2, [224, 0, 0, 2], 0x17, GROUP), 1);
    running.ctl_ok(&["dev"]);
    running.clock.advance(Duration::from_secs(3));
    eventually("one left", || {
        mdb(&running) == "dev br0 port port1 grp 239.1.1.1 temp\n"
    });
    let out = running.ctl("-j mdb show").unwrap();
    let shown: Value = serde_json::from_str(&out).unwrap();
    let entry = &shown[0]["mdb"][0];
    assert_eq!(
        [
            &entry["dev"],
            &entry["port"],
            &entry["grp"],
            &entry["state"],
            &entry["flags"]
        ],
        [
            &json!("br0"),
            &json!("port1"),
            &json!("239.1.1.1"),
            &json!("temp"),
            &json!([])
        ]
    );
    assert!(running.ctl("-s mdb show").unwrap().contains("temp  25"));
    running.clock.advance(Duration::from_secs(260));
    eventually("none left", || mdb(&running).is_empty());
    // A querier's port is a router's.
    deliver(&igmp(3, [224, 0, 0, 1], 0x11, [0, 0, 0, 0]), 1);
    eventually("a router", || {
        mdb(&running) == "router ports on br0: port2\n"
    });
}

#[test]
fn the_querier_asks_on_every_port() {
    let running = bridge();
    let queries = || {
        let state = running.fake.state();
        let query = |d: &[u8]| d.starts_with(&[1, 0, 0x5e, 0, 0, 1]) && d[38] == 0x11;
        let sent = state.sent.iter().filter(|f| query(&f.data));
        sent.filter_map(|f| f.direct).collect::<Vec<_>>()
    };
    for n in 1..=2 {
        running.clock.advance(Duration::from_secs(1));
        running.ctl_ok(&["dev"]);
        eventually("a query on each port", || {
            [0, 1]
                .iter()
                .all(|p| queries().iter().filter(|q| *q == p).count() >= n)
        });
    }
    running.ctl_ok(&["link set br0 type bridge mcast_querier 0"]);
    let before = queries().len();
    running.clock.advance(Duration::from_secs(300));
    running.ctl_ok(&["dev", "dev"]);
    assert_eq!(queries().len(), before);
    let shown = running.ctl("-j -d link show br0").unwrap();
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let data = &shown[0]["linkinfo"]["info_data"];
    assert_eq!(
        [
            &data["mcast_querier"],
            &data["mcast_snooping"],
            &data["mcast_startup_query_interval"]
        ],
        [&json!(0), &json!(1), &json!(100)]
    );
}

#[test]
fn entries_by_hand_and_what_is_refused() {
    let running = bridge();
    running.ctl_ok(&[
        "mdb add dev br0 port port1 grp 239.9.9.9 permanent",
        "mdb add dev br0 port br0 grp ff15::1",
        "port set port2 mcast_router 2",
        "port set port1 fastleave on mcast_max_groups 7",
    ]);
    let shown = mdb(&running);
    for line in [
        "dev br0 port port1 grp 239.9.9.9 permanent",
        "dev br0 port br0 grp ff15::1 temp",
        "router ports on br0: port2",
    ] {
        assert!(shown.lines().any(|l| l == line), "{line}: {shown}");
    }
    let port = running.ctl("-d link show port1").unwrap();
    assert!(
        port.contains(" fastleave on ") && port.contains(" mcast_max_groups 7 "),
        "{port}"
    );
    for (line, code, part) in [
        (
            "mdb add dev br0 port port1 grp 239.9.9.9 permanent",
            2,
            "(EEXIST)",
        ),
        ("mdb del dev br0 port port2 grp 239.9.9.9", 2, "(EINVAL)"),
        ("mdb add dev br0 port port1 grp 10.0.0.1", 2, "(EINVAL)"),
        (
            "mdb add dev br0 port port3 grp 239.9.9.9",
            2,
            "port3 is no port of it (EINVAL)",
        ),
        (
            "mdb add dev br0 port port1 grp nine",
            2,
            "an address of IPv4 or IPv6 is wanted",
        ),
        ("mdb add dev br0 port port1", 1, "\"grp\" is missing"),
        (
            "link set br0 type bridge mcast_igmp_version 9",
            2,
            "(EINVAL)",
        ),
        ("port set port1 mcast_router x", 2, "a number is wanted"),
    ] {
        let (error, is) = running.ctl(line).unwrap_err();
        assert!(error.contains(part) && is == code, "{line}: {error}");
    }
    assert_eq!(mdb(&running), shown);
    running.ctl_ok(&["mdb del dev br0 port port1 grp 239.9.9.9"]);
    assert!(!mdb(&running).contains("239.9.9.9"));
    running.ctl_ok(&["link set port2 nomaster"]);
    assert!(!mdb(&running).contains("router"));
}
