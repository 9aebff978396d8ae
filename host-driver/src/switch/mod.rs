//! The switch: what users configured ([`model::Model`] and the device model's core), and the card that does it, kept the same.
//!
//! A request works on a copy of the model with a picture of the devices; the copy becomes the model when the card has done what its plan says and the core has
//! taken what is new in the picture, so that a refused request changes nothing. A card that disappears is given up ([`Switch::detach`]): what needs it is
//! refused with its reason, everything else goes on, and [`Switch::attach`] sets a card that came back up again from
//! the model alone.
//!
//! Covered by `tests/driver/switch.rs`.

mod change;
mod control;
pub mod datapath;
mod devices;
pub mod engine;
mod events;
mod farewell;
pub mod fdb;
mod links;
pub mod mdb;
pub mod model;
pub mod netconsole;
pub mod plan;
mod plane;
pub mod scan;
pub mod snooping;
pub mod software;
pub mod spanning;

use std::collections::BTreeMap;

use smartnic_netdev::Core;
use smartnic_netdev::registry::link::LinkMessage;
use smartnic_regs::values::vector;

use crate::clock::Clock;
use crate::device::fdb::{FdbCounters, FdbData, FdbKey};
use crate::device::host::{HostConfig, HostPort};
use crate::device::port::LinkState;
use crate::device::stats::{BufferState, PortCounters};
use crate::device::{Caps, Device, DeviceError, MacAddr};
use crate::netdev::NetError;
use crate::pci::{PciError, PciTransport};
use devices::Devices;
use model::Model;
use plan::Plan;
use snooping::Snoopers;
use spanning::SpanningTrees;

pub use events::FdbChange;
pub use fdb::{FdbEntry, FdbNotice, NoticeKind};

/// A card in use.
pub(crate) struct Card {
    pub(crate) device: Device,
    /// The rings; none behind a transport without DMA.
    pub(crate) host: Option<HostPort>,
    applied: Plan,
    /// What the table holds as far as events told.
    mirror: BTreeMap<FdbKey, FdbData>,
}

impl Card {
    /// A card as after a reset.
    fn new(device: Device, host: Option<HostPort>) -> Self {
        Self {
            applied: Plan::reset(device.caps()),
            device,
            host,
            mirror: BTreeMap::new(),
        }
    }

    /// The rings, or an error that says why there are none.
    pub(crate) fn rings(&mut self) -> Result<&mut HostPort, DeviceError> {
        let device = self.device.transport().describe();
        self.host.as_mut().ok_or_else(|| {
            let what = "frames and events";
            PciError::NoDma { device, what }.into()
        })
    }
}

/// Devices, masters and the card under them.
pub struct Switch {
    model: Model,
    devices: Devices,
    card: Option<Box<Card>>,
    /// There is a card, if it is not gone; else devices are software.
    hardware: bool,
    gone: String,
    name: String,
    host_config: HostConfig,
    notices: Vec<FdbNotice>,
    mdb_notices: Vec<serde_json::Value>,
    fdb_changes: Vec<FdbChange>,
    listeners: events::Listeners,
    clock: Clock,
    spanning: SpanningTrees,
    snooping: Snoopers,
    waiting: control::Waiting,
    consoles: netconsole::Consoles,
    /// Somebody calls [`Switch::tick`] as long as the switch is in use: protocols can run.
    attended: bool,
}

impl Switch {
    /// A switch over the card behind `transport`. Port addresses count up from `base`.
    pub fn new(
        transport: Box<dyn PciTransport>,
        host_config: HostConfig,
        base: MacAddr,
    ) -> Result<Self, NetError> {
        let (mut switch, device) = Self::probe(transport, host_config, base)?;
        switch.set_up(device)?;
        Ok(switch)
    }

    /// A switch over a card that is left as it stands, to look at: rings run, nothing is reset or configured. Before anything is changed,
    /// [`Switch::restart`] must be called. Protocols are refused: whoever opens a card like this does not stay.
    pub fn observe(
        transport: Box<dyn PciTransport>,
        host_config: HostConfig,
        base: MacAddr,
    ) -> Result<Self, NetError> {
        let (mut switch, mut device) = Self::probe(transport, host_config, base)?;
        switch.attended = false;
        let host = switch.start_host(&mut device)?;
        switch.card = Some(Box::new(Card::new(device, host)));
        switch.read_links()?;
        Ok(switch)
    }

    /// Resets an observed card and sets it up from the model.
    pub fn restart(&mut self) -> Result<(), NetError> {
        self.with_card(|card| match &mut card.host {
            Some(host) => host.stop(card.device.mmio()),
            None => Ok(()),
        })?;
        match self.card.take() {
            Some(card) => self.set_up(card.device),
            None => self.with_card(|_| Ok(())),
        }
    }

    fn probe(
        transport: Box<dyn PciTransport>,
        host_config: HostConfig,
        base: MacAddr,
    ) -> Result<(Self, Device), NetError> {
        let name = transport.describe();
        let device = Device::probe(transport)?;
        let devices = Devices::new(device.caps(), base)?;
        let switch = Self::over(device.caps(), devices, name, host_config);
        Ok((
            Self {
                hardware: true,
                ..switch
            },
            device,
        ))
    }

    fn over(caps: &Caps, devices: Devices, name: String, host_config: HostConfig) -> Self {
        let mut model = Model::new(caps);
        model.registry = devices.picture();
        Self {
            model,
            devices,
            card: None,
            hardware: false,
            gone: String::new(),
            name,
            host_config,
            notices: Vec::new(),
            mdb_notices: Vec::new(),
            fdb_changes: Vec::new(),
            listeners: events::Listeners::new(),
            clock: Clock::default(),
            spanning: SpanningTrees::default(),
            snooping: Snoopers::default(),
            waiting: control::Waiting::new(),
            consoles: netconsole::Consoles::default(),
            attended: true,
        }
    }

