//! What the demo shows of the hardware afterwards.

use std::collections::BTreeMap;
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

/// Prints which member took which flow; a flow that used two is an error.
pub fn lag(outputs: &Path, to: Ipv4Addr) -> Result<()> {
    println!("\nLAG member by flow, from the captures of ports 3 and 4");
    let mut used = BTreeMap::new();
    for (flow, ports) in members(outputs, to)? {
        let Flow {
            from,
            ports: (source, target),
            ..
        } = flow;
        let members: Vec<_> = ports.keys().map(usize::to_string).collect();
        let frames: usize = ports.values().sum();
        println!(
            "  {from}:{source} -> {to}:{target}  port {}  {frames} frames",
            members.join(" and ")
        );
        if ports.len() > 1 {
            bail!(
                "flow {from}:{source} -> {to}:{target} was split over ports {}",
                members.join(" and ")
            );
        }
        for port in ports.into_keys() {
            *used.entry(port).or_insert(0) += 1;
        }
    }
    if used.len() < 2 {
        bail!("all flows took the same member of the LAG: {used:?}");
    }
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

    const TO: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 3);

    /// Captures of ports 3 and 4 in which these flows (by source port) were carried.
    fn outputs(name: &str, carried: [&[u16]; 2]) -> PathBuf {
        let folder =
            crate::paths::target().join(format!("xtask-tests/{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
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
            fs::write(capture_of(&folder, port), pcapng::write(&packets)).unwrap();
        }
        folder
    }

    #[test]
    fn flows_are_told_by_member_and_a_split_one_is_an_error() {
        let good = outputs("good", [&[1, 1, 3], &[2]]);
        assert_eq!(members(&good, TO).unwrap().len(), 3);
        lag(&good, TO).unwrap();
        let split = outputs("split", [&[1, 2], &[1]]);
        assert!(lag(&split, TO).unwrap_err().to_string().contains("split"));
        let same = outputs("same", [&[1, 2], &[]]);
        assert!(
            lag(&same, TO)
                .unwrap_err()
                .to_string()
                .contains("same member")
        );
        for folder in [good, split, same] {
            fs::remove_dir_all(folder).unwrap();
        }
    }
}
