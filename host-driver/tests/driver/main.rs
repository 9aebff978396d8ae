//! The driver against a register-level card in plain Rust, one topic a module.

mod bond;
mod cli;
mod control;
mod daemon;
mod engine;
mod fuzz;
mod harness;
mod ioctl;
mod local;
mod loops;
mod mdb;
mod netconsole;
mod pair;
mod ring_device;
mod rings;
mod serial;
mod serial_board;
mod snull;
mod spanning;
mod spanning_kernel;
mod switch;
mod switch_datapath;
mod switch_fdb;
mod tables;
mod tap;
mod transport;
mod vfio_server;
mod vlan;

use smartnic_fake as fake;

/// The seed of a random test: `SEED` in the environment, else a fixed one. Printed, so that a failure can be repeated.
pub fn rng(test: &str) -> rand_chacha::ChaCha8Rng {
    use rand::SeedableRng;
    let seed = std::env::var("SEED")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(1);
    println!("{test}: SEED={seed}");
    rand_chacha::ChaCha8Rng::seed_from_u64(seed)
}
