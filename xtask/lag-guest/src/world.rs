//! What both roles start with: file systems, modules, a silent stack, frames, and a bridge whose one port is a TAP.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use crate::sys::{self, Tap};

/// The bond's name.
pub const BOND: &str = "bond0";

/// The bridge between the TAP and the bond.
pub const BRIDGE: &str = "br0";

/// Mounts, modules, no IPv6; says which kernel this is.
pub fn prepare() -> io::Result<()> {
    for (kind, place) in [("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev")] {
        sys::mount(kind, place)?;
    }
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    println!("lag-guest kernel {}", release.trim());
    load_modules(Path::new("/modules"))?;
    // The module makes one bond by itself.
    remove_bond()?;
    // The guest's own stack must stay silent: no router solicitations, no multicast reports.
    fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1")?;
    fs::write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1")
}

/// A bridge that is up, and the TAP by which frames enter it.
pub fn bridge() -> io::Result<Tap> {
    let entry = Tap::create("in")?;
    sys::add_bridge(BRIDGE)?;
    fs::write(
        format!("/sys/class/net/{BRIDGE}/bridge/multicast_snooping"),
        "0",
    )?;
    sys::add_to_bridge(BRIDGE, "in")?;
    fs::write("/sys/class/net/in/brport/learning", "0")?;
    sys::set_up("in")?;
    sys::set_up(BRIDGE)?;
    Ok(entry)
}

/// Makes the bond with these options and members, each in order, sets it up and puts it into the bridge.
pub fn bond<S: AsRef<str>>(
    options: &[(&str, &str)],
    members: impl IntoIterator<Item = S>,
) -> io::Result<()> {
    fs::write("/sys/class/net/bonding_masters", format!("+{BOND}"))?;
    for (option, value) in options {
        set(option, value)?;
    }
    for member in members {
        set("slaves", &format!("+{}", member.as_ref()))?;
    }
    sys::set_up(BOND)?;
    sys::add_to_bridge(BRIDGE, BOND)
}

/// Takes the bond away.
pub fn remove_bond() -> io::Result<()> {
    fs::write("/sys/class/net/bonding_masters", format!("-{BOND}"))
}

/// Sets an option of the bond.
pub fn set(option: &str, value: &str) -> io::Result<()> {
    fs::write(place(option), value)
        .map_err(|err| io::Error::other(format!("bonding/{option}={value}: {err}")))
}

/// What the bond's attribute is.
pub fn get(attribute: &str) -> io::Result<String> {
    Ok(fs::read_to_string(place(attribute))?.trim().to_owned())
}

fn place(attribute: &str) -> String {
    format!("/sys/class/net/{BOND}/bonding/{attribute}")
}

/// The frames of the initramfs.
pub fn frames() -> io::Result<Vec<Vec<u8>>> {
    let bytes = fs::read("/frames")?;
    let mut frames = Vec::new();
    let mut rest = bytes.as_slice();
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_le_bytes(*length));
        if after.len() < length {
            return Err(io::Error::other("the last frame is cut short"));
        }
        frames.push(after[..length].to_vec());
        rest = &after[length..];
    }
    Ok(frames)
}

/// Loads every file of a folder as a module, in order of name.
fn load_modules(folder: &Path) -> io::Result<()> {
    let mut files: Vec<_> = fs::read_dir(folder)?
        .map(|entry| entry.map(|e| e.path()))
        .collect::<Result<_, _>>()?;
    files.sort();
    for file in files {
        sys::load_module(&File::open(&file)?)
            .map_err(|err| io::Error::other(format!("{}: {err}", file.display())))?;
    }
    Ok(())
}
