//! What a driver says about its device before there is one.

use std::sync::Arc;
use std::time::Duration;

use smartnic_slowpath::MacAddr;

use super::flags::{AddressOrigin, Features, Flags, PrivFlags};
use super::header::{EthernetHeader, HeaderOps, NoHeader};
use crate::packet::eth;

/// Least MTU of Ethernet: an IPv4 header of full length and 8 bytes (RFC 791).
pub const MTU_MIN: u32 = 68;
/// MTU of Ethernet.
pub const MTU_DEFAULT: u32 = 1500;
/// Largest MTU of a device without limits of its own.
pub const MTU_MAX: u32 = 65_535;

/// Hardware type (`ARPHRD_*`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u16)]
pub enum LinkType {
    /// Ethernet.
    Ether = 1,
    /// Loopback.
    Loopback = 772,
    /// No link header.
    None = 0xfffe,
}

/// Everything about a new device. Begin with [`Setup::ether`] and change what differs.
#[derive(Clone)]
pub struct Setup {
    /// Name, at most 15 bytes; one `%d` becomes the lowest free number.
    pub name: String,
    /// Index, or the next free one.
    pub ifindex: Option<u32>,
    /// Hardware type.
    pub link_type: LinkType,
    /// Flags from the start.
    pub flags: Flags,
    /// What the stack has to know.
    pub priv_flags: PrivFlags,
    /// Address.
    pub address: MacAddr,
    /// Where it comes from.
    pub address_origin: AddressOrigin,
    /// Broadcast address.
    pub broadcast: MacAddr,
    /// MTU in bytes.
    pub mtu: u32,
    /// Least MTU.
    pub min_mtu: u32,
    /// Largest MTU.
    pub max_mtu: u32,
    /// Frames that may wait in each queue; 0: none, as for masters and other virtual devices.
    pub tx_queue_len: u32,
    /// Transmit queues.
    pub tx_queues: u16,
    /// NAPI instances.
    pub napis: u16,
    /// Bytes of the link header.
    pub hard_header_len: u32,
    /// Bytes that the driver wants in front of it.
    pub needed_headroom: u32,
    /// What is on from the start.
    pub features: Features,
    /// What users may turn on and off.
    pub hw_features: Features,
    /// What VLAN devices over this one may use.
    pub vlan_features: Features,
    /// How long a stopped queue may go without sending; `None`: no watchdog.
    pub watchdog: Option<Duration>,
    /// Whether there is a carrier from the start.
    pub carrier: bool,
    /// Headers.
    pub header: Arc<dyn HeaderOps>,
}

impl Setup {
    /// An Ethernet device with a random address (`ether_setup`).
    pub fn ether(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ifindex: None,
            link_type: LinkType::Ether,
            flags: Flags::BROADCAST | Flags::MULTICAST,
            priv_flags: PrivFlags::empty(),
            address: MacAddr::random(&mut rand::rng()),
            address_origin: AddressOrigin::Random,
            broadcast: MacAddr::BROADCAST,
            mtu: MTU_DEFAULT,
            min_mtu: MTU_MIN,
            max_mtu: MTU_MAX,
            tx_queue_len: 1000,
            tx_queues: 1,
            napis: 1,
            hard_header_len: eth::HLEN as u32,
            needed_headroom: 0,
            features: Features::SOFT,
            hw_features: Features::empty(),
            vlan_features: Features::empty(),
            watchdog: None,
            carrier: true,
            header: Arc::new(EthernetHeader),
        }
    }

    /// A virtual Ethernet device: no queue of its own, no lock, changes its address live.
    pub fn virtual_ether(name: impl Into<String>) -> Self {
        let mut setup = Self::ether(name);
        setup.tx_queue_len = 0;
        setup.napis = 0;
        setup.priv_flags = PrivFlags::LLTX | PrivFlags::LIVE_ADDR_CHANGE;
        setup
    }

    /// A point-to-point device without link headers and address resolution.
    pub fn no_header(name: impl Into<String>) -> Self {
        let mut setup = Self::ether(name);
        setup.link_type = LinkType::None;
        setup.flags = Flags::POINTOPOINT | Flags::NOARP | Flags::MULTICAST;
        setup.hard_header_len = 0;
        setup.header = Arc::new(NoHeader);
        setup
    }

    /// With the device's own address.
    pub fn with_address(mut self, address: MacAddr) -> Self {
        self.address = address;
        self.address_origin = AddressOrigin::Permanent;
        self
    }
}
