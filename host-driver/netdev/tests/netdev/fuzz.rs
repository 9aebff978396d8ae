//! Fuzz targets: frames into VLAN devices and netpoll's hooks, and the magic sequence. Every frame ends in exactly one place, delivered or in one counter; what
//! a hook gets is a datagram by the plain reading of RFC 791 and 768 below; commands are those that a search finds.
//!
//! `cargo test` runs the corpora in `__fuzz__` and a number of random inputs; `cargo xtask soak` goes on for as long as wanted.

use std::sync::{Arc, Mutex};

use smartnic_netdev::netpoll;
use smartnic_netdev::netpoll::sysrq::{Command, MAGIC, Parser};
use smartnic_netdev::netpoll::udp::{Hook, Netpoll, Sender};
use smartnic_netdev::packet::eth;
use smartnic_netdev::vlan::{self, VlanConfig};
use smartnic_netdev::{Core, Dev, Packet, Softnet};

use crate::common::{Log, Recorder, Sink, mac, setup, up};
use crate::netpoll::{datagram, endpoint};

/// A device, VLANs 7 (802.1Q, and within it 9) and 7 (802.1ad) over it, and a sink for IPv4.
struct Bed {
    core: Core,
    devs: Vec<Dev>,
    sink: Arc<Sink>,
}

fn bed() -> Bed {
    let mut core = Core::new();
    let real = up(
        &mut core,
        setup("e", 1),
        &Recorder::new("d", &Log::default()),
    );
    let mut devs = vec![real.clone()];
    let ad = VlanConfig {
        protocol: eth::P_8021AD,
        ..VlanConfig::new("ad", 7)
    };
    for (below, config) in [
        (0, VlanConfig::new("q", 7)),
        (0, ad),
        (1, VlanConfig::new("qq", 9)),
    ] {
        let dev = vlan::create(&mut core, &devs[below], &config).unwrap();
        core.open(&dev).unwrap();
        devs.push(dev);
    }
    let sink = Arc::new(Sink::default());
    core.add_protocol(eth::P_IP, None, sink.clone());
    Bed { core, devs, sink }
}

impl Bed {
    /// Frames that ended without being delivered.
    fn dropped(&self) -> u64 {
        let of = |d: &Dev| {
            let s = d.stats64();
            assert_eq!(s.rx_errors, s.rx_length_errors);
            s.rx_length_errors + s.rx_dropped + s.rx_otherhost_dropped + s.rx_nohandler
        };
        self.devs.iter().map(of).sum()
    }
    fn receive(&self, net: &mut Softnet, bytes: &[u8]) -> bool {
        let real = &self.devs[0];
        let mut packet = Packet::from_bytes(bytes);
        let whole = eth::type_trans(&mut packet, real.ifindex(), real.address()).is_ok();
        assert_eq!(whole, bytes.len() >= eth::HLEN);
        if whole {
            net.receive(packet);
        }
        whole
    }
}

/// Random bytes rarely have addresses and tags: the first byte gives them some.
fn dressed(bytes: &[u8]) -> Vec<u8> {
    let Some((&how, rest)) = bytes.split_first() else {
        return Vec::new();
    };
    let mut frame = rest.to_vec();
    let mut write = |at: usize, value: &[u8]| {
        if let Some(to) = frame.get_mut(at..at + value.len()) {
            to.copy_from_slice(value);
        }
    };
    match how & 3 {
        0 => {}
        1 => write(0, &mac(1).0),
        2 => write(0, &[0xff; 6]),
        _ => write(0, &mac(9).0),
    }
    let tag = [
        None,
        Some(eth::P_8021Q),
        Some(eth::P_8021AD),
        Some(eth::P_8021Q),
    ];
    if let Some(tag) = tag[usize::from(how >> 2 & 3)] {
        write(12, &tag.to_be_bytes());
        write(14, &[how & 0xe0, 7]);
        write(16, &eth::P_IP.to_be_bytes());
        if how & 16 != 0 {
            write(16, &eth::P_8021Q.to_be_bytes());
            write(18, &[0, 9, 8, 0]);
        }
    } else if how & 16 != 0 {
        write(12, &eth::P_IP.to_be_bytes());
    }
    frame
}

