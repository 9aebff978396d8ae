//! What software sets for each source and destination.

use std::collections::BTreeSet;

/// A MAC address, first byte on the wire first.
pub type Mac = [u8; 6];

/// A source and destination of frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Endpoint {
    /// An Ethernet port, from 0.
    Port(usize),
    /// The host.
    Host,
}

/// Bridge port states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Receives and sends nothing.
    #[default]
    Disabled,
    /// Takes part in STP only.
    Listening,
    /// Learns, does not forward.
    Learning,
    /// Learns and forwards.
    Forwarding,
    /// Takes BPDUs only.
    Blocking,
}

/// Learning modes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Learn {
    /// Nothing is learned.
    #[default]
    Off,
    /// The card inserts.
    Hardware,
    /// The card reports, software inserts.
    SlowPath,
}

/// What a reserved address does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Action {
    /// Dropped and counted.
    Drop,
    /// To the host only.
    #[default]
    Trap,
    /// To the host and forwarded.
    Copy,
    /// Forwarded as any multicast.
    Forward,
}

/// Action and reason of a reserved address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reserved {
    /// What is done.
    pub action: Action,
    /// Reason given to the host; 0 stands for 16 plus the address's last digit.
    pub reason: u8,
}

/// Configuration of a port, or of the host as a source and destination. The default is the state after reset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Bridge port state.
    pub state: State,
    /// Learning mode.
    pub learn: Learn,
    /// Gets frames to unknown unicast addresses.
    pub flood_unicast: bool,
    /// Gets multicast frames.
    pub flood_multicast: bool,
    /// Gets broadcast frames.
    pub flood_broadcast: bool,
    /// Frames may leave where they came in.
    pub hairpin: bool,
    /// Isolated from other isolated ones.
    pub isolated: bool,
    /// Class of its frames.
    pub class: u8,
    /// The LAG group that it is a member of.
    pub lag: Option<usize>,
    /// FID of its frames, 12 bits.
    pub fid: u16,
    /// Destinations that its frames may reach.
    pub reach: BTreeSet<Endpoint>,
    /// The MAC receives (ports only).
    pub rx_enable: bool,
    /// Longest frame, FCS included, untagged (ports only).
    pub max_frame: usize,
    /// The link is up (ports only).
    pub link: bool,
}

impl Default for Port {
    fn default() -> Self {
        Port {
            state: State::Disabled,
            learn: Learn::Off,
            flood_unicast: false,
            flood_multicast: false,
            flood_broadcast: false,
            hairpin: false,
            isolated: false,
            class: 0,
            lag: None,
            fid: 0,
            reach: BTreeSet::new(),
            rx_enable: true,
            max_frame: 1518,
            link: false,
        }
    }
}
