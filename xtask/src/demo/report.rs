//! What the demo shows of the hardware afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::card::Card;
use super::frames::{Flow, flow_of};
use super::pcapng;

/// The capture of a port, counted from 1.
fn capture_of(outputs: &Path, port: usize) -> PathBuf {
    outputs.join(format!("port{port}.pcapng"))
}

/// Prints what the hardware learned and counted, as `smartnic-ctl` shows it.
pub fn hardware(card: &Card) -> Result<()> {
    for line in ["fdb show br br0", "lag", "stats --nonzero"] {
        println!("\n$ smartnic-ctl {line}");
        print!(
            "{}",
            card.ctl(&line.split_whitespace().collect::<Vec<_>>())?
        );
    }
    Ok(())
}

/// The frames of each flow to a host, by the LAG member (port, counted from 1) that carried them.
pub fn members(outputs: &Path, to: Ipv4Addr) -> Result<BTreeMap<Flow, BTreeMap<usize, usize>>> {
    let mut flows: BTreeMap<Flow, BTreeMap<usize, usize>> = BTreeMap::new();
    for port in [3, 4] {
        let file = capture_of(outputs, port);
        let bytes = fs::read(&file).with_context(|| format!("capture {}", file.display()))?;
        for packet in pcapng::read(&bytes).with_context(|| format!("capture {}", file.display()))? {
            // Only what the card sends has the host behind the LAG as its destination.
            if let Some(flow) = flow_of(&packet.frame).filter(|flow| flow.to == to) {
                *flows.entry(flow).or_default().entry(port).or_default() += 1;
            }
        }
    }
    Ok(flows)
}

/// What the hardware sent to the LAG's members, ports 3 and 4, while a flow ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Carried {
    /// The flow's source and destination port.
    pub ports: (u16, u16),
    /// Unicast frames sent by port 3 and port 4.
    pub sent: [u64; 2],
}

impl Carried {
    /// By the hardware's counters before and after.
    pub fn new(ports: (u16, u16), before: [u64; 2], after: [u64; 2]) -> Self {
        let sent = [0, 1].map(|member| after[member].saturating_sub(before[member]));
        Self { ports, sent }
    }

    /// The port that carried it. The other one may have sent what is no part of the flow: ARP asks again now and then.
    fn member(&self) -> Option<usize> {
        match self.sent {
            [three, other] if three > other && other <= ARP => Some(3),
            [other, four] if four > other && other <= ARP => Some(4),
            _ => None,
        }
    }
}

/// Frames beside a flow: a question and an answer of ARP.
const ARP: u64 = 2;

/// Prints which member took which flow, as the hardware counted; a flow that used two is an error, and so is one of which the captures
/// tell something else.
pub fn lag(flows: &[Carried], outputs: &Path, to: Ipv4Addr) -> Result<()> {
    println!("\nLAG member by flow, from the hardware's counters (tx_unicast of ports 3 and 4)");
    let captured = members(outputs, to)?;
    let mut used = BTreeSet::new();
    for flow in flows {
        let (source, target) = flow.ports;
        let [three, four] = flow.sent;
        let name = format!("{source} -> {to}:{target}");
        let Some(port) = flow.member() else {
            bail!("flow {name} was split: ports 3 and 4 sent {three} and {four} frames");
        };
        println!("  {name}  port {port}  ({three} and {four} frames)");
        let seen: BTreeSet<usize> = captured
            .iter()
            .filter(|(f, _)| f.ports == flow.ports)
            .flat_map(|(_, ports)| ports.keys().copied())
            .collect();
        if seen != BTreeSet::from([port]) {
            bail!(
                "flow {name}: the hardware counted it at port {port}, captures have it at {seen:?}"
            );
        }
        used.insert(port);
    }
    if used.len() < 2 {
        bail!("all flows took the same member of the LAG: {used:?}");
    }
    println!("  the captures of both ports agree");
    Ok(())
}

/// Says where captures and logs lie.
pub fn files(outputs: &Path) {
    println!(
        "\ncaptures  {} to 4 (open with wireshark)",
        capture_of(outputs, 1).display()
    );
    println!(
        "logs      {} and smartnicd.log",
        outputs.join("smartnic-sim.log").display()
    );
}

#[cfg(test)]
mod tests {
    use super::super::frames::{Station, udp};
    use super::super::pcapng::Packet;
    use super::*;
    use tempfile::TempDir;

    const TO: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 3);

    /// Captures of ports 3 and 4 in which these flows (by source port) were carried.
    fn outputs(carried: [&[u16]; 2]) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        let station = |ip| Station { mac: [2; 6], ip };
        for (port, sources) in [3, 4].into_iter().zip(carried) {
            let frame = |source: &u16| {
                udp(
                    station(Ipv4Addr::new(10, 0, 0, 1)),
                    station(TO),
                    (*source, 9),
                    &[],
                )
            };
            let packets: Vec<_> = sources
                .iter()
                .map(|source| Packet {
                    time_ns: 0,
                    frame: frame(source),
                })
                .collect();
            fs::write(capture_of(folder.path(), port), pcapng::write(&packets)).unwrap();
        }
        folder
    }

    /// What is said of flows from these source ports that the hardware counted so.
    fn said(counted: &[(u16, [u64; 2])], captured: [&[u16]; 2]) -> String {
        let flows: Vec<_> = counted
            .iter()
            .map(|(source, sent)| Carried::new((*source, 9), [5, 6], [5 + sent[0], 6 + sent[1]]))
            .collect();
        let folder = outputs(captured);
        lag(&flows, folder.path(), TO).map_or_else(|err| err.to_string(), |()| "good".into())
    }

    #[test]
    fn flows_are_told_by_the_hardware_and_the_captures_must_agree() {
        assert_eq!(
            members(outputs([&[1, 1, 3], &[2]]).path(), TO)
                .unwrap()
                .len(),
            3
        );
        let counted = [(1, [2, 0]), (3, [9, 1]), (2, [0, 7])];
        assert_eq!(said(&counted, [&[1, 1, 3], &[2]]), "good");
        let split = said(&[(1, [4, 4]), (2, [0, 1])], [&[1], &[2]]);
        assert!(split.contains("split"), "{split}");
        let nothing = said(&[(1, [0, 0])], [&[1], &[2]]);
        assert!(nothing.contains("split"), "{nothing}");
        let same = said(&[(1, [4, 0]), (2, [4, 0])], [&[1, 2], &[]]);
        assert!(same.contains("same member"), "{same}");
        for captured in [[&[1, 2][..], &[1]], [&[2], &[1]], [&[], &[2]]] {
            let other = said(&[(1, [4, 0]), (2, [0, 4])], captured);
            assert!(other.contains("captures have it"), "{other}");
        }
    }
}
