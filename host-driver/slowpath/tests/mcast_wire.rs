//! IGMP and MLD on the wire: what is written is read back; whatever is broken is refused with a reason; nothing panics.

use std::net::{Ipv4Addr, Ipv6Addr};

use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use smartnic_slowpath::wire::igmp::{self, Igmp, IgmpError};
use smartnic_slowpath::wire::ip::{IpError, Ipv4, Ipv6, checksum, checksum6};
use smartnic_slowpath::wire::membership::{QueryDetails, Record, RecordKind, Strictness};
use smartnic_slowpath::wire::mld::{self, Mld, MldError};

use Strictness::{Linux, Rfc};

/// A seed from the environment, or a new one; printed, so that a failure can be repeated.
fn rng() -> ChaCha8Rng {
    let seed = std::env::var("SEED").ok().and_then(|s| s.parse().ok());
    let seed: u64 = seed.unwrap_or_else(rand::random);
    println!("SEED={seed}");
    ChaCha8Rng::seed_from_u64(seed)
}

fn igmp(bytes: &[u8], strictness: Strictness) -> Result<Igmp, IgmpError> {
    Igmp::parse(&Ipv4::parse(bytes).expect("an IPv4 packet"), strictness)
}

fn mld(bytes: &[u8], strictness: Strictness) -> Result<Mld, MldError> {
    Mld::parse(&Ipv6::parse(bytes).expect("an IPv6 packet"), strictness)
}

fn group4(rng: &mut impl Rng) -> Ipv4Addr {
    Ipv4Addr::from(0xe000_0000 | rng.random::<u32>() >> 4)
}

fn group6(rng: &mut impl Rng) -> Ipv6Addr {
    Ipv6Addr::from(0xff << 120 | rng.random::<u128>() >> 8)
}

fn details<A>(
    rng: &mut impl Rng,
    source: impl Fn(&mut dyn FnMut() -> u128) -> A,
) -> QueryDetails<A> {
    QueryDetails {
        suppress: rng.random(),
        robustness: rng.random_range(0..8),
        interval_code: rng.random(),
        sources: (0..rng.random_range(0..40))
            .map(|_| source(&mut || rng.random()))
            .collect(),
    }
}

fn record<A>(rng: &mut impl Rng, group: A, source: impl Fn(u128) -> A) -> Record<A> {
    Record {
        kind: RecordKind::from(rng.random_range(0..=8)),
        group,
        sources: (0..rng.random_range(0..6))
            .map(|_| source(rng.random()))
            .collect(),
    }
}

fn any_igmp(rng: &mut impl Rng) -> Igmp {
    use igmp::Message;
    let general = rng.random();
    let group = group4(rng);
    let message = match rng.random_range(0..6) {
        0 | 1 => Message::Query(igmp::Query {
            group: if general {
                Ipv4Addr::UNSPECIFIED
            } else {
                group
            },
            response_code: rng.random(),
            v3: rng
                .random::<bool>()
                .then(|| details(rng, |next| Ipv4Addr::from(next() as u32))),
        }),
        2 => Message::ReportV1(group),
        3 => Message::ReportV2(group),
        4 => Message::Leave(group),
        _ => Message::ReportV3(
            (0..rng.random_range(0..10))
                .map(|_| {
                    let group = group4(rng);
                    record(rng, group, |bits| Ipv4Addr::from(bits as u32))
                })
                .collect(),
        ),
    };
    Igmp {
        source: Ipv4Addr::from(rng.random::<u32>()),
        destination: igmp::ALL_SYSTEMS,
        message,
    }
}

fn any_mld(rng: &mut impl Rng) -> Mld {
    use mld::Message;
    let general = rng.random();
    let group = group6(rng);
    let message = match rng.random_range(0..5) {
        0 | 1 => Message::Query(mld::Query {
            group: if general {
                Ipv6Addr::UNSPECIFIED
            } else {
                group
            },
            response_code: rng.random(),
            v2: rng
                .random::<bool>()
                .then(|| details(rng, |next| Ipv6Addr::from(next()))),
        }),
        2 => Message::ReportV1(group),
        3 => Message::Done(group),
        _ => Message::ReportV2(
            (0..rng.random_range(0..10))
                .map(|_| {
                    let group = group6(rng);
                    record(rng, group, Ipv6Addr::from)
                })
                .collect(),
        ),
    };
    Mld {
        source: Ipv6Addr::from(0xfe80 << 112 | rng.random::<u128>() >> 64),
        destination: mld::ALL_NODES,
        message,
    }
}

#[test]
fn what_is_written_is_read_back() {
    let mut rng = rng();
    for _ in 0..3000 {
        let message = any_igmp(&mut rng);
        // Padding of a short frame changes nothing.
        let mut bytes = message.emit();
        bytes.extend(vec![rng.random::<u8>(); rng.random_range(0..20)]);
        assert_eq!(igmp(&bytes, Rfc).as_ref(), Ok(&message));
        let message = any_mld(&mut rng);
        let mut bytes = message.emit();
        bytes.extend(vec![rng.random::<u8>(); rng.random_range(0..20)]);
        assert_eq!(mld(&bytes, Rfc).as_ref(), Ok(&message));
    }
}