    /// Takes a card that came back into use: it is reset and set up as configured.
    pub fn attach(&mut self, device: Device) -> Result<(), NetError> {
        let (now, then) = (device.caps(), self.model.caps());
        if now != then {
            let reason = format!(
                "another card is there now: {now:?} instead of {then:?}; restart smartnicd"
            );
            return Err(NetError::DeviceGone {
                device: self.name.clone(),
                reason,
            });
        }
        self.set_up(device)
    }

    /// Starts the rings, where there are any.
    fn start_host(&self, device: &mut Device) -> Result<Option<HostPort>, DeviceError> {
        match device.transport().has_dma() {
            true => device.start_host(&self.host_config).map(Some),
            false => Ok(None),
        }
    }

    fn set_up(&mut self, mut device: Device) -> Result<(), NetError> {
        device.take_over()?;
        device.share_buffer()?;
        device.fdb().randomise_keys(&mut rand::rng())?;
        device.fdb().set_events(true, true, true)?;
        let host = self.start_host(&mut device)?;
        self.card = Some(Box::new(Card::new(device, host)));
        self.devices.restarted();
        self.gone.clear();
        let result = self.read_links().and_then(|()| self.apply());
        match &result {
            Ok(()) => self.tick(),
            Err(error) => self.detach(&error.to_string()),
        }
        result
    }

    /// Gives the card up.
    pub fn detach(&mut self, reason: &str) {
        if self.card.take().is_some() {
            tracing::error!(device = %self.name, reason, "the card is gone");
            for number in 0..self.model.caps().ports {
                self.set_link(number, LinkState::default());
            }
        }
        self.gone = reason.into();
    }

    /// Stops rings and forwarding, for a clean end: the ports go down.
    pub fn shut_down(&mut self) {
        if let Some(card) = &mut self.card {
            let stopped = match &mut card.host {
                Some(host) => host.stop(card.device.mmio()),
                None => Ok(()),
            };
            let result = stopped.and_then(|()| card.device.take_over());
            if let Err(error) = result {
                tracing::warn!(%error, "the card could not be stopped");
            }
        }
        self.card = None;
    }

    /// What is configured.
    pub fn model(&self) -> &Model {
        &self.model
    }
    /// The card's capabilities.
    pub fn caps(&self) -> &Caps {
        self.model.caps()
    }
    /// The transport and address of the card.
    pub fn name(&self) -> &str {
        &self.name
    }
    /// Why the card is gone, if it is.
    pub fn gone(&self) -> Option<&str> {
        (self.hardware && self.card.is_none()).then_some(self.gone.as_str())
    }
    /// There is a card, here or gone; else devices are software.
    pub fn has_hardware(&self) -> bool {
        self.hardware
    }
    /// The device model: names, flags, counters of all devices.
    pub fn core(&self) -> &Core {
        &self.devices.core
    }
    /// What happened to devices since the last call, and whether more did than could be kept.
    pub fn take_link_events(&mut self) -> (Vec<LinkMessage>, bool) {
        self.devices.take_events()
    }
    /// The card's rings, for their interrupts.
    pub fn host(&self) -> Option<&HostPort> {
        self.card.as_ref().and_then(|c| c.host.as_ref())
    }
    /// The transport, to watch it for a hang-up.
    pub fn transport(&self) -> Option<&dyn PciTransport> {
        self.card.as_ref().map(|c| c.device.transport())
    }
    /// What happened in the FDB since the last call.
    pub fn take_notices(&mut self) -> Vec<FdbNotice> {
        std::mem::take(&mut self.notices)
    }

    /// Does something with the card; a card that turns out to be gone is given up.
    pub(crate) fn with_card<T>(
        &mut self,
        work: impl FnOnce(&mut Card) -> Result<T, DeviceError>,
    ) -> Result<T, NetError> {
        if !self.hardware {
            let reason = "there is no card behind it (EOPNOTSUPP)";
            return Err(NetError::invalid("device", &self.name, reason));
        }
        let Some(card) = &mut self.card else {
            return Err(NetError::DeviceGone {
                device: self.name.clone(),
                reason: self.gone.clone(),
            });
        };
        work(card).map_err(|error| {
            if error.is_gone() {
                self.detach(&error.to_string());
            }
            error.into()
        })
    }

    /// An error where there are no rings: what follows needs them.
    pub fn needs_rings(&mut self) -> Result<(), NetError> {
        self.with_card(|card| card.rings().map(drop))
    }

    /// Counters of a hardware port; the host is the number after the last.
    pub fn counters(&mut self, port: u32) -> Result<PortCounters, NetError> {
        self.with_card(|card| card.device.stats().port(port))
    }
    /// State of the packet buffer.
    pub fn buffer(&mut self) -> Result<BufferState, NetError> {
        self.with_card(|card| card.device.stats().buffer())
    }
    /// Counters of the FDB.
    pub fn fdb_counters(&mut self) -> Result<FdbCounters, NetError> {
        self.with_card(|card| card.device.fdb().counters())
    }
    /// Does something that only reads, or that is not part of the model.
    pub fn device<T>(
        &mut self,
        work: impl FnOnce(&mut Device) -> Result<T, DeviceError>,
    ) -> Result<T, NetError> {
        self.with_card(|card| work(&mut card.device))
    }

    /// Places of the eventfds in [`HostPort::vectors`] that mean events or links.
    pub const EVENT_VECTOR: usize = 2;
    /// Place of the eventfd for errors.
    pub const ERROR_VECTOR: usize = 3;
    /// Vectors that a card must have.
    pub const VECTORS: u32 = vector::ERROR + 1;
}
