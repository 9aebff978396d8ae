//! The socket API: what `smartnic-ctl` speaks with `smartnicd`.
//!
//! The protocol is Varlink (varlink.org): JSON objects, each followed by a NUL byte, over a Unix socket; the interface
//! is `org.smartnic.Control`, described by [`INTERFACE`] and by the daemon itself (`GetInterfaceDescription`). Any
//! Varlink client can use it: `varlinkctl call /run/smartnic.sock org.smartnic.Control.GetDevice {}`.
//!
//! The wire format is served here, in the daemon's one event loop without blocking, and not by the crate `zlink`
//! 0.8: its server ends a connection without a word on a message that it cannot read, and stops serving everybody while
//! one client does not take its answer; the daemon has to outlive both and to say what was wrong.
//!
//! Covered by `tests/driver/control.rs`, with random bytes among others.

pub mod api;
pub mod client;
mod fdb;
pub mod ioctl;
pub mod local;
mod mdb;
mod netconsole;
pub mod server;
pub mod service;
pub mod show;
mod show_fdb;
mod vlan;
mod vlans;
pub mod wire;
mod words;

/// Name of the interface.
pub const NAME: &str = "org.smartnic.Control";
/// Its description in Varlink's language.
pub const INTERFACE: &str = include_str!("org.smartnic.Control.varlink");
/// Where the daemon listens unless told otherwise.
pub const DEFAULT_SOCKET: &str = "/run/smartnic.sock";
