//! The settings of a bond, with the defaults of Linux 6.12.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::HashPolicy;
use crate::lacp::AdSelect;
use crate::mac::MacAddr;

/// How a bond uses its members (`mode`); the numbers are Linux's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Mode {
    /// One frame, or some frames, to each in turn.
    #[default]
    #[serde(rename = "balance-rr")]
    RoundRobin = 0,
    /// One carries everything.
    #[serde(rename = "active-backup")]
    ActiveBackup = 1,
    /// By hash.
    #[serde(rename = "balance-xor")]
    Xor = 2,
    /// All carry everything.
    #[serde(rename = "broadcast")]
    Broadcast = 3,
    /// By hash, over what LACP has aggregated.
    #[serde(rename = "802.3ad")]
    Ad = 4,
    /// By load, received on one.
    #[serde(rename = "balance-tlb")]
    Tlb = 5,
    /// By load, received by ARP replies that differ by client.
    #[serde(rename = "balance-alb")]
    Alb = 6,
}

impl Mode {
    /// All of them, by their numbers.
    pub const ALL: [Mode; 7] = [
        Mode::RoundRobin,
        Mode::ActiveBackup,
        Mode::Xor,
        Mode::Broadcast,
        Mode::Ad,
        Mode::Tlb,
        Mode::Alb,
    ];

    /// Has one member that stands out: the active slave.
    pub fn uses_primary(self) -> bool {
        matches!(self, Mode::ActiveBackup | Mode::Tlb | Mode::Alb)
    }
    /// The ARP monitor can work.
    pub fn uses_arp(self) -> bool {
        !matches!(self, Mode::Ad | Mode::Tlb | Mode::Alb)
    }
    /// Balances by load.
    pub fn is_lb(self) -> bool {
        matches!(self, Mode::Tlb | Mode::Alb)
    }
}

/// When a primary that returns takes over (`primary_reselect`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PrimaryReselect {
    /// At once.
    #[default]
    Always,
    /// If its speed and duplex are better than the active one's.
    Better,
    /// When the active one fails.
    Failure,
}

/// Whose address the bond has in active-backup (`fail_over_mac`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailOverMac {
    /// All members have the bond's.
    #[default]
    None,
    /// The bond has that of the active member.
    Active,
    /// The bond's address goes to the member that becomes active.
    Follow,
}

/// Which ARP traffic counts as a sign of life (`arp_validate`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ArpValidate {
    /// Only probes and answers count on the active member.
    pub active: bool,
    /// Only probes and answers count on the backups.
    pub backup: bool,
    /// Nothing but ARP counts anywhere.
    pub filter: bool,
}

/// The settings. Delays are in polls of `miimon`, as the bond counts them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Options {
    /// `mode`.
    pub mode: Mode,
    /// `miimon`, ms; 0 is off.
    pub miimon: u32,
    /// `updelay`, polls.
    pub updelay: u32,
    /// `downdelay`, polls.
    pub downdelay: u32,
    /// `peer_notif_delay`, polls.
    pub peer_notif_delay: u32,
    /// `use_carrier`: accepted, and always as if on, for there is no other way to ask.
    pub use_carrier: bool,
    /// `arp_interval`, ms; 0 is off.
    pub arp_interval: u32,
    /// `arp_ip_target`, at most [`MAX_ARP_TARGETS`].
    pub arp_targets: Vec<Ipv4Addr>,
    /// `arp_validate`.
    pub arp_validate: ArpValidate,
    /// `arp_all_targets`: all must answer, not any.
    pub arp_all_targets: bool,
    /// `arp_missed_max`: intervals that may be missed.
    pub missed_max: u32,
    /// `primary`, by name: it need not be a member yet.
    pub primary: Option<String>,
    /// `primary_reselect`.
    pub primary_reselect: PrimaryReselect,
    /// `fail_over_mac`.
    pub fail_over_mac: FailOverMac,
    /// `xmit_hash_policy`.
    pub xmit_hash_policy: HashPolicy,
    /// `resend_igmp`: times that memberships are repeated after a fail-over.
    pub resend_igmp: u32,
    /// `num_grat_arp` and `num_unsol_na`: times that the address is announced after a fail-over.
    pub num_peer_notif: u32,
    /// `all_slaves_active`: inactive members' frames are taken too.
    pub all_slaves_active: bool,
    /// `min_links`, for the carrier in 802.3ad.
    pub min_links: u32,
    /// `lp_interval`, s between learning packets.
    pub lp_interval: u32,
    /// `packets_per_slave`; 0 is at random.
    pub packets_per_slave: u32,
    /// `lacp_active`.
    pub lacp_active: bool,
    /// `lacp_rate` fast.
    pub lacp_fast: bool,
    /// `ad_select`.
    pub ad_select: AdSelect,
    /// `ad_actor_sys_prio`.
    pub ad_actor_sys_prio: u16,
    /// `ad_user_port_key`.
    pub ad_user_port_key: u16,
    /// `ad_actor_system`; zero is the bond's own address.
    pub ad_actor_system: MacAddr,
    /// `tlb_dynamic_lb`: by load, not by hash.
    pub tlb_dynamic_lb: bool,
    /// `coupled_control`: collecting and distributing begin together.
    pub coupled_control: bool,
}

/// Targets of the ARP monitor.
pub const MAX_ARP_TARGETS: usize = 16;
/// `miimon` of a mode that must watch its links when none was set, ms.
pub const DEFAULT_MIIMON: u32 = 100;
/// Transmit queues that `queue_id` may name.
pub const TX_QUEUES: u16 = 16;

impl Default for Options {
    fn default() -> Self {
        Self {
            mode: Mode::RoundRobin,
            miimon: 0,
            updelay: 0,
            downdelay: 0,
            peer_notif_delay: 0,
            use_carrier: true,
            arp_interval: 0,
            arp_targets: Vec::new(),
            arp_validate: ArpValidate::default(),
            arp_all_targets: false,
            missed_max: 2,
            primary: None,
            primary_reselect: PrimaryReselect::Always,
            fail_over_mac: FailOverMac::None,
            xmit_hash_policy: HashPolicy::Layer2,
            resend_igmp: 1,
            num_peer_notif: 1,
            all_slaves_active: false,
            min_links: 0,
            lp_interval: 1,
            packets_per_slave: 1,
            lacp_active: true,
            lacp_fast: false,
            ad_select: AdSelect::Stable,
            ad_actor_sys_prio: 65535,
            ad_user_port_key: 0,
            ad_actor_system: MacAddr::default(),
            tlb_dynamic_lb: true,
            coupled_control: true,
        }
    }
}