#[test]
fn vlan_frames() {
    bolero::check!().with_max_len(256).for_each(|bytes: &[u8]| {
        let bed = bed();
        let mut net = bed.core.softnet();
        for frame in [bytes.to_vec(), dressed(bytes)] {
            let before = bed.dropped();
            let taken = bed.receive(&mut net, &frame);
            net.run_all(4);
            let delivered = bed.sink.take();
            let ended = delivered.len() as u64 + bed.dropped() - before;
            assert_eq!(ended, u64::from(taken), "{frame:x?}");
            for (dev, packet) in delivered {
                let bytes = packet.mac_bytes();
                assert_eq!(bytes[..12], frame[..12], "the addresses");
                assert_eq!(bytes[12..14], eth::P_IP.to_be_bytes());
                let tags = (frame.len() - bytes.len()) / 4;
                assert_eq!(bytes[12..], frame[12 + 4 * tags..], "all but the tags");
                // By the tags that were there, a priority's not counted.
                let tag = |n: usize| {
                    let at = 12 + 4 * n;
                    let word = |at: usize| u16::from_be_bytes([frame[at], frame[at + 1]]);
                    (n < tags).then(|| (word(at), word(at + 2) & 0xfff))
                };
                let wanted = match (tag(0), tag(1)) {
                    (None | Some((_, 0)), None) => "e",
                    (Some((eth::P_8021Q, 7)), None | Some((_, 0))) => "q",
                    (Some((eth::P_8021AD, 7)), None | Some((_, 0))) => "ad",
                    (Some((eth::P_8021Q, 7)), Some((eth::P_8021Q, 9))) => "qq",
                    other => panic!("{dev} got {other:?}"),
                };
                assert_eq!(dev, wanted, "{frame:x?}");
            }
        }
    });
}

/// Keeps what it hears.
#[derive(Default)]
struct Ear(Mutex<Vec<Vec<u8>>>);

impl Hook for Ear {
    fn receive(&self, _: &mut Softnet, _: &Netpoll, _: Sender, payload: &[u8]) {
        self.0.lock().unwrap().push(payload.to_vec());
    }
}

/// Sum of 16-bit words, folded (RFC 1071).
fn sum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0u32;
    for part in parts {
        for word in part.chunks(2) {
            sum += u32::from(word[0]) << 8 | u32::from(*word.get(1).unwrap_or(&0));
        }
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// The payload of a datagram to 10.0.0.1:6665, if the frame has one.
fn payload(frame: &[u8]) -> Option<&[u8]> {
    let ip = frame.get(14..)?;
    let header = ip.get(..usize::from(*ip.first()? & 15) * 4)?;
    let word = |bytes: &[u8], at: usize| Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?));
    let total = ip.get(header.len()..word(ip, 2)?.into())?;
    let right = frame[12..14] == [8, 0]
        && ip[0] >> 4 == 4
        && header.len() >= 20
        && header[9] == 17
        && header[16..20] == [10, 0, 0, 1]
        && word(header, 6)? & 0x3fff == 0
        && sum(&[header]) == 0xffff;
    let length = word(total, 4)?;
    let udp = total
        .get(..usize::from(length))
        .filter(|u| right && u.len() >= 8)?;
    let pseudo = [&[0, 17][..], &length.to_be_bytes()].concat();
    let checked = udp[6..8] == [0, 0] || sum(&[&header[12..20], &pseudo, udp]) == 0xffff;
    (checked && udp[2..4] == 6665u16.to_be_bytes()).then_some(&udp[8..])
}

