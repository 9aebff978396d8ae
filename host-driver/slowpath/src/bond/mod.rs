//! Linux bonding's seven modes as a machine without I/O: who carries which frame, when that changes, and what has to be
//! sent and set for it.
//!
//! [`Bond`] is told of settings ([`Bond::set`]), members ([`Bond::enslave`], [`Bond::release`]), links
//! ([`Bond::set_link`]), frames ([`Bond::transmit`], [`Bond::receive`]) and time ([`Bond::tick`] at
//! [`Bond::next_deadline`]); after each of these [`Bond::poll`] says what is to be done, until it says nothing. What
//! can fail while a member joins or leaves goes through [`Lower`] instead, so that a failure undoes the steps before it.
//! What hardware can do of it is [`Bond::plan`].
//!
//! Options, defaults, orders of checks and error codes are those of Linux 6.12. Differences, all deliberate: the
//! neighbour-solicitation monitor (`ns_ip6_target`) does not exist; `use_carrier` is accepted and does nothing; a
//! member that cannot aggregate is out of sync rather than silently disabled (see [`crate::lacp`]); members that
//! came by the old ioctl leave when the bond closes, as they did when that ioctl was written.
//!
//! Limits: 16 ARP targets, 256 entries in either balancing table, queue ids to 16. A frame costs one hash and one look
//! at each member; nothing is allocated but for broadcasts.
//!
//! Covered by `tests/bond_*.rs`, each of which says in its first line what of.

mod active;
mod ad;
mod alb;
mod arp_monitor;
mod dissect;
mod enslave;
mod error;
mod get;
mod groups;
mod hash;
mod host;
mod mii;
mod options;
mod plan;
mod rx;
mod set;
mod slave;
mod status;
mod table;
mod targets;
mod tlb;
mod tx;

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;

pub use alb::ClientStatus;
pub use enslave::{Joining, Lower, NewAddress, Way};
pub use error::{BondError, Errno};
pub use hash::HashPolicy;
pub use options::{
    ArpValidate, DEFAULT_MIIMON, FailOverMac, MAX_ARP_TARGETS, Mode, Options, PrimaryReselect,
    TX_QUEUES,
};
pub use plan::{BUCKETS, Offload, Plan, PlanMember, PlanMode};
pub use rx::Rx;
pub use slave::{Device, LinkState, SlaveId};
pub use status::{BondStatus, Counters, SlaveStatus};
pub use tx::Tx;

use crate::lacp::{Config, Lacp, Link};
use crate::mac::MacAddr;
use slave::Slave;

/// What is to be done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Send this frame, without FCS, on the member.
    Send {
        /// The member.
        slave: SlaveId,
        /// The frame.
        frame: Vec<u8>,
    },
    /// Set the member's address; a failure is to be logged, no more.
    SetSlaveAddress {
        /// The member.
        slave: SlaveId,
        /// Its new address.
        address: MacAddr,
    },
    /// The bond's own address is another now.
    BondAddress(MacAddr),
    /// The bond's carrier went on or off.
    Carrier(bool),
    /// The active slave is another now. Unicast and multicast lists and promiscuity follow it.
    ActiveSlave(Option<SlaveId>),
    /// The addresses on the bond are being announced: whoever has a stack above it may tell that, too.
    NotifyPeers,
    /// Likewise the memberships of multicast groups.
    ResendIgmp,
    /// [`Bond::plan`] is another now.
    Plan,
}

