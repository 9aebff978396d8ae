//! Words that every test of LACP uses.

use std::time::Duration;

use smartnic_slowpath::MacAddr;
use smartnic_slowpath::lacp::{Config, Link};

pub const GIGABIT: Link = Link {
    speed: 1000,
    full_duplex: true,
};

pub fn secs(s: u64) -> Duration {
    Duration::from_secs(s)
}

pub fn millis(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub fn config(system: u8) -> Config {
    Config {
        system: MacAddr([2, 0, 0, 0, 0, system]),
        coupled: false,
        ..Config::default()
    }
}
