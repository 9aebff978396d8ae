//! A network device: what the data path reads without a lock, and what the configuration keeps beside it.
//!
//! The data path's part is atomics and pointers that are swapped whole (`arc_swap`); the configuration's part is behind one short lock
//! and changes only through `&mut` [`Core`](crate::registry::Core), which is the kernel's RTNL. Nothing here calls a driver.

pub mod address_list;
pub mod flags;
pub mod header;
mod limit;
pub mod ops;
pub mod queue;
pub mod setup;
pub mod stats;

use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use smartnic_slowpath::MacAddr;

pub use address_list::{AddressList, RxMode};
pub use flags::{AddressOrigin, Features, Flags, OperState, PrivFlags};
pub use header::{HeaderCache, HeaderOps};
pub use ops::{NetDeviceOps, Setting, Xmit};
pub use queue::TxQueue;
pub use setup::{LinkType, Setup};
pub use stats::{Counter, DevStats, LinkStats64};

use crate::netpoll::NetpollInfo;
use crate::packet::{HEADROOM, Packet};
use crate::softnet::napi::Napi;
use crate::softnet::rx::{RxHandler, Taps};
use crate::softnet::shared::Shared;
use crate::vlan::VlanTable;

/// A device as everybody holds it.
pub type Dev = Arc<NetDevice>;

/// How far a device's registration has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Registration {
    /// Not yet.
    #[default]
    None,
    /// In the list.
    Registered,
    /// On its way out.
    Unregistering,
    /// Gone.
    Unregistered,
}

/// Bits of [`NetDevice`]'s state word.
pub(crate) mod state {
    pub(crate) const RUNNING: u8 = 1;
    pub(crate) const NO_CARRIER: u8 = 2;
    pub(crate) const DORMANT: u8 = 4;
    pub(crate) const LINK_PENDING: u8 = 8;
    pub(crate) const PRESENT: u8 = 16;
}

/// What only the configuration changes.
#[derive(Debug, Default)]
pub(crate) struct Config {
    pub(crate) name: String,
    pub(crate) registration: Registration,
    pub(crate) permanent: MacAddr,
    pub(crate) origin: AddressOrigin,
    pub(crate) broadcast: MacAddr,
    pub(crate) min_mtu: u32,
    pub(crate) max_mtu: u32,
    pub(crate) hw_features: Features,
    pub(crate) wanted_features: Features,
    pub(crate) vlan_features: Features,
    pub(crate) operstate: OperState,
    pub(crate) unicast: AddressList,
    pub(crate) multicast: AddressList,
    pub(crate) promiscuity: u32,
    pub(crate) allmulti: u32,
    /// PROMISC and ALLMULTI as users set them: each counts once.
    pub(crate) user_flags: Flags,
    /// Promiscuous because the filter has no place for the unicast list.
    pub(crate) unicast_promisc: bool,
    pub(crate) uppers: Vec<Dev>,
    pub(crate) master: Option<Dev>,
}

/// A network device.
pub struct NetDevice {
    ops: Arc<dyn NetDeviceOps>,
    pub(crate) shared: Arc<Shared>,
    ifindex: AtomicU32,
    flags: AtomicU32,
    priv_flags: AtomicU32,
    state: AtomicU8,
    mtu: AtomicU32,
    address: AtomicU64,
    features: AtomicU64,
    headroom: AtomicU32,
    hard_header_len: u32,
    tx_queue_len: AtomicU32,
    carrier_changes: AtomicU32,
    link_type: LinkType,
    watchdog: Option<Duration>,
    header: Arc<dyn HeaderOps>,
    queues: Box<[TxQueue]>,
    pub(crate) napis: Box<[Napi]>,
    stats: DevStats,
    /// Bits of what a received frame has to pass beside the handler, so that most look once.
    pub(crate) rx_extras: AtomicU8,
    pub(crate) rx_handler: ArcSwapOption<Box<dyn RxHandler>>,
    pub(crate) taps: ArcSwap<Taps>,
    pub(crate) vlans: ArcSwap<VlanTable>,
    pub(crate) netpoll: ArcSwapOption<NetpollInfo>,
    pub(crate) lowers: ArcSwap<Vec<Dev>>,
    config: Mutex<Config>,
}

