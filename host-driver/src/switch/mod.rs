//! The switch: what users configured ([`model::Model`]) and the card that does it, kept the same.
//!
//! A request works on a copy of the model; the copy becomes the model when the card has done what its plan says, so
//! that a refused request changes nothing. A card that disappears is given up ([`Switch::detach`]): what needs it is
//! refused with its reason, everything else goes on, and [`Switch::attach`] sets a card that came back up again from
//! the model alone.
//!
//! Covered by `tests/driver/switch.rs`.

mod control;
pub mod datapath;
pub mod fdb;
pub mod model;
pub mod plan;
pub mod scan;
pub mod snooping;
pub mod spanning;

use std::collections::BTreeMap;

use smartnic_regs::values::{learn, vector};

use crate::clock::Clock;
use crate::device::fdb::{FdbCounters, FdbData, FdbKey};
use crate::device::host::{HostConfig, HostPort};
use crate::device::port::LinkState;
use crate::device::stats::{BufferState, PortCounters};
use crate::device::{Caps, Device, DeviceError, MacAddr};
use crate::netdev::NetError;
use crate::pci::{PciError, PciTransport};
use model::Model;
use plan::Plan;
use snooping::Snoopers;
use spanning::SpanningTrees;

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
    card: Option<Card>,
    gone: String,
    name: String,
    host_config: HostConfig,
    notices: Vec<FdbNotice>,
    clock: Clock,
    spanning: SpanningTrees,
    snooping: Snoopers,
    waiting: control::Waiting,
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
        switch.card = Some(Card::new(device, host));
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
        let switch = Self {
            model: Model::new(device.caps(), base)?,
            card: None,
            gone: String::new(),
            name,
            host_config,
            notices: Vec::new(),
            clock: Clock::default(),
            spanning: SpanningTrees::default(),
            snooping: Snoopers::default(),
            waiting: control::Waiting::new(),
            attended: true,
        };
        Ok((switch, device))
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
        self.card = Some(Card::new(device, host));
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
            self.model.now = self.clock.now();
            for number in 0..self.model.caps().ports {
                self.model.set_link(number, LinkState::default());
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
        self.card.is_none().then_some(self.gone.as_str())
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

    /// Makes the card do what the model says.
    fn apply(&mut self) -> Result<(), NetError> {
        let wanted = self.model.plan();
        self.with_card(|card| card.applied.apply(&wanted, &mut card.device))
    }

    /// Changes the model, and the card with it: both or none.
    pub fn change<T>(
        &mut self,
        work: impl FnOnce(&mut Model) -> Result<T, NetError>,
    ) -> Result<T, NetError> {
        self.with_card(|_| Ok(()))?;
        let mut next = self.model.clone();
        next.now = self.clock.now();
        let result = work(&mut next)?;
        next.check()?;
        self.can_run(&next)?;
        let wanted = next.plan();
        // What the hardware reports comes by the event ring: without it nobody would insert.
        if wanted.ports.iter().any(|p| p.learn == learn::SLOW_PATH) {
            self.needs_rings()?;
        }
        match self.with_card(|card| card.applied.apply(&wanted, &mut card.device)) {
            Ok(()) => {
                self.model = next;
                self.tick();
                Ok(result)
            }
            Err(error) => {
                // What was written goes back; if even that fails the card is gone, or the next change repairs it.
                if !error.is_gone()
                    && let Err(again) = self.apply()
                {
                    tracing::error!(error = %again, "the card could not be brought back to what it was");
                }
                Err(error)
            }
        }
    }

    /// Reads every port's link.
    fn read_links(&mut self) -> Result<(), NetError> {
        for number in 0..self.model.caps().ports {
            let link = self.with_card(|card| card.device.ports().link(number))?;
            self.model.now = self.clock.now();
            self.model.set_link(number, link);
        }
        Ok(())
    }

    /// Looks for link changes, and does what follows from them.
    pub fn check_links(&mut self) -> Result<(), NetError> {
        let changed = self.with_card(|card| card.device.ports().take_link_changes())?;
        if changed == 0 {
            return Ok(());
        }
        for number in (0..self.model.caps().ports).filter(|n| changed >> n & 1 == 1) {
            let link = self.with_card(|card| card.device.ports().link(number))?;
            tracing::info!(port = number + 1, up = link.up, "link");
            self.model.now = self.clock.now();
            self.model.set_link(number, link);
        }
        self.apply()?;
        self.tick();
        Ok(())
    }

    /// A look at the card now and then: is it there, did a ring stop.
    pub fn check(&mut self) -> Result<(), NetError> {
        self.with_card(|card| {
            card.device.check_alive()?;
            match &mut card.host {
                Some(host) => host.check(card.device.mmio()).map(|_| ()),
                None => Ok(()),
            }
        })?;
        self.check_links()
    }

    /// Links follow the ports' administrative state at once in hardware: read them after a change.
    pub fn settle_links(&mut self) -> Result<(), NetError> {
        self.read_links()?;
        self.apply()?;
        self.tick();
        Ok(())
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
