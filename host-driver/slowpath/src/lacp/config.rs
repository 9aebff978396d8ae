//! Settings of a system, and the keys of its ports.

use serde::{Deserialize, Serialize};

use crate::mac::MacAddr;

/// Highest `ad_user_port_key`: the upper ten bits of a key.
pub const MAX_USER_KEY: u16 = 1023;

/// Which aggregator carries frames when there are several (`ad_select`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AdSelect {
    /// The one with the most bandwidth; kept until none of its ports has a link.
    #[default]
    Stable,
    /// The one with the most bandwidth, chosen anew with every change.
    Bandwidth,
    /// The one with the most ports, then the most bandwidth, chosen anew with every change.
    Count,
}

/// Settings of a system.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Config {
    /// Address of the system: the bond's, or `ad_actor_system`.
    pub system: MacAddr,
    /// `ad_actor_sys_prio`.
    pub system_priority: u16,
    /// `lacp_active`: LACPDUs are sent even to a partner that is not heard.
    pub active: bool,
    /// `lacp_rate` fast: the partner is asked to send once a second and is given up after three.
    pub fast: bool,
    /// `ad_user_port_key`, up to [`MAX_USER_KEY`].
    pub user_key: u16,
    /// `ad_select`.
    pub ad_select: AdSelect,
    /// `coupled_control`: collecting and distributing begin together. The hardware can do better.
    pub coupled: bool,
}

impl Default for Config {
    /// As Linux bonding's.
    fn default() -> Self {
        Self {
            system: MacAddr::default(),
            system_priority: 65535,
            active: true,
            fast: false,
            user_key: 0,
            ad_select: AdSelect::Stable,
            coupled: true,
        }
    }
}

/// A link that is up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Link {
    /// Mb/s; 0 if unknown.
    pub speed: u32,
    /// Full duplex. A half-duplex link cannot aggregate (802.1AX 6.4.8: LACP_Enabled is FALSE).
    pub full_duplex: bool,
}

/// Linux bonding's numbers for speeds in keys.
const SPEEDS: [(u32, u16); 17] = [
    (1, 1),
    (10, 2),
    (100, 3),
    (1_000, 4),
    (2_500, 5),
    (5_000, 6),
    (10_000, 7),
    (14_000, 8),
    (20_000, 9),
    (25_000, 10),
    (40_000, 11),
    (50_000, 12),
    (56_000, 13),
    (100_000, 14),
    (200_000, 15),
    (400_000, 16),
    (800_000, 17),
];

/// The key of a port: user key, speed and duplex, in the places where Linux bonding has them, so that only links of one
/// kind aggregate. A speed that Linux has no number for counts as 0, and so does that of a link that is down.
pub fn port_key(user_key: u16, link: Option<Link>) -> u16 {
    let speed = |link: Link| SPEEDS.iter().find(|(mbps, _)| *mbps == link.speed);
    let number = link.and_then(speed).map_or(0, |(_, number)| *number);
    let duplex = u16::from(link.is_some_and(|l| l.full_duplex));
    user_key.min(MAX_USER_KEY) << 6 | number << 1 | duplex
}
