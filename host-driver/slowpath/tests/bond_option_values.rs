//! Every value of every option of a bond: by name and by number, the ends of each range, what is shown for it; and what each refusal says.

use std::time::Duration;

use smartnic_slowpath::bond::{Bond, Errno};

const NOW: Duration = Duration::ZERO;
const INT_MAX: u64 = 0x7fff_ffff;

/// Options of words, in a mode that has them: the words are numbered from 0 (Linux's bond_options.c and if_link.h).
const WORDS: &[(&str, &str, &[&str])] = &[
    (
        "mode",
        "balance-rr",
        &[
            "balance-rr",
            "active-backup",
            "balance-xor",
            "broadcast",
            "802.3ad",
            "balance-tlb",
            "balance-alb",
        ],
    ),
    (
        "arp_validate",
        "active-backup",
        &[
            "none",
            "active",
            "backup",
            "all",
            "filter",
            "filter_active",
            "filter_backup",
        ],
    ),
    ("arp_all_targets", "active-backup", &["any", "all"]),
    (
        "primary_reselect",
        "active-backup",
        &["always", "better", "failure"],
    ),
    (
        "fail_over_mac",
        "active-backup",
        &["none", "active", "follow"],
    ),
    (
        "xmit_hash_policy",
        "balance-xor",
        &[
            "layer2",
            "layer3+4",
            "layer2+3",
            "encap2+3",
            "encap3+4",
            "vlan+srcmac",
        ],
    ),
    ("lacp_rate", "802.3ad", &["slow", "fast"]),
    ("ad_select", "802.3ad", &["stable", "bandwidth", "count"]),
    ("lacp_active", "802.3ad", &["off", "on"]),
    ("coupled_control", "802.3ad", &["off", "on"]),
    ("use_carrier", "balance-rr", &["off", "on"]),
    ("all_slaves_active", "balance-rr", &["off", "on"]),
    ("tlb_dynamic_lb", "balance-tlb", &["off", "on"]),
];

/// Options of numbers: a mode that has them, the least and the most, and the words of some.
type Range = (
    &'static str,
    &'static str,
    u64,
    u64,
    &'static [(&'static str, u64)],
);
const COUNT: &[(&str, u64)] = &[("off", 0), ("maxval", INT_MAX)];
const NOTIF: &[(&str, u64)] = &[("off", 0), ("maxval", 255)];
const RANGES: &[Range] = &[
    ("miimon", "balance-rr", 0, INT_MAX, COUNT),
    ("arp_interval", "balance-rr", 0, INT_MAX, COUNT),
    ("updelay", "balance-rr", 0, INT_MAX, COUNT),
    ("downdelay", "balance-rr", 0, INT_MAX, COUNT),
    (
        "peer_notif_delay",
        "active-backup",
        0,
        300_000,
        &[("off", 0), ("maxval", 300_000)],
    ),
    (
        "arp_missed_max",
        "active-backup",
        1,
        255,
        &[("minval", 1), ("maxval", 255)],
    ),
    ("resend_igmp", "active-backup", 0, 255, NOTIF),
    ("num_grat_arp", "active-backup", 0, 255, NOTIF),
    ("num_unsol_na", "active-backup", 0, 255, NOTIF),
    ("min_links", "802.3ad", 0, INT_MAX, COUNT),
    (
        "lp_interval",
        "balance-alb",
        1,
        INT_MAX,
        &[("minval", 1), ("maxval", INT_MAX)],
    ),
    (
        "packets_per_slave",
        "balance-rr",
        0,
        65535,
        &[("maxval", 65535)],
    ),
    (
        "ad_actor_sys_prio",
        "802.3ad",
        1,
        65535,
        &[("minval", 1), ("maxval", 65535)],
    ),
    (
        "ad_user_port_key",
        "802.3ad",
        0,
        1023,
        &[("minval", 0), ("maxval", 1023)],
    ),
];

/// Options whose values are neither.
const OTHERS: [&str; 4] = [
    "active_slave",
    "arp_ip_target",
    "primary",
    "ad_actor_system",
];

