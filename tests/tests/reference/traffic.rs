//! Random frames: few stations, so that they meet; every kind of header that the card reads; what a wire does to them.

use rand::Rng;
use smartnic_sim::gmii::Transmission;

/// FIDs in use.
pub const FIDS: [u16; 3] = [0, 5, 4095];
/// Shortest frame on a wire, without FCS.
const SHORTEST: usize = 60;

/// Every address that frames and entries are made with.
pub fn addresses() -> Vec<[u8; 6]> {
    let stations = (1..=14).map(|n| [2, 0, 0, 0, 0, n]);
    let groups = (0..3).map(|n| [1, 0, 0x5e, 0, 0, n]);
    let reserved = (0..17).map(|n| [1, 0x80, 0xc2, 0, 0, n]);
    let odd = [[0xff; 6], [0; 6]];
    stations.chain(groups).chain(reserved).chain(odd).collect()
}

/// An address, mostly a station's.
pub fn address(rng: &mut impl Rng) -> [u8; 6] {
    match rng.random_range(0..20) {
        0 => [0xff; 6],
        1 => [1, 0, 0x5e, 0, 0, rng.random_range(0..3)],
        2 | 3 => [1, 0x80, 0xc2, 0, 0, rng.random_range(0..17)],
        4 if rng.random_bool(0.3) => [0; 6],
        _ => [2, 0, 0, 0, 0, rng.random_range(1..=14)],
    }
}

fn source(rng: &mut impl Rng) -> [u8; 6] {
    if rng.random_bool(0.06) {
        return address(rng);
    }
    [2, 0, 0, 0, 0, rng.random_range(1..=14)]
}

fn bytes<const N: usize>(rng: &mut impl Rng) -> [u8; N] {
    std::array::from_fn(|_| rng.random())
}

fn pick<T: Copy>(rng: &mut impl Rng, of: &[T]) -> T {
    of[rng.random_range(0..of.len())]
}

/// A frame that is right on the wire.
pub fn frame(rng: &mut impl Rng) -> Vec<u8> {
    let length = match rng.random_range(0..20) {
        0..9 => SHORTEST,
        9..18 => rng.random_range(SHORTEST..=200),
        _ => rng.random_range(SHORTEST..=1514),
    };
    let mut f = [address(rng), source(rng)].concat();
    for _ in 0..pick(rng, &[0, 0, 0, 0, 1, 1, 2, 3]) {
        f.extend(pick(rng, &[[0x81, 0x00], [0x88, 0xa8]]));
        f.extend(bytes::<2>(rng));
    }
    match rng.random_range(0..12) {
        0 => f.extend([&[0x08, 0x06, 0, 1, 8, 0, 6, 4, 0][..], &bytes::<21>(rng)].concat()),
        1 => f.extend([0x88, 0x08, 0, pick(rng, &[1, 1, 2])]),
        2 => f.extend(rng.random_range(3..1500u16).to_be_bytes()),
        3 => f.extend(bytes::<2>(rng)),
        4..8 => {
            f.extend([0x08, 0x00]);
            ip(&mut f, 4, rng, true);
        }
        _ => {
            f.extend([0x86, 0xdd]);
            ip(&mut f, 6, rng, true);
        }
    }
    // A header may be cut off by the frame's end.
    let whole = length.max(f.len());
    f.resize_with(whole, || rng.random());
    f.truncate(length);
    f
}

fn ip(f: &mut Vec<u8>, version: u8, rng: &mut impl Rng, outer: bool) {
    let icmp = if version == 4 { 1 } else { 58 };
    let protocols = [6, 6, 17, 17, icmp, icmp, 1, 58, 33, 50, 51, 132, 136, 0, 47];
    let protocol = pick(rng, &protocols);
    let host = |rng: &mut dyn rand::RngCore| (rng.next_u32() % 4) as u8;
    if version == 4 {
        let words = pick(rng, &[5, 5, 5, 5, 6, 8, 15, 4, 0]);
        let fragment = pick(rng, &[[0, 0], [0, 0], [0x40, 0], [0x20, 0], [0, 9]]);
        f.extend([0x40 | words, 0, 0, 60, 1, 2, fragment[0], fragment[1]]);
        f.extend([64, protocol, 0, 0, 10, 0, 0, host(rng), 10, 0, 1, host(rng)]);
        f.extend((5..words).flat_map(|_| bytes::<4>(rng)));
    } else {
        f.extend([0x60, 0, 0, 0, 0, 20, protocol, 64]);
        for net in [1, 2] {
            f.extend([
                0x20,
                1,
                0xd,
                0xb8,
                0,
                0,
                0,
                net,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                host(rng),
            ]);
        }
    }
    if ![1, 58].contains(&protocol) {
        return f.extend(bytes::<20>(rng));
    }
    let kinds = [0, 3, 4, 5, 8, 11, 12, 13, 14, 1, 2, 128, 129, 135];
    f.extend([pick(rng, &kinds), pick(rng, &[0, 1]), 0, 0]);
    f.extend(pick(rng, &[[0, 0, 0, 1], [0x12, 0x34, 0, 2]]));
    if outer {
        ip(f, version, rng, false);
    }
}

/// A frame on the wire, and whether the wire spoilt it.
pub fn on_wire(rng: &mut impl Rng) -> (Transmission, bool) {
    let mut f = frame(rng);
    if rng.random_bool(0.03) {
        f[..6].copy_from_slice(&[1, 0x80, 0xc2, 0, 0, 1]);
        f[12..16].copy_from_slice(&[0x88, 0x08, 0, pick(rng, &[1, 1, 2])]);
    }
    let (t, faulty) = match rng.random_range(0..40) {
        0 | 1 => (
            Transmission::new(f).bad_fcs(1 << rng.random_range(0..32)),
            true,
        ),
        2 => {
            let at = rng.random_range(0..f.len());
            (Transmission::new(f).error_at(at..at + 1), true)
        }
        3 => {
            f.truncate(rng.random_range(1..SHORTEST));
            (Transmission::new(f), false)
        }
        4 => {
            f.truncate(rng.random_range(1..SHORTEST));
            (Transmission::new(f).bad_fcs(1), true)
        }
        5 => {
            f.resize(rng.random_range(1510..1600), 0x5a);
            (Transmission::new(f), false)
        }
        6 => {
            let t = Transmission::new(f);
            (Transmission { sfd: false, ..t }, true)
        }
        7 => (Transmission::new(f).false_carrier(3), false),
        _ => (Transmission::new(f), false),
    };
    let preamble = rng.random_range(3..=7);
    (Transmission { preamble, ..t }, faulty)
}