/// A bond.
#[derive(Clone, Debug)]
pub struct Bond {
    options: Options,
    /// In the order of joining.
    slaves: Vec<Slave>,
    up: bool,
    /// The bond is itself a slave of something.
    enslaved: bool,
    address: MacAddr,
    /// Somebody chose the address.
    address_set: bool,
    mtu: u32,
    ips: Vec<Ipv4Addr>,
    host: host::Host,
    current: Option<SlaveId>,
    primary: Option<SlaveId>,
    force_primary: bool,
    carrier: bool,
    rng: StdRng,
    rr_counter: u32,
    mii_at: Option<Duration>,
    arp_at: Option<Duration>,
    /// The member that the ARP monitor tries while none is active.
    arp_slave: Option<SlaveId>,
    send_peer_notif: u32,
    igmp_left: u32,
    igmp_at: Option<Duration>,
    lacp: Lacp,
    tlb: tlb::Tlb,
    rlb: alb::Rlb,
    /// Buckets of the hardware's group, for the modes that balance by load.
    buckets: Vec<Option<SlaveId>>,
    /// The members, with their weights, that the buckets were filled for.
    filled_for: Vec<(SlaveId, u64)>,
    counters: Counters,
    last_plan: Plan,
    actions: VecDeque<Action>,
}

