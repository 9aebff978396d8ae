//! Guests: a Debian 6.12 kernel under QEMU (TCG, never KVM), with the static program `lag-guest` as its init.
//!
//! The kernel comes out of a Debian package, QEMU from the system or out of another package; both stay in the tools directory, and a guest whose parts are
//! there needs no network. What boots is an initramfs of the init, the kernel modules that it loads, and the frames that it is to send.

mod cpio;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::debian::{Apt, foreign, unpacked};
use crate::paths;
use crate::proc::{capture, cargo, command, minutes};
use crate::setup::step;
use cpio::Cpio;

const QEMU: &str = "qemu-system-x86_64";
const QEMU_PACKAGE: &str = "qemu-system-x86";
const KERNEL_PACKAGE: &str = "linux-image-6.12";
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// The parts that guests are made of.
pub struct Guest {
    /// The kernel's package, unpacked.
    kernel: PathBuf,
    /// QEMU's, where the system has none.
    qemu: Option<PathBuf>,
}

impl Guest {
    /// Finds the parts, or fetches them from a Debian mirror.
    pub fn fetch() -> Result<Self> {
        let installed = paths::which(QEMU).is_some();
        let qemu = unpacked(QEMU_PACKAGE);
        if let Some(kernel) = unpacked(KERNEL_PACKAGE).filter(|_| installed || qemu.is_some()) {
            let qemu = qemu.filter(|_| !installed);
            return Ok(Self { kernel, qemu });
        }
        let apt = Apt::new()?;
        let kernel = apt.unpack(&apt.stands_for("linux-image-amd64")?)?;
        let qemu = if installed {
            None
        } else {
            Some(apt.unpack_with_dependencies(QEMU_PACKAGE)?)
        };
        Ok(Self { kernel, qemu })
    }

    /// Builds the init and writes the initramfs: these modules, loaded in this order, and these frames.
    pub fn initramfs(&self, file: &Path, modules: &[&str], frames: &[&[u8]]) -> Result<()> {
        let mut archive = Cpio::default();
        for folder in ["dev", "proc", "sys", "modules"] {
            archive.folder(folder);
        }
        archive.console("dev/console");
        archive.program("init", &fs::read(init()?)?);
        for (number, module) in modules.iter().enumerate() {
            let file = find(&self.kernel.join("usr/lib/modules"), |name| {
                name.split_once('.')
                    .is_some_and(|(stem, rest)| stem == *module && rest.starts_with("ko"))
            })
            .with_context(|| format!("the kernel's package has no module {module}"))?;
            archive.file(&format!("modules/{number:02}-{module}"), &fs::read(file)?);
        }
        let mut bytes = Vec::new();
        for frame in frames {
            bytes.extend((frame.len() as u16).to_le_bytes());
            bytes.extend(*frame);
        }
        archive.file("frames", &bytes);
        fs::write(file, archive.finish())
            .with_context(|| format!("cannot write {}", file.display()))
    }

    /// QEMU with the kernel, an initramfs and the init's role; console, monitor and devices are the caller's.
    pub fn qemu(&self, image: &Path, role: &str) -> Result<Command> {
        let mut qemu = match &self.qemu {
            None => command(QEMU),
            Some(tree) => out_of_package(tree)?,
        };
        let kernel = find(&self.kernel.join("boot"), |name| {
            name.starts_with("vmlinuz-")
        })
        .with_context(|| format!("{} holds no kernel", self.kernel.display()))?;
        qemu.args(["-accel", "tcg", "-machine", "pc", "-m", "512"]);
        qemu.args(["-no-reboot", "-nodefaults", "-display", "none"]);
        qemu.arg("-kernel").arg(kernel).arg("-initrd").arg(image);
        let line = format!("console=ttyS0 quiet loglevel=1 panic=-1 -- {role}");
        qemu.args(["-append", &line]);
        Ok(qemu)
    }
}

fn out_of_package(tree: &Path) -> Result<Command> {
    let mut qemu = foreign(tree, &format!("usr/bin/{QEMU}"))?;
    let modules = tree.join("usr/lib/x86_64-linux-gnu/qemu");
    qemu.env("QEMU_MODULE_DIR", modules);
    for firmware in ["usr/share/qemu", "usr/share/seabios"] {
        qemu.arg("-L").arg(tree.join(firmware));
    }
    Ok(qemu)
}

/// The guest's init, linked statically; in a target directory of its own, because other flags would
/// have Cargo build everything again.
fn init() -> Result<PathBuf> {
    let target_dir = paths::target().join("lag-vectors/target");
    step("the guest's init", || {
        let mut build = cargo();
        build.args(["build", "--quiet", "--release", "-p", "lag-guest"]);
        build.args(["--target", TARGET, "--target-dir"]);
        build
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
