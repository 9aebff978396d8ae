//! Errors of everything that a user can ask for, each naming what was wrong.

use smartnic_netdev::{Errno, NetdevError};
use thiserror::Error;

use crate::device::DeviceError;

/// Why a request was refused.
#[derive(Debug, Error)]
pub enum NetError {
    /// There is no such interface.
    #[error("there is no interface \"{name}\"; see: smartnic-ctl link show")]
    UnknownInterface {
        /// The name.
        name: String,
    },
    /// The name is taken.
    #[error("there is an interface \"{name}\" already")]
    Exists {
        /// The name.
        name: String,
    },
    /// An argument that makes no sense.
    #[error("argument {argument}: \"{value}\" is wrong: {reason}")]
    InvalidArgument {
        /// Which argument.
        argument: String,
        /// What it was.
        value: String,
        /// Why it is wrong, and what would be right.
        reason: String,
    },
    /// Something else holds the interface.
    #[error("\"{name}\" is busy: {reason}")]
    Busy {
        /// The interface.
        name: String,
        /// Who holds it, and what to do.
        reason: String,
    },
    /// The thing asked for is not there.
    #[error("{what} not found")]
    NotFound {
        /// What was looked for.
        what: String,
    },
    /// The card has no more of something.
    #[error("no {what} is left: the card has {capacity}")]
    Exhausted {
        /// What there is no more of.
        what: &'static str,
        /// How many there are.
        capacity: u32,
    },
    /// The card is not there.
    #[error("the card {device} is gone: {reason}")]
    DeviceGone {
        /// Which card.
        device: String,
        /// What is known.
        reason: String,
    },
    /// The card refused.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The kernel refused.
    #[error("{what}: {source}")]
    Kernel {
        /// What was tried.
        what: String,
        /// The system's error.
        source: std::io::Error,
    },
}

/// A refusal of the device model's: in its words, with its code at the end.
impl From<NetdevError> for NetError {
    fn from(error: NetdevError) -> Self {
        let name = error.value().to_owned();
        match error.code() {
            Errno::NoDevice if error.argument() == "device" => NetError::UnknownInterface { name },
            Errno::Exists if error.argument() == "name" => NetError::Exists { name },
            code => {
                let reason = format!("{} ({})", error.reason(), code.name());
                NetError::invalid(error.argument(), name, reason)
            }
        }
    }
}

impl NetError {
    /// A wrong argument.
    pub fn invalid(argument: &str, value: impl ToString, reason: impl Into<String>) -> Self {
        NetError::InvalidArgument {
            argument: argument.into(),
            value: value.to_string(),
            reason: reason.into(),
        }
    }

    /// The card disappeared while the request was served.
    pub fn is_gone(&self) -> bool {
        match self {
            NetError::Device(e) => e.is_gone(),
            NetError::DeviceGone { .. } => true,
            _ => false,
        }
    }
}