impl fmt::Debug for NetDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name(), self.ifindex())
    }
}

/// A device is itself and nothing else.
impl PartialEq for NetDevice {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for NetDevice {}

fn pack(address: MacAddr) -> u64 {
    u64::from(address.low()) | u64::from(address.high()) << 32
}

impl NetDevice {
    pub(crate) fn new(setup: Setup, ops: Arc<dyn NetDeviceOps>, shared: Arc<Shared>) -> Self {
        let state = state::PRESENT | if setup.carrier { 0 } else { state::NO_CARRIER };
        let config = Config {
            name: setup.name,
            permanent: setup.address,
            origin: setup.address_origin,
            broadcast: setup.broadcast,
            min_mtu: setup.min_mtu,
            max_mtu: setup.max_mtu,
            hw_features: setup.hw_features,
            wanted_features: setup.features & setup.hw_features,
            vlan_features: setup.vlan_features,
            ..Config::default()
        };
        Self {
            ops,
            shared,
            ifindex: AtomicU32::new(setup.ifindex.unwrap_or(0)),
            flags: AtomicU32::new((setup.flags - Flags::UP).bits()),
            priv_flags: AtomicU32::new(setup.priv_flags.bits()),
            state: AtomicU8::new(state),
            mtu: AtomicU32::new(setup.mtu),
            address: AtomicU64::new(pack(setup.address)),
            features: AtomicU64::new(setup.features.bits()),
            headroom: AtomicU32::new(setup.needed_headroom),
            hard_header_len: setup.hard_header_len,
            tx_queue_len: AtomicU32::new(setup.tx_queue_len),
            carrier_changes: AtomicU32::new(0),
            link_type: setup.link_type,
            watchdog: setup.watchdog,
            header: setup.header,
            queues: (0..setup.tx_queues.max(1))
                .map(|_| TxQueue::default())
                .collect(),
            napis: (0..setup.napis).map(|_| Napi::default()).collect(),
            stats: DevStats::default(),
            rx_extras: AtomicU8::new(0),
            rx_handler: ArcSwapOption::empty(),
            taps: ArcSwap::default(),
            vlans: ArcSwap::default(),
            netpoll: ArcSwapOption::empty(),
            lowers: ArcSwap::default(),
            config: Mutex::new(config),
        }
    }

    pub(crate) fn config(&self) -> MutexGuard<'_, Config> {
        // Each holder leaves it whole at every statement.
        self.config.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The driver's operations.
    #[inline]
    pub fn ops(&self) -> &dyn NetDeviceOps {
        &*self.ops
    }
    /// Index; 0 before registration, unless asked for.
    #[inline]
    pub fn ifindex(&self) -> u32 {
        self.ifindex.load(Ordering::Relaxed)
    }
    pub(crate) fn set_ifindex(&self, ifindex: u32) {
        self.ifindex.store(ifindex, Ordering::Relaxed);
    }
    /// Name.
    pub fn name(&self) -> String {
        self.config().name.clone()
    }
    /// How far its registration has come.
    pub fn registration(&self) -> Registration {
        self.config().registration
    }
    /// Hardware type.
    pub fn link_type(&self) -> LinkType {
        self.link_type
    }
    /// Headers.
    pub fn header(&self) -> &dyn HeaderOps {
        &*self.header
    }
    /// How long a stopped queue may go without sending.
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }
    /// Counters, to count.
    #[inline]
    pub fn stats(&self) -> &DevStats {
        &self.stats
    }
    /// Counters, to read: the software's and what the driver adds. At any time, up or down.
    pub fn stats64(&self) -> LinkStats64 {
        let mut stats = self.stats.snapshot();
        self.ops.get_stats64(self, &mut stats);
        stats
    }

    /// MTU in bytes.
    pub fn mtu(&self) -> u32 {
        self.mtu.load(Ordering::Relaxed)
    }
    pub(crate) fn store_mtu(&self, mtu: u32) {
        self.mtu.store(mtu, Ordering::Relaxed);
    }
    /// Least and largest MTU.
    pub fn mtu_limits(&self) -> (u32, u32) {
        let config = self.config();
        (config.min_mtu, config.max_mtu)
    }
    /// Sets the limits: a driver that learns what its hardware can do, a master that follows its slaves.
    pub fn set_mtu_limits(&self, min: u32, max: u32) {
        let mut config = self.config();
        (config.min_mtu, config.max_mtu) = (min, max);
    }

