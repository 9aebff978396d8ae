//! What a driver writes: the operations of its devices.

use smartnic_slowpath::MacAddr;

use super::address_list::RxMode;
use super::flags::{Features, Flags};
use super::stats::LinkStats64;
use super::{Dev, NetDevice};
use crate::error::{Errno, NetdevError, Result};
use crate::packet::{Batch, Packet};
use crate::registry::Core;
use crate::softnet::Softnet;

/// What became of a frame given to a driver.
#[derive(Debug)]
#[must_use]
pub enum Xmit {
    /// The driver has it: sent, or dropped and counted.
    Ok,
    /// No room: the frame comes back, waits in the queue's backlog and is offered again when the queue is woken. A driver that stops its
    /// queue in time never needs this.
    Busy(Packet),
}

/// A setting of a device, and who carries it out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Setting {
    /// iproute2's word for it.
    pub name: &'static str,
    /// Its value.
    pub value: String,
    /// The hardware does it; else the driver.
    pub offload: bool,
}

/// The operations of a device (`net_device_ops`).
///
/// Those with `core` run under the configuration's lock, one at a time. `start_xmit`, `poll` and what they call run on any thread: `start_xmit` one at
/// a time for a queue (not even that with [`super::PrivFlags::LLTX`]), `poll` one at a time for a NAPI. The data path must not wait for the
/// configuration's lock. Only `start_xmit` has to be written; see `examples/pipe.rs` for a whole driver.
pub trait NetDeviceOps: Send + Sync {
    /// The word after `type`, for devices that users create: `vlan`, `bond`, ...
    fn kind(&self) -> Option<&'static str> {
        None
    }

    /// Looks for the hardware and completes the device; an error (EIO, say) ends the registration.
    fn init(&self, _core: &mut Core, _dev: &Dev) -> Result<()> {
        Ok(())
    }
    /// Undoes [`NetDeviceOps::init`].
    fn uninit(&self, _core: &mut Core, _dev: &Dev) {}

    /// Goes up: get resources, enable interrupts, start the queues.
    fn open(&self, _core: &mut Core, _dev: &Dev) -> Result<()> {
        Ok(())
    }
    /// Goes down. Counters stay.
    fn stop(&self, _core: &mut Core, _dev: &Dev) -> Result<()> {
        Ok(())
    }

    /// The queue for a frame; `None` leaves it to the frame's mapping or hash.
    fn select_queue(&self, _dev: &NetDevice, _packet: &Packet) -> Option<u16> {
        None
    }
    /// Sends a frame, which begins at its link header.
    fn start_xmit(&self, net: &mut Softnet, dev: &Dev, queue: u16, packet: Packet) -> Xmit;
    /// Sends many: takes from the front of `frames` and leaves there what it has no room for, having stopped the queue.
    fn xmit_batch(&self, net: &mut Softnet, dev: &Dev, queue: u16, frames: &mut Batch) {
        while let Some(packet) = frames.pop_front() {
            if let Xmit::Busy(packet) = self.start_xmit(net, dev, queue, packet) {
                frames.push_front(packet);
                return;
            }
            if dev.queue(queue).is_off() {
                return;
            }
        }
    }
    /// No frame has left for [`NetDevice::watchdog`]: count an error, set the hardware right, finish what is under way, wake the queue.
    fn tx_timeout(&self, _net: &mut Softnet, _dev: &Dev, _queue: u16) {}

    /// Receives up to `budget` frames with the interrupt masked. Less than `budget`: all is done, [`NetDevice::napi_complete`] has been
    /// called and the interrupt is enabled again.
    fn poll(&self, _net: &mut Softnet, _dev: &Dev, _napi: u16, _budget: usize) -> usize {
        0
    }

    /// Netpoll may use the device.
    fn supports_netpoll(&self) -> bool {
        false
    }
    /// Does what the interrupt would: reaps sent frames, schedules the NAPI. Called with interrupts off.
    fn poll_controller(&self, _net: &mut Softnet, _dev: &Dev) {}
    /// Netpoll begins to use the device; a master's slaves are set up by the core.
    fn netpoll_setup(&self, _core: &mut Core, _dev: &Dev) -> Result<()> {
        Ok(())
    }
    /// Netpoll has done with it.
    fn netpoll_cleanup(&self, _core: &mut Core, _dev: &Dev) {}

    /// Programs the filter: called on every change of lists or flags, and when the device goes up.
    fn set_rx_mode(&self, _core: &mut Core, _dev: &Dev, _mode: &RxMode) {}
    /// Flags changed that a lower device has to follow (PROMISC, ALLMULTI).
    fn change_rx_flags(&self, _core: &mut Core, _dev: &Dev, _changed: Flags) {}
    /// A new address; the core has checked it, and stores it when this returns `Ok`.
    fn set_mac_address(&self, _core: &mut Core, _dev: &Dev, _address: MacAddr) -> Result<()> {
        Ok(())
    }
    /// A new MTU within the device's limits; the core stores it when this returns `Ok`.
    fn change_mtu(&self, _core: &mut Core, _dev: &Dev, _mtu: u32) -> Result<()> {
        Ok(())
    }
    /// Mb/s of the link as it is; 0 when nobody knows (ethtool's `link_ksettings`).
    fn link_speed(&self, _dev: &NetDevice) -> u32 {
        0
    }
    /// A user sets the carrier, of a device without one of its own.
    fn change_carrier(&self, dev: &Dev, on: bool) -> Result<()> {
        let reason = format!("the carrier of {} is what its link says", dev.name());
        Err(NetdevError::new(Errno::NotSupported, "carrier", on, reason))
    }
    /// Adds what the hardware counted to the software's counters. At any time, up or down.
    fn get_stats64(&self, _dev: &NetDevice, _stats: &mut LinkStats64) {}

    /// One of 16 private commands: `data` holds the caller's bytes and takes those that go back.
    fn private_ioctl(
        &self,
        _core: &mut Core,
        dev: &Dev,
        command: u8,
        _data: &mut Vec<u8>,
    ) -> Result<()> {
        let reason = format!("{} has no private commands", dev.name());
        Err(NetdevError::new(
            Errno::NotSupported,
            "command",
            command,
            reason,
        ))
    }

    /// Takes away features that cannot be on together with the others.
    fn fix_features(&self, _dev: &NetDevice, features: Features) -> Features {
        features
    }
    /// Turns features on and off; the core stores them when this returns `Ok`.
    fn set_features(&self, _core: &mut Core, _dev: &Dev, _features: Features) -> Result<()> {
        Ok(())
    }
    /// A VLAN device came onto this one: let its frames in (with a VLAN filter feature only).
    fn vlan_add(&self, _core: &mut Core, _dev: &Dev, _protocol: u16, _vid: u16) -> Result<()> {
        Ok(())
    }
    /// The VLAN device is gone.
    fn vlan_remove(&self, _core: &mut Core, _dev: &Dev, _protocol: u16, _vid: u16) {}

    /// Takes a device in as slave.
    fn add_slave(&self, _core: &mut Core, dev: &Dev, slave: &Dev) -> Result<()> {
        Err(no_master(dev, slave))
    }
    /// Lets a slave go.
    fn del_slave(&self, _core: &mut Core, dev: &Dev, slave: &Dev) -> Result<()> {
        Err(no_master(dev, slave))
    }

    /// The settings of this kind of device, each with who carries it out.
    fn settings(&self, _dev: &NetDevice) -> Vec<Setting> {
        Vec::new()
    }
}

fn no_master(dev: &Dev, slave: &Dev) -> NetdevError {
    let (name, slave) = (dev.name(), slave.name());
    let reason = format!("{name} is no master: it has no slaves like {slave}");
    NetdevError::new(Errno::NotSupported, "master", name, reason)
}