/// Every byte of a packet that is changed or missing is noticed, or is one that nobody asks about.
#[test]
fn a_damaged_packet_is_refused() {
    let mut rng = rng();
    for _ in 0..300 {
        let bytes = any_igmp(&mut rng).emit();
        for length in 0..bytes.len() {
            let cut = Ipv4::parse(&bytes[..length]);
            assert!(matches!(cut, Err(IpError::Short { have, .. }) if have == length));
        }
        let at = rng.random_range(0..bytes.len());
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << rng.random_range(0..8);
        // Header and message each have a checksum, which no single bit passes.
        let read = Ipv4::parse(&damaged).map(|ip| Igmp::parse(&ip, Rfc));
        assert!(!matches!(read, Ok(Ok(_))), "byte {at} of {bytes:02x?}");

        let bytes = any_mld(&mut rng).emit();
        for length in 0..bytes.len() {
            let cut = Ipv6::parse(&bytes[..length]);
            assert!(matches!(cut, Err(IpError::Short { .. })), "{length}");
        }
        // From the source address on, all but the router alert is under the checksum.
        let at = (8..40).chain(48..bytes.len()).collect::<Vec<_>>();
        let at = *at.choose(&mut rng).expect("not empty");
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << rng.random_range(0..8);
        let read = Ipv6::parse(&damaged).map(|ip| Mld::parse(&ip, Linux));
        assert!(!matches!(read, Ok(Ok(_))), "byte {at} of {bytes:02x?}");
    }
}

