//! The packet buffer: against a plain model, by random operations; Ethernet framing; pools.

use rand::Rng;
use rand::seq::IndexedRandom;
use smartnic_netdev::packet::{Checksum, Packet, PacketType, Pool, VlanTag, eth};
use smartnic_slowpath::MacAddr;

use crate::common::{frame, mac, rng};

/// Bytes with the room beside them.
#[derive(Clone, Debug)]
struct Model {
    head: usize,
    bytes: Vec<u8>,
    tail: usize,
}

#[test]
fn every_operation_does_what_a_plain_model_does() {
    let mut rng = rng("packet");
    for _ in 0..300 {
        let (head, room) = (rng.random_range(0..80), rng.random_range(0..200));
        let pool = Pool::new(8, head, room);
        let pooled = rng.random_bool(0.5);
        let first = if pooled {
            pool.alloc().unwrap()
        } else {
            Packet::new(head, room)
        };
        let mut all = vec![(
            first,
            Model {
                head,
                bytes: vec![],
                tail: room,
            },
        )];
        for _ in 0..60 {
            let at = rng.random_range(0..all.len());
            let n = rng.random_range(0..100);
            let held = all.len();
            let (packet, model) = &mut all[at];
            match rng.random_range(0..9) {
                0 => {
                    let fill = rng.random::<u8>();
                    let result = packet.put(n).map(|b| b.fill(fill));
                    assert_eq!(result.is_ok(), n <= model.tail);
                    if result.is_ok() {
                        model.bytes.extend(vec![fill; n]);
                        model.tail -= n;
                    }
                }
                1 => {
                    let fill = rng.random::<u8>();
                    let result = packet.push(n).map(|b| b.fill(fill));
                    assert_eq!(result.is_ok(), n <= model.head);
                    if result.is_ok() {
                        model.bytes.splice(0..0, vec![fill; n]);
                        model.head -= n;
                    }
                }
                2 => {
                    let result = packet.pull(n);
                    assert_eq!(result.is_ok(), n <= model.bytes.len());
                    if result.is_ok() {
                        model.bytes.drain(..n);
                        model.head += n;
                    }
                }
                3 => {
                    let result = packet.trim(n);
                    assert_eq!(result.is_ok(), n <= model.bytes.len());
                    if result.is_ok() {
                        model.tail += model.bytes.len() - n;
                        model.bytes.truncate(n);
                    }
                }
                4 => {
                    let result = packet.reserve(n);
                    assert_eq!(result.is_ok(), model.bytes.is_empty() && n <= model.tail);
                    if result.is_ok() {
                        model.head += n;
                        model.tail -= n;
                    }
                }
                5 if held < 5 => {
                    let copy = (packet.clone(), model.clone());
                    assert!(packet.is_shared());
                    all.push(copy);
                }
                6 if held > 1 => {
                    all.swap_remove(at);
                }
                7 => {
                    packet.unshare(n, 3);
                    assert!(!packet.is_shared());
                    model.head = packet.headroom();
                    model.tail = packet.tailroom();
                    assert!(model.head >= n && model.tail >= 3);
                }
                _ => {
                    let value = rng.random();
                    if let Some(byte) = packet.bytes_mut().last_mut() {
                        *byte = value;
                    }
                    if let Some(byte) = model.bytes.last_mut() {
                        *byte = value;
                    }
                }
            }
            for (packet, model) in &all {
                assert_eq!(packet.bytes(), model.bytes);
                assert_eq!(
                    (packet.headroom(), packet.tailroom()),
                    (model.head, model.tail)
                );
            }
        }
        drop(all);
        assert_eq!(pool.free(), pool.count(), "every buffer came home");
    }
}

#[test]
fn errors_say_by_how_much() {
    let mut p = Packet::new(4, 10);
    let text = p.push(5).unwrap_err().to_string();
    assert_eq!(text, "push of 5 bytes: the packet has 4 (EMSGSIZE)");
    assert_eq!(p.put(11).unwrap_err().available, 10);
    assert_eq!(p.pull(1).unwrap_err().operation, "pull");
    p.append(&[1]).unwrap();
    assert!(p.reserve(1).is_err());
    assert!(std::mem::size_of::<Packet>() <= 64);
}

