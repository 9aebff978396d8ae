//! What a bond does to its members as they join and leave: noted down, and done to the model by whoever asked.

use smartnic_slowpath::MacAddr;
use smartnic_slowpath::bond::{Errno, Lower, SlaveId};

use crate::master::Effect;
use crate::netdev::{IfIndex, MTU_MAX, MTU_MIN};

/// The steps, in order. What is undone is a step that comes later.
#[derive(Default)]
pub(super) struct Steps(pub Vec<Effect>);

impl Lower for Steps {
    fn set_mtu(&mut self, slave: SlaveId, mtu: u32) -> Result<(), Errno> {
        if !(MTU_MIN..=MTU_MAX).contains(&mtu) {
            return Err(Errno::EINVAL);
        }
        self.0.push(Effect::Mtu(IfIndex(slave), mtu));
        Ok(())
    }
    fn set_address(&mut self, slave: SlaveId, address: MacAddr) -> Result<(), Errno> {
        self.0.push(Effect::Address(IfIndex(slave), address));
        Ok(())
    }
    fn open(&mut self, slave: SlaveId) -> Result<(), Errno> {
        self.0.push(Effect::Up(IfIndex(slave), true));
        Ok(())
    }
    fn close(&mut self, slave: SlaveId) {
        self.0.push(Effect::Up(IfIndex(slave), false));
    }
    /// The model has the relation and the receive handler; it looked before it asked the bond.
    fn attach(&mut self, _slave: SlaveId) -> Result<(), Errno> {
        Ok(())
    }
    fn detach(&mut self, slave: SlaveId) {
        self.0.push(Effect::Leave(IfIndex(slave)));
    }
}
