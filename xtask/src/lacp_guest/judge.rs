//! What is seen, judged: members that work, frames of the connection, choices that agree.

use std::fmt::Write as _;

use anyhow::{Result, ensure};
use serde_json::Value;
use smartnic_slowpath::wire::lacp::State;

use super::SERVICE;
use super::cable::{From, Seen};

/// Both ends collect and distribute on this member of ours.
pub fn carries(link: &Value) -> bool {
    let data = &link["linkinfo"]["info_slave_data"];
    ["ad_actor_oper_port_state", "ad_partner_oper_port_state"]
        .iter()
        .all(|key| {
            let state = State(data[key].as_u64().unwrap_or(0) as u8);
            [
                State::SYNCHRONIZATION,
                State::COLLECTING,
                State::DISTRIBUTING,
            ]
            .iter()
            .all(|bit| state.has(*bit))
        })
}

/// The frame is of the connection.
pub fn of_the_flow(seen: &Seen) -> bool {
    // Ethernet, IPv4 without options, TCP.
    let word = |at: usize| {
        seen.frame
            .get(at..at + 2)
            .map(|b| u16::from_be_bytes([b[0], b[1]]))
    };
    let port = match seen.from {
        From::Card => word(36),
        From::Guest => word(34),
    };
    word(12) == Some(0x0800) && seen.frame.get(23) == Some(&6) && port == Some(SERVICE)
}

/// Both took the same members for the frames.
pub fn agree(
    policy: &str,
    who: &str,
    kernel: &[usize],
    others: impl IntoIterator<Item = usize>,
) -> Result<()> {
    let mut wrong = String::new();
    for (at, (theirs, ours)) in kernel.iter().zip(others).enumerate() {
        if *theirs != ours {
            let _ = write!(wrong, "\n  frame {at}: kernel {theirs}, {who} {ours}");
        }
    }
    ensure!(
        wrong.is_empty(),
        "{policy}: kernel and {who} differ:{wrong}"
    );
    Ok(())
}
