//! Every option of a bond: what Linux 6.12 accepts, and with which code it refuses.

#[path = "common/bond_base.rs"]
mod bond_base;

use std::time::Duration;

use bond_base::bond;
use smartnic_slowpath::bond::{Bond, Errno, Mode, Options};

const MODES: [&str; 7] = [
    "balance-rr",
    "active-backup",
    "balance-xor",
    "broadcast",
    "802.3ad",
    "balance-tlb",
    "balance-alb",
];
const NOW: Duration = Duration::ZERO;

fn in_mode(mode: &str) -> Bond {
    let mut bond = Bond::new(1);
    bond.set(NOW, "mode", mode).unwrap();
    bond
}

fn code(bond: &mut Bond, name: &str, value: &str) -> Option<Errno> {
    bond.set(NOW, name, value).err().map(|e| e.errno)
}

/// A row: the option, the modes that have it by their numbers, whether slaves forbid it, whether being up does, values
/// that are accepted, values that are not.
type Row = (
    &'static str,
    &'static [usize],
    bool,
    bool,
    &'static [&'static str],
    &'static [&'static str],
);

const ALL: &[usize] = &[0, 1, 2, 3, 4, 5, 6];
const PRIMARY: &[usize] = &[1, 5, 6];
const ARP: &[usize] = &[0, 1, 2, 3];
const ROWS: &[Row] = &[
    (
        "mode",
        ALL,
        true,
        true,
        &["balance-rr", "6", "default"],
        &["lacp", "7", "", "-1"],
    ),
    (
        "miimon",
        ALL,
        false,
        false,
        &["0", "100", "off", "2147483647"],
        &["2147483648", "x", "-1"],
    ),
    (
        "arp_interval",
        ARP,
        false,
        false,
        &["0", "1000", "default"],
        &["", "1s"],
    ),
    (
        "arp_validate",
        ARP,
        false,
        false,
        &["none", "all", "filter_backup", "6"],
        &["7", "some"],
    ),
    (
        "arp_all_targets",
        ALL,
        false,
        false,
        &["any", "all", "1"],
        &["2", "none"],
    ),
    (
        "arp_missed_max",
        ARP,
        false,
        false,
        &["1", "255", "default"],
        &["0", "256"],
    ),
    (
        "primary_reselect",
        ALL,
        false,
        false,
        &["always", "better", "failure"],
        &["3", "never"],
    ),
    (
        "fail_over_mac",
        ALL,
        true,
        false,
        &["none", "active", "follow"],
        &["3", "both"],
    ),
    (
        "xmit_hash_policy",
        ALL,
        false,
        false,
        &["layer2", "encap3+4", "vlan+srcmac", "5"],
        &["layer4", "6"],
    ),
    (
        "resend_igmp",
        ALL,
        false,
        false,
        &["0", "255", "default"],
        &["256"],
    ),
    ("num_grat_arp", ALL, false, false, &["0", "255"], &["256"]),
    ("num_unsol_na", ALL, false, false, &["0", "255"], &["256"]),
    (
        "all_slaves_active",
        ALL,
        false,
        false,
        &["0", "1", "on"],
        &["2", "yes"],
    ),
    ("min_links", ALL, false, false, &["0", "8"], &["-1"]),
    (
        "lp_interval",
        ALL,
        false,
        false,
        &["1", "2147483647"],
        &["0"],
    ),
    (
        "packets_per_slave",
        &[0],
        false,
        false,
        &["0", "1", "65535"],
        &["65536"],
    ),
    ("use_carrier", ALL, false, false, &["0", "1"], &["2"]),
    ("lacp_active", &[4], false, true, &["on", "off"], &["2"]),
    (
        "lacp_rate",
        &[4],
        false,
        true,
        &["slow", "fast", "0", "1"],
        &["2", "default"],
    ),
    (
        "ad_select",
        ALL,
        false,
        true,
        &["stable", "bandwidth", "count"],
        &["3"],
    ),
    (
        "ad_actor_sys_prio",
        &[4],
        false,
        false,
        &["1", "65535"],
        &["0", "65536"],
    ),
    (
        "ad_user_port_key",
        &[4],
        false,
        true,
        &["0", "1023"],
        &["1024"],
    ),
    (
        "ad_actor_system",
        &[4],
        false,
        false,
        &["02:00:00:00:00:09", "00:00:00:00:00:00"],
        &["01:00:00:00:00:09", "02:00:00:00:00"],
    ),
    ("tlb_dynamic_lb", &[5, 6], false, true, &["0", "1"], &["2"]),
    ("coupled_control", &[4], false, true, &["on", "off"], &["2"]),
    (
        "arp_ip_target",
        ALL,
        false,
        false,
        &["+10.0.0.1", "-10.0.0.1", "10.0.0.2,10.0.0.3", ""],
        &["0.0.0.0", "+255.255.255.255", "-10.0.0.1", "a"],
    ),
    (
        "primary",
        PRIMARY,
        false,
        false,
        &["port1", "later", ""],
        &[],
    ),
    ("active_slave", PRIMARY, false, false, &[""], &["stranger"]),
];

