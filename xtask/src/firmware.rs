//! `cargo xtask firmware`: the image for the board's processor, with its sizes; and, for `setup`, what building it needs.

use std::fs;

use anyhow::{Context, Result, bail};
use smartnic_firmware_image::build::{source_dir, version};
use smartnic_firmware_image::{Error, TARGET, build, toolchain};

use crate::debian::{Apt, BACKPORTS};
use crate::paths;
use crate::proc::{capture, command, minutes};
use crate::setup::step;

/// Builds the image and shows its sizes; an image that does not fit fails.
pub fn run() -> Result<()> {
    prepare()?;
    let image = build()?;
    let s = &image.sizes;
    println!("firmware for {TARGET}: {}", image.path.display());
    println!(
        "text {} + rodata {} + data {} + bss {} bytes",
        s.text, s.rodata, s.data, s.bss
    );
    println!(
        "stack {} bytes at the deepest, {} are kept; {} of {} bytes of RAM are free",
        s.stack,
        s.stack_room,
        s.free(),
        s.ram
    );
    Ok(())
}

/// Makes sure that Rust can compile for the processor: by rustup, or with the core library's source out of Debian.
pub fn prepare() -> Result<()> {
    match toolchain() {
        Err(Error::NoTarget { .. }) => {}
        other => return other.map(drop).map_err(Into::into),
    }
    if paths::which("rustup").is_some() {
        let added = step(&format!("rustup target add {TARGET}"), || {
            capture(
                command("rustup").args(["target", "add", TARGET]),
                minutes(5),
            )
            .map(drop)
        });
        match added {
            Ok(()) if toolchain().is_ok() => return Ok(()),
            Ok(()) => {}
            Err(error) => eprintln!("setup: {error:#}"),
        }
    }
    let version = version()?;
    from_debian(&version).with_context(|| {
        format!("no core library for {TARGET}: `rustup target add {TARGET}`, or rust-src of version {version}, is needed")
    })?;
    toolchain().map(drop).map_err(Into::into)
}

/// The source of the core library out of Debian's package rust-src, of the compiler's version.
fn from_debian(version: &str) -> Result<()> {
    let apt = Apt::of(BACKPORTS)?;
    let at = apt.unpack_version("rust-src", version)?;
    let source = at.join(format!("usr/src/rustc-{version}"));
    if !source.join("library/core/src/lib.rs").is_file() {
        bail!("{} has no library/core", source.display());
    }
    let to = source_dir(version);
    fs::create_dir_all(to.parent().context("no folder")?)?;
    let _ = fs::remove_file(&to);
    std::os::unix::fs::symlink(&source, &to)
        .with_context(|| format!("cannot create {}", to.display()))
}
