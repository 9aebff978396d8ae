//! pcapng (IETF draft-ietf-opsawg-pcapng): the frames of a capture, and a capture of frames.
//!
//! One section, little-endian as written on the machines that this runs on, Ethernet, times in
//! nanoseconds. Reading passes over every block and option that it has no use for.

use anyhow::{Context, Result, bail};

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const ENHANCED_PACKET: u32 = 6;
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
const LINKTYPE_ETHERNET: u16 = 1;
const OPTION_TSRESOL: u16 = 9;

/// A frame with its time.
#[derive(Clone, Debug, PartialEq)]
pub struct Packet {
    /// Nanoseconds since the start of the capture's clock.
    pub time_ns: u64,
    /// From the destination address on.
    pub frame: Vec<u8>,
}

fn word(bytes: &[u8], at: usize) -> Result<u32> {
    let bytes = bytes.get(at..at + 4).context("the capture is cut short")?;
    Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

/// Every packet of a capture, in order.
pub fn read(bytes: &[u8]) -> Result<Vec<Packet>> {
    if word(bytes, 0)? != SECTION_HEADER || word(bytes, 8)? != BYTE_ORDER {
        bail!("not a little-endian pcapng file");
    }
    let mut packets = Vec::new();
    let mut nanoseconds_per_unit = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let (kind, length) = (word(bytes, at)?, word(bytes, at + 4)? as usize);
        if length < 12 || at + length > bytes.len() {
            // A program that was stopped may leave the last block unfinished: what is whole counts.
            break;
        }
        let body = &bytes[at + 8..at + length - 4];
        match kind {
            INTERFACE_DESCRIPTION => nanoseconds_per_unit.push(resolution(body)?),
            ENHANCED_PACKET => {
                let interface = word(body, 0)? as usize;
                let scale = nanoseconds_per_unit
                    .get(interface)
                    .context("a packet of no interface")?;
                let units = u64::from(word(body, 4)?) << 32 | u64::from(word(body, 8)?);
                let captured = word(body, 12)? as usize;
                let frame = body
                    .get(20..20 + captured)
                    .context("a packet is cut short")?;
                packets.push(Packet {
                    time_ns: units.saturating_mul(*scale),
                    frame: frame.to_vec(),
                });
            }
            _ => {}
        }
        at += length;
    }
    Ok(packets)
}

/// Nanoseconds in a unit of an interface's times: 1,000 unless an option says otherwise.
fn resolution(interface: &[u8]) -> Result<u64> {
    let mut at = 8;
    while at + 4 <= interface.len() {
        let kind = u16::from_le_bytes([interface[at], interface[at + 1]]);
        let length = usize::from(u16::from_le_bytes([interface[at + 2], interface[at + 3]]));
        if kind == OPTION_TSRESOL {
            return match interface.get(at + 4) {
                Some(exponent @ 0..=9) => Ok(10_u64.pow(9 - u32::from(*exponent))),
                other => bail!("times in a unit of {other:?} are not understood"),
            };
        }
        at += 4 + length.next_multiple_of(4);
    }
    Ok(1000)
}

/// A capture of these packets.
pub fn write(packets: &[Packet]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut section = BYTE_ORDER.to_le_bytes().to_vec();
    section.extend([1, 0, 0, 0]);
    section.extend([0xff; 8]);
    block(&mut bytes, SECTION_HEADER, &section);
    let mut interface = LINKTYPE_ETHERNET.to_le_bytes().to_vec();
    interface.extend([0; 6]);
    interface.extend([9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0]);
    block(&mut bytes, INTERFACE_DESCRIPTION, &interface);
    for packet in packets {
        let mut body = vec![0; 4];
        body.extend(((packet.time_ns >> 32) as u32).to_le_bytes());
        body.extend((packet.time_ns as u32).to_le_bytes());
        for _ in 0..2 {
            body.extend((packet.frame.len() as u32).to_le_bytes());
        }
        body.extend(&packet.frame);
        body.resize(body.len().next_multiple_of(4), 0);
        block(&mut bytes, ENHANCED_PACKET, &body);
    }
    bytes
}

fn block(bytes: &mut Vec<u8>, kind: u32, body: &[u8]) {
    let length = (body.len() + 12) as u32;
    bytes.extend(kind.to_le_bytes());
    bytes.extend(length.to_le_bytes());
    bytes.extend(body);
    bytes.extend(length.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packets() -> Vec<Packet> {
        (0..5_u64)
            .map(|n| Packet {
                time_ns: n << 31,
                frame: vec![n as u8; 60 + n as usize],
            })
            .collect()
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(read(&write(&packets())).unwrap(), packets());
    }

    #[test]
    fn an_unfinished_last_block_loses_that_alone() {
        let bytes = write(&packets());
        assert_eq!(read(&bytes[..bytes.len() - 3]).unwrap(), packets()[..4]);
    }

    #[test]
    fn other_files_are_refused() {
        assert!(read(b"\xd4\xc3\xb2\xa1 this is an old pcap").is_err());
        assert!(read(&[]).is_err());
    }

    #[test]
    fn times_without_an_option_are_microseconds() {
        let mut interface = LINKTYPE_ETHERNET.to_le_bytes().to_vec();
        interface.extend([0; 6]);
        assert_eq!(resolution(&interface).unwrap(), 1000);
    }

    #[test]
    fn tshark_reads_what_is_written() {
        let Some(tshark) = smartnic_lab::skip::tool("tshark") else {
            return;
        };
        let dir = crate::paths::target().join("xtask-tests");
        std::fs::create_dir_all(&dir).unwrap();
        let file = dir.join(format!("written-{}.pcapng", std::process::id()));
        std::fs::write(&file, write(&packets())).unwrap();
        let mut command = crate::proc::command(tshark);
        command.arg("-r").arg(&file).args([
            "-T",
            "fields",
            "-e",
            "frame.time_epoch",
            "-e",
            "frame.len",
        ]);
        let text = crate::proc::capture(&mut command, crate::proc::minutes(1)).unwrap();
        std::fs::remove_file(&file).unwrap();
        let last = text.lines().last().unwrap().replace('\t', " ");
        assert_eq!(last, "8.589934592 64", "{text}");
    }
}
