//! The driver against the real card: in the same process, and through the vfio-user socket; the same checks both ways.

/// Each check is two tests: one a way to the card.
macro_rules! both_ways {
    ($($check:ident),* $(,)?) => {
        mod in_process {
            $(#[test] fn $check() { super::$check(crate::setup::Way::InProcess); })*
        }
        mod vfio_user {
            $(#[test] fn $check() { super::$check(crate::setup::Way::VfioUser); })*
        }
    };
}

#[path = "driver/bond.rs"]
mod bond;
#[path = "driver/bridge.rs"]
mod bridge;
#[path = "driver/fdb.rs"]
mod fdb;
#[path = "driver/gone.rs"]
mod gone;
#[path = "driver/host.rs"]
mod host;
#[path = "driver/lag.rs"]
mod lag;
#[path = "driver/probe.rs"]
mod probe;
#[path = "driver/setup.rs"]
mod setup;
#[path = "driver/spanning.rs"]
mod spanning;
