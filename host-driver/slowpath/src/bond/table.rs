//! The table of options: names, words, ranges, and when each may be set.
//!
//! Checked in Linux's order: the mode ([`Errno::EACCES`]), slaves ([`Errno::ENOTEMPTY`]), up ([`Errno::EBUSY`]), then the
//! value ([`Errno::EINVAL`]).

use super::Mode;
use super::error::{BondError, Errno};

/// An option.
pub(super) struct Spec {
    pub name: &'static str,
    /// Modes that have it.
    modes: &'static [Mode],
    /// Only without slaves.
    no_slaves: bool,
    /// Only while the bond is down.
    down: bool,
    /// Words with their numbers. A word `default` stands for the number of the default.
    words: &'static [(&'static str, u64)],
    default: Option<u64>,
    /// Numbers besides those of words.
    range: Option<(u64, u64)>,
    /// The setter parses the value itself.
    pub raw: bool,
}

const ALL: &[Mode] = &Mode::ALL;
const AD: &[Mode] = &[Mode::Ad];
const PRIMARY: &[Mode] = &[Mode::ActiveBackup, Mode::Tlb, Mode::Alb];
const ARP: &[Mode] = &[
    Mode::RoundRobin,
    Mode::ActiveBackup,
    Mode::Xor,
    Mode::Broadcast,
];
const LB: &[Mode] = &[Mode::Tlb, Mode::Alb];
const INT_MAX: u64 = i32::MAX as u64;
const ON_OFF: &[(&str, u64)] = &[("off", 0), ("on", 1)];
const COUNT: &[(&str, u64)] = &[("off", 0), ("maxval", INT_MAX)];
const NOTIF: &[(&str, u64)] = &[("off", 0), ("maxval", 255)];

const PLAIN: Spec = Spec {
    name: "",
    modes: ALL,
    no_slaves: false,
    down: false,
    words: &[],
    default: None,
    range: None,
    raw: false,
};

/// Words, the default's number.
const fn words(
    name: &'static str,
    modes: &'static [Mode],
    words: &'static [(&'static str, u64)],
    default: u64,
) -> Spec {
    Spec {
        name,
        modes,
        words,
        default: Some(default),
        ..PLAIN
    }
}

/// Numbers from `min` to `max`, and words for some.
const fn number(
    name: &'static str,
    modes: &'static [Mode],
    words: &'static [(&'static str, u64)],
    min: u64,
    max: u64,
    default: Option<u64>,
) -> Spec {
    Spec {
        name,
        modes,
        words,
        default,
        range: Some((min, max)),
        ..PLAIN
    }
}

const fn raw(name: &'static str, modes: &'static [Mode]) -> Spec {
    Spec {
        name,
        modes,
        raw: true,
        ..PLAIN
    }
}

const fn down(spec: Spec) -> Spec {
    Spec { down: true, ..spec }
}

const fn no_slaves(spec: Spec) -> Spec {
    Spec {
        no_slaves: true,
        ..spec
    }
}

