//! Members join and leave.
//!
//! Two ways in. [`Way::Ioctl`] is the old one: the device must be up and running, its order of checks and codes are
//! those of the ioctl that it had. [`Way::Link`] is iproute2's: the device must be down, the bond sets it up. Whatever
//! fails, the steps before it are undone in reverse and nothing is left changed.

use std::time::Duration;

use super::error::{BondError, Errno};
use super::slave::{Device, Slave, SlaveId};
use super::{Bond, FailOverMac, Mode, millis};
use crate::mac::MacAddr;

/// How a member comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// BOND_ENSLAVE.
    Ioctl,
    /// `link set X master bond0`.
    Link,
}

/// What the bond does to a device that joins or leaves. Each may refuse with its own code, which is passed on.
pub trait Lower {
    /// Sets its MTU.
    fn set_mtu(&mut self, slave: SlaveId, mtu: u32) -> Result<(), Errno>;
    /// Sets its address.
    fn set_address(&mut self, slave: SlaveId, address: MacAddr) -> Result<(), Errno>;
    /// Sets it up.
    fn open(&mut self, slave: SlaveId) -> Result<(), Errno>;
    /// Sets it down.
    fn close(&mut self, slave: SlaveId);
    /// Registers the receive handler, the relation to the bond, and whatever hardware needs.
    fn attach(&mut self, slave: SlaveId) -> Result<(), Errno>;
    /// Undoes [`Lower::attach`].
    fn detach(&mut self, slave: SlaveId);
}

fn refuse(errno: Errno, device: &Device, reason: &str) -> BondError {
    BondError::new(errno, "slave", &device.name, reason)
}

/// A step of [`Lower`] failed.
fn failed(device: &Device, step: &'static str) -> impl Fn(Errno) -> BondError {
    move |errno| refuse(errno, device, step)
}

/// A device on its way in: checked, and what it is to get. Made by [`Bond::begin_enslave`].
#[derive(Clone, Debug)]
pub struct Joining {
    way: Way,
    device: Device,
    /// The member's address.
    address: MacAddr,
    mtu: u32,
    bond_address: MacAddr,
    fail_over_mac: FailOverMac,
}

/// An address on its way to a bond and its members. Made by [`Bond::begin_address`].
#[derive(Clone, Debug)]
pub struct NewAddress {
    address: MacAddr,
    /// The members that are given it, with what they have.
    slaves: Vec<(SlaveId, MacAddr)>,
}

impl Bond {
    /// Takes a member. A device that does not exist is the caller's ENODEV.
    pub fn enslave(
        &mut self,
        now: Duration,
        lower: &mut dyn Lower,
        way: Way,
        device: &Device,
    ) -> Result<(), BondError> {
        let joining = self.begin_enslave(way, device)?;
        joining.carry_out(lower)?;
        self.finish_enslave(now, joining);
        Ok(())
    }

    /// The first of the three steps of [`Bond::enslave`], for callers that must not hold the bond while [`Joining::carry_out`] changes the device:
    /// checks, and decides what the device gets.
    pub fn begin_enslave(&self, way: Way, device: &Device) -> Result<Joining, BondError> {
        self.check_device(way, device)?;
        let first = self.slaves.is_empty();
        let mut fail_over_mac = self.options.fail_over_mac;
        if self.options.mode == Mode::ActiveBackup
            && !device.sets_address
            && fail_over_mac != FailOverMac::Active
        {
            if !first {
                let reason = "its address cannot be set: fail_over_mac must be active";
                return Err(refuse(Errno::EOPNOTSUPP, device, reason));
            }
            fail_over_mac = FailOverMac::Active;
        }
        let bond_address = match first && !self.address_set {
            true => device.address,
            false => self.address,
        };
        Ok(Joining {
            way,
            device: device.clone(),
            address: self.address_for(device, bond_address, fail_over_mac)?,
            mtu: self.mtu,
            bond_address,
            fail_over_mac,
        })
    }

    /// The last step: the device is a member. Nothing but frames and time may have come between.
    pub fn finish_enslave(&mut self, now: Duration, joining: Joining) {
        self.options.fail_over_mac = joining.fail_over_mac;
        self.change_bond_address(joining.bond_address);
        self.add_slave(now, joining.way, &joining.device, joining.address);
        self.settle();
    }