    /// Address.
    #[inline]
    pub fn address(&self) -> MacAddr {
        let bits = self.address.load(Ordering::Relaxed);
        MacAddr::from_halves(bits as u32, (bits >> 32) as u32)
    }
    /// The address that the device came with.
    pub fn permanent_address(&self) -> MacAddr {
        self.config().permanent
    }
    /// Where the address comes from.
    pub fn address_origin(&self) -> AddressOrigin {
        self.config().origin
    }
    /// Stores an address without asking anybody: for a driver in `init` or `open` (`eth_hw_addr_set`).
    pub fn assign_address(&self, address: MacAddr, origin: AddressOrigin) {
        self.address.store(pack(address), Ordering::Relaxed);
        let mut config = self.config();
        config.origin = origin;
        if origin == AddressOrigin::Permanent {
            config.permanent = address;
        }
    }
    /// Broadcast address.
    pub fn broadcast(&self) -> MacAddr {
        self.config().broadcast
    }

    /// Bytes of the link header.
    pub fn hard_header_len(&self) -> usize {
        self.hard_header_len as usize
    }
    /// Bytes wanted in front of the link header, by this device and what is below it.
    pub fn needed_headroom(&self) -> usize {
        self.headroom.load(Ordering::Relaxed) as usize
    }
    /// Bytes to reserve for a frame to be sent by this device (`LL_RESERVED_SPACE`).
    pub fn reserved_headroom(&self) -> usize {
        (self.hard_header_len() + self.needed_headroom()).next_multiple_of(16)
    }
    pub(crate) fn set_needed_headroom(&self, bytes: usize) {
        self.headroom.store(bytes as u32, Ordering::Relaxed);
    }
    /// A packet for `room` bytes behind this device's header, with the headroom that its way down needs.
    pub fn alloc_packet(&self, room: usize) -> Packet {
        Packet::new(self.reserved_headroom().max(HEADROOM), room)
    }

    /// Frames that may wait in each queue.
    #[inline]
    pub fn tx_queue_len(&self) -> u32 {
        self.tx_queue_len.load(Ordering::Relaxed)
    }
    pub(crate) fn store_tx_queue_len(&self, len: u32) {
        self.tx_queue_len.store(len, Ordering::Relaxed);
    }

    /// Features that are on.
    #[inline]
    pub fn features(&self) -> Features {
        Features::from_bits_retain(self.features.load(Ordering::Relaxed))
    }
    pub(crate) fn store_features(&self, features: Features) {
        self.features.store(features.bits(), Ordering::Relaxed);
    }
    /// Features that users may change, those that they want, and those that VLAN devices may use.
    pub fn feature_sets(&self) -> (Features, Features, Features) {
        let config = self.config();
        (
            config.hw_features,
            config.wanted_features,
            config.vlan_features,
        )
    }

    /// The device that this one is a slave of.
    pub fn master(&self) -> Option<Dev> {
        self.config().master.clone()
    }
    /// Devices directly above, the master among them.
    pub fn uppers(&self) -> Vec<Dev> {
        self.config().uppers.clone()
    }
    /// Devices directly below, in the order of linking: a snapshot for the data path too.
    pub fn lowers(&self) -> Arc<Vec<Dev>> {
        self.lowers.load_full()
    }
    /// Users of promiscuous and of all-multicast reception.
    pub fn rx_counts(&self) -> (u32, u32) {
        let config = self.config();
        (config.promiscuity, config.allmulti)
    }
    /// Further unicast addresses and groups, with their users.
    pub fn address_lists(&self) -> (AddressList, AddressList) {
        let config = self.config();
        (config.unicast.clone(), config.multicast.clone())
    }
    /// Somebody takes its frames.
    pub fn has_rx_handler(&self) -> bool {
        self.rx_handler.load().is_some()
    }
}

mod run_state;
