//! Members join masters and leave them.

use smartnic_regs::values::{dest, kind};

use super::Model;
use crate::device::MacAddr;
use crate::device::fdb::{FdbData, FdbKey};
use crate::master::Master;
use crate::master::bridge::Bridge;
use crate::netdev::{DeviceKind, IfIndex, NetError};

impl Model {
    /// Makes `member` a member of `master`. A member of a lag comes up, as a bond's slaves do.
    pub fn enslave(&mut self, member: &str, master: &str) -> Result<(), NetError> {
        self.join(member, master, false)
    }

    /// The same by the old ioctl.
    pub fn enslave_running(&mut self, member: &str, master: &str) -> Result<(), NetError> {
        self.join(member, master, true)
    }

    fn join(&mut self, member: &str, master: &str, ioctl: bool) -> Result<(), NetError> {
        let member = self.device(member)?.clone();
        let upper = self.device(master)?;
        if let (DeviceKind::Other, Some(_)) = (upper.kind, upper.link_kind) {
            // A master of the core alone: it says by itself what it takes.
            let owner = upper.ifindex;
            self.device_mut(member.ifindex)?.master = Some(owner);
            return Ok(());
        }
        let owner = self.master(master)?.ifindex();
        if member.master == Some(owner) && !ioctl {
            return Ok(());
        }
        if member.ifindex == owner {
            return Err(NetError::invalid(
                "master",
                master,
                "a device cannot be its own master",
            ));
        }
        // Each way has its own order: the ioctl asks the master first.
        if !ioctl {
            self.registry.must_be_free(member.ifindex)?;
        }
        let mut object = self.take(owner)?;
        let result = match ioctl {
            true => object.add_running_member(self.view(), member.ifindex),
            false => object.add_member(self.view(), member.ifindex),
        };
        let kind = object.kind();
        self.masters.insert(owner, object);
        result?;
        if ioctl {
            self.registry.must_be_free(member.ifindex)?;
        }
        let device = self.device_mut(member.ifindex)?;
        device.master = Some(owner);
        device.up |= kind == "lag";
        self.refresh();
        Ok(())
    }

    /// Takes a device out of its master, if it has one.
    pub fn leave(&mut self, member: IfIndex) -> Result<(), NetError> {
        let device = self.device_mut(member)?;
        let Some(owner) = device.master.take() else {
            return Ok(());
        };
        if let Some(master) = self.masters.get_mut(&owner) {
            master.remove_member(self.now, member);
            self.farewells.extend(master.take_frames());
            let fid = master.fid();
            self.statics
                .retain(|key, (_, to)| *to != member || Some(key.fid) != fid);
        }
        self.refresh();
        Ok(())
    }

    /// A bridge is no longer the hardware's; gives its static entries, which lead to these devices. Its ports stay its own.
    pub fn take_bridge(&mut self, ifindex: IfIndex) -> Vec<(FdbKey, FdbData, IfIndex)> {
        let fid = self.masters.remove(&ifindex).and_then(|m| m.fid());
        let own: Vec<_> = self
            .statics
            .iter()
            .filter(|(key, _)| Some(key.fid) == fid)
            .map(|(key, (data, dev))| (*key, *data, *dev))
            .collect();
        self.statics.retain(|key, _| Some(key.fid) != fid);
        own
    }

    /// A bridge is the hardware's again, without ports.
    pub fn give_bridge(&mut self, ifindex: IfIndex) -> Result<(), NetError> {
        let (fid, ageing) = (self.free_fid()?, self.ageing_time());
        let bridge = Bridge::new(ifindex, fid, ageing);
        self.masters.insert(ifindex, Box::new(bridge));
        Ok(())
    }

    /// A static entry of a bridge in hardware: to a device, or an address of the host's there.
    pub fn keep_entry(&mut self, bridge: IfIndex, mac: MacAddr, dev: IfIndex, local: bool) {
        let fid = self.bridge(bridge).and_then(|b| b.fid());
        let to = self.view().destination(dev);
        if let (Some(fid), Some(to)) = (fid, to.or(local.then_some(dest::HOST))) {
            let data = match local {
                true => FdbData::new(dest::HOST, kind::LOCAL),
                false => FdbData::new(to, kind::STATIC),
            };
            self.statics.insert(FdbKey { fid, mac }, (data, dev));
        }
    }
}