/// An IPv4 packet around a message whose checksum is put right.
fn packet4(ttl: u8, router_alert: bool, mut message: Vec<u8>) -> Vec<u8> {
    message[2..4].fill(0);
    let sum = checksum(&message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    Ipv4 {
        source: Ipv4Addr::new(10, 0, 0, 1),
        destination: Ipv4Addr::new(224, 0, 0, 22),
        ttl,
        router_alert,
        fragment: false,
        protocol: 2,
        payload: &message,
    }
    .emit()
}

fn packet6(source: Ipv6Addr, hop_limit: u8, router_alert: bool, mut message: Vec<u8>) -> Vec<u8> {
    let destination = mld::ALL_V2_ROUTERS;
    message[2..4].fill(0);
    let sum = checksum6(source, destination, &message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    Ipv6 {
        source,
        destination,
        hop_limit,
        hop_by_hop: router_alert,
        router_alert,
        protocol: 58,
        payload: &message,
    }
    .emit()
}

#[test]
fn counts_that_lie_are_refused() {
    // One record promised, none there; 65,535 sources promised; auxiliary data promised.
    let none = packet4(1, true, vec![0x22, 0, 0, 0, 0, 0, 0, 1]);
    assert_eq!(
        igmp(&none, Linux),
        Err(IgmpError::Short { have: 8, want: 16 })
    );
    let mut record = vec![0x22, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0xff, 0xff, 239, 1, 1, 1];
    let want = 16 + 4 * 65535;
    let lie = packet4(1, true, record.clone());
    assert_eq!(igmp(&lie, Linux), Err(IgmpError::Short { have: 16, want }));
    record[9..12].copy_from_slice(&[1, 0, 0]);
    let lie = packet4(1, true, record.clone());
    assert_eq!(
        igmp(&lie, Linux),
        Err(IgmpError::Short { have: 16, want: 20 })
    );
    // With its auxiliary data it is good, and the next record is found behind it.
    record[7] = 2;
    record.extend([7, 7, 7, 7, 4, 0, 0, 0, 239, 1, 1, 2]);
    let good = igmp(&packet4(1, true, record), Linux).unwrap();
    let igmp::Message::ReportV3(records) = good.message else {
        panic!("{good:?}");
    };
    assert_eq!(records[1].group, Ipv4Addr::new(239, 1, 1, 2));
    assert_eq!(records[1].kind, RecordKind::ToExclude);
    // A query of version 3 with a source too few, and of a length of no version.
    let mut query = vec![0x11, 10, 0, 0, 239, 1, 1, 1, 2, 125, 0, 2, 10, 0, 0, 1];
    let lie = packet4(1, true, query.clone());
    assert_eq!(
        igmp(&lie, Linux),
        Err(IgmpError::Short { have: 16, want: 20 })
    );
    query.truncate(10);
    assert_eq!(
        igmp(&packet4(1, true, query), Linux),
        Err(IgmpError::QueryLength(10))
    );

    let here = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
    let mut report = vec![143, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 1];
    report.extend(mld::ALL_SNOOPERS.octets());
    let lie = packet6(here, 1, true, report);
    assert_eq!(
        mld(&lie, Linux),
        Err(MldError::Short { have: 28, want: 44 })
    );
    let mut query = vec![130, 0, 0, 0, 0, 10, 0, 0];
    query.extend([0; 16]);
    assert_eq!(
        mld(&packet6(here, 1, true, query.clone()), Linux),
        Err(MldError::GeneralQueryTo(mld::ALL_V2_ROUTERS))
    );
    query.extend([2, 125]);
    assert_eq!(
        mld(&packet6(here, 1, true, query), Linux),
        Err(MldError::QueryLength(26))
    );
}

#[test]
fn what_only_the_rfc_asks() {
    let report = [0x16, 0, 0, 0, 239, 1, 1, 1];
    let with = |ttl, alert| packet4(ttl, alert, report.to_vec());
    assert!(igmp(&with(1, true), Rfc).is_ok());
    assert_eq!(igmp(&with(2, true), Rfc), Err(IgmpError::Ttl(2)));
    assert_eq!(igmp(&with(1, false), Rfc), Err(IgmpError::NoRouterAlert));
    assert!(igmp(&with(2, false), Linux).is_ok());
    let v1 = [0x12, 0, 0, 0, 239, 1, 1, 1];
    assert!(igmp(&packet4(1, false, v1.to_vec()), Rfc).is_ok());

    let report = [&[131, 0, 0, 0, 0, 0, 0, 0][..], &mld::ALL_SNOOPERS.octets()].concat();
    let here = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
    let global = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
    let with = |source, limit, alert| packet6(source, limit, alert, report.clone());
    assert!(mld(&with(here, 1, true), Rfc).is_ok());
    assert!(mld(&with(Ipv6Addr::UNSPECIFIED, 1, true), Rfc).is_ok());
    assert_eq!(mld(&with(here, 64, true), Rfc), Err(MldError::HopLimit(64)));
    assert_eq!(
        mld(&with(here, 1, false), Rfc),
        Err(MldError::NoRouterAlert)
    );
    assert_eq!(
        mld(&with(global, 1, true), Rfc),
        Err(MldError::Source(global))
    );
    assert!(mld(&with(global, 64, true), Linux).is_ok());
    // A query's source is checked by both.
    let query = [
        &[130, 0, 0, 0, 0, 10, 0, 0][..],
        &mld::ALL_SNOOPERS.octets(),
    ]
    .concat();
    let query = packet6(global, 1, true, query);
    assert_eq!(mld(&query, Linux), Err(MldError::Source(global)));
}

#[test]
fn groups_must_be_multicast() {
    let unicast = Ipv4Addr::new(10, 1, 1, 1);
    for kind in [0x11, 0x12, 0x16, 0x17] {
        let message = vec![kind, 10, 0, 0, 10, 1, 1, 1];
        let read = igmp(&packet4(1, true, message), Linux);
        assert_eq!(read, Err(IgmpError::Group(unicast)), "{kind:#x}");
    }
    let record = vec![0x22, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 10, 1, 1, 1];
    let read = igmp(&packet4(1, true, record), Linux);
    assert_eq!(read, Err(IgmpError::Group(unicast)));
}

/// An IPv4 header with other options than the router alert, and an IPv6 packet with more headers.
#[test]
fn options_and_extension_headers_are_passed() {
    let plain = packet4(1, true, vec![0x16, 0, 0, 0, 239, 1, 1, 1]);
    let options = [7, 3, 4, 1, 0x94, 4, 0, 0];
    let mut long = plain[..20].to_vec();
    long[0] = 0x47;
    long.extend(options);
    long.extend(&plain[24..]);
    let length = long.len() as u16;
    long[2..4].copy_from_slice(&length.to_be_bytes());
    long[10..12].fill(0);
    let sum = checksum(&long[..28]);
    long[10..12].copy_from_slice(&sum.to_be_bytes());
    let ip = Ipv4::parse(&long).unwrap();
    assert!(ip.router_alert);
    assert_eq!(Igmp::parse(&ip, Linux), igmp(&plain, Linux));
    // An option whose length lies hides the alert, and nothing else.
    long[21] = 0;
    long[10..12].fill(0);
    let sum = checksum(&long[..28]);
    long[10..12].copy_from_slice(&sum.to_be_bytes());
    assert!(!Ipv4::parse(&long).unwrap().router_alert);

    let plain = any_mld(&mut rng()).emit();
    let mut long = plain[..48].to_vec();
    long[40] = 60;
    long.extend([58, 0, 1, 4, 0, 0, 0, 0]);
    long.extend(&plain[48..]);
    let length = (long.len() - 40) as u16;
    long[4..6].copy_from_slice(&length.to_be_bytes());
    let ip = Ipv6::parse(&long).unwrap();
    assert!(ip.hop_by_hop && ip.router_alert);
    assert_eq!(Mld::parse(&ip, Rfc), mld(&plain, Rfc));
}
