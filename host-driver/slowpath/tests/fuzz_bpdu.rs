//! Fuzz targets of `wire/bpdu.rs`: no bytes make the parser panic, what it accepts survives writing and reading, and what it refuses is counted by a bridge and
//! changes nothing else of it.
//!
//! `cargo test` runs the corpora in `tests/__fuzz__` and a number of random inputs; `cargo xtask soak` goes on for as long as wanted.

use std::time::Duration;

use smartnic_slowpath::MacAddr;
use smartnic_slowpath::stp::{Bridge, BridgeSettings, Counters, Link, PortSettings, Protocol};
use smartnic_slowpath::wire::bpdu::{BRIDGE_GROUP, Bpdu, BpduFrame};

#[test]
fn bpdu() {
    bolero::check!().for_each(|bytes: &[u8]| {
        if let Ok(frame) = BpduFrame::parse(bytes) {
            assert_eq!(BpduFrame::parse(&frame.emit()), Ok(frame));
        }
        // Random bytes rarely have the headers: the BPDU by itself as well.
        if let Ok(bpdu) = Bpdu::parse(bytes) {
            assert_eq!(Bpdu::parse(&bpdu.emit()), Ok(bpdu));
        }
    });
}

/// The bytes as a frame, and as what follows the headers of a BPDU.
#[test]
fn bpdu_machine() {
    bolero::check!().with_max_len(256).for_each(|bytes: &[u8]| {
        let mut dressed = [&BRIDGE_GROUP.0[..], &[2, 0, 0, 0, 0, 0x77]].concat();
        dressed.extend(((bytes.len() + 3) as u16).to_be_bytes());
        dressed.extend([0x42, 0x42, 3]);
        dressed.extend(bytes);
        for protocol in [Protocol::Stp, Protocol::Rstp] {
            let now = Duration::from_secs(60);
            let address = |n| MacAddr([2, 0, 0, 0, 0, n]);
            let mut bridge = Bridge::new(BridgeSettings::new(address(9), protocol)).unwrap();
            bridge.set_running(Duration::ZERO, true);
            for n in 1..=2 {
                let settings = PortSettings::default();
                let port = bridge
                    .add_port(Duration::ZERO, address(n), settings)
                    .unwrap();
                bridge
                    .set_link(Duration::ZERO, port, Link::up(1000))
                    .unwrap();
            }
            bridge.poll(now);
            bridge.take_actions();
            for frame in [bytes, &dressed[..]] {
                let before = (
                    bridge.status(),
                    [1, 2].map(|n| bridge.port_status(n).unwrap()),
                );
                let good = BpduFrame::parse(frame).is_ok_and(|f| f.destination == BRIDGE_GROUP);
                let result = bridge.receive(now, 1, frame);
                assert_eq!(result.is_ok(), good, "{result:?}");
                let mut after = (
                    bridge.status(),
                    [1, 2].map(|n| bridge.port_status(n).unwrap()),
                );
                let counters = &mut after.1[0].counters;
                if good {
                    let taken = |c: &Counters| c.rx_config + c.rx_tcn + c.rx_rst;
                    assert_eq!(taken(counters), taken(&before.1[0].counters) + 1);
                } else {
                    assert_eq!(counters.rx_bad, before.1[0].counters.rx_bad + 1);
                    counters.rx_bad -= 1;
                    assert_eq!(after, before);
                    assert_eq!(bridge.take_actions(), []);
                }
            }
        }
    });
}