/// A good datagram with some of its bytes changed.
#[test]
fn netpoll_frames() {
    bolero::check!().with_max_len(256).for_each(|bytes: &[u8]| {
        let mut bed = bed();
        let ear = Arc::new(Ear::default());
        netpoll::setup(
            &mut bed.core,
            &bed.devs[0].clone(),
            endpoint(),
            Some(ear.clone()),
        )
        .unwrap();
        let mut net = bed.core.softnet();
        let mut changed = datagram("10.0.0.1:6665", bytes);
        for change in bytes.chunks_exact(3) {
            if change[0] & 1 == 1 {
                // Headers more often than what they carry.
                let at = 12 + usize::from(change[1]) % (changed.len() - 12).min(36);
                changed[at] = change[2];
            }
        }
        if bytes.first().is_some_and(|b| b & 2 == 2) {
            // Past the header's checksum, which a fuzzer does not guess.
            changed[24..26].fill(0);
            let length = (usize::from(changed[14] & 15) * 4).min(changed.len() - 14);
            let sum = !sum(&[&changed[14..14 + length]]);
            changed[24..26].copy_from_slice(&sum.to_be_bytes());
        }
        for frame in [datagram("10.0.0.1:6665", bytes), changed, bytes.to_vec()] {
            let wanted = payload(&frame).filter(|_| frame[..6] == mac(1).0 || frame[0] & 1 == 1);
            bed.receive(&mut net, &frame);
            net.run_all(4);
            let heard = std::mem::take(&mut *ear.0.lock().unwrap());
            assert_eq!(
                heard,
                Vec::from_iter(wanted.map(<[u8]>::to_vec)),
                "{frame:x?}"
            );
        }
    });
}

/// What a search of the whole text finds: commands, and sequences refused.
fn search(mut text: &[u8], prefix: &[u8]) -> (Vec<Command>, u64) {
    let (mut commands, mut refused) = (Vec::new(), 0);
    while let Some(at) = text.windows(prefix.len()).position(|w| w == prefix) {
        text = &text[at + prefix.len()..];
        let Some((key, rest)) = text.split_first() else {
            break;
        };
        text = rest;
        match key {
            b'h' => commands.push(Command::Help),
            b'd' => commands.push(Command::DumpState),
            b't' => commands.push(Command::ResyncTables),
            b'p' => {
                let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
                let number = text[..digits]
                    .iter()
                    .fold(0u64, |n, d| (n * 10 + u64::from(d - b'0')).min(1 << 32));
                match u16::try_from(number) {
                    Ok(port) if digits > 0 => commands.push(Command::ResetPort(port)),
                    // The number may still come.
                    Ok(_) if text.is_empty() => {}
                    _ => refused += 1,
                }
            }
            _ => refused += 1,
        }
    }
    (commands, refused)
}

/// Text of pieces of the sequence, whole and cut in pieces that end inside of no number.
#[test]
fn sysrq() {
    bolero::check!().with_max_len(256).for_each(|bytes: &[u8]| {
        for secret in [None, Some("s3cret")] {
            let mut prefix = MAGIC.to_vec();
            prefix.extend(secret.iter().flat_map(|s| s.bytes().chain([b' '])));
            let mut text = Vec::new();
            for &byte in bytes {
                match byte % 8 {
                    0..3 => text.extend(&prefix),
                    3 => text.extend(&prefix[..usize::from(byte) % prefix.len()]),
                    4 => text.push(b"hdtp"[usize::from(byte >> 3) % 4]),
                    5 => text.push(b'0' + (byte >> 3) % 10),
                    _ => text.push(byte),
                }
            }
            for text in [&text[..], bytes] {
                let wanted = search(text, &prefix);
                let mut whole = Parser::new(secret);
                assert_eq!((whole.feed(text), whole.refused()), wanted, "{text:x?}");
                let (mut cut, mut commands) = (Parser::new(secret), Vec::new());
                for piece in text.chunk_by(|_, next| next.is_ascii_digit()) {
                    commands.extend(cut.feed(piece));
                }
                assert_eq!((commands, cut.refused()), wanted, "{text:x?}");
            }
        }
    });
}
