//! The words in which a device's state is told: `IFF_*`, private flags, features, operational state.

use bitflags::bitflags;
use serde::{Deserialize, Serialize};

bitflags! {
    /// `IFF_*`, with Linux's values.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct Flags: u32 {
        /// Administratively up.
        const UP = 1;
        /// Has a broadcast address.
        const BROADCAST = 1 << 1;
        /// Debugging is on.
        const DEBUG = 1 << 2;
        /// Loopback.
        const LOOPBACK = 1 << 3;
        /// Point to point.
        const POINTOPOINT = 1 << 4;
        /// No trailers.
        const NOTRAILERS = 1 << 5;
        /// Operational (RFC 2863): up and able to carry frames.
        const RUNNING = 1 << 6;
        /// No address resolution.
        const NOARP = 1 << 7;
        /// Takes every frame.
        const PROMISC = 1 << 8;
        /// Takes every multicast frame.
        const ALLMULTI = 1 << 9;
        /// Master of a load balancer or bond.
        const MASTER = 1 << 10;
        /// Slave of one.
        const SLAVE = 1 << 11;
        /// Can do multicast.
        const MULTICAST = 1 << 12;
        /// Can select its media.
        const PORTSEL = 1 << 13;
        /// Selects its media by itself.
        const AUTOMEDIA = 1 << 14;
        /// Loses its address when it goes down.
        const DYNAMIC = 1 << 15;
        /// The lower layer can carry frames.
        const LOWER_UP = 1 << 16;
        /// Dormant.
        const DORMANT = 1 << 17;
        /// Frames sent are heard again.
        const ECHO = 1 << 18;
    }
}

impl Flags {
    /// What a user may change by the link request.
    pub const CHANGEABLE: Flags = Flags::DEBUG
        .union(Flags::NOTRAILERS)
        .union(Flags::NOARP)
        .union(Flags::DYNAMIC)
        .union(Flags::MULTICAST)
        .union(Flags::PORTSEL)
        .union(Flags::AUTOMEDIA)
        .union(Flags::UP)
        .union(Flags::PROMISC)
        .union(Flags::ALLMULTI);

    /// The words of iproute2, in its order.
    pub fn words(self) -> Vec<&'static str> {
        let mut words = Vec::new();
        if self.contains(Flags::UP) && !self.contains(Flags::RUNNING) {
            words.push("NO-CARRIER");
        }
        let order = [
            (Flags::LOOPBACK, "LOOPBACK"),
            (Flags::BROADCAST, "BROADCAST"),
            (Flags::POINTOPOINT, "POINTOPOINT"),
            (Flags::MULTICAST, "MULTICAST"),
            (Flags::NOARP, "NOARP"),
            (Flags::ALLMULTI, "ALLMULTI"),
            (Flags::PROMISC, "PROMISC"),
            (Flags::MASTER, "MASTER"),
            (Flags::SLAVE, "SLAVE"),
            (Flags::DEBUG, "DEBUG"),
            (Flags::DYNAMIC, "DYNAMIC"),
            (Flags::AUTOMEDIA, "AUTOMEDIA"),
            (Flags::PORTSEL, "PORTSEL"),
            (Flags::NOTRAILERS, "NOTRAILERS"),
            (Flags::UP, "UP"),
            (Flags::LOWER_UP, "LOWER_UP"),
            (Flags::DORMANT, "DORMANT"),
            (Flags::ECHO, "ECHO"),
        ];
        words.extend(
            order
                .iter()
                .filter(|(f, _)| self.contains(*f))
                .map(|(_, w)| *w),
        );
        words
    }
}

bitflags! {
    /// What the stack has to know about a device and users do not see.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct PrivFlags: u32 {
        /// The address may change while the device runs.
        const LIVE_ADDR_CHANGE = 1;
        /// Has a filter for unicast addresses; without one a second address makes it promiscuous.
        const UNICAST_FLT = 1 << 1;
        /// Takes no receive handler.
        const NO_RX_HANDLER = 1 << 2;
        /// Takes no netpoll.
        const DISABLE_NETPOLL = 1 << 3;
        /// May not be a bridge's port.
        const DONT_BRIDGE = 1 << 4;
        /// A bridge.
        const BRIDGE = 1 << 5;
        /// A bridge's port.
        const BRIDGE_PORT = 1 << 6;
        /// A bond.
        const BONDING = 1 << 7;
        /// A VLAN device.
        const VLAN = 1 << 8;
        /// A team.
        const TEAM = 1 << 9;
        /// A team's port.
        const TEAM_PORT = 1 << 10;
        /// `start_xmit` needs no lock and no queue: virtual devices.
        const LLTX = 1 << 11;
        /// A switch's own conduit to the host.
        const CONDUIT = 1 << 12;
        /// The operational state follows the devices below.
        const STACKED = 1 << 13;
    }
}

