//! Links of the card's ports, and the regular look at the card.

use super::Switch;
use crate::device::port::LinkState;
use crate::netdev::NetError;

impl Switch {
    /// A port's link is like this: its device says so, masters and devices on top follow.
    pub(super) fn set_link(&mut self, number: u32, link: LinkState) {
        self.devices.set_link(number, link);
        self.look();
        self.model.now = self.clock.now();
        self.model.refresh();
        if let Err(error) = self.carry_out() {
            tracing::error!(%error, "devices do not follow a link");
        }
    }

    /// Reads every port's link.
    pub(super) fn read_links(&mut self) -> Result<(), NetError> {
        for number in 0..self.model.caps().ports {
            let link = self.with_card(|card| card.device.ports().link(number))?;
            self.set_link(number, link);
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
            self.set_link(number, link);
        }
        self.apply()?;
        self.tick();
        Ok(())
    }

    /// A look at the card now and then: is it there, did a ring stop.
    pub fn check(&mut self) -> Result<(), NetError> {
        if !self.hardware {
            return Ok(());
        }
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
        if !self.hardware {
            return Ok(());
        }
        self.read_links()?;
        self.apply()?;
        self.tick();
        Ok(())
    }
}