/// Modes first (EACCES), then slaves (ENOTEMPTY), then up (EBUSY), then the value (EINVAL).
#[test]
fn accepted_and_refused() {
    for (name, modes, no_slaves, down, good, bad) in ROWS {
        for (number, mode) in MODES.iter().enumerate() {
            let mut idle = in_mode(mode);
            let allowed = modes.contains(&number);
            let first = good.first().copied().unwrap_or("");
            if !allowed {
                assert_eq!(
                    code(&mut idle, name, first),
                    Some(Errno::EACCES),
                    "{name} in {mode}"
                );
                assert_eq!(
                    code(&mut idle, name, "nonsense"),
                    Some(Errno::EACCES),
                    "{name} in {mode}"
                );
                continue;
            }
            for value in *good {
                assert_eq!(
                    code(&mut idle, name, value),
                    None,
                    "{name} {value} in {mode}"
                );
                idle.set(NOW, "mode", mode).unwrap();
            }
            for value in *bad {
                let options = idle.options().clone();
                assert_eq!(
                    code(&mut idle, name, value),
                    Some(Errno::EINVAL),
                    "{name} {value} in {mode}"
                );
                assert_eq!(*idle.options(), options, "{name} {value}");
            }
            let (mut with_slave, mut devices) = bond(mode, &[], 1);
            with_slave.close(NOW, &mut devices);
            let want = no_slaves.then_some(Errno::ENOTEMPTY);
            assert_eq!(
                code(&mut with_slave, name, first),
                want,
                "{name} with a slave"
            );
            let mut up = in_mode(mode);
            up.open(NOW);
            let want = down.then_some(Errno::EBUSY);
            assert_eq!(
                code(&mut up, name, first),
                want,
                "{name} of a bond that is up"
            );
        }
    }
    let listed: Vec<_> = ROWS.iter().map(|row| row.0).collect();
    for name in Bond::option_names() {
        let delay = ["updelay", "downdelay", "peer_notif_delay"].contains(&name);
        let of_slave = ["queue_id", "prio"].contains(&name);
        assert!(
            delay || of_slave || listed.contains(&name),
            "{name} is not tested"
        );
    }
    assert_eq!(
        code(&mut in_mode("802.3ad"), "speed", "1"),
        Some(Errno::EINVAL)
    );
}

#[test]
fn defaults_of_linux() {
    let o = Options::default();
    assert_eq!(Bond::new(1).options(), &o);
    assert_eq!((o.mode, o.miimon, o.arp_interval), (Mode::RoundRobin, 0, 0));
    assert_eq!((o.missed_max, o.resend_igmp, o.num_peer_notif), (2, 1, 1));
    assert_eq!((o.lp_interval, o.packets_per_slave, o.min_links), (1, 1, 0));
    assert!(o.lacp_active && !o.lacp_fast && o.tlb_dynamic_lb && o.coupled_control);
    assert_eq!((o.ad_actor_sys_prio, o.ad_user_port_key), (65535, 0));
    assert!(!o.all_slaves_active && !o.arp_all_targets && o.use_carrier);
    // A mode that must watch its links does.
    for mode in ["802.3ad", "balance-tlb", "balance-alb"] {
        assert_eq!(in_mode(mode).options().miimon, 100, "{mode}");
        let mut bond = Bond::new(1);
        bond.set(NOW, "arp_interval", "500").unwrap();
        bond.set(NOW, "mode", mode).unwrap();
        assert_eq!(
            (bond.options().miimon, bond.options().arp_interval),
            (100, 0)
        );
    }
    assert_eq!(in_mode("balance-xor").options().miimon, 0);
}