fn in_mode(mode: &str, miimon: bool) -> Bond {
    let mut bond = Bond::new(1);
    bond.set(NOW, "mode", mode).unwrap();
    if miimon {
        // Delays are multiples of it.
        bond.set(NOW, "miimon", "1").unwrap();
    }
    bond
}

/// The refusal names the option and the value, says what would be right, and ends with its code; nothing is changed.
fn refused(bond: &mut Bond, option: &str, value: &str, wanted: &[&str]) {
    let before = (bond.options().clone(), bond.get(option));
    let error = bond.set(NOW, option, value).expect_err(value);
    assert_eq!((error.errno, &*error.argument), (Errno::EINVAL, option));
    let text = error.to_string();
    assert!(
        text.starts_with(&format!("{option} \"{value}\": ")) && text.ends_with(" (EINVAL)"),
        "{text}"
    );
    for word in wanted {
        assert!(error.reason.contains(word), "{word}: {text}");
    }
    assert_eq!((bond.options().clone(), bond.get(option)), before, "{text}");
}

#[test]
fn words_by_name_and_by_number() {
    for (option, mode, words) in WORDS {
        for (number, word) in words.iter().enumerate() {
            for value in [(*word).to_owned(), number.to_string(), format!("{word}\n")] {
                let mut bond = in_mode(mode, false);
                bond.set(NOW, option, &value).unwrap();
                assert_eq!(bond.get(option).as_deref(), Some(*word), "{option} {value}");
            }
        }
        let mut bond = in_mode(mode, false);
        let capital = words[1].to_uppercase();
        let beyond = words.len().to_string();
        for value in [&*beyond, &*capital, "", "-1", "0x1", "nonsense"] {
            // A word that has no small letters is itself.
            if words.contains(&value) {
                continue;
            }
            refused(&mut bond, option, value, words);
        }
    }
}

#[test]
fn numbers_from_end_to_end() {
    for (option, mode, min, max, words) in RANGES {
        let delay = option.ends_with("delay");
        let middle = min + (max - min) / 2;
        let numbers = [*min, min + 1, middle, max - 1, *max];
        let numbers = numbers.map(|n| (n.to_string(), n));
        let named = words.iter().map(|(word, n)| ((*word).to_owned(), *n));
        for (value, number) in numbers.into_iter().chain(named) {
            let mut bond = in_mode(mode, delay);
            bond.set(NOW, option, &value).unwrap();
            let shown = bond.get(option).unwrap();
            assert_eq!(shown, number.to_string(), "{option} {value}");
        }
        let mut bond = in_mode(mode, delay);
        let range = format!("{min} to {max}");
        let mut outside = vec![(max + 1).to_string(), "99999999999999999999".into()];
        outside.extend(min.checked_sub(1).map(|n| n.to_string()));
        outside.extend(["-1", "1.5", "", "many"].map(String::from));
        for value in outside {
            refused(&mut bond, option, &value, &[&range]);
        }
    }
}

/// What has a default takes the word for it; 802.3ad's rate and the delay of announcements have none.
#[test]
fn defaults() {
    let fresh = |mode| in_mode(mode, false);
    let all = WORDS.iter().map(|(option, mode, _)| (*option, *mode));
    let numbers = RANGES.iter().map(|(option, mode, ..)| (*option, *mode));
    for (option, mode) in all.chain(numbers) {
        let mut bond = in_mode(mode, option.ends_with("delay"));
        let result = bond.set(NOW, option, "default");
        let none = matches!(option, "lacp_rate" | "peer_notif_delay");
        assert_eq!(result.is_err(), none, "{option}");
        if option != "mode" {
            assert_eq!(bond.get(option), fresh(mode).get(option), "{option}");
        }
    }
}

/// No option is forgotten here.
#[test]
fn the_lists_are_complete() {
    let mut listed: Vec<&str> = WORDS.iter().map(|(option, ..)| *option).collect();
    listed.extend(RANGES.iter().map(|(option, ..)| *option));
    listed.extend(OTHERS);
    listed.sort_unstable();
    let mut there: Vec<&str> = Bond::option_names()
        .filter(|o| !matches!(*o, "queue_id" | "prio"))
        .collect();
    there.sort_unstable();
    assert_eq!(listed, there);
}
