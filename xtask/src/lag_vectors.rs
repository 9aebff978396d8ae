//! `cargo xtask lag-vectors`: which slave a kernel bond sends each frame to, captured from a kernel.
//!
//! A Debian 6.12 kernel is booted under QEMU (TCG, never KVM) with one static program as its init,
//! `lag-guest`, which puts frames through a bond for each hash policy and each number of slaves, and
//! prints what it saw. The result is `tests/data/lag-vectors.json`; nothing else in the repository
//! needs the guest. A run takes about a minute, and twice that when QEMU has to be fetched.

pub mod data;
mod frames;
mod wire;

use std::fs;
use std::process::Command;

use anyhow::{Result, bail};

use crate::guest::Guest;
use crate::paths;
use crate::proc::{capture, minutes};
use crate::setup::{self, step};
use data::{Choices, Vectors};

/// Kernel modules that the guest loads, in this order.
const MODULES: &[&str] = &["llc", "stp", "bridge", "tls", "bonding", "tun"];

/// How many frames of each kind.
const FRAMES_OF_A_KIND: usize = 24;

/// Capture again which slave a kernel's bond chooses for each frame.
#[derive(clap::Args)]
pub struct Args {
    /// Seeds the addresses, ports and lengths of the frames.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Builds the guest, boots it, and writes the data file.
pub fn run(args: &Args) -> Result<()> {
    setup::run()?;
    let guest = Guest::fetch()?;
    let frames = data::frames(args.seed, FRAMES_OF_A_KIND);
    let dir = paths::target().join("lag-vectors");
    fs::create_dir_all(&dir)?;
    let image = dir.join("initramfs.cpio");
    let bytes: Vec<&[u8]> = frames.iter().map(|frame| &frame.bytes[..]).collect();
    guest.initramfs(&image, MODULES, &bytes)?;
    let console = step("the guest", || boot(guest.qemu(&image, "choices")?))?;
    let choices = Choices::parse(&console, frames.len())?;
    let vectors = Vectors {
        seed: args.seed,
        frames,
        choices,
    };
    let file = data::file();
    fs::write(&file, vectors.to_json())?;
    eprintln!("wrote {}: {}", file.display(), vectors.summary());
    Ok(())
}

fn boot(mut qemu: Command) -> Result<String> {
    qemu.args(["-serial", "stdio"]);
    let console = capture(&mut qemu, minutes(10))?;
    if !console.contains("lag-guest done") {
        bail!(
            "the guest ended early:\n{}",
            crate::proc::tail(&console, 25)
        );
    }
    Ok(console)
}
