//! What the machine wants done, done by the configuration.

use smartnic_netdev::device::AddressOrigin;
use smartnic_netdev::registry::notify::Event;
use smartnic_netdev::{Core, Softnet};
use smartnic_slowpath::MacAddr;
use smartnic_slowpath::bond::Action;

use crate::bond::{Bond, lock};
use crate::data::control;

impl Bond {
    /// Carries out what the data path left, and then this.
    pub(crate) fn done(&self, core: &mut Core, actions: Vec<Action>) {
        let mut all = self.take_todo();
        all.extend(actions);
        for action in all {
            self.carry_out(core, action);
        }
    }

    fn carry_out(&self, core: &mut Core, action: Action) {
        let Some(master) = self.device() else {
            return;
        };
        match action {
            Action::Send { slave, frame } => lock(&self.outbox).push((slave, frame)),
            Action::SetSlaveAddress { slave, address } => {
                let Some(slave) = self.slave(slave) else {
                    return;
                };
                let origin = AddressOrigin::Stolen;
                if let Err(error) = core.set_address_from(&slave.dev, address, origin) {
                    tracing::warn!(bond = master.name(), slave = slave.dev.name(), %error, "a slave keeps its address");
                }
            }
            Action::BondAddress(address) => self.take_address(core, address),
            Action::Carrier(true) => master.carrier_on(),
            Action::Carrier(false) => master.carrier_off(),
            Action::ActiveSlave(_) => {
                self.sync_filters(core, master.is_up());
                core.announce(&master, &Event::BondingFailover);
            }
            Action::NotifyPeers => core.announce(&master, &Event::NotifyPeers),
            Action::ResendIgmp => core.announce(&master, &Event::ResendIgmp),
            Action::Plan => self.tell_states(core),
        }
    }

    /// The bond's device has this address now; nobody set it.
    fn take_address(&self, core: &mut Core, address: MacAddr) {
        let Some(master) = self.device().filter(|m| m.address() != address) else {
            return;
        };
        let origin = match self.slaves.load().is_empty() {
            true => AddressOrigin::Random,
            false => AddressOrigin::Stolen,
        };
        master.assign_address(address, origin);
        core.announce(&master, &Event::ChangeAddress);
    }

    /// Tells of slaves that may send or receive now, or no longer.
    fn tell_states(&self, core: &mut Core) {
        let members = self.machine().plan().members;
        let before = std::mem::replace(&mut *lock(&self.told), members.clone());
        for member in members.iter().filter(|m| !before.contains(m)) {
            if let Some(slave) = self.slave(member.slave) {
                core.announce(&slave.dev, &Event::ChangeLowerState);
            }
        }
    }

    /// Sends what waits, in order.
    pub(crate) fn send_post(&self, net: &mut Softnet) {
        for (slave, frame) in std::mem::take(&mut *lock(&self.outbox)) {
            self.forward(net, slave, control(&frame));
        }
    }
}