    fn check_device(&self, way: Way, device: &Device) -> Result<(), BondError> {
        let is_slave = self.slave(device.id).is_some() || device.busy;
        let no = |errno, reason| Err(refuse(errno, device, reason));
        match way {
            Way::Ioctl if !device.up || device.link.is_none() => no(
                Errno::EINVAL,
                "it is not up and running: set it up, plug it in",
            ),
            Way::Ioctl if self.enslaved => no(Errno::EBUSY, "the bond is a slave itself"),
            Way::Ioctl if is_slave => no(Errno::EBUSY, "it is a slave already"),
            Way::Link if device.other_master => no(Errno::EPERM, "it is a master of another kind"),
            Way::Link if is_slave => no(Errno::EBUSY, "it is in use"),
            _ if device.is_bond => no(Errno::EPERM, "a bond cannot be its own slave"),
            Way::Link if device.up => no(Errno::EPERM, "it is up: set it down first"),
            _ if !device.ethernet => no(Errno::EINVAL, "it is not an Ethernet device"),
            _ => Ok(()),
        }
    }

    /// The address that a new member gets: the bond's, or its own where `fail_over_mac` or the balancing modes say so.
    fn address_for(
        &self,
        device: &Device,
        bond_address: MacAddr,
        fail_over_mac: FailOverMac,
    ) -> Result<MacAddr, BondError> {
        let mode = self.options.mode;
        let keeps = mode == Mode::ActiveBackup && fail_over_mac != FailOverMac::None;
        if keeps {
            return Ok(device.address);
        }
        if !mode.is_lb() {
            return Ok(bond_address);
        }
        // Balancing by load needs a different address on each. A member may have come with one that another has now:
        // then there is one that nobody has.
        let free = |a: &MacAddr| self.slaves.iter().all(|s| s.address != *a);
        let permanent = self.slaves.iter().map(|s| s.permanent);
        [device.address, bond_address]
            .into_iter()
            .chain(permanent)
            .find(free)
            .ok_or_else(|| {
                let reason =
                    "its address, and every other that it could have, is in use in the bond";
                refuse(Errno::EFAULT, device, reason)
            })
    }

    fn add_slave(&mut self, now: Duration, way: Way, device: &Device, address: MacAddr) {
        let (state, delay) = self.first_state(device.link.is_some());
        let mode = self.options.mode;
        let trunk = !mode.uses_primary() && mode != Mode::Ad;
        let lb = mode.is_lb();
        self.slaves.push(Slave {
            id: device.id,
            name: device.name.clone(),
            permanent: device.address,
            address,
            original_mtu: device.mtu,
            by_ioctl: way == Way::Ioctl,
            link: device.link,
            last_link: device.link,
            state,
            delay,
            failures: 0,
            active: trunk || lb,
            inactive: !trunk && !self.options.all_slaves_active,
            prio: 0,
            queue_id: 0,
            last_link_up: now,
            last_rx: None,
            last_tx: None,
            target_rx: vec![None; self.options.arp_targets.len()],
            number: self.slaves.last().map_or(1, |s| s.number.wrapping_add(1)),
            load: 0,
            reported: 0,
        });
        let interval = millis(self.options.arp_interval);
        if let Some(slave) = self.slaves.last_mut() {
            slave.grant_grace(now, interval);
        }
        if mode.uses_primary() {
            if self.options.primary.as_ref() == Some(&device.name) {
                self.primary = Some(device.id);
                self.force_primary = true;
            }
            self.select_active(now);
        } else if trunk && self.current.is_none() && self.slaves.last().is_some_and(Slave::is_up) {
            self.current = Some(device.id);
        }
        self.sync_lacp(now);
    }

    /// Lets a member go: its address and MTU are what they were.
    pub fn release(
        &mut self,
        now: Duration,
        lower: &mut dyn Lower,
        id: SlaveId,
    ) -> Result<(), BondError> {
        if self.slave(id).is_none() {
            let reason = "no slave of this bond";
            return Err(BondError::new(Errno::EINVAL, "slave", id, reason));
        }
        self.detach(now, lower, id);
        self.settle();
        Ok(())
    }

    /// Lets every member go.
    pub fn release_all(&mut self, now: Duration, lower: &mut dyn Lower) {
        for id in self.slaves() {
            self.detach(now, lower, id);
        }
        self.settle();
    }

    pub(super) fn detach(&mut self, now: Duration, lower: &mut dyn Lower, id: SlaveId) {
        lower.detach(id);
        // LACP's last word to the partner goes out while there is a member to send it on.
        self.lacp.remove_port(now, id);
        self.drain_lacp();
        self.arp_slave = None;
        self.primary = self.primary.filter(|p| *p != id);
        let was_current = self.current == Some(id);
        if was_current {
            self.change_active(now, None);
        }
        let Some(at) = self.slaves.iter().position(|s| s.id == id) else {
            return;
        };
        let slave = self.slaves.remove(at);
        if self.options.mode.is_lb() {
            self.forget_slave(now, id);
            self.give_back_address(&slave);
        }
        if was_current {
            self.select_active(now);
        }
        if self.slaves.is_empty() {
            self.address_set = false;
            let address = MacAddr::random(&mut self.rng);
            self.change_bond_address(address);
            self.sync_lacp(now);
        }
        if !slave.by_ioctl {
            lower.close(id);
        }
        // Failures leave the device with what it has: there is nobody to tell but the log.
        let fom = self.options.fail_over_mac;
        let kept = self.options.mode == Mode::ActiveBackup && fom == FailOverMac::Active;
        if !kept {
            let _ = lower.set_address(id, slave.permanent);
        }
        let _ = lower.set_mtu(id, slave.original_mtu);
    }

