//! Tests of `tlp`.

use super::*;

#[test]
fn words_are_as_the_specification_draws_them() {
    let read = Tlp::MemRead {
        requester: 0x0100,
        tag: 7,
        address: 0x1_2345_6780,
        length: 1024,
        first_be: 0xf,
        last_be: 0xf,
    };
    assert_eq!(read.emit(), [0x2000_0000, 0x0100_07ff, 1, 0x2345_6780]);
    let write = Tlp::MemWrite {
        requester: 0,
        address: 0xf000_0004,
        first_be: 0b0010,
        last_be: 0,
        data: vec![0xaa00],
    };
    assert_eq!(write.emit(), [0x4000_0001, 2, 0xf000_0004, 0xaa00]);
    let completion = Tlp::Completion {
        completer: 0x0100,
        status: Status::UnsupportedRequest,
        byte_count: 4096,
        requester: 0x0200,
        tag: 3,
        lower_address: 0x7c,
        data: vec![],
    };
    assert_eq!(completion.emit(), [0x0a00_0000, 0x0100_2000, 0x0200_037c]);
    let message = Tlp::Message {
        requester: 5,
        routing: 0,
        code: 0x30,
        words: [1, 2],
        data: vec![],
    };
    assert_eq!(message.emit(), [0x3000_0000, 0x0005_0030, 1, 2]);
    for tlp in [read, write, completion, message] {
        assert_eq!(Tlp::parse(&tlp.emit()).as_ref(), Ok(&tlp));
    }
}

#[test]
fn malformed_packets_are_refused() {
    use TlpError::*;
    let cases: [(&[u32], TlpError); 11] = [
        (&[], Short { words: 0 }),
        (&[0x2000_0001, 0xf, 1], Short { words: 3 }),
        (&[0x4000_0002, 0xff, 0, 1], Length { field: 2, words: 1 }),
        (&[0x0000_0001, 0xf, 0, 1], Length { field: 0, words: 1 }),
        (&[0x2000_0001, 0xf, 0, 0x1000], Address { address: 0x1000 }),
        (&[0x0000_0001, 0xf, 0x1002], Address { address: 0x1002 }),
        (
            &[0x0000_0001, 0xff, 0],
            ByteEnables {
                first: 15,
                last: 15,
                words: 1,
            },
        ),
        (
            &[0x0000_0003, 0xf5, 0],
            ByteEnables {
                first: 5,
                last: 15,
                words: 3,
            },
        ),
        (&[0x0200_0001, 0xf, 0], Kind { fmt_type: 2 }),
        (&[0x0a00_0000, 0x4000, 0], Status { status: 2 }),
        (&[0x0000_8001, 0xf, 0], Bit { bit: "TD" }),
    ];
    for (words, error) in cases {
        assert_eq!(Tlp::parse(words), Err(error), "{words:x?}");
    }
}

#[test]
fn enables_cover_exactly_the_bytes() {
    for address in 0..4u64 {
        for len in 1..=16usize {
            let (words, first, last) = byte_enables(address, len);
            let enable = |w: usize| match (w, usize::from(words) - 1) {
                (0, _) => first,
                (w, end) if w == end => last,
                _ => 0xf,
            };
            for byte in 0..usize::from(words) * 4 {
                let wanted = (address as usize..address as usize + len).contains(&byte);
                assert_eq!(enable(byte / 4) >> (byte % 4) & 1 == 1, wanted);
            }
            assert!(check_enables(first, last, words.into()).is_ok());
        }
    }
}
