//! Tests of `completer`.

use super::*;
use crate::pcie::memory::SharedMemory;
use crate::pcie::tlp::byte_enables;

fn completer() -> (Completer, SharedMemory) {
    let (memory, _) = SharedMemory::new("completer", 4096).unwrap();
    let bytes: Vec<u8> = (0..4096).map(|i| (i * 7 + i / 256) as u8).collect();
    memory.write(0, &bytes).unwrap();
    let mut completer = Completer::default();
    completer
        .dma
        .map(0x1000, 4096, Some(memory.clone()), true, true)
        .unwrap();
    (completer, memory)
}

fn request(address: u64, len: usize) -> Tlp {
    let (length, first_be, last_be) = byte_enables(address, len);
    Tlp::MemRead {
        requester: 8,
        tag: 5,
        address: address & !3,
        length,
        first_be,
        last_be,
    }
}

#[test]
fn reads_are_split_at_the_boundary_and_count_down() {
    let (mut completer, memory) = completer();
    for (address, len) in [
        (0x1000, 1),
        (0x103f, 2),
        (0x1001, 126),
        (0x1040, 256),
        (0x1fff, 1),
    ] {
        for chunk in [64, 128, 256] {
            let (answer, fault) = completer.read(&request(address, len), 1, chunk);
            assert_eq!(fault, None);
            let (mut at, end) = (address, address + len as u64);
            let mut got: Vec<u8> = vec![];
            for tlp in answer {
                let Tlp::Completion {
                    byte_count,
                    lower_address,
                    data,
                    tag: 5,
                    ..
                } = tlp
                else {
                    panic!("{tlp:?}")
                };
                assert_eq!(u64::from(byte_count), end - at);
                assert_eq!(u64::from(lower_address), at & 0x7f);
                let bytes: Vec<u8> = data.iter().flat_map(|w| w.to_le_bytes()).collect();
                let skip = (at & 3) as usize;
                let stop = (at / chunk + 1) * chunk;
                let n = (stop.min(end) - at) as usize;
                assert_eq!(bytes.len(), (skip + n).next_multiple_of(4));
                got.extend(&bytes[skip..skip + n]);
                at += n as u64;
            }
            let mut expected = vec![0; len];
            memory
                .read((address - 0x1000) as usize, &mut expected)
                .unwrap();
            assert_eq!(got, expected);
        }
    }
}

#[test]
fn writes_honour_byte_enables() {
    let (mut completer, memory) = completer();
    memory.write(0, &[0; 64]).unwrap();
    assert_eq!(completer.write(0x1000, 0b0101, 0, &[0x4433_2211]), None);
    assert_eq!(
        completer.write(0x1004, 0b1000, 0b0001, &[0x1100_0000, 0x22]),
        None
    );
    assert_eq!(
        completer.write(0x1010, 0xf, 0b0011, &[1, 2, 0xffff_0003]),
        None
    );
    let mut out = [0; 28];
    memory.read(0, &mut out).unwrap();
    assert_eq!(out[..12], [0x11, 0, 0x33, 0, 0, 0, 0, 0x11, 0x22, 0, 0, 0]);
    assert_eq!(out[16..], [1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0]);
    let fault = completer.write(0x3000, 0xf, 0, &[1]);
    assert_eq!(
        fault,
        Some(Fault {
            iova: 0x3000,
            bytes: 4,
            write: true
        })
    );
}

#[test]
fn faults_are_answered_as_asked() {
    let (mut completer, _) = completer();
    let status = |answer: &Answer| match answer.back() {
        Some(Tlp::Completion {
            status, byte_count, ..
        }) => Some((*status, *byte_count)),
        _ => None,
    };
    let (answer, fault) = completer.read(&request(0x5000, 8), 1, 64);
    assert_eq!(
        fault,
        Some(Fault {
            iova: 0x5000,
            bytes: 8,
            write: false
        })
    );
    assert_eq!(status(&answer), Some((Status::UnsupportedRequest, 8)));
    for fault in [
        ReadFault::CompleterAbort,
        ReadFault::AbortHalfway,
        ReadFault::Silence,
    ] {
        completer.inject(fault);
    }
    let mut next = || completer.read(&request(0x1000, 256), 1, 64).0;
    assert_eq!(status(&next()), Some((Status::CompleterAbort, 256)));
    let half = next();
    assert_eq!(
        (half.len(), status(&half)),
        (3, Some((Status::CompleterAbort, 128)))
    );
    assert_eq!(next().len(), 0);
    assert_eq!(status(&next()), Some((Status::Success, 64)));
}

#[test]
fn limits_are_enforced() {
    let read = |address, len| check_request(&request(address, len), 8, true, 128, 512);
    assert_eq!(read(0x1000, 512), Ok(()));
    assert!(matches!(
        read(0x1000, 516),
        Err(Violation::TooLong { bytes: 516, .. })
    ));
    assert!(matches!(
        read(0x1f00, 260),
        Err(Violation::Crosses { bytes: 260, .. })
    ));
    let off = check_request(&request(0, 4), 8, false, 128, 512);
    assert_eq!(off, Err(Violation::NotMaster { address: 0 }));
    let other = check_request(&request(0, 4), 9, true, 128, 512);
    assert_eq!(
        other,
        Err(Violation::Requester {
            found: 8,
            expected: 9
        })
    );
}
