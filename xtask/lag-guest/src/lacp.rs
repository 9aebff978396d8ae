//! The role `lacp`: a bond in 802.3ad over `eth0`, `eth1` and `eth2`, and a host behind `eth3` in a network namespace of its own.
//!
//! Commands come by the console, a line each; every one is answered by what it tells and `lag-guest ok`:
//!
//! ```text
//! state            lag-guest state PORTS AGGREGATOR PARTNER     members of the active aggregator, its id, the partner's address
//! policy WORD      sets xmit_hash_policy
//! frames           sends the frames of the initramfs through the bond, from the bridge
//! release ethN     takes a member out; enslave ethN puts it in again
//! flow start       a TCP connection from the host behind eth3 to the bond's: it sends until
//! flow stop        lag-guest flow BYTES                         all of them came, whole and in order
//! quit
//! ```

use std::io::{self, Write as _};

use crate::flow::Flow;
use crate::sys::Tap;
use crate::world::{self, get, set};

const MEMBERS: [&str; 3] = ["eth0", "eth1", "eth2"];

const OPTIONS: [(&str, &str); 3] = [
    ("mode", "802.3ad"),
    ("miimon", "100"),
    ("lacp_rate", "fast"),
];

/// Plays the role until it is told to quit.
pub fn serve() -> io::Result<()> {
    world::prepare()?;
    let mut guest = Lacp {
        frames: world::frames()?,
        entry: world::bridge()?,
        flow: Flow::prepare()?,
    };
    world::bond(&OPTIONS, MEMBERS)?;
    println!("lag-guest ready");
    for line in io::stdin().lines() {
        let line = line?;
        let words: Vec<_> = line.split_whitespace().collect();
        if words == ["quit"] {
            break;
        }
        match guest.obey(&words) {
            Ok(()) => println!("lag-guest ok"),
            Err(err) => println!("lag-guest error {line}: {err}"),
        }
    }
    Ok(())
}

struct Lacp {
    frames: Vec<Vec<u8>>,
    entry: Tap,
    flow: Flow,
}

impl Lacp {
    fn obey(&mut self, words: &[&str]) -> io::Result<()> {
        match words {
            ["state"] => {
                let [ports, aggregator, partner] =
                    ["ad_num_ports", "ad_aggregator", "ad_partner_mac"].map(get);
                println!("lag-guest state {} {} {}", ports?, aggregator?, partner?);
                Ok(())
            }
            ["policy", policy] => set("xmit_hash_policy", policy),
            ["frames"] => self
                .frames
                .iter()
                .try_for_each(|frame| self.entry.file.write_all(frame)),
            ["release", member] => set("slaves", &format!("-{member}")),
            ["enslave", member] => set("slaves", &format!("+{member}")),
            ["flow", "start"] => self.flow.start(),
            ["flow", "stop"] => {
                println!("lag-guest flow {}", self.flow.stop()?);
                Ok(())
            }
            _ => Err(io::Error::other("no such command")),
        }
    }
}
