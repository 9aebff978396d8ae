//! Init of a guest kernel: records which slave of a kernel bond takes each frame.
//!
//! `cargo xtask lag-vectors` builds this statically, puts it into an initramfs beside the modules of
//! `/modules/NN-*` and the frames of `/frames` (each a little-endian u16 length and that many bytes),
//! and reads the answers from the serial console:
//!
//! ```text
//! lag-guest kernel 6.12.107+deb13-amd64
//! lag-guest choices layer2 3 0120...      one digit a frame; x where no slave took it
//! lag-guest done
//! ```
//!
//! The frames enter a bridge by a TAP, so that they pass the kernel's receive path (which takes the
//! outer VLAN tag off) as they would in a switch, and leave by the bond, whose slaves are TAPs too:
//! reading a slave tells exactly which frame it took.

mod sys;

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use sys::Tap;

const POLICIES: &[&str] = &[
    "layer2",
    "layer2+3",
    "layer3+4",
    "encap2+3",
    "encap3+4",
    "vlan+srcmac",
];
const SLAVE_COUNTS: &[usize] = &[2, 3, 5];

/// How long a frame may take to come out of a slave, ms.
const PATIENCE_MS: i32 = 1000;

fn main() {
    if std::process::id() != 1 {
        eprintln!("error: lag-guest is the init of a guest; start it by `cargo xtask lag-vectors`");
        std::process::exit(2);
    }
    if let Err(err) = record() {
        println!("lag-guest error {err}");
    }
    println!("lag-guest done");
    sys::power_off();
}

fn record() -> io::Result<()> {
    for (kind, place) in [("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev")] {
        sys::mount(kind, place)?;
    }
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    println!("lag-guest kernel {}", release.trim());
    load_modules(Path::new("/modules"))?;
    // The module makes one bond by itself.
    fs::write("/sys/class/net/bonding_masters", "-bond0")?;
    // The guest's own stack must stay silent: no router solicitations, no multicast reports.
    fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1")?;
    fs::write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1")?;

    let frames = read_frames("/frames")?;
    let mut entry = Tap::create("in")?;
    sys::add_bridge("br0")?;
    fs::write("/sys/class/net/br0/bridge/multicast_snooping", "0")?;
    sys::add_to_bridge("br0", "in")?;
    fs::write("/sys/class/net/in/brport/learning", "0")?;
    sys::set_up("in")?;
    sys::set_up("br0")?;
    for policy in POLICIES {
        for &count in SLAVE_COUNTS {
            let mut slaves = bond(policy, count)?;
            let mut digits = String::with_capacity(frames.len());
            for frame in &frames {
                entry.file.write_all(frame)?;
                digits.push(match taken(&mut slaves, frame)? {
                    Some(slave) => char::from(b'0' + slave as u8),
                    None => 'x',
                });
            }
            println!("lag-guest choices {policy} {count} {digits}");
            fs::write("/sys/class/net/bonding_masters", "-bond0")?;
        }
    }
    Ok(())
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

fn read_frames(file: &str) -> io::Result<Vec<Vec<u8>>> {
    let bytes = fs::read(file)?;
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

/// Makes bond0 with so many TAPs, joined in order, and puts it into the bridge.
fn bond(policy: &str, count: usize) -> io::Result<Vec<Tap>> {
    fs::write("/sys/class/net/bonding_masters", "+bond0")?;
    let set = |name: &str, value: &str| {
        fs::write(format!("/sys/class/net/bond0/bonding/{name}"), value)
            .map_err(|err| io::Error::other(format!("bonding/{name}={value}: {err}")))
    };
    set("mode", "balance-xor")?;
    set("xmit_hash_policy", policy)?;
    let mut slaves = Vec::new();
    for number in 0..count {
        let name = format!("s{number}");
        slaves.push(Tap::create(&name)?);
        set("slaves", &format!("+{name}"))?;
    }
    sys::set_up("bond0")?;
    sys::add_to_bridge("br0", "bond0")?;
    Ok(slaves)
}

/// Which slave this frame comes out of; whatever else the kernel sends meanwhile is passed over.
fn taken(slaves: &mut [Tap], frame: &[u8]) -> io::Result<Option<usize>> {
    let mut buffer = [0; 2048];
    loop {
        let Some(ready) = sys::readable(slaves, PATIENCE_MS)? else {
            return Ok(None);
        };
        match slaves[ready].file.read(&mut buffer) {
            Ok(length) if &buffer[..length] == frame => return Ok(Some(ready)),
            Ok(_) => {}
            Err(err) if err.kind() == io::ErrorKind::WouldBlock => {}
            Err(err) => return Err(err),
        }
    }
}