impl Bond {
    /// A bond without members, down, with a random address from the seed.
    pub fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let address = MacAddr::random(&mut rng);
        let mut bond = Self {
            options: Options::default(),
            slaves: Vec::new(),
            up: false,
            enslaved: false,
            address,
            address_set: false,
            mtu: 1500,
            ips: Vec::new(),
            host: host::Host::default(),
            current: None,
            primary: None,
            force_primary: false,
            carrier: false,
            rng,
            rr_counter: 0,
            mii_at: None,
            arp_at: None,
            arp_slave: None,
            send_peer_notif: 0,
            igmp_left: 0,
            igmp_at: None,
            lacp: Lacp::new(Config::default()),
            tlb: tlb::Tlb::default(),
            rlb: alb::Rlb::default(),
            buckets: Vec::new(),
            filled_for: Vec::new(),
            counters: Counters::default(),
            last_plan: Plan::default(),
            actions: VecDeque::new(),
        };
        bond.last_plan = bond.plan();
        bond
    }

    /// The settings.
    pub fn options(&self) -> &Options {
        &self.options
    }
    /// The bond's address.
    pub fn address(&self) -> MacAddr {
        self.address
    }
    /// Whether the bond has a carrier.
    pub fn carrier(&self) -> bool {
        self.carrier
    }
    /// The active slave of the modes that have one.
    pub fn active_slave(&self) -> Option<SlaveId> {
        self.current.filter(|_| self.options.mode.uses_primary())
    }
    /// The members, in the order of joining.
    pub fn slaves(&self) -> Vec<SlaveId> {
        self.slaves.iter().map(|s| s.id).collect()
    }
    /// LACP, in mode 802.3ad.
    pub fn lacp(&self) -> Option<&Lacp> {
        (self.options.mode == Mode::Ad).then_some(&self.lacp)
    }
    /// The next thing to be done.
    pub fn poll(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// IPv4 addresses on the bond besides those that the host's frames tell: the ARP monitor asks with them and knows answers by them.
    pub fn set_ips(&mut self, ips: &[Ipv4Addr]) {
        self.ips = ips.to_vec();
    }
    /// The bond itself becomes, or is no longer, somebody's slave (the ioctl asks).
    pub fn set_enslaved(&mut self, enslaved: bool) {
        self.enslaved = enslaved;
    }
    /// The bond's MTU, which members get as they join.
    pub fn set_mtu(&mut self, mtu: u32) {
        self.mtu = mtu;
    }

    /// Sets the bond up: the monitors begin.
    pub fn open(&mut self, now: Duration) {
        if std::mem::replace(&mut self.up, true) {
            return;
        }
        let mode = self.options.mode;
        for slave in &mut self.slaves {
            let chosen = match mode {
                Mode::ActiveBackup | Mode::Tlb | Mode::Alb => self.current == Some(slave.id),
                Mode::Ad => false,
                _ => true,
            };
            slave.inactive = !chosen && !self.options.all_slaves_active;
        }
        self.start_monitors(now);
        if mode.is_lb() {
            self.start_balancing(now);
        }
        self.sync_lacp(now);
        self.settle();
    }

    /// Sets the bond down. Members that came by the ioctl are released.
    pub fn close(&mut self, now: Duration, lower: &mut dyn Lower) {
        self.up = false;
        (self.mii_at, self.arp_at, self.igmp_at) = (None, None, None);
        (self.send_peer_notif, self.igmp_left) = (0, 0);
        self.stop_balancing();
        self.sync_lacp(now);
        let old = self.slaves.iter().filter(|s| s.by_ioctl);
        for id in old.map(|s| s.id).collect::<Vec<_>>() {
            self.detach(now, lower, id);
        }
        self.settle();
    }

    fn start_monitors(&mut self, now: Duration) {
        self.mii_at = (self.up && self.options.miimon > 0).then_some(now);
        self.arp_at = (self.up && self.options.arp_interval > 0).then_some(now);
        let interval = millis(self.options.arp_interval);
        for slave in self.slaves.iter_mut().filter(|_| self.arp_at.is_some()) {
            slave.grant_grace(now, interval);
        }
    }

    /// A member's link changed, as its device says: speed and duplex, or `None` while it is down or has no carrier.
    /// The monitors draw their conclusions in their own time; sending to a member without a carrier stops at once.
    pub fn set_link(&mut self, now: Duration, id: SlaveId, link: Option<Link>) {
        let mode = self.options.mode;
        let Some(slave) = self.slave_mut(id) else {
            return;
        };
        let speed_changed = link.is_some() && slave.last_link != link;
        slave.link = link;
        slave.last_link = link.or(slave.last_link);
        if speed_changed && mode == Mode::Ad {
            self.sync_lacp(now);
        }
        self.settle();
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Duration) {
        if due(self.mii_at, now) {
            self.mii_monitor(now);
            self.mii_at = Some(now + millis(self.options.miimon.max(1)));
        }
        if due(self.arp_at, now) {
            self.arp_monitor(now);
            self.arp_at = Some(now + millis(self.options.arp_interval.max(1)));
        }
        if due(self.igmp_at, now) {
            self.igmp_left -= 1;
            self.igmp_at = (self.igmp_left > 0).then(|| now + IGMP_INTERVAL);
            self.actions.push_back(Action::ResendIgmp);
            self.repeat_memberships(now);
        }
        if self.options.mode.is_lb() {
            self.tick_balancing(now);
        }
        self.lacp.tick(now);
        self.settle();
    }

    /// When [`Bond::tick`] is wanted next.
    pub fn next_deadline(&self) -> Option<Duration> {
        let timers = [
            self.mii_at,
            self.arp_at,
            self.igmp_at,
            self.balancing_deadline(),
        ];
        let lacp = self.lacp().and_then(Lacp::next_deadline);
        timers.into_iter().flatten().chain(lacp).min()
    }

    /// After every event: what LACP said is done, the carrier follows, and a plan that changed is announced.
    fn settle(&mut self) {
        self.drain_lacp();
        self.update_carrier();
        self.update_buckets();
        let plan = self.plan();
        if plan != self.last_plan {
            self.last_plan = plan;
            self.actions.push_back(Action::Plan);
        }
    }

    fn slave(&self, id: SlaveId) -> Option<&Slave> {
        self.slaves.iter().find(|s| s.id == id)
    }
    fn slave_mut(&mut self, id: SlaveId) -> Option<&mut Slave> {
        self.slaves.iter_mut().find(|s| s.id == id)
    }
    fn send(&mut self, slave: SlaveId, frame: Vec<u8>) {
        self.actions.push_back(Action::Send { slave, frame });
    }
    fn change_slave_address(&mut self, id: SlaveId, address: MacAddr) {
        if let Some(slave) = self.slave_mut(id).filter(|s| s.address != address) {
            slave.address = address;
            self.actions
                .push_back(Action::SetSlaveAddress { slave: id, address });
        }
    }
}

/// Time between repeats of multicast memberships.
const IGMP_INTERVAL: Duration = Duration::from_millis(200);

fn due(at: Option<Duration>, now: Duration) -> bool {
    at.is_some_and(|t| now >= t)
}

fn millis(ms: u32) -> Duration {
    Duration::from_millis(u64::from(ms))
}
