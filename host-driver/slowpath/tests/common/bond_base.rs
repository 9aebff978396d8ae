//! Devices under a bond, for tests: they remember what was done to them, and refuse when told to.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use smartnic_slowpath::MacAddr;
use smartnic_slowpath::bond::{Bond, Device, Errno, Lower, SlaveId, Way};
use smartnic_slowpath::lacp::Link;

pub const GIGABIT: Link = Link {
    speed: 1000,
    full_duplex: true,
};

/// The address that device `id` comes with.
pub fn mac(id: SlaveId) -> MacAddr {
    MacAddr([2, 0, 0, 0, 1, id as u8])
}

/// A device that is down and has a link: ready for iproute2's way.
pub fn device(id: SlaveId) -> Device {
    Device {
        id,
        name: format!("port{id}"),
        address: mac(id),
        mtu: 9000,
        up: false,
        link: Some(GIGABIT),
        other_master: false,
        busy: false,
        is_bond: false,
        ethernet: true,
        sets_address: true,
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Devices {
    pub address: BTreeMap<SlaveId, MacAddr>,
    pub mtu: BTreeMap<SlaveId, u32>,
    pub up: BTreeSet<SlaveId>,
    pub attached: BTreeSet<SlaveId>,
    /// The step that fails, and with what.
    pub fail: Option<(&'static str, Errno)>,
}

impl Devices {
    fn step(&self, name: &str) -> Result<(), Errno> {
        match self.fail {
            Some((step, errno)) if step == name => Err(errno),
            _ => Ok(()),
        }
    }
}

impl Lower for Devices {
    fn set_mtu(&mut self, slave: SlaveId, mtu: u32) -> Result<(), Errno> {
        self.step("mtu")?;
        self.mtu.insert(slave, mtu);
        Ok(())
    }
    fn set_address(&mut self, slave: SlaveId, address: MacAddr) -> Result<(), Errno> {
        self.step("address")?;
        self.address.insert(slave, address);
        Ok(())
    }
    fn open(&mut self, slave: SlaveId) -> Result<(), Errno> {
        self.step("open")?;
        self.up.insert(slave);
        Ok(())
    }
    fn close(&mut self, slave: SlaveId) {
        self.up.remove(&slave);
    }
    fn attach(&mut self, slave: SlaveId) -> Result<(), Errno> {
        self.step("attach")?;
        self.attached.insert(slave);
        Ok(())
    }
    fn detach(&mut self, slave: SlaveId) {
        self.attached.remove(&slave);
    }
}

/// A bond that is up, in `mode` and with `options`, with the members 1 to `slaves`.
pub fn bond(mode: &str, options: &[(&str, &str)], slaves: u32) -> (Bond, Devices) {
    let mut bond = Bond::new(1);
    let mut devices = Devices::default();
    bond.set(Duration::ZERO, "mode", mode).unwrap();
    bond.set_all(Duration::ZERO, options).unwrap();
    for id in 1..=slaves {
        bond.enslave(Duration::ZERO, &mut devices, Way::Link, &device(id))
            .unwrap();
    }
    bond.open(Duration::ZERO);
    while bond.poll().is_some() {}
    (bond, devices)
}
