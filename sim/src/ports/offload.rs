//! Finishes what a kernel left to its network hardware: checksums and segmentation.
//!
//! A packet socket puts `struct virtio_net_hdr` (virtio 1.2, section 5.1.6) before each frame, in the
//! machine's byte order. Known are: a checksum to complete over any protocol, TCP over IPv4 and IPv6
//! to segment, UDP to segment (USO). Segments are what a NIC with these offloads would send: lengths,
//! IPv4 identification, sequence numbers, flags and checksums of their own.

/// Bytes of the header.
pub const HEADER: usize = 10;

const NEEDS_CSUM: u8 = 1;
const GSO_NONE: u8 = 0;
const GSO_TCPV4: u8 = 1;
const GSO_TCPV6: u8 = 4;
const GSO_UDP_L4: u8 = 5;
/// Congestion marks: the first segment keeps CWR, which is done anyway.
const GSO_ECN: u8 = 0x80;

const CWR: u8 = 0x80;
const PSH_FIN: u8 = 0x09;

/// Why a frame cannot be finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OffloadError {
    /// Shorter than its own headers say.
    #[error("frame of {0} bytes is shorter than its headers")]
    Short(usize),
    /// A kind of segmentation that is not known here.
    #[error("segmentation of type {0} is not known")]
    Kind(u8),
    /// Headers that do not fit the segmentation asked for.
    #[error("headers do not fit the segmentation asked for")]
    Headers,
}

/// Turns a received buffer (virtio header, then the frame) into frames for the wire; `tag` is the
/// VLAN tag (TPID, TCI) that the kernel took off.
pub fn finish(bytes: &[u8], tag: Option<(u16, u16)>) -> Result<Vec<Vec<u8>>, OffloadError> {
    let short = OffloadError::Short(bytes.len());
    let (header, frame) = bytes.split_first_chunk::<HEADER>().ok_or(short)?;
    if frame.len() < 14 {
        return Err(short);
    }
    let half = |at: usize| usize::from(u16::from_ne_bytes([header[at], header[at + 1]]));
    let (flags, kind) = (header[0], header[1] & !GSO_ECN);
    let (size, start, offset) = (half(4), half(6), half(8));
    let mut frames = if kind != GSO_NONE {
        segment(frame, kind, size, start)?
    } else if flags & NEEDS_CSUM != 0 {
        let mut frame = frame.to_vec();
        let rest = frame
            .get(start..)
            .filter(|rest| offset + 2 <= rest.len())
            .ok_or(short)?;
        // The field holds the pseudo header's sum already.
        let sum = !fold(sum(rest));
        frame[start + offset..start + offset + 2].copy_from_slice(&nonzero(sum).to_be_bytes());
        vec![frame]
    } else {
        vec![frame.to_vec()]
    };
    if let Some((tpid, tci)) = tag {
        for frame in &mut frames {
            let tag = [tpid.to_be_bytes(), tci.to_be_bytes()].concat();
            frame.splice(12..12, tag);
        }
    }
    Ok(frames)
}

/// Offset of the IP header: behind the addresses, any VLAN tags, and the EtherType.
fn ip_offset(frame: &[u8]) -> Result<usize, OffloadError> {
    let mut at = 12;
    loop {
        match frame.get(at..at + 2) {
            Some([0x81, 0x00] | [0x88, 0xa8]) => at += 4,
            Some(_) => return Ok(at + 2),
            None => return Err(OffloadError::Short(frame.len())),
        }
    }
}

