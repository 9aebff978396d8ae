//! Refusals: which argument, what it was, why, and the number that Linux has for it.

use std::borrow::Cow;

use thiserror::Error;

macro_rules! errnos {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $word:literal;)*) => {
        /// Why, as one of Linux's error numbers.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(i32)]
        #[non_exhaustive]
        pub enum Errno { $($(#[$doc])* $name = $number,)* }

        impl Errno {
            /// The name in `errno.h`.
            pub fn name(self) -> &'static str {
                match self { $(Errno::$name => $word,)* }
            }
        }
    };
}

errnos! {
    /// The caller lacks CAP_NET_ADMIN, or this is not allowed in this state.
    Perm = 1, "EPERM";
    /// There is no such entry.
    NoEntry = 2, "ENOENT";
    /// The device could not be initialised.
    Io = 5, "EIO";
    /// There is no such device (as the bridge's ioctls have it).
    NoDeviceOrAddress = 6, "ENXIO";
    /// There are more than there may be.
    TooBig = 7, "E2BIG";
    /// Try again.
    Again = 11, "EAGAIN";
    /// No memory.
    NoMemory = 12, "ENOMEM";
    /// Not in this mode.
    Access = 13, "EACCES";
    /// Nothing is left that could be used.
    Fault = 14, "EFAULT";
    /// Somebody else holds it.
    Busy = 16, "EBUSY";
    /// There is one already.
    Exists = 17, "EEXIST";
    /// There is no such device.
    NoDevice = 19, "ENODEV";
    /// The argument makes no sense here.
    Invalid = 22, "EINVAL";
    /// The table is full.
    NoSpace = 28, "ENOSPC";
    /// Out of the range that the device can do.
    Range = 34, "ERANGE";
    /// There is something in it.
    NotEmpty = 39, "ENOTEMPTY";
    /// It would be above or below itself.
    Loop = 40, "ELOOP";
    /// All numbers are given.
    ExchangeFull = 54, "EXFULL";
    /// The frame is longer than the device takes.
    MessageSize = 90, "EMSGSIZE";
    /// Not a protocol that this can do.
    ProtocolNotSupported = 93, "EPROTONOSUPPORT";
    /// The device, or this version, does not do that.
    NotSupported = 95, "EOPNOTSUPP";
    /// Not an address that a device may have.
    AddressNotAvailable = 99, "EADDRNOTAVAIL";
    /// The device is down.
    NetDown = 100, "ENETDOWN";
    /// No buffer is free.
    NoBuffers = 105, "ENOBUFS";
}

/// A refused request.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("{argument} \"{value}\": {reason} ({})", errno.name())]
pub struct NetdevError {
    errno: Errno,
    argument: &'static str,
    value: String,
    reason: Cow<'static, str>,
}

/// What fallible functions of this crate return.
pub type Result<T, E = NetdevError> = std::result::Result<T, E>;

impl NetdevError {
    /// A refusal: `argument` names what was wrong, `value` is what it was, `reason` says why and what would be right.
    pub fn new(
        errno: Errno,
        argument: &'static str,
        value: impl ToString,
        reason: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            errno,
            argument,
            value: value.to_string(),
            reason: reason.into(),
        }
    }

    /// The typed number.
    pub fn code(&self) -> Errno {
        self.errno
    }
    /// The number in `errno.h`.
    pub fn errno(&self) -> i32 {
        self.errno as i32
    }
    /// Which argument was wrong.
    pub fn argument(&self) -> &'static str {
        self.argument
    }
    /// What it was.
    pub fn value(&self) -> &str {
        &self.value
    }
    /// Why it was refused.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_and_why() {
        let error = NetdevError::new(Errno::Range, "mtu", 12, "sn0 takes 68 to 1500");
        assert_eq!(
            error.to_string(),
            "mtu \"12\": sn0 takes 68 to 1500 (ERANGE)"
        );
        assert_eq!(
            (error.errno(), error.argument(), error.value()),
            (34, "mtu", "12")
        );
    }
}