bitflags! {
    /// What a device can do to frames. The names are those of ethtool.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct Features: u64 {
        /// Gathers fragments.
        const SG = 1;
        /// Sums any protocol.
        const HW_CSUM = 1 << 1;
        /// Sums TCP and UDP over IPv4.
        const IP_CSUM = 1 << 2;
        /// Sums TCP and UDP over IPv6.
        const IPV6_CSUM = 1 << 3;
        /// Verifies received checksums.
        const RXCSUM = 1 << 4;
        /// Cuts TCP over IPv4.
        const TSO = 1 << 5;
        /// Cuts TCP over IPv6.
        const TSO6 = 1 << 6;
        /// Generic segmentation.
        const GSO = 1 << 7;
        /// Generic receive offload.
        const GRO = 1 << 8;
        /// Large receive offload.
        const LRO = 1 << 9;
        /// Inserts customer tags.
        const VLAN_CTAG_TX = 1 << 10;
        /// Strips customer tags.
        const VLAN_CTAG_RX = 1 << 11;
        /// Filters by customer VLAN.
        const VLAN_CTAG_FILTER = 1 << 12;
        /// Inserts service tags.
        const VLAN_STAG_TX = 1 << 13;
        /// Strips service tags.
        const VLAN_STAG_RX = 1 << 14;
        /// Filters by service VLAN.
        const VLAN_STAG_FILTER = 1 << 15;
        /// Cannot carry tagged frames.
        const VLAN_CHALLENGED = 1 << 16;
        /// Gives a flow hash.
        const RXHASH = 1 << 17;
        /// Keeps the FCS.
        const RXFCS = 1 << 18;
        /// Passes frames with errors.
        const RXALL = 1 << 19;
        /// Sends frames back to itself.
        const LOOPBACK = 1 << 20;
        /// Forwards in hardware.
        const L2FW_OFFLOAD = 1 << 21;
    }
}

impl Features {
    /// Any way of summing on transmit.
    pub const CSUM_ANY: Features = Features::HW_CSUM
        .union(Features::IP_CSUM)
        .union(Features::IPV6_CSUM);
    /// Any cutting of TCP.
    pub const TSO_ANY: Features = Features::TSO.union(Features::TSO6);
    /// What a device above loses when the one below has it off.
    pub const UPPER_DISABLES: Features = Features::LRO;
    /// What the stack itself does on every device.
    pub const SOFT: Features = Features::GSO.union(Features::GRO);
}

/// Operational state (RFC 2863), with Linux's numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum OperState {
    /// Nobody said anything yet.
    #[default]
    Unknown = 0,
    /// The hardware is missing.
    NotPresent = 1,
    /// Cannot carry frames.
    Down = 2,
    /// A device below cannot.
    LowerLayerDown = 3,
    /// In a test mode.
    Testing = 4,
    /// Waits for something outside (802.1X).
    Dormant = 5,
    /// Carries frames.
    Up = 6,
}

impl OperState {
    /// The word of iproute2.
    pub fn word(self) -> &'static str {
        match self {
            OperState::Unknown => "UNKNOWN",
            OperState::NotPresent => "NOTPRESENT",
            OperState::Down => "DOWN",
            OperState::LowerLayerDown => "LOWERLAYERDOWN",
            OperState::Testing => "TESTING",
            OperState::Dormant => "DORMANT",
            OperState::Up => "UP",
        }
    }
}

/// Where an address comes from (`NET_ADDR_*`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum AddressOrigin {
    /// The device came with it.
    #[default]
    Permanent = 0,
    /// Drawn.
    Random = 1,
    /// Taken from another device.
    Stolen = 2,
    /// Set by a user.
    Set = 3,
}
