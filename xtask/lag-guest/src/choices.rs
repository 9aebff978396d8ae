//! The role `choices`: which slave of a bond takes each frame, for every policy and number of slaves.
//!
//! ```text
//! lag-guest choices layer2 3 0120...      one digit a frame; x where no slave took it
//! ```
//!
//! The frames enter a bridge by a TAP, so that they pass the kernel's receive path (which takes the
//! outer VLAN tag off) as they would in a switch, and leave by the bond, whose slaves are TAPs too:
//! reading a slave tells exactly which frame it took.

use std::io::{self, Read, Write};

use crate::sys::{self, Tap};
use crate::world;

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

/// Plays the role to its end.
pub fn record() -> io::Result<()> {
    world::prepare()?;
    let frames = world::frames()?;
    let mut entry = world::bridge()?;
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
            world::remove_bond()?;
        }
    }
    Ok(())
}

/// Makes the bond with so many TAPs, joined in order.
fn bond(policy: &str, count: usize) -> io::Result<Vec<Tap>> {
    let names: Vec<_> = (0..count).map(|number| format!("s{number}")).collect();
    let slaves = names
        .iter()
        .map(|name| Tap::create(name))
        .collect::<Result<_, _>>()?;
    let options = [("mode", "balance-xor"), ("xmit_hash_policy", policy)];
    world::bond(&options, &names)?;
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
