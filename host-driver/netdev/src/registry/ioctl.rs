//! The old way in: numbered commands on a device's name (`SIOC*`), and each device's 16 private ones.

use smartnic_slowpath::MacAddr;

use super::request::Caller;
use super::running::present;
use super::{Core, ListKind};
use crate::device::{Dev, Flags};
use crate::error::{Errno, NetdevError, Result};

/// Private commands are 0x89f0 to 0x89ff.
pub const PRIVATE: u32 = 0x89f0;

/// Argument and result of a command (`struct ifreq`).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Value {
    /// None.
    #[default]
    Nothing,
    /// A number: flags, MTU, index, queue length.
    Number(u32),
    /// An address.
    Address(MacAddr),
    /// A name: the new one, or a slave's.
    Name(String),
    /// Bytes of a private command.
    Bytes(Vec<u8>),
}

macro_rules! commands {
    ($($(#[$doc:meta])* $name:ident = $value:literal;)*) => { $($(#[$doc])* pub const $name: u32 = $value;)* };
}

commands! {
    /// Flags.
    SIOCGIFFLAGS = 0x8913;
    /// Set flags.
    SIOCSIFFLAGS = 0x8914;
    /// MTU.
    SIOCGIFMTU = 0x8921;
    /// Set the MTU.
    SIOCSIFMTU = 0x8922;
    /// Set the name.
    SIOCSIFNAME = 0x8923;
    /// Set the address.
    SIOCSIFHWADDR = 0x8924;
    /// Address.
    SIOCGIFHWADDR = 0x8927;
    /// Listen to a group.
    SIOCADDMULTI = 0x8931;
    /// Do not any more.
    SIOCDELMULTI = 0x8932;
    /// Index.
    SIOCGIFINDEX = 0x8933;
    /// Length of the transmit queues.
    SIOCGIFTXQLEN = 0x8942;
    /// Set it.
    SIOCSIFTXQLEN = 0x8943;
}

fn number(value: &Value) -> Result<u32> {
    match value {
        Value::Number(n) => Ok(*n),
        other => Err(wrong(other, "a number is wanted")),
    }
}

fn address(value: &Value) -> Result<MacAddr> {
    match value {
        Value::Address(a) => Ok(*a),
        other => Err(wrong(other, "an address is wanted")),
    }
}

fn wrong(value: &Value, reason: &'static str) -> NetdevError {
    NetdevError::new(Errno::Invalid, "value", format!("{value:?}"), reason)
}

impl Core {
    /// Carries out a command on the device `name`. Reading is for everybody; what changes something wants CAP_NET_ADMIN (EPERM). ENODEV for an
    /// unknown device, EOPNOTSUPP for an unknown command. Private commands ([`PRIVATE`] to 15 above) go to the driver.
    pub fn ioctl(
        &mut self,
        caller: &Caller,
        name: &str,
        command: u32,
        value: Value,
    ) -> Result<Value> {
        let dev = self.by_name(name)?.clone();
        match command {
            SIOCGIFFLAGS => return Ok(Value::Number(dev.flags().bits() & 0xffff)),
            SIOCGIFMTU => return Ok(Value::Number(dev.mtu())),
            SIOCGIFHWADDR => return Ok(Value::Address(dev.address())),
            SIOCGIFINDEX => return Ok(Value::Number(dev.ifindex())),
            SIOCGIFTXQLEN => return Ok(Value::Number(dev.tx_queue_len())),
            _ => caller.must_administer("command", &format!("{command:#06x}"))?,
        }
        match command {
            SIOCSIFFLAGS => self.change_flags(&dev, Flags::from_bits_retain(number(&value)?))?,
            SIOCSIFMTU => self.set_mtu(&dev, number(&value)?)?,
            SIOCSIFTXQLEN => self.set_tx_queue_len(&dev, number(&value)?)?,
            SIOCSIFHWADDR => self.set_address(&dev, address(&value)?)?,
            SIOCADDMULTI => self.address_add(&dev, ListKind::Multicast, address(&value)?)?,
            SIOCDELMULTI => self.address_remove(&dev, ListKind::Multicast, address(&value)?)?,
            SIOCSIFNAME => match &value {
                Value::Name(new) => self.set_name(&dev, new)?,
                other => return Err(wrong(other, "a name is wanted")),
            },
            PRIVATE..0x8a00 => return self.private(&dev, (command - PRIVATE) as u8, value),
            _ => {
                let reason = "there is no such command";
                return Err(NetdevError::new(
                    Errno::NotSupported,
                    "command",
                    format!("{command:#06x}"),
                    reason,
                ));
            }
        }
        Ok(Value::Nothing)
    }

    /// The driver works on a copy of the caller's bytes; on success it goes back.
    fn private(&mut self, dev: &Dev, command: u8, value: Value) -> Result<Value> {
        let mut data = match value {
            Value::Bytes(bytes) => bytes,
            Value::Nothing => Vec::new(),
            other => return Err(wrong(&other, "bytes are wanted")),
        };
        present(dev)?;
        dev.ops().private_ioctl(self, dev, command, &mut data)?;
        Ok(Value::Bytes(data))
    }
}
