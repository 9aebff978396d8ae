//! Why a bond refuses, with the code that Linux has for it.

use std::fmt;

/// Codes of refusals, by Linux's names and numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::upper_case_acronyms)]
pub enum Errno {
    /// Not permitted in this state.
    EPERM = 1,
    /// Not enough memory.
    ENOMEM = 12,
    /// Not in this mode.
    EACCES = 13,
    /// No address is left that could be used.
    EFAULT = 14,
    /// In use, or up.
    EBUSY = 16,
    /// No such device.
    ENODEV = 19,
    /// Not a possible value.
    EINVAL = 22,
    /// Not an address for a station.
    EADDRNOTAVAIL = 99,
    /// Has slaves.
    ENOTEMPTY = 39,
    /// The device cannot do that.
    EOPNOTSUPP = 95,
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A refusal: nothing has changed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{argument} \"{value}\": {reason} ({errno})")]
pub struct BondError {
    /// Its code.
    pub errno: Errno,
    /// What was to be set, or done.
    pub argument: String,
    /// To what, or with what.
    pub value: String,
    /// Why not, and what would help.
    pub reason: String,
}

impl BondError {
    pub(super) fn new(
        errno: Errno,
        argument: &str,
        value: impl fmt::Display,
        reason: impl Into<String>,
    ) -> Self {
        Self {
            errno,
            argument: argument.to_owned(),
            value: value.to_string(),
            reason: reason.into(),
        }
    }
}
