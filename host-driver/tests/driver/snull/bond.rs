//! Bonds in software over the teaching pair, by the control socket.

use serde_json::{Value, json};
use smartnic_netdev::snull;

use super::{SN0, SN1, ipv4, receive, refused, stats};
use crate::harness::{Running, eventually, start_snull};

fn info(running: &Running, name: &str) -> Value {
    let links: Value = running.call("ListLinks", json!({ "name": name })).unwrap();
    links["links"][0].clone()
}

#[test]
fn a_bond_over_one_end_of_the_pair() {
    let running = start_snull(&snull::Config::default());
    running.ctl_ok(&[
        "link set sn1 up",
        "link add bond0 type bond mode active-backup miimon 100 peer_notify_delay 200",
        "link set sn0 master bond0",
        "link set bond0 up",
        "link set sn0 type bond_slave prio 7",
        "link set bond0 type bond primary sn0",
    ]);
    eventually("a carrier", || info(&running, "bond0")["operstate"] == "UP");
    let bond0 = info(&running, "bond0");
    let data = &bond0["linkinfo"]["info_data"];
    assert_eq!(bond0["linkinfo"]["info_kind"], "bond");
    for (key, value) in [
        ("mode", json!("active-backup")),
        ("active_slave", json!("sn0")),
        ("primary", json!("sn0")),
        ("peer_notify_delay", json!(200)),
    ] {
        assert_eq!(data[key], value, "{key}");
    }
    assert_eq!(data["offload"]["mode"], json!(false));
    assert_eq!(bond0["address"], "00:53:4e:55:4c:30", "its slave's");
    let slave = info(&running, "sn0");
    assert_eq!(slave["master"], "bond0");
    assert_eq!(slave["linkinfo"]["info_slave_kind"], "bond");
    let data = &slave["linkinfo"]["info_slave_data"];
    assert_eq!(
        (&data["state"], &data["prio"]),
        (&json!("ACTIVE"), &json!(7))
    );
    // Frames of its interface go by the slave, and what the other end sends comes up there.
    let (bond, sn1) = (running.kernel.end("bond0"), running.kernel.end("sn1"));
    let from_bond = |ip_from, ip_to| {
        let mut frame = ipv4(SN1, ip_from, ip_to, 1);
        frame[6..12].copy_from_slice(&SN0);
        frame
    };
    bond.send(&from_bond([10, 0, 0, 1], [10, 0, 0, 2])).unwrap();
    let wanted = from_bond([10, 0, 1, 1], [10, 0, 1, 2]);
    assert_eq!(receive(&sn1), wanted);
    sn1.send(&ipv4(SN1, [10, 0, 1, 2], [10, 0, 1, 1], 2))
        .unwrap();
    let mut wanted = ipv4(SN0, [10, 0, 0, 2], [10, 0, 0, 1], 2);
    wanted[6..12].copy_from_slice(&SN1);
    assert_eq!(receive(&bond), wanted);
    let counted = stats(&running, "bond0");
    assert_eq!(
        [&counted["tx"]["packets"], &counted["rx"]["packets"]],
        [&json!(1), &json!(1)]
    );
    // A VLAN device and a bridge over it.
    running.ctl_ok(&[
        "link add link bond0 name bond0.9 up type vlan id 9",
        "link add br0 up type bridge",
        "link set bond0 master br0",
    ]);
    assert_eq!(
        info(&running, "bond0")["linkinfo"]["info_slave_kind"],
        "bridge"
    );
    running.ctl_ok(&["link del bond0"]);
    let slave = info(&running, "sn0");
    assert_eq!(
        (&slave["master"], &slave["operstate"]),
        (&Value::Null, &json!("DOWN"))
    );
}

#[test]
fn both_ways_in_have_their_codes() {
    let running = start_snull(&snull::Config::default());
    running.ctl_ok(&["link set sn1 up", "link add bond0 up type bond"]);
    for (line, why) in [
        ("link set sn1 master bond0", "set it down first (EPERM)"),
        ("link set bond0 type bond mode 802.3ad", "(EBUSY)"),
        ("link set bond0 type bond miimon red", "(EINVAL)"),
        ("link set bond0 type bond colour red", "no such option"),
        ("link add x type bond mode red", "(EINVAL)"),
        ("link show x", "x"),
        ("bond enslave bond0 sn0", "set it up, plug it in (EINVAL)"),
        ("bond enslave bond0 none", "(ENODEV)"),
        ("bond release bond0 sn1", "no slave of this bond (EINVAL)"),
    ] {
        let error = refused(&running, line);
        assert!(error.contains(why), "{line}: {error}");
    }
    running.ctl_ok(&["bond enslave bond0 sn1"]);
    assert_eq!(info(&running, "sn1")["master"], "bond0");
    let error = refused(&running, "bond enslave bond0 sn1");
    assert!(error.contains("(EBUSY)"), "{error}");
    running.ctl_ok(&["bond sethwaddr bond0 sn1", "bond release bond0 sn1"]);
    let sn1 = info(&running, "sn1");
    assert_eq!(
        (&sn1["master"], &sn1["operstate"]),
        (&Value::Null, &json!("UP"))
    );
}
