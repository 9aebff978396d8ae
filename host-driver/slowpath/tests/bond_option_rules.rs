//! Options of a bond that depend on each other, and those of its slaves.

#[path = "common/bond_base.rs"]
mod bond_base;

use std::time::Duration;

use bond_base::bond;
use smartnic_slowpath::bond::{Bond, Errno};

const NOW: Duration = Duration::ZERO;

fn in_mode(mode: &str) -> Bond {
    let mut bond = Bond::new(1);
    bond.set(NOW, "mode", mode).unwrap();
    bond
}

fn code(bond: &mut Bond, name: &str, value: &str) -> Option<Errno> {
    bond.set(NOW, name, value).err().map(|e| e.errno)
}

/// Delays are multiples of miimon, rounded down, and need it: EPERM.
#[test]
fn delays_are_counted_in_polls() {
    let mut bond = Bond::new(1);
    for name in ["updelay", "downdelay", "peer_notif_delay"] {
        assert_eq!(code(&mut bond, name, "100"), Some(Errno::EPERM), "{name}");
    }
    bond.set(NOW, "miimon", "100").unwrap();
    for (value, polls) in [("0", 0), ("99", 0), ("100", 1), ("250", 2), ("1000", 10)] {
        for name in ["updelay", "downdelay", "peer_notif_delay"] {
            bond.set(NOW, name, value).unwrap();
        }
        let o = bond.options();
        assert_eq!(
            (o.updelay, o.downdelay, o.peer_notif_delay),
            (polls, polls, polls)
        );
    }
    assert_eq!(
        code(&mut bond, "peer_notif_delay", "300001"),
        Some(Errno::EINVAL)
    );
    // Another miimon keeps the counts.
    bond.set(NOW, "miimon", "50").unwrap();
    assert_eq!(bond.options().updelay, 10);
}

#[test]
fn the_monitors_exclude_each_other() {
    let mut bond = in_mode("active-backup");
    bond.set(NOW, "arp_interval", "100").unwrap();
    bond.set(NOW, "arp_validate", "all").unwrap();
    bond.set(NOW, "miimon", "100").unwrap();
    let o = bond.options();
    assert_eq!((o.arp_interval, o.miimon), (0, 100));
    assert!(!o.arp_validate.active && !o.arp_validate.backup);
    bond.set(NOW, "arp_interval", "100").unwrap();
    assert_eq!(
        (bond.options().arp_interval, bond.options().miimon),
        (100, 0)
    );
    // In one message: EINVAL, before anything of it is done.
    for second in [("arp_interval", "100"), ("arp_validate", "active")] {
        let mut bond = in_mode("active-backup");
        let error = bond.set_all(NOW, &[second, ("miimon", "100")]).unwrap_err();
        assert_eq!(
            (error.errno, error.argument.as_str()),
            (Errno::EINVAL, second.0)
        );
        assert_eq!(bond.options().miimon, 0);
    }
    // The order of a message does not matter: the mode comes first.
    let mut bond = Bond::new(1);
    bond.set_all(
        NOW,
        &[
            ("updelay", "200"),
            ("lacp_rate", "fast"),
            ("miimon", "100"),
            ("mode", "802.3ad"),
        ],
    )
    .unwrap();
    assert_eq!(
        (bond.options().updelay, bond.options().lacp_fast),
        (2, true)
    );
}

#[test]
fn sixteen_targets() {
    let mut bond = in_mode("active-backup");
    for n in 1..=16 {
        bond.set(NOW, "arp_ip_target", &format!("+10.0.0.{n}"))
            .unwrap();
    }
    assert_eq!(
        code(&mut bond, "arp_ip_target", "+10.0.0.17"),
        Some(Errno::EINVAL)
    );
    assert_eq!(
        code(&mut bond, "arp_ip_target", "+10.0.0.16"),
        Some(Errno::EINVAL),
        "twice"
    );
    assert_eq!(
        code(&mut bond, "arp_ip_target", "+10.0.0"),
        Some(Errno::EPERM),
        "sysfs's code"
    );
    bond.set(NOW, "arp_ip_target", "-10.0.0.3").unwrap();
    bond.set(NOW, "arp_ip_target", "+10.0.0.17").unwrap();
    assert_eq!(bond.options().arp_targets.len(), 16);
    assert_eq!(
        code(&mut bond, "arp_ip_target", "10.0.0.1,10.0.0.1"),
        Some(Errno::EINVAL)
    );
    assert_eq!(
        bond.options().arp_targets.len(),
        16,
        "a bad list changes nothing"
    );
}

#[test]
fn options_of_slaves() {
    let (mut bond, _) = bond("active-backup", &[("miimon", "100")], 3);
    let mut slave =
        |id, name: &str, value: &str| bond.set_slave(NOW, id, name, value).err().map(|e| e.errno);
    assert_eq!(slave(1, "queue_id", "3"), None);
    assert_eq!(slave(2, "queue_id", "3"), Some(Errno::EPERM), "taken");
    assert_eq!(slave(1, "queue_id", "3"), None, "again");
    assert_eq!(slave(2, "queue_id", "17"), Some(Errno::EPERM));
    assert_eq!(slave(9, "queue_id", "1"), Some(Errno::ENODEV));
    assert_eq!(slave(3, "prio", "10"), None);
    assert_eq!(slave(3, "prio", "-2147483648"), None);
    assert_eq!(slave(3, "prio", "x"), Some(Errno::EINVAL));
    assert_eq!(slave(3, "mtu", "1"), Some(Errno::EINVAL));
    assert_eq!(code(&mut bond, "queue_id", "port2:4"), None);
    for bad in ["port2", "port9:1", "port2:x"] {
        assert_eq!(
            code(&mut bond, "queue_id", bad),
            Some(Errno::EPERM),
            "{bad}"
        );
    }
    let (mut xor, _) = bond_base::bond("balance-xor", &[], 1);
    let error = xor.set_slave(NOW, 1, "prio", "1").unwrap_err();
    assert_eq!(error.errno, Errno::EACCES);
    // Errors say what, and why.
    let text = in_mode("802.3ad")
        .set(NOW, "ad_actor_sys_prio", "0")
        .unwrap_err()
        .to_string();
    assert_eq!(
        text,
        "ad_actor_sys_prio \"0\": not one of: 1 to 65535, minval, maxval (EINVAL)"
    );
}