/// In the order in which one message's options are applied.
pub(super) const OPTIONS: &[Spec] = &[
    down(no_slaves(words(
        "mode",
        ALL,
        &[
            ("balance-rr", 0),
            ("active-backup", 1),
            ("balance-xor", 2),
            ("broadcast", 3),
            ("802.3ad", 4),
            ("balance-tlb", 5),
            ("balance-alb", 6),
        ],
        0,
    ))),
    raw("active_slave", PRIMARY),
    number("miimon", ALL, COUNT, 0, INT_MAX, Some(0)),
    number("updelay", ALL, COUNT, 0, INT_MAX, Some(0)),
    number("downdelay", ALL, COUNT, 0, INT_MAX, Some(0)),
    number(
        "peer_notif_delay",
        ALL,
        &[("off", 0), ("maxval", 300_000)],
        0,
        300_000,
        None,
    ),
    words("use_carrier", ALL, ON_OFF, 1),
    number("arp_interval", ARP, COUNT, 0, INT_MAX, Some(0)),
    raw("arp_ip_target", ALL),
    words(
        "arp_validate",
        ARP,
        &[
            ("none", 0),
            ("active", 1),
            ("backup", 2),
            ("all", 3),
            ("filter", 4),
            ("filter_active", 5),
            ("filter_backup", 6),
        ],
        0,
    ),
    words("arp_all_targets", ALL, &[("any", 0), ("all", 1)], 0),
    raw("primary", PRIMARY),
    words(
        "primary_reselect",
        ALL,
        &[("always", 0), ("better", 1), ("failure", 2)],
        0,
    ),
    no_slaves(words(
        "fail_over_mac",
        ALL,
        &[("none", 0), ("active", 1), ("follow", 2)],
        0,
    )),
    words(
        "xmit_hash_policy",
        ALL,
        &[
            ("layer2", 0),
            ("layer3+4", 1),
            ("layer2+3", 2),
            ("encap2+3", 3),
            ("encap3+4", 4),
            ("vlan+srcmac", 5),
        ],
        0,
    ),
    number("resend_igmp", ALL, NOTIF, 0, 255, Some(1)),
    number("num_grat_arp", ALL, NOTIF, 0, 255, Some(1)),
    number("num_unsol_na", ALL, NOTIF, 0, 255, Some(1)),
    words("all_slaves_active", ALL, ON_OFF, 0),
    number("min_links", ALL, COUNT, 0, INT_MAX, Some(0)),
    number(
        "lp_interval",
        ALL,
        &[("minval", 1), ("maxval", INT_MAX)],
        1,
        INT_MAX,
        Some(1),
    ),
    number(
        "packets_per_slave",
        &[Mode::RoundRobin],
        &[("maxval", 65535)],
        0,
        65535,
        Some(1),
    ),
    down(words("lacp_active", AD, ON_OFF, 1)),
    down(Spec {
        default: None,
        ..words("lacp_rate", AD, &[("slow", 0), ("fast", 1)], 0)
    }),
    down(words(
        "ad_select",
        ALL,
        &[("stable", 0), ("bandwidth", 1), ("count", 2)],
        0,
    )),
    number(
        "ad_actor_sys_prio",
        AD,
        &[("minval", 1), ("maxval", 65535)],
        1,
        65535,
        Some(65535),
    ),
    down(number(
        "ad_user_port_key",
        AD,
        &[("minval", 0), ("maxval", 1023)],
        0,
        1023,
        Some(0),
    )),
    raw("ad_actor_system", AD),
    down(words("tlb_dynamic_lb", LB, ON_OFF, 1)),
    number(
        "arp_missed_max",
        ARP,
        &[("minval", 1), ("maxval", 255)],
        1,
        255,
        Some(2),
    ),
    down(words("coupled_control", AD, ON_OFF, 1)),
    raw("queue_id", ALL),
    raw("prio", PRIMARY),
];

/// The option's entry and its place in the table.
pub(super) fn find(name: &str) -> Option<(usize, &'static Spec)> {
    OPTIONS
        .iter()
        .enumerate()
        .find(|(_, spec)| spec.name == name)
}

impl Spec {
    /// Whether it may be set now.
    pub fn check(&self, value: &str, mode: Mode, slaves: bool, up: bool) -> Result<(), BondError> {
        let refuse = |errno, reason: String| Err(BondError::new(errno, self.name, value, reason));
        if !self.modes.contains(&mode) {
            let mode = Spec::word_of_mode(mode);
            return refuse(
                Errno::EACCES,
                format!("mode {mode} does not have this option"),
            );
        }
        if self.no_slaves && slaves {
            let reason = "the bond has slaves: release them first";
            return refuse(Errno::ENOTEMPTY, reason.into());
        }
        if self.down && up {
            let reason = "the bond is up: set it down first";
            return refuse(Errno::EBUSY, reason.into());
        }
        Ok(())
    }

    /// The number of a value: a number within the range or that of a word, or a word.
    pub fn parse(&self, value: &str) -> Result<u64, BondError> {
        let text = value.trim();
        let number: Option<u64> = if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
            let in_words = |n: &u64| self.words.iter().any(|(_, number)| number == n);
            let in_range = |n: &u64| self.range.is_some_and(|(min, max)| (min..=max).contains(n));
            text.parse().ok().filter(|n| in_words(n) || in_range(n))
        } else if text == "default" && self.default.is_some() {
            self.default
        } else {
            let word = self.words.iter().find(|(word, _)| *word == text);
            word.map(|(_, number)| *number)
        };
        number.ok_or_else(|| {
            let words: Vec<_> = self.words.iter().map(|(word, _)| *word).collect();
            let range = self.range.map(|(min, max)| format!("{min} to {max}, "));
            let reason = format!(
                "not one of: {}{}",
                range.unwrap_or_default(),
                words.join(", ")
            );
            BondError::new(Errno::EINVAL, self.name, value, reason)
        })
    }

    /// What is shown for a number: its word, if words are all that the option has.
    pub fn show(&self, n: u64) -> String {
        let word = self.words.iter().find(|(_, number)| *number == n);
        match word.filter(|_| self.range.is_none()) {
            Some((word, _)) => (*word).to_owned(),
            None => n.to_string(),
        }
    }

    /// Linux's word for a mode.
    pub fn word_of_mode(mode: Mode) -> &'static str {
        OPTIONS[0].words[mode as usize].0
    }
}
