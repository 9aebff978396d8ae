//! One bridge: what its data path reads without waiting, and the machines behind short locks.
//!
//! Locks, in the order in which they may be taken: the tree, multicast, the database's writer. None is held while a driver or the core is called, so that
//! no thread of the data path waits for the configuration, and the configuration may wait for the data path.

use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering::*};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use smartnic_netdev::device::NetDevice;
use smartnic_netdev::packet::eth;
use smartnic_netdev::{Dev, Packet, Softnet};
use smartnic_slowpath::MacAddr;
use smartnic_slowpath::mcast::Snooping;
use smartnic_slowpath::stp::{self, BridgeSettings, Protocol};

use crate::events::{Events, Listener};
use crate::fdb::{Fdb, Key, Ports};
use crate::flags::{BridgeFlags, Stp};
use crate::neigh::Neighbours;
use crate::port::{Port, PortTable};
use crate::vlan::VlanGroup;

/// Ageing time of a new bridge.
pub const AGEING_DEFAULT: Duration = Duration::from_secs(300);

/// What only the configuration reads.
pub(crate) struct Config {
    /// The spanning tree's settings as a user set them; they have to fit together only while it runs. The address is filled in.
    pub(crate) tree: BridgeSettings,
    pub(crate) group_address_set: bool,
    pub(crate) default_pvid: u16,
    pub(crate) mtu_set: bool,
    /// The bridge sets its own MTU just now.
    pub(crate) mtu_own: bool,
    /// Ports that learn or flood of their own accord.
    pub(crate) auto_ports: usize,
}

/// A bridge.
pub struct Bridge {
    dev: OnceLock<Weak<NetDevice>>,
    pub(crate) ports: ArcSwap<PortTable>,
    pub(crate) vlans: ArcSwap<VlanGroup>,
    flags: AtomicU32,
    stp: AtomicU8,
    vlan_protocol: AtomicU16,
    pub(crate) group_fwd_mask: AtomicU16,
    /// What a bridge of a provider's network forwards by standard.
    pub(crate) group_fwd_required: AtomicU16,
    pub(crate) ageing: AtomicU64,
    /// Ageing time in force, in nanoseconds: the configured one, or that of a topology change.
    pub(crate) hold: AtomicU64,
    pub(crate) next_age: AtomicU64,
    pub(crate) fdb: Fdb,
    pub(crate) events: Events,
    mcast: Mutex<Snooping>,
    tree: Mutex<stp::Bridge>,
    pub(crate) neighbours: ArcSwap<Neighbours>,
    outbox: Mutex<Vec<(u16, Vec<u8>)>>,
    config: Mutex<Config>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // The machines leave themselves whole before they return to us.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Bridge {
    pub(crate) fn new() -> Arc<Self> {
        let tree = BridgeSettings::new(MacAddr::default(), Protocol::Stp);
        let machine = stp::Bridge::new(tree.clone()).expect("the defaults fit together");
        let ageing = AGEING_DEFAULT.as_nanos() as u64;
        Arc::new(Self {
            dev: OnceLock::new(),
            ports: ArcSwap::default(),
            vlans: ArcSwap::default(),
            flags: AtomicU32::new(BridgeFlags::MCAST_SNOOPING.bits()),
            stp: AtomicU8::new(Stp::Off as u8),
            vlan_protocol: AtomicU16::new(eth::P_8021Q),
            group_fwd_mask: AtomicU16::new(0),
            group_fwd_required: AtomicU16::new(0),
            ageing: AtomicU64::new(ageing),
            hold: AtomicU64::new(ageing),
            next_age: AtomicU64::new(0),
            fdb: Fdb::default(),
            events: Events::default(),
            mcast: Mutex::default(),
            tree: Mutex::new(machine),
            neighbours: ArcSwap::default(),
            outbox: Mutex::default(),
            config: Mutex::new(Config {
                tree,
                group_address_set: false,
                default_pvid: 1,
                mtu_set: false,
                mtu_own: false,
                auto_ports: 0,
            }),
        })
    }

