//! The kernel interfaces of bridges, bonds, VLANs and the teaching pair: made and removed with them, looking like them, their frames carried both ways.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::os::fd::BorrowedFd;

use smartnic_netdev::device::Flags;

use crate::device::ring::BUFFER;
use crate::kernel::{HostDevice, HostFactory, HostState};
use crate::netdev::{DeviceKind, IfIndex, NetDevice, NetError};
use crate::switch::Switch;
use crate::switch::datapath::BUDGET;

struct Uplink {
    device: Box<dyn HostDevice>,
    name: String,
    /// A frame that the card had no room for.
    pending: Option<Vec<u8>>,
}

/// All kernel interfaces.
pub struct Uplinks {
    factory: Option<HostFactory>,
    devices: BTreeMap<IfIndex, Uplink>,
}

impl Uplinks {
    /// Without a factory there are none.
    pub fn new(factory: Option<HostFactory>) -> Self {
        Self {
            factory,
            devices: BTreeMap::new(),
        }
    }

    /// Descriptors of those that may send: one with a frame waiting has to wait too.
    pub fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.devices
            .values()
            .filter(|u| u.pending.is_none())
            .map(|u| u.device.fd())
    }

    /// Makes interfaces for new devices, removes those of deleted ones, and makes all look like their devices. A device
    /// whose interface cannot be made is deleted again, and the error given.
    pub fn follow(&mut self, switch: &mut Switch) -> Option<NetError> {
        let factory = self.factory.as_mut()?;
        let mut failed = None;
        let model = switch.model();
        let wanted = |d: &&NetDevice| match model.masters.get(&d.ifindex) {
            Some(master) => master.has_stack(),
            None => d.kind == DeviceKind::Other,
        };
        let wanted: Vec<NetDevice> = model.registry.iter().filter(wanted).cloned().collect();
        // One whose device has another name now is made again by that name.
        self.devices.retain(|ifindex, uplink| {
            let mut same = wanted.iter().filter(|d| d.ifindex == *ifindex);
            same.any(|d| d.name == uplink.name)
        });
        for device in wanted {
            let ifindex = device.ifindex;
            let flags = switch.core().by_index(ifindex.0).map(|d| d.flags());
            if let Entry::Vacant(place) = self.devices.entry(ifindex) {
                match factory(&device.name) {
                    Ok(made) => {
                        place.insert(Uplink {
                            device: made,
                            name: device.name.clone(),
                            pending: None,
                        });
                    }
                    Err(source) => {
                        failed = Some(NetError::Kernel {
                            what: format!("interface {}", device.name),
                            source,
                        });
                        if let Err(error) = switch.change(|model| model.delete(&device.name)) {
                            tracing::error!(%error, name = device.name, "a device without an interface stays");
                        }
                        continue;
                    }
                }
            }
            let state = HostState {
                address: device.address,
                mtu: device.mtu,
                up: device.up,
                carrier: device.carrier && switch.gone().is_none(),
                noarp: flags.is_ok_and(|f| f.contains(Flags::NOARP)),
            };
            if let Some(uplink) = self.devices.get_mut(&ifindex)
                && let Err(source) = uplink.device.configure(&state)
            {
                tracing::warn!(name = uplink.name, error = %source, "the kernel's interface could not be set up");
                failed = Some(NetError::Kernel {
                    what: format!("interface {}", uplink.name),
                    source,
                });
            }
        }
        failed
    }

    /// Gives a frame to the kernel. False: nobody took it.
    pub fn deliver(&mut self, switch: &Switch, dev: IfIndex, frame: &[u8]) -> bool {
        let Some(uplink) = self.devices.get_mut(&dev) else {
            return false;
        };
        match uplink.device.send(frame) {
            Ok(taken) => taken,
            Err(error) => {
                tracing::debug!(name = switch.model().registry.name(dev), %error, "the kernel did not take a frame");
                false
            }
        }
    }

    /// Sends what the kernel has, as far as there is room. True if there was any.
    pub fn transmit(&mut self, switch: &mut Switch) -> bool {
        let mut frame = [0; BUFFER];
        let mut queued = false;
        let mut broken = Vec::new();
        for (ifindex, uplink) in &mut self.devices {
            for _ in 0..BUDGET {
                let data = match uplink.pending.take() {
                    Some(data) => data,
                    None => match uplink.device.receive(&mut frame) {
                        Ok(Some(n)) => frame[..n].to_vec(),
                        Ok(None) => break,
                        Err(error) => {
                            tracing::error!(name = uplink.name, %error, "the kernel's interface is gone; the next change makes it again");
                            broken.push(*ifindex);
                            break;
                        }
                    },
                };
                match switch.xmit(*ifindex, &data) {
                    Ok(true) => queued = true,
                    Ok(false) => {
                        uplink.pending = Some(data);
                        break;
                    }
                    // Without a card frames are lost, as on any interface without a carrier.
                    Err(_) => break,
                }
            }
        }
        for ifindex in broken {
            self.devices.remove(&ifindex);
        }
        // An error here is a card that is gone, which the switch has given up with a message.
        if queued && let Err(error) = switch.flush_tx() {
            tracing::debug!(%error, "frames were not sent");
        }
        queued
    }
}
