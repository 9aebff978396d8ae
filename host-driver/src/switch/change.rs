//! A request from beginning to end, and how card and core are brought to what the model says.

use smartnic_regs::values::learn;

use super::Switch;
use super::model::Model;
use super::plan::Plan;
use crate::netdev::NetError;

impl Switch {
    /// Makes the card and the core do what the model says.
    pub(super) fn apply(&mut self) -> Result<(), NetError> {
        let carried = self.carry_out();
        let wanted = self.model.plan();
        self.program(&wanted).and(carried)
    }

    fn program(&mut self, wanted: &Plan) -> Result<(), NetError> {
        match self.hardware {
            true => self.with_card(|card| card.applied.apply(wanted, &mut card.device)),
            false => Ok(()),
        }
    }

    /// Makes the core's devices look like the picture, and takes a new one: devices on top follow by themselves.
    pub(super) fn carry_out(&mut self) -> Result<(), NetError> {
        let now = self.devices.picture();
        let result = self.devices.carry_out(&now, &self.model.registry);
        self.look();
        Ok(result?)
    }

    /// Takes a new picture of the core.
    pub(super) fn look(&mut self) {
        self.model.registry = self.devices.picture();
    }

    /// Changes the model, and the card and the core with it: all or none.
    pub fn change<T>(
        &mut self,
        work: impl FnOnce(&mut Model) -> Result<T, NetError>,
    ) -> Result<T, NetError> {
        self.must_work()?;
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
        self.say_farewell(std::mem::take(&mut next.farewells));
        let done = self.program(&wanted).and_then(|()| {
            let (now, then) = (&self.model.registry, &next.registry);
            Ok(self.devices.carry_out(now, then)?)
        });
        match done {
            Ok(()) => {
                self.model = next;
                self.look();
                self.apply_now();
                self.tick();
                Ok(result)
            }
            Err(error) => {
                // What was done goes back; if even that fails the card is gone, or the next change repairs it.
                if !error.is_gone()
                    && let Err(again) = self.apply()
                {
                    tracing::error!(error = %again, "the card could not be brought back to what it was");
                }
                Err(error)
            }
        }
    }

    /// Changes are refused while the card is gone.
    pub(super) fn must_work(&mut self) -> Result<(), NetError> {
        match self.hardware {
            true => self.with_card(|_| Ok(())),
            false => Ok(()),
        }
    }
}