    /// Sets the bond's address, and its members' where they have it. With `fail_over_mac` in active-backup the bond's
    /// address is not for anybody to choose: nothing happens, and that is no error, as with Linux.
    pub fn set_address(
        &mut self,
        now: Duration,
        lower: &mut dyn Lower,
        address: MacAddr,
    ) -> Result<(), BondError> {
        if let Some(new) = self.begin_address(address)? {
            new.carry_out(lower)?;
            self.finish_address(now, new);
        }
        Ok(())
    }

    /// The first of the three steps of [`Bond::set_address`], as with [`Bond::begin_enslave`]; `None`: nothing happens.
    pub fn begin_address(&self, address: MacAddr) -> Result<Option<NewAddress>, BondError> {
        if !address.is_unicast() {
            let reason = "not the address of a station";
            let errno = Errno::EADDRNOTAVAIL;
            return Err(BondError::new(errno, "address", address, reason));
        }
        let mode = self.options.mode;
        if mode == Mode::ActiveBackup && self.options.fail_over_mac != FailOverMac::None {
            return Ok(None);
        }
        let members = self.slaves.iter().filter(|_| !mode.is_lb());
        let slaves = members.map(|s| (s.id, s.address)).collect();
        Ok(Some(NewAddress { address, slaves }))
    }

    /// The last step: the bond has the address.
    pub fn finish_address(&mut self, now: Duration, new: NewAddress) {
        self.change_bond_address(new.address);
        if self.options.mode.is_lb() {
            self.swap_addresses(now, self.current);
        }
        for (id, _) in new.slaves {
            if let Some(slave) = self.slave_mut(id) {
                slave.address = new.address;
            }
        }
        self.address_set = true;
        self.sync_lacp(now);
        self.settle();
    }

    /// The old ioctl's BOND_SETHWADDR: the bond takes a member's address.
    pub fn take_address(&mut self, now: Duration, id: SlaveId) -> Result<(), BondError> {
        let Some(address) = self.slave(id).map(|s| s.address) else {
            let reason = "no slave of this bond";
            return Err(BondError::new(Errno::EINVAL, "slave", id, reason));
        };
        self.change_bond_address(address);
        self.address_set = true;
        self.sync_lacp(now);
        self.settle();
        Ok(())
    }
}

impl Joining {
    /// The steps that can fail.
    pub fn carry_out(&self, lower: &mut dyn Lower) -> Result<(), BondError> {
        let (device, address, id) = (&self.device, self.address, self.device.id);
        lower
            .set_mtu(id, self.mtu)
            .map_err(failed(device, "its MTU cannot be set to the bond's"))?;
        let undo_mtu = |lower: &mut dyn Lower| {
            let _ = lower.set_mtu(id, device.mtu);
        };
        if address != device.address {
            lower
                .set_address(id, address)
                .map_err(failed(device, "its address cannot be set"))
                .inspect_err(|_| undo_mtu(lower))?;
        }
        let undo_address = |lower: &mut dyn Lower| {
            if address != device.address {
                let _ = lower.set_address(id, device.address);
            }
            undo_mtu(lower);
        };
        if self.way == Way::Link {
            lower
                .open(id)
                .map_err(failed(device, "it cannot be set up"))
                .inspect_err(|_| undo_address(lower))?;
        }
        lower
            .attach(id)
            .map_err(failed(device, "it cannot be attached"))
            .inspect_err(|_| {
                if self.way == Way::Link {
                    lower.close(id);
                }
                undo_address(lower);
            })
    }
}

impl NewAddress {
    /// The steps that can fail: each member gets the address.
    pub fn carry_out(&self, lower: &mut dyn Lower) -> Result<(), BondError> {
        for (at, (id, _)) in self.slaves.iter().enumerate() {
            if let Err(errno) = lower.set_address(*id, self.address) {
                for (id, before) in &self.slaves[..at] {
                    let _ = lower.set_address(*id, *before);
                }
                let reason = "a slave cannot have it";
                return Err(BondError::new(errno, "address", self.address, reason));
            }
        }
        Ok(())
    }
}
