//! Tests of `bpdu.rs`.

use std::time::Duration;

use super::*;

/// A Config BPDU as a Linux bridge sends it, byte for byte from a capture's layout in clause 9.3.1.
const CONFIG: &str = "0180c2000000 020000000001 0026 424203 \
    0000 00 00 81 8000020000000001 00000064 9000020000000002 8003 0100 1400 0200 0f00 0000000000000000";
const RST: &str = "0180c2000000 020000000001 0027 424203 \
    0000 02 02 7e 1000020000000001 00004e20 8000020000000002 8001 0000 1400 0200 0f00 00 00000000000000";
const TCN: &str = "0180c2000000 020000000001 0007 424203 0000 00 80";

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().filter_map(|c| c.to_digit(16)).collect();
    digits.chunks(2).map(|d| (d[0] << 4 | d[1]) as u8).collect()
}

fn message(root: u16, cost: u32, bridge: u16, port: u16, age: u16) -> Message {
    let id = |priority, n| BridgeId {
        priority,
        address: MacAddr([2, 0, 0, 0, 0, n]),
    };
    Message {
        root: id(root, 1),
        root_path_cost: cost,
        bridge: id(bridge, 2),
        port,
        message_age: BpduTime(age),
        max_age: BpduTime(0x1400),
        hello_time: BpduTime(0x200),
        forward_delay: BpduTime(0xf00),
    }
}

fn frame(bpdu: Bpdu) -> BpduFrame {
    BpduFrame {
        destination: BRIDGE_GROUP,
        source: MacAddr([2, 0, 0, 0, 0, 1]),
        bpdu,
    }
}

#[test]
fn the_three_kinds_are_read_and_written() {
    let config = frame(Bpdu::Config {
        topology_change: true,
        topology_change_ack: true,
        message: message(0x8000, 100, 0x9000, 0x8003, 0x100),
    });
    let rst = frame(Bpdu::Rst {
        topology_change: false,
        proposal: true,
        role: RstRole::Designated,
        learning: true,
        forwarding: true,
        agreement: true,
        message: message(0x1000, 20_000, 0x8000, 0x8001, 0),
    });
    for (text, expected) in [(CONFIG, config), (RST, rst), (TCN, frame(Bpdu::Tcn))] {
        let wire = bytes(text);
        assert_eq!(BpduFrame::parse(&wire), Ok(expected));
        let emitted = expected.emit();
        assert_eq!(emitted.len(), 60);
        assert_eq!(emitted[..wire.len()], wire[..]);
        assert!(emitted[wire.len()..].iter().all(|b| *b == 0));
    }
}

#[test]
fn every_cut_is_refused_and_every_pad_is_not() {
    for text in [CONFIG, RST, TCN] {
        let whole = BpduFrame::parse(&bytes(text)).unwrap();
        let bpdu = whole.bpdu.emit();
        for len in 0..bpdu.len() {
            // A Config BPDU cut to four octets would be a TCN by length, but its type says otherwise.
            let error = Bpdu::parse(&bpdu[..len]).unwrap_err();
            assert!(matches!(error, BpduError::Short { have, .. } if have == len));
        }
        for more in 0..80 {
            let padded = [&bpdu[..], &vec![0xa5; more]].concat();
            assert_eq!(Bpdu::parse(&padded), Ok(whole.bpdu));
        }
        let frame = whole.emit();
        let used = 17 + bpdu.len();
        for len in 0..used {
            assert!(BpduFrame::parse(&frame[..len]).is_err(), "{len}");
        }
        assert_eq!(BpduFrame::parse(&frame[..used]), Ok(whole));
    }
}

#[test]
fn each_rule_has_its_error() {
    let mut wire = bytes(CONFIG);
    let change = |at: usize, to: u8| {
        let mut wire = bytes(CONFIG);
        wire[at] = to;
        BpduFrame::parse(&wire).unwrap_err()
    };
    assert_eq!(change(17, 1), BpduError::Protocol(0x100));
    assert_eq!(change(20, 0x01), BpduError::Type(1));
    assert_eq!(change(20, 0x02), BpduError::Version(0));
    assert_eq!(change(14, 0xaa), BpduError::Llc([0xaa, 0x42, 3]));
    assert!(matches!(change(13, 2), BpduError::Length { .. }));
    assert!(matches!(change(12, 8), BpduError::Length { .. }));
    // An EtherType is no length, however long the frame is.
    let mut jumbo = bytes(CONFIG);
    jumbo.resize(9_000, 0);
    (jumbo[12], jumbo[13]) = (0x08, 0x00);
    let error = BpduFrame::parse(&jumbo).unwrap_err();
    assert!(matches!(error, BpduError::Length { .. }));
    let old = |age| BpduError::Age {
        age: BpduTime(age),
        max: BpduTime(0x1400),
    };
    assert_eq!(change(44, 0x14), old(0x1400));
    assert_eq!(change(44, 0x15), old(0x1500));
    // Just below is young enough; a Config BPDU of a later version is one; unknown flags do not count.
    (wire[44], wire[45], wire[19], wire[21]) = (0x13, 0xff, 3, 0x7e);
    let Ok(Bpdu::Config {
        topology_change, ..
    }) = BpduFrame::parse(&wire).map(|f| f.bpdu)
    else {
        panic!("refused");
    };
    assert!(!topology_change);
    // An RST BPDU at its max age is the port information machine's matter.
    let mut wire = bytes(RST);
    wire[44] = 0x14;
    assert!(BpduFrame::parse(&wire).is_ok());
}

#[test]
fn times_and_names() {
    assert_eq!(
        BpduTime::from_duration(Duration::from_secs(2)),
        BpduTime(512)
    );
    assert_eq!(
        BpduTime::from_duration(Duration::from_secs(900)),
        BpduTime(u16::MAX)
    );
    for units in 0..=u16::MAX {
        assert_eq!(
            BpduTime::from_duration(BpduTime(units).duration()),
            BpduTime(units)
        );
    }
    let id = message(0x8000, 0, 0, 0, 0).root;
    assert_eq!(id.to_string(), "8000.020000000001");
}
