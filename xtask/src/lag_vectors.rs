//! `cargo xtask lag-vectors`: which slave a kernel bond sends each frame to, captured from a kernel.
//!
//! A Debian 6.12 kernel is booted under QEMU (TCG, never KVM) with one static program as its init,
//! `lag-guest`, which puts frames through a bond for each hash policy and each number of slaves, and
//! prints what it saw. The result is `tests/data/lag-vectors.json`; nothing else in the repository
//! needs the guest. A run takes about a minute, and twice that when QEMU has to be fetched.

mod cpio;
mod data;
mod frames;
mod wire;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::debian::{Apt, foreign};
use crate::paths;
use crate::proc::{capture, cargo, command, minutes};
use crate::setup::{self, step};
use cpio::Cpio;
use data::{Choices, Vectors};

/// Kernel modules that the guest loads, in this order.
const MODULES: &[&str] = &["llc", "stp", "bridge", "tls", "bonding", "tun"];

/// How many frames of each kind.
const FRAMES_OF_A_KIND: usize = 24;

const TARGET: &str = "x86_64-unknown-linux-gnu";

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
    let apt = Apt::new()?;
    let kernel_package = apt.stands_for("linux-image-amd64")?;
    let kernel = apt.unpack(&kernel_package)?;
    let qemu = qemu(&apt)?;

    let frames = data::frames(args.seed, FRAMES_OF_A_KIND);
    let dir = paths::target().join("lag-vectors");
    fs::create_dir_all(&dir)?;
    let image = dir.join("initramfs.cpio");
    fs::write(&image, initramfs(&kernel, &frames)?)?;
    let console = step("the guest", || boot(qemu, &kernel_image(&kernel)?, &image))?;
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

/// The system's QEMU, or one out of a package.
fn qemu(apt: &Apt) -> Result<Command> {
    const PROGRAM: &str = "qemu-system-x86_64";
    if let Some(program) = paths::which(PROGRAM) {
        return Ok(command(program));
    }
    let tree = apt.unpack_with_dependencies("qemu-system-x86")?;
    let mut qemu = foreign(&tree, &format!("usr/bin/{PROGRAM}"))?;
    qemu.env(
        "QEMU_MODULE_DIR",
        tree.join("usr/lib/x86_64-linux-gnu/qemu"),
    );
    for firmware in ["usr/share/qemu", "usr/share/seabios"] {
        qemu.arg("-L").arg(tree.join(firmware));
    }
    Ok(qemu)
}

fn boot(mut qemu: Command, kernel: &Path, image: &Path) -> Result<String> {
    qemu.args(["-accel", "tcg", "-machine", "pc", "-m", "512", "-no-reboot"]);
    qemu.args(["-nodefaults", "-display", "none", "-serial", "stdio"]);
    qemu.arg("-kernel").arg(kernel).arg("-initrd").arg(image);
    qemu.args(["-append", "console=ttyS0 quiet loglevel=1 panic=-1"]);
    let console = capture(&mut qemu, minutes(10))?;
    if !console.contains("lag-guest done") {
        bail!(
            "the guest ended early:\n{}",
            crate::proc::tail(&console, 25)
        );
    }
    Ok(console)
}

/// The kernel's image in an unpacked package.
fn kernel_image(tree: &Path) -> Result<PathBuf> {
    find(&tree.join("boot"), |name| name.starts_with("vmlinuz-"))
        .with_context(|| format!("{} holds no kernel", tree.display()))
}

/// The guest's whole world: init, modules, frames.
fn initramfs(kernel: &Path, frames: &[data::Frame]) -> Result<Vec<u8>> {
    let mut archive = Cpio::default();
    for folder in ["dev", "proc", "sys", "modules"] {
        archive.folder(folder);
    }
    archive.console("dev/console");
    archive.program("init", &fs::read(guest()?)?);
    for (number, module) in MODULES.iter().enumerate() {
        let file = find(&kernel.join("usr/lib/modules"), |name| {
            name.split_once('.')
                .is_some_and(|(stem, rest)| stem == *module && rest.starts_with("ko"))
        })
        .with_context(|| format!("the kernel's package has no module {module}"))?;
        archive.file(&format!("modules/{number:02}-{module}"), &fs::read(file)?);
    }
    let mut bytes = Vec::new();
    for frame in frames {
        bytes.extend((frame.bytes.len() as u16).to_le_bytes());
        bytes.extend(&frame.bytes);
    }
    archive.file("frames", &bytes);
    Ok(archive.finish())
}

/// The guest's init, linked statically; in a target directory of its own, because other flags would
/// have Cargo build everything again.
fn guest() -> Result<PathBuf> {
    let target_dir = paths::target().join("lag-vectors/target");
    step("the guest's init", || {
        let mut build = cargo();
        build.args([
            "build",
            "--quiet",
            "--release",
            "-p",
            "lag-guest",
            "--target",
            TARGET,
        ]);
        build
            .arg("--target-dir")
            .arg(&target_dir)
            .env("RUSTFLAGS", "-C target-feature=+crt-static");
        capture(&mut build, minutes(10)).map(drop)
    })?;
    Ok(target_dir.join(TARGET).join("release/lag-guest"))
}

/// The first file below a folder whose name is wanted, in order of name.
fn find(folder: &Path, wanted: impl Fn(&str) -> bool + Copy) -> Option<PathBuf> {
    let mut entries: Vec<_> = fs::read_dir(folder).ok()?.filter_map(Result::ok).collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    entries.into_iter().find_map(|entry| {
        if entry.file_type().ok()?.is_dir() {
            find(&entry.path(), wanted)
        } else {
            wanted(&entry.file_name().to_string_lossy()).then(|| entry.path())
        }
    })
}
