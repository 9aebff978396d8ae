//! The link way in: what `ip link` asks for, with the caller's right to ask.

use smartnic_slowpath::MacAddr;

use super::Core;
use super::link::LinkMessage;
use crate::device::{Dev, Features, Flags};
use crate::error::{Errno, NetdevError, Result};
use crate::vlan::{self, VlanConfig};

/// Who asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Caller {
    /// CAP_NET_ADMIN.
    pub net_admin: bool,
}

impl Caller {
    /// May change things.
    pub const ADMIN: Caller = Caller { net_admin: true };
    /// May look.
    pub const USER: Caller = Caller { net_admin: false };

    /// EPERM without CAP_NET_ADMIN.
    pub fn must_administer(&self, argument: &'static str, value: &str) -> Result<()> {
        match self.net_admin {
            true => Ok(()),
            false => Err(NetdevError::new(
                Errno::Perm,
                argument,
                value,
                "it wants CAP_NET_ADMIN",
            )),
        }
    }
}

/// One change of a device.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Change {
    /// Up or down.
    Up(bool),
    /// MTU.
    Mtu(u32),
    /// Address.
    Address(MacAddr),
    /// Name.
    Name(String),
    /// Length of the transmit queues.
    TxQueueLen(u32),
    /// These flags on or off.
    Flags(Flags, bool),
    /// Features on, features off.
    Features(Features, Features),
    /// The master by name, or none.
    Master(Option<String>),
    /// The carrier, for devices that have none of their own.
    Carrier(bool),
}

impl Change {
    fn word(&self) -> &'static str {
        match self {
            Change::Up(true) => "up",
            Change::Up(false) => "down",
            Change::Mtu(_) => "mtu",
            Change::Address(_) => "address",
            Change::Name(_) => "name",
            Change::TxQueueLen(_) => "txqueuelen",
            Change::Flags(..) => "flags",
            Change::Features(..) => "features",
            Change::Master(_) => "master",
            Change::Carrier(_) => "carrier",
        }
    }
}

/// What the link way in can do.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Request {
    /// Show one device, or all.
    Show(Option<String>),
    /// Make a VLAN device over another one.
    AddVlan {
        /// The device below.
        link: String,
        /// The VLAN device.
        config: VlanConfig,
    },
    /// Delete a device that a user made.
    Delete(String),
    /// Change a device: one after the other, the first that is refused ends it.
    Set(String, Vec<Change>),
}

impl Core {
    /// Carries out a request: ENODEV for an unknown device, EPERM for a caller who may only look, EOPNOTSUPP for what the device cannot do.
    pub fn request(&mut self, caller: &Caller, request: &Request) -> Result<Vec<LinkMessage>> {
        match request {
            Request::Show(None) => return Ok(self.devices().map(|d| LinkMessage::of(d)).collect()),
            Request::Show(Some(name)) => return Ok(vec![LinkMessage::of(self.by_name(name)?)]),
            Request::AddVlan { config, .. } => {
                caller.must_administer("type", &format!("vlan {}", config.name))?
            }
            Request::Delete(name) | Request::Set(name, _) => {
                caller.must_administer("device", name)?
            }
        }
        let dev = match request {
            Request::AddVlan { link, config } => {
                let real = self.by_name(link)?.clone();
                vlan::create(self, &real, config)?
            }
            Request::Delete(name) => {
                let dev = self.by_name(name)?.clone();
                if dev.ops().kind().is_none() {
                    let reason = "nobody made it, and nobody deletes it: it is hardware";
                    return Err(NetdevError::new(
                        Errno::NotSupported,
                        "device",
                        name,
                        reason,
                    ));
                }
                self.unregister(&dev);
                return Ok(Vec::new());
            }
            Request::Set(name, changes) => {
                let dev = self.by_name(name)?.clone();
                for change in changes {
                    self.change(&dev, change)?;
                }
                dev
            }
            Request::Show(_) => return Ok(Vec::new()),
        };
        Ok(vec![LinkMessage::of(&dev)])
    }

    fn change(&mut self, dev: &Dev, change: &Change) -> Result<()> {
        match change {
            Change::Up(up) => {
                let flags = dev.flags();
                self.change_flags(
                    dev,
                    if *up {
                        flags | Flags::UP
                    } else {
                        flags - Flags::UP
                    },
                )
            }
            Change::Mtu(mtu) => self.set_mtu(dev, *mtu),
            Change::Address(address) => self.set_address(dev, *address),
            Change::Name(name) => self.set_name(dev, name),
            Change::TxQueueLen(len) => self.set_tx_queue_len(dev, *len),
            Change::Flags(flags, on) => {
                if !(*flags - Flags::CHANGEABLE).is_empty() {
                    let reason = "these follow from the state of the device";
                    return Err(NetdevError::new(
                        Errno::Invalid,
                        change.word(),
                        format!("{flags:?}"),
                        reason,
                    ));
                }
                let now = dev.flags();
                self.change_flags(dev, if *on { now | *flags } else { now - *flags })
            }
            Change::Features(on, off) => self.set_features(dev, *on, *off).map(drop),
            Change::Master(None) => self.set_master(dev, None),
            Change::Master(Some(master)) => {
                let master = self.by_name(master)?.clone();
                self.set_master(dev, Some(&master))
            }
            Change::Carrier(on) => {
                dev.ops().change_carrier(dev, *on)?;
                self.run_link_events();
                Ok(())
            }
        }
    }
}