#[test]
fn type_and_ownership_of_received_frames() {
    let own = mac(1);
    let cases = [
        (own, PacketType::Host),
        (mac(2), PacketType::OtherHost),
        (MacAddr::BROADCAST, PacketType::Broadcast),
        (MacAddr([1, 0, 0x5e, 0, 0, 1]), PacketType::Multicast),
    ];
    for (to, kind) in cases {
        let mut p = Packet::from_bytes(&frame(to, mac(9), eth::P_IP, b"x"));
        assert_eq!(eth::type_trans(&mut p, 7, own), Ok(eth::P_IP));
        assert_eq!(
            (p.packet_type, p.dev, p.len(), p.mac_len()),
            (kind, 7, 46, 14)
        );
        assert_eq!(eth::source(p.mac_bytes()), Some(mac(9)));
    }
    let mut llc = Packet::from_bytes(&frame(own, mac(9), 46, &[0xaa, 0xaa, 3]));
    assert_eq!(eth::type_trans(&mut llc, 7, own), Ok(eth::P_802_2));
    let mut raw = Packet::from_bytes(&frame(own, mac(9), 46, &[0xff, 0xff]));
    assert_eq!(eth::type_trans(&mut raw, 7, own), Ok(eth::P_802_3));
    for len in 0..14 {
        let mut short = Packet::from_bytes(&vec![0; len]);
        assert!(eth::type_trans(&mut short, 7, own).is_err());
        assert_eq!(
            (short.len(), short.dev),
            (len, 0),
            "a refused frame stays as it was"
        );
    }
}

#[test]
fn tags_go_in_and_come_out_again() {
    let mut rng = rng("tags");
    for _ in 0..200 {
        let payload: Vec<u8> = (0..rng.random_range(46..200))
            .map(|_| rng.random())
            .collect();
        let plain = frame(mac(1), mac(2), eth::P_IPV6, &payload);
        let protocol = *[eth::P_8021Q, eth::P_8021AD].choose(&mut rng).unwrap();
        let tag = VlanTag {
            protocol,
            tci: rng.random(),
        };
        // Without headroom: it has to make some.
        let mut p = Packet::new(rng.random_range(0..8), plain.len());
        p.append(&plain).unwrap();
        let other = p.clone();
        p.set_vlan_tag(Some(tag));
        eth::insert_vlan(&mut p).unwrap();
        let wanted = [
            &plain[..12],
            &protocol.to_be_bytes(),
            &tag.tci.to_be_bytes(),
            &plain[12..],
        ]
        .concat();
        assert_eq!(p.bytes(), wanted);
        assert_eq!(other.bytes(), plain, "a clone is not written to");
        assert_eq!(eth::network_offset(p.bytes()), Some((eth::P_IPV6, 18)));
        eth::type_trans(&mut p, 1, mac(1)).unwrap();
        eth::untag(&mut p).unwrap();
        assert_eq!((p.vlan_tag(), p.protocol), (Some(tag), eth::P_IPV6));
        assert_eq!(p.mac_bytes(), plain);
        assert_eq!(p.network_bytes(), payload);
    }
    let mut short =
        Packet::from_bytes(&[&frame(mac(1), mac(2), eth::P_8021Q, &[])[..14], &[0, 1, 8]].concat());
    eth::type_trans(&mut short, 1, mac(1)).unwrap();
    assert!(eth::untag(&mut short).is_err());
    assert_eq!((short.len(), short.vlan_tag()), (3, None));
}

#[test]
fn checksums_that_a_device_cannot_do() {
    let mut p = Packet::new(0, 60);
    p.append(&[0xab; 8]).unwrap();
    p.append(&[0, 1, 0, 0, 0xf2, 3, 0xf4, 0xf5, 0xf6]).unwrap();
    p.set_checksum(Checksum::Partial {
        start: 8,
        offset: 2,
    });
    // A header pushed meanwhile, into a new buffer, does not move the place.
    p.require_headroom(20);
    p.push(6).unwrap().fill(0);
    assert_eq!(
        p.checksum(),
        Checksum::Partial {
            start: 14,
            offset: 2
        }
    );
    p.checksum_help().unwrap();
    // RFC 1071: 0001 + f203 + f4f5 + f600 = 2dcf9, folded dcfb, inverted 2304... by hand.
    let sum = 0x0001u32 + 0xf203 + 0xf4f5 + 0xf600;
    let folded = !((sum & 0xffff) + (sum >> 16)) as u16;
    assert_eq!(p.bytes()[16..18], folded.to_be_bytes());
    assert_eq!(p.checksum(), Checksum::None);
    p.set_checksum(Checksum::Partial {
        start: 20,
        offset: 20,
    });
    assert!(p.checksum_help().is_err());
    for other in [Checksum::Complete(77), Checksum::Unnecessary] {
        p.set_checksum(other);
        assert_eq!(p.checksum(), other);
    }
}

#[test]
fn a_pool_runs_out_and_refills_from_any_thread() {
    let pool = Pool::new(200, 16, 100);
    let mut cache = pool.cache();
    let mut held: Vec<_> = (0..200).map(|_| cache.alloc().unwrap()).collect();
    assert!(cache.alloc().is_none() && pool.alloc().is_none());
    assert_eq!(pool.exhausted(), 2);
    let clones: Vec<_> = held.iter().map(Packet::clone).collect();
    // Clones and originals let go at the same time: each buffer comes home once.
    std::thread::scope(|scope| {
        scope.spawn(move || drop(clones));
        held.drain(..).for_each(|p| drop(cache.free(p)));
    });
    drop(cache);
    assert_eq!(pool.free(), 200);
    let survivor = pool.alloc().unwrap();
    drop(pool);
    assert_eq!(survivor.tailroom(), 100);
}
