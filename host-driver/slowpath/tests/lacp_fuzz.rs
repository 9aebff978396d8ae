//! Fuzz targets of `wire/slow.rs`, `wire/lacp.rs`, `wire/marker.rs` and `wire/arp.rs`: no bytes make a parser panic, and
//! what is accepted survives writing and reading. And of the machine: no sequence of frames, links and times does.
//!
//! `cargo test` runs the corpora in `tests/__fuzz__` and a number of random inputs; `cargo xtask soak` goes on for as
//! long as wanted.

use std::time::Duration;

use smartnic_slowpath::MacAddr;
use smartnic_slowpath::lacp::{Config, Lacp, Link};
use smartnic_slowpath::wire::arp::Arp;
use smartnic_slowpath::wire::lacp::{LacpPdu, Participant, State};
use smartnic_slowpath::wire::slow::{PDU_LEN, SlowPdu};

#[test]
fn slow_frames() {
    bolero::check!().for_each(|bytes: &[u8]| {
        if let Ok(pdu) = SlowPdu::parse_frame(bytes) {
            let frame = pdu.emit_frame(MacAddr::default());
            assert_eq!(SlowPdu::parse_frame(&frame), Ok(pdu));
        }
        // Random bytes rarely have headers and TLVs: give them those.
        let mut body = [0; PDU_LEN];
        let n = bytes.len().min(PDU_LEN);
        body[..n].copy_from_slice(&bytes[..n]);
        for (at, value) in [
            (0, 1),
            (2, 1),
            (3, 20),
            (22, 2),
            (23, 20),
            (42, 3),
            (43, 16),
        ] {
            body[at] = value;
        }
        (body[1], body[58], body[59]) = (1, 0, 0);
        let pdu = SlowPdu::parse(&body).expect("headers and TLVs are right");
        assert_eq!(SlowPdu::parse(&pdu.emit()), Ok(pdu));
    });
}

/// What is no PDU is counted by a port, by kind, and changes nothing else.
#[test]
fn slow_machine() {
    bolero::check!().with_max_len(256).for_each(|bytes: &[u8]| {
        let mut lacp = Lacp::new(Config {
            system: MacAddr([2, 0, 0, 0, 0, 1]),
            ..Config::default()
        });
        let link = Link {
            speed: 1000,
            full_duplex: true,
        };
        lacp.add_port(Duration::ZERO, 1, 1, 255, Some(link));
        let now = Duration::from_secs(10);
        lacp.tick(now);
        while lacp.poll().is_some() {}
        // With the headers and the subtype as well, which random bytes rarely have.
        let pdu = LacpPdu {
            version: 1,
            actor: Participant::default(),
            partner: Participant::default(),
            collector_max_delay: 0,
        };
        let mut dressed = SlowPdu::Lacp(pdu).emit_frame(MacAddr::default());
        let room = dressed.len() - 15;
        let n = bytes.len().min(room);
        dressed[15..15 + n].copy_from_slice(&bytes[..n]);
        dressed[14] = bytes.first().map_or(1, |b| b % 12);
        for frame in [bytes, &dressed] {
            let before = lacp.port(1).expect("added");
            let parsed = SlowPdu::parse_frame(frame);
            let result = lacp.receive(now, 1, frame);
            assert_eq!(result, parsed.map(|_| ()));
            let Err(error) = parsed else {
                while lacp.poll().is_some() {}
                continue;
            };
            let mut wanted = before;
            match error.is_unknown() {
                true => wanted.counters.unknown_rx += 1,
                false => wanted.counters.illegal_rx += 1,
            }
            assert_eq!(lacp.port(1), Some(wanted));
            assert_eq!(lacp.poll(), None);
        }
    });
}

#[test]
fn arp_frames() {
    bolero::check!().for_each(|bytes: &[u8]| {
        for arp in [Arp::parse_frame(bytes), Arp::parse(bytes)] {
            let Ok(arp) = arp else { continue };
            let frame = arp.emit_frame(MacAddr::BROADCAST, arp.sender_mac);
            assert_eq!(Arp::parse_frame(&frame), Ok(arp));
        }
    });
}

/// Eight bytes a step: what, port, and what it needs.
#[test]
fn lacp_machine() {
    bolero::check!().for_each(|bytes: &[u8]| {
        let mut lacp = Lacp::new(Config {
            fast: bytes.first().is_some_and(|b| b & 1 != 0),
            coupled: bytes.first().is_some_and(|b| b & 2 != 0),
            system: MacAddr([2, 0, 0, 0, 0, 1]),
            ..Config::default()
        });
        let mut now = Duration::ZERO;
        for step in bytes.chunks_exact(8) {
            let port = u32::from(step[1] % 4);
            now += Duration::from_millis(u64::from(step[7]) * 40);
            let link = (step[2] & 1 != 0).then_some(Link {
                speed: [10, 100, 1000, 2500][usize::from(step[2] >> 1 & 3)],
                full_duplex: step[2] & 8 == 0,
            });
            match step[0] % 5 {
                0 => lacp.add_port(now, port, port as u16, 255, link),
                1 => lacp.remove_port(now, port),
                2 => lacp.set_link(now, port, link),
                3 => {
                    let status = lacp.port(port);
                    let pdu = LacpPdu {
                        version: 1,
                        actor: Participant {
                            system: MacAddr([2, 0, 0, 0, 1, step[3] % 3]),
                            key: u16::from(step[4] % 2),
                            port: u16::from(step[5] % 4),
                            state: State(step[6]),
                            ..Participant::default()
                        },
                        partner: status.map(|s| s.actor).unwrap_or_default(),
                        collector_max_delay: 0,
                    };
                    let frame = SlowPdu::Lacp(pdu).emit_frame(MacAddr::default());
                    lacp.receive(now, port, &frame).expect("well formed");
                }
                _ => lacp.tick(now),
            }
            while lacp.poll().is_some() {}
            if let Some(t) = lacp.next_deadline() {
                lacp.tick(t.max(now));
                assert!(lacp.next_deadline().is_none_or(|later| later > t));
                now = now.max(t);
            }
            // Only ports of the active aggregator carry frames.
            for port in 0..4 {
                let Some(status) = lacp.port(port) else {
                    continue;
                };
                if lacp.is_collecting(port) {
                    assert_eq!(Some(status.aggregator_id), lacp.active_aggregator());
                }
                assert!(lacp.is_collecting(port) || !lacp.is_distributing(port));
            }
        }
    });
}
