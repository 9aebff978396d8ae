//! Ports: bridge state and flags, MAC, link, forwarding masks.

use smartnic_regs::port;

use super::mmio::Mmio;
use super::{Caps, DeviceError, MacAddr};

/// Bridge configuration of a source or destination. Index = port number; the host comes after the last port.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PortConfig {
    /// `values::state`.
    pub state: u32,
    /// `values::learn`.
    pub learn: u32,
    /// Unknown unicast is flooded to it.
    pub flood_uc: bool,
    /// Multicast is flooded to it.
    pub flood_mc: bool,
    /// Broadcast is flooded to it.
    pub flood_bc: bool,
    /// A frame may leave by the port that it came in by.
    pub hairpin: bool,
    /// Not forwarded to other isolated ports.
    pub isolated: bool,
    /// Class of its frames.
    pub class: u32,
    /// LAG group of which it is a member.
    pub lag: Option<u32>,
    /// FID of its frames.
    pub fid: u16,
}

impl PortConfig {
    fn word(&self) -> u32 {
        use port::CONFIG::*;
        STATE.put(self.state)
            | LEARN.put(self.learn)
            | FLOOD_UC.put(self.flood_uc.into())
            | FLOOD_MC.put(self.flood_mc.into())
            | FLOOD_BC.put(self.flood_bc.into())
            | HAIRPIN.put(self.hairpin.into())
            | ISOLATED.put(self.isolated.into())
            | CLASS.put(self.class)
            | LAG_VALID.put(self.lag.is_some().into())
            | LAG.put(self.lag.unwrap_or(0))
            | FID.put(self.fid.into())
    }
}

/// MAC configuration of a port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MacConfig {
    /// Longest frame in bytes, FCS included, VLAN tags not: 64 to 2,000.
    pub max_frame: u32,
    /// The port receives and sends.
    pub enable: bool,
    /// Obeys pause frames.
    pub pause_rx: bool,
    /// Sends pause frames.
    pub pause_tx: bool,
    /// Source address of pause frames: the port's own.
    pub address: MacAddr,
}

/// Link of a port.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LinkState {
    /// Link is up.
    pub up: bool,
    /// The peer paused us.
    pub paused: bool,
    /// Mb/s; 0 if the register holds no speed.
    pub speed: u32,
}

/// Access to the ports.
pub struct Ports<'a> {
    mmio: &'a mut Mmio,
    caps: &'a Caps,
}

impl<'a> Ports<'a> {
    pub(super) fn new(mmio: &'a mut Mmio, caps: &'a Caps) -> Self {
        Self { mmio, caps }
    }

    fn check(&self, index: u32, host: bool) -> Result<(), DeviceError> {
        let count = self.caps.ports + u32::from(host);
        if index >= count {
            let range = format!("the card has {} ports", self.caps.ports);
            return Err(DeviceError::Range {
                what: "port",
                value: index.into(),
                range,
            });
        }
        Ok(())
    }

    /// Sets bridge state and flags of a port, or of the host.
    pub fn configure(&mut self, index: u32, config: &PortConfig) -> Result<(), DeviceError> {
        self.check(index, true)?;
        self.mmio.write_at(port::CONFIG, index, config.word())
    }

    /// Sets which destinations frames from this source may reach: bit per port, the host's above them.
    pub fn set_forward_mask(&mut self, index: u32, mask: u32) -> Result<(), DeviceError> {
        self.check(index, true)?;
        self.mmio.write_at(port::FORWARD_MASK, index, mask)
    }

    /// Sets a port's MAC up.
    pub fn configure_mac(&mut self, index: u32, config: &MacConfig) -> Result<(), DeviceError> {
        self.check(index, false)?;
        if !(64..=2000).contains(&config.max_frame) {
            let range = "64 to 2000 bytes".into();
            return Err(DeviceError::Range {
                what: "longest frame",
                value: config.max_frame.into(),
                range,
            });
        }
        self.mmio
            .write_at(port::ADDR_LO, index, config.address.low())?;
        self.mmio
            .write_at(port::ADDR_HI, index, config.address.high())?;
        use port::MAC::*;
        let word = MAX_FRAME.put(config.max_frame)
            | RX_ENABLE.put(config.enable.into())
            | TX_ENABLE.put(config.enable.into())
            | PAUSE_RX.put(config.pause_rx.into())
            | PAUSE_TX.put(config.pause_tx.into())
            // A port that is taken down drops its link, so that the other side notices.
            | LINK_DOWN.put((!config.enable).into());
        self.mmio.write_at(port::MAC, index, word)
    }

    /// Link and pause state of a port.
    pub fn link(&mut self, index: u32) -> Result<LinkState, DeviceError> {
        self.check(index, false)?;
        let word = self.mmio.read_at(port::STATUS, index)?;
        use port::STATUS::{LINK, PAUSED, SPEED};
        let speed = [10, 100, 1000, 0][SPEED.get(word) as usize];
        Ok(LinkState {
            up: LINK.get(word) == 1,
            paused: PAUSED.get(word) == 1,
            speed,
        })
    }

    /// Ports whose link changed since the last call, bit per port.
    pub fn take_link_changes(&mut self) -> Result<u32, DeviceError> {
        let changed = self.mmio.read(port::LINK_CHANGED)?;
        if changed != 0 {
            self.mmio.write(port::LINK_CHANGED, changed)?;
        }
        Ok(changed & ((1 << self.caps.ports) - 1))
    }
}