    pub(crate) fn attach(&self, dev: &Dev) {
        // A device is created once for a bridge.
        let _ = self.dev.set(Arc::downgrade(dev));
    }
    /// Its device, while there is one.
    pub fn device(&self) -> Option<Dev> {
        self.dev.get()?.upgrade()
    }
    /// Its address; zero when there is no device.
    pub fn address(&self) -> MacAddr {
        self.device().map_or(MacAddr::default(), |d| d.address())
    }

    pub(crate) fn flags(&self) -> BridgeFlags {
        BridgeFlags::from_bits_truncate(self.flags.load(Relaxed))
    }
    pub(crate) fn set_flag(&self, flag: BridgeFlags, on: bool) {
        match on {
            true => self.flags.fetch_or(flag.bits(), SeqCst),
            false => self.flags.fetch_and(!flag.bits(), SeqCst),
        };
    }
    /// Who runs the spanning tree.
    pub fn stp(&self) -> Stp {
        Stp::from_number(self.stp.load(Relaxed).into()).unwrap_or_default()
    }
    pub(crate) fn store_stp(&self, stp: Stp) {
        self.stp.store(stp as u8, SeqCst);
    }
    pub(crate) fn vlan_protocol(&self) -> u16 {
        self.vlan_protocol.load(Relaxed)
    }
    pub(crate) fn store_vlan_protocol(&self, protocol: u16) {
        self.vlan_protocol.store(protocol, SeqCst);
    }

    pub(crate) fn mcast(&self) -> MutexGuard<'_, Snooping> {
        lock(&self.mcast)
    }
    pub(crate) fn tree(&self) -> MutexGuard<'_, stp::Bridge> {
        lock(&self.tree)
    }
    pub(crate) fn config(&self) -> MutexGuard<'_, Config> {
        lock(&self.config)
    }

    /// Hears what happens to tables and ports, until the answer is dropped.
    pub fn listen(&self) -> Arc<Listener> {
        self.events.listen()
    }

    /// A frame that the bridge itself sends by a port (0: up, to its own stack), as soon as somebody with a data path comes by.
    pub(crate) fn post(&self, port: u16, frame: Vec<u8>) {
        lock(&self.outbox).push((port, frame));
    }
    pub(crate) fn has_post(&self) -> bool {
        !lock(&self.outbox).is_empty()
    }
    /// Sends what was posted, in order.
    pub(crate) fn send_post(&self, net: &mut Softnet) {
        let waiting = std::mem::take(&mut *lock(&self.outbox));
        if waiting.is_empty() {
            return;
        }
        let ports = self.ports.load_full();
        for (number, frame) in waiting {
            let mut packet = Packet::from_bytes(&frame);
            if let Some(port) = ports.get(number) {
                // Control frames come before all others.
                packet.priority = 7;
                net.forward(&port.dev, packet);
            } else if let Some(dev) = self.device().filter(|_| number == 0)
                && eth::type_trans(&mut packet, dev.ifindex(), dev.address()).is_ok()
            {
                net.netif_rx(&dev, packet);
            }
        }
    }

    pub(crate) fn port_of(&self, dev: &Dev) -> Option<Arc<Port>> {
        let ports = self.ports.load();
        ports.list.iter().find(|p| p.dev == *dev).cloned()
    }

    /// The VLANs in which the bridge's own address is local, 0 among them.
    pub(crate) fn local_vids(&self) -> Vec<u16> {
        let mut vids = vec![0];
        vids.extend(self.vlans.load().vids());
        vids
    }
}

impl Ports for Bridge {
    fn holder(&self, key: Key, except: u16) -> Option<u16> {
        let (vid, address) = (key.vid(), key.address());
        let ports = self.ports.load();
        let holds = |p: &&Arc<Port>| {
            p.number != except
                && p.dev.address() == address
                && (vid == 0 || p.vlans.load().find(vid).is_some())
        };
        if let Some(port) = ports.list.iter().find(holds) {
            return Some(port.number);
        }
        let in_vlan = || vid == 0 || self.vlans.load().usable(vid).is_some();
        (except != 0 && self.address() == address && in_vlan()).then_some(0)
    }
}