fn segment(
    frame: &[u8],
    kind: u8,
    size: usize,
    transport: usize,
) -> Result<Vec<Vec<u8>>, OffloadError> {
    let ip = ip_offset(frame)?;
    let version = frame.get(ip).map_or(0, |b| b >> 4);
    let (protocol, v4) = match (kind, version) {
        (GSO_TCPV4, 4) => (6, true),
        (GSO_TCPV6, 6) => (6, false),
        (GSO_UDP_L4, 4) => (17, true),
        (GSO_UDP_L4, 6) => (17, false),
        (GSO_TCPV4 | GSO_TCPV6 | GSO_UDP_L4, _) => return Err(OffloadError::Headers),
        (kind, _) => return Err(OffloadError::Kind(kind)),
    };
    let short = OffloadError::Short(frame.len());
    let least = ip + if v4 { 20 } else { 40 };
    let header_len = match protocol {
        6 => 4 * usize::from(frame.get(transport + 12).ok_or(short)? >> 4),
        _ => 8,
    };
    if size == 0 || transport < least || header_len < 8 || protocol == 6 && header_len < 20 {
        return Err(OffloadError::Headers);
    }
    let payload = transport + header_len;
    let (headers, data) = frame.split_at_checked(payload).ok_or(short)?;
    let count = data.len().div_ceil(size).max(1);
    let mut frames = Vec::with_capacity(count);
    for i in 0..count {
        let part = &data[(i * size).min(data.len())..((i + 1) * size).min(data.len())];
        let mut out = [headers, part].concat();
        let put = |out: &mut [u8], at: usize, value: u16| {
            out[at..at + 2].copy_from_slice(&value.to_be_bytes());
        };
        let half = |out: &[u8], at: usize| u16::from_be_bytes([out[at], out[at + 1]]);
        let ip_length = (out.len() - ip) as u16;
        if v4 {
            put(&mut out, ip + 2, ip_length);
            let id = half(&out, ip + 4).wrapping_add(i as u16);
            put(&mut out, ip + 4, id);
            put(&mut out, ip + 10, 0);
            let end = (ip + 4 * usize::from(out[ip] & 0xf)).clamp(least, transport);
            let check = !fold(sum(&out[ip..end]));
            put(&mut out, ip + 10, check);
        } else {
            put(&mut out, ip + 4, ip_length - 40);
        }
        let checksum = if protocol == 6 {
            let base = &headers[transport + 4..transport + 8];
            let base = u32::from_be_bytes([base[0], base[1], base[2], base[3]]);
            let sequence = base.wrapping_add((i * size) as u32);
            out[transport + 4..transport + 8].copy_from_slice(&sequence.to_be_bytes());
            if i > 0 {
                out[transport + 13] &= !CWR;
            }
            if i + 1 < count {
                out[transport + 13] &= !PSH_FIN;
            }
            transport + 16
        } else {
            let length = (out.len() - transport) as u16;
            put(&mut out, transport + 4, length);
            transport + 6
        };
        put(&mut out, checksum, 0);
        let addresses = if v4 {
            ip + 12..ip + 20
        } else {
            ip + 8..ip + 40
        };
        let length = (out.len() - transport) as u64;
        let total = sum(&out[addresses]) + length + protocol + sum(&out[transport..]);
        put(&mut out, checksum, nonzero(!fold(total)));
        frames.push(out);
    }
    Ok(frames)
}

/// Sum of big-endian 16-bit words, an odd last byte in the high half (RFC 1071).
fn sum(bytes: &[u8]) -> u64 {
    let pairs = bytes.chunks(2);
    pairs
        .map(|p| u64::from(p[0]) << 8 | p.get(1).map_or(0, |b| u64::from(*b)))
        .sum()
}

fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// Zero means "no checksum" in UDP; its complement is the same number.
fn nonzero(checksum: u16) -> u16 {
    if checksum == 0 { 0xffff } else { checksum }
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::{PacketBuilder, SlicedPacket, TransportSlice};

    fn header(flags: u8, kind: u8, size: u16, start: u16, offset: u16) -> Vec<u8> {
        let mut out = vec![flags, kind, 0, 0];
        [size, start, offset]
            .iter()
            .for_each(|v| out.extend(v.to_ne_bytes()));
        out
    }

    fn checksums_hold(frame: &[u8]) {
        let ip = ip_offset(frame).unwrap();
        let v4 = frame[ip] >> 4 == 4;
        let transport = ip + if v4 { 20 } else { 40 };
        if v4 {
            assert_eq!(fold(sum(&frame[ip..transport])), 0xffff, "IPv4 header");
        }
        let addresses = if v4 {
            ip + 12..ip + 20
        } else {
            ip + 8..ip + 40
        };
        let protocol = u64::from(if v4 { frame[ip + 9] } else { frame[ip + 6] });
        let length = (frame.len() - transport) as u64;
        let total = sum(&frame[addresses]) + length + protocol + sum(&frame[transport..]);
        assert_eq!(fold(total), 0xffff, "transport");
    }

    #[test]
    fn tcp_is_segmented_over_both_versions() {
        for v6 in [false, true] {
            let builder = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
            let builder = if v6 {
                builder.ipv6([1; 16], [2; 16], 64)
            } else {
                builder.ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
            };
            let builder = builder
                .tcp(1000, 2000, 0xffff_ff00, 512)
                .psh()
                .fin()
                .ack(5)
                .cwr();
            let data: Vec<u8> = (0..4000u32).map(|i| ((i * 13) >> 3) as u8).collect();
            let mut frame = Vec::new();
            builder.write(&mut frame, &data).unwrap();
            let transport = 14 + if v6 { 40 } else { 20 };
            let kind = if v6 { GSO_TCPV6 } else { GSO_TCPV4 };
            let mut bytes = header(NEEDS_CSUM, kind | GSO_ECN, 1448, transport, 16);
            bytes.extend(&frame);
            let frames = finish(&bytes, Some((0x8100, 5))).unwrap();
            assert_eq!(frames.len(), 3);
            let mut got: Vec<u8> = Vec::new();
            for (i, frame) in frames.iter().enumerate() {
                checksums_hold(frame);
                assert_eq!(frame[12..16], [0x81, 0, 0, 5]);
                let packet = SlicedPacket::from_ethernet(frame).unwrap();
                let Some(TransportSlice::Tcp(tcp)) = packet.transport else {
                    panic!()
                };
                let expected = 0xffff_ff00u32.wrapping_add(1448 * i as u32);
                assert_eq!(tcp.sequence_number(), expected);
                assert_eq!((tcp.cwr(), tcp.fin(), tcp.psh()), (i == 0, i == 2, i == 2));
                got.extend(tcp.payload());
            }
            assert_eq!(got, data);
        }
    }

    #[test]
    fn checksums_are_completed_and_udp_segmented() {
        let builder =
            PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4([10, 0, 0, 1], [10, 0, 0, 2], 9);
        let mut whole = Vec::new();
        builder.udp(1, 2).write(&mut whole, &[7; 1001]).unwrap();
        let mut frame = whole.clone();
        // As a kernel leaves it: the pseudo header's sum, not complemented.
        let pseudo = fold(sum(&frame[26..34]) + 17 + 1009);
        frame[40..42].copy_from_slice(&pseudo.to_be_bytes());
        let mut bytes = header(NEEDS_CSUM, GSO_NONE, 0, 34, 6);
        bytes.extend(&frame);
        assert_eq!(finish(&bytes, None).unwrap(), [whole.clone()]);
        let mut bytes = header(NEEDS_CSUM, GSO_UDP_L4, 400, 34, 6);
        bytes.extend(&frame);
        let frames = finish(&bytes, None).unwrap();
        assert_eq!(
            frames.iter().map(|f| f.len() - 42).collect::<Vec<_>>(),
            [400, 400, 201]
        );
        frames.iter().for_each(|f| checksums_hold(f));
        let mut plain = header(0, 0, 0, 0, 0);
        plain.extend(&whole);
        assert_eq!(finish(&plain, None).unwrap(), [whole]);
    }

    #[test]
    fn nonsense_is_refused() {
        assert_eq!(finish(&[0; 12], None), Err(OffloadError::Short(12)));
        let mut bytes = header(0, 3, 100, 34, 16);
        bytes.extend([0x45; 60]);
        assert_eq!(finish(&bytes, None), Err(OffloadError::Kind(3)));
        let seed = std::env::var("SEED")
            .ok()
            .and_then(|s| s.parse().ok())
            .unwrap_or(3);
        println!("SEED={seed}");
        let mut rng = <rand_chacha::ChaCha8Rng as rand::SeedableRng>::seed_from_u64(seed);
        for _ in 0..20_000 {
            let mut bytes = vec![0; rand::Rng::random_range(&mut rng, 0..120)];
            rand::Rng::fill(&mut rng, &mut bytes[..]);
            if let [_, kind, ..] = &mut bytes[..] {
                *kind %= 6;
            }
            if bytes.len() > 26 {
                bytes[24] = 0x45 + (bytes[25] & 1) * 0x20;
                bytes[7] = 0;
                bytes[9] = 0;
            }
            let _ = finish(&bytes, Some((0x8100, 1)));
        }
    }
}
