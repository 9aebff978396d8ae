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

/// What is set is shown, in the same words; delays as they were rounded.
#[test]
fn options_are_shown_as_they_are_set() {
    for (mode, name, values) in [
        ("balance-rr", "packets_per_slave", ["0", "65535"]),
        ("active-backup", "arp_validate", ["filter_backup", "all"]),
        ("active-backup", "arp_validate", ["filter", "filter_active"]),
        ("active-backup", "arp_ip_target", ["10.0.0.1,10.0.0.2", ""]),
        ("active-backup", "primary", ["port7", ""]),
        ("active-backup", "fail_over_mac", ["follow", "none"]),
        ("balance-xor", "xmit_hash_policy", ["encap3+4", "layer2"]),
        ("802.3ad", "lacp_rate", ["fast", "slow"]),
        ("802.3ad", "ad_select", ["count", "stable"]),
        (
            "802.3ad",
            "ad_actor_system",
            ["02:00:00:00:00:09", "00:00:00:00:00:00"],
        ),
        ("802.3ad", "coupled_control", ["off", "on"]),
        ("balance-tlb", "tlb_dynamic_lb", ["off", "on"]),
        ("balance-alb", "updelay", ["300", "0"]),
        ("balance-alb", "num_grat_arp", ["9", "0"]),
    ] {
        let mut bond = in_mode(mode);
        assert_eq!(bond.get("mode").as_deref(), Some(mode));
        for value in values {
            bond.set(NOW, name, value).unwrap();
            assert_eq!(bond.get(name).as_deref(), Some(value), "{name}");
        }
    }
    let mut ad = in_mode("802.3ad");
    ad.set(NOW, "updelay", "250").unwrap();
    assert_eq!(ad.get("updelay").as_deref(), Some("200"));
    let hidden: Vec<_> = Bond::option_names()
        .filter(|n| ad.get(n).is_none())
        .collect();
    assert_eq!(hidden, ["queue_id", "prio"], "options of slaves");
    assert_eq!(ad.get("speed"), None);
}
