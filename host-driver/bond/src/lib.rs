//! Linux bonding in software, as a master on the device model of `smartnic-netdev`, to the behaviour of Linux 6.12.
//!
//! What a bond decides is `smartnic_slowpath::bond`'s: seven modes, monitors, LACP, options and their codes. Here it gets devices: [`Bonds`] is the bond kind
//! of a [`Core`](smartnic_netdev::Core), makes and deletes bonds, follows what happens to their slaves, and runs their timers; [`Bond`] is one of them.
//! Nothing here has a thread or a clock of its own.
//!
//! | file | what |
//! |---|---|
//! | `bond.rs` | one bond, its locks |
//! | `data.rs` | the way of a frame, up and down |
//! | `member.rs` | slaves join and leave, in steps that are undone in reverse |
//! | `act.rs` | what the machine wants done |
//! | `filter.rs` | addresses and groups handed down to the slaves |
//! | `module.rs`, `ops.rs` | bonds as devices |
//! | `show.rs` | what there is to see, by iproute2's keys |
//!
//! Cost: a frame takes the bond's one lock for as long as its slave is chosen, so that threads that send on one bond take turns there; one whose bytes are shared
//! is copied, since the balancing modes write into it.
//!
//! Covered by `tests/bond`.

mod act;
mod bond;
mod data;
mod filter;
mod member;
mod module;
mod ops;
pub mod show;

use smartnic_netdev::{Errno, NetdevError};
use smartnic_slowpath::bond::{Bond as Machine, BondError, Errno as Code};

pub use bond::Bond;
pub use module::Bonds;

/// The core's number for the machine's.
fn errno(code: Code) -> Errno {
    match code {
        Code::EPERM => Errno::Perm,
        Code::ENOMEM => Errno::NoMemory,
        Code::EACCES => Errno::Access,
        Code::EFAULT => Errno::Fault,
        Code::EBUSY => Errno::Busy,
        Code::ENODEV => Errno::NoDevice,
        Code::EINVAL => Errno::Invalid,
        Code::EADDRNOTAVAIL => Errno::AddressNotAvailable,
        Code::ENOTEMPTY => Errno::NotEmpty,
        Code::EOPNOTSUPP => Errno::NotSupported,
    }
}

/// The machine's number for the core's; what it has none for is EINVAL, and the core's own words go with it (`member.rs`).
fn code(errno: Errno) -> Code {
    match errno {
        Errno::Perm => Code::EPERM,
        Errno::NoMemory => Code::ENOMEM,
        Errno::Busy => Code::EBUSY,
        Errno::NoDevice => Code::ENODEV,
        Errno::AddressNotAvailable => Code::EADDRNOTAVAIL,
        Errno::NotSupported => Code::EOPNOTSUPP,
        _ => Code::EINVAL,
    }
}

/// A refusal of the machine's, in the core's form.
fn refused(error: BondError) -> NetdevError {
    let known = Machine::option_names().chain(["slave", "address"]);
    let mut named = known.filter(|name| *name == error.argument);
    match named.next() {
        Some(argument) => NetdevError::new(errno(error.errno), argument, error.value, error.reason),
        None => NetdevError::new(errno(error.errno), "option", error.argument, error.reason),
    }
}
