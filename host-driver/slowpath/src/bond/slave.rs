//! A member of a bond, as the bond sees it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::lacp::Link;
use crate::mac::MacAddr;

/// How the caller names a member: its ifindex.
pub type SlaveId = crate::lacp::PortId;

/// What the monitors make of a member's link (`mii_status`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum LinkState {
    /// Carries frames.
    Up,
    /// Lost, but `downdelay` has not passed: still in use.
    #[serde(rename = "GOING_DOWN")]
    Fail,
    /// Lost.
    Down,
    /// Here again, but `updelay` has not passed: not yet in use.
    #[serde(rename = "GOING_BACK")]
    Back,
}

/// What a device that is to become a member is like.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Device {
    /// Its ifindex.
    pub id: SlaveId,
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: MacAddr,
    /// Its MTU.
    pub mtu: u32,
    /// IFF_UP.
    pub up: bool,
    /// Its link, if it has a carrier.
    pub link: Option<Link>,
    /// A master of another kind than a bond.
    pub other_master: bool,
    /// Has a master or a receive handler.
    pub busy: bool,
    /// Is the bond itself, or has the bond below it.
    pub is_bond: bool,
    /// Is an Ethernet device.
    pub ethernet: bool,
    /// Its address can be set.
    pub sets_address: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Slave {
    pub id: SlaveId,
    pub name: String,
    /// The address that it came with.
    pub permanent: MacAddr,
    /// The address that it has.
    pub address: MacAddr,
    pub original_mtu: u32,
    /// It came by the ioctl: closing the bond releases it.
    pub by_ioctl: bool,
    /// Its link as the device says; `None` while it is down or has no carrier.
    pub link: Option<Link>,
    /// Its link when it last had one: LACP goes by the monitor, which may not have seen the carrier go.
    pub last_link: Option<Link>,
    pub state: LinkState,
    /// Polls that `updelay` or `downdelay` still lasts.
    pub delay: u32,
    pub failures: u32,
    /// Not a backup.
    pub active: bool,
    /// Frames that it receives are duplicates.
    pub inactive: bool,
    pub prio: i32,
    pub queue_id: u16,
    pub last_link_up: Duration,
    /// When the ARP monitor last saw traffic.
    pub last_rx: Option<Duration>,
    pub last_tx: Option<Duration>,
    /// When each ARP target last answered.
    pub target_rx: Vec<Option<Duration>>,
    /// LACP's port number.
    pub number: u16,
    /// Load that the balancer has given it, bytes/s.
    pub load: u64,
    /// Bytes that hardware sent since the last dealing.
    pub reported: u64,
}

impl Slave {
    /// Has a carrier, and the monitors agree.
    pub fn is_up(&self) -> bool {
        self.link.is_some() && self.state == LinkState::Up
    }
    /// Is usable for sending.
    pub fn can_tx(&self) -> bool {
        self.is_up() && self.active
    }
    /// Mb/s; 0 without a link.
    pub fn speed(&self) -> u32 {
        self.link.map_or(0, |l| l.speed)
    }
    pub fn duplex(&self) -> bool {
        self.link.is_some_and(|l| l.full_duplex)
    }
    pub fn set_state(&mut self, now: Duration, state: LinkState) {
        self.state = state;
        if state == LinkState::Up {
            self.last_link_up = now;
        }
    }
    /// The ARP monitor begins: who is up is taken to have been heard an interval ago, so that it can answer first.
    pub fn grant_grace(&mut self, now: Duration, interval: Duration) {
        if self.state == LinkState::Up {
            let heard = Some(now.saturating_sub(interval));
            self.last_rx = self.last_rx.max(heard);
            self.last_tx = self.last_tx.max(heard);
            for rx in &mut self.target_rx {
                *rx = (*rx).max(heard);
            }
        }
    }
    pub fn count_failure(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }
}
