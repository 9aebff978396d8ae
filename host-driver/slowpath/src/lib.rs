//! The control protocols of a switch, as machines without I/O, threads or a clock of their own.
//!
//! A machine is told what happened (a PDU came, a link changed, a setting changed, time passed) and answers with what is
//! to be done (send this, set that port's state). `now` is always a [`std::time::Duration`] since a start that the caller
//! chooses; it never goes back. A machine says when it wants to be called next, so that nobody polls. Tests therefore
//! run hours of protocol time in milliseconds, and the same code runs under the daemon's clock.
//!
//! The formats on the wire are in [`wire`], one file a protocol, each with its checked parser, its writer and its
//! specification's clauses. A frame that is malformed in any way is an error value there, counted by the machine, and
//! changes nothing.

pub mod bond;
pub mod lacp;
pub mod mac;
pub mod mcast;
pub mod stp;
pub mod wire;

pub use mac::MacAddr;
