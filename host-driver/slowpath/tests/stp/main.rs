//! The spanning tree in simulated networks.
//!
//! `SEED` sets the first seed of the random networks, `STP_NETWORKS` how many of each kind there are. With `STP_LOOPS` set, loops are
//! listed with their lengths instead of failing at the first.

mod classic;
mod input;
mod net;
mod options;
mod random;
mod rapid;
#[path = "../common/shark.rs"]
mod reader;
mod shark;
mod topology;
mod tree;

/// The first seed and how many to take.
fn seeds(networks: u64) -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let first = number("SEED").unwrap_or(1);
    first..first + number("STP_NETWORKS").unwrap_or(networks)
}
