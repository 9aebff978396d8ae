//! Rings: frames both ways, events, faults, a hostile card.

use rand::Rng;
use smartnic_driver::device::host::{HostConfig, HostPort};
use smartnic_driver::device::ring::{BUFFER, RingSetup, RxRing, TxTarget};
use smartnic_driver::device::{Device, DeviceError, RingFault};
use smartnic_regs::host;
use smartnic_regs::ring::{VERSION, completion, event};
use smartnic_regs::values::reason;

use crate::fake::{Fake, Shape};

const SMALL: HostConfig = HostConfig {
    ring_log2: 3,
    event_log2: 2,
    moderation_count: 4,
    moderation_us: 10,
};

fn start() -> (Fake, Device, HostPort) {
    let fake = Fake::new(Shape::default());
    let mut device = fake.device();
    let port = device.start_host(&SMALL).unwrap();
    (fake, device, port)
}

fn receive(device: &mut Device, port: &mut HostPort) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    port.receive(device.mmio(), 64, &mut frames).unwrap();
    frames.into_iter().map(|f| f.data).collect()
}

#[test]
fn frames_of_every_length_come_and_go() {
    let (fake, mut device, mut port) = start();
    assert_eq!(fake.state().get(host::MODERATION, 0), 4 | 19 << 16);
    for length in (14..=1600).step_by(7) {
        let frame: Vec<u8> = (0..length).map(|i| (i * 7 + length) as u8).collect();
        assert!(fake.state().deliver(&frame, 2, reason::LOCAL, 9));
        let mut frames = Vec::new();
        port.receive(device.mmio(), 64, &mut frames).unwrap();
        assert_eq!(frames.len(), 1);
        let got = &frames[0];
        assert_eq!(
            (&got.data, got.source, got.reason, got.fid),
            (&frame, 2, reason::LOCAL, 9)
        );
        assert_eq!(
            (got.hash, got.timestamp, got.tci, got.truncated),
            (0x1234_5678, 5 | 6 << 32, None, false)
        );
        let target = if length % 2 == 0 {
            TxTarget::Switch
        } else {
            TxTarget::Direct(0x11)
        };
        assert!(port.send(&frame, target, 1).unwrap());
        port.flush(device.mmio()).unwrap();
        let sent = fake.state().sent.pop().unwrap();
        assert_eq!((sent.data, sent.class), (frame, 1));
        assert_eq!(sent.direct, (length % 2 == 1).then_some(0x11));
        let mut done = Vec::new();
        port.reap(device.mmio(), 64, &mut done).unwrap();
        assert_eq!((done[0].bytes, done[0].status), (length, completion::OK));
    }
    assert_eq!(port.restarts(), [0, 0, 0]);
    // Interrupts came on the vectors of ring 0 and transmit ring 0.
    let raised = fake.state().raised.clone();
    assert!(raised.contains(&0) && raised.contains(&4));
    assert!(port.vectors()[0].read().unwrap() > 0);
}

#[test]
fn a_full_transmit_ring_says_so_and_a_long_frame_is_refused() {
    let (fake, mut device, mut port) = start();
    fake.state().rings.mute = true;
    for _ in 0..8 {
        assert!(port.send(&[0; 60], TxTarget::Switch, 0).unwrap());
    }
    assert!(port.tx_full() && !port.send(&[0; 60], TxTarget::Switch, 0).unwrap());
    assert!(port.send(&[0; 13], TxTarget::Switch, 0).is_err());
    assert!(port.send(&[0; BUFFER + 1], TxTarget::Switch, 0).is_err());
    port.flush(device.mmio()).unwrap();
    assert_eq!(fake.state().sent.len(), 8);
    assert_eq!(port.tx_in_flight(), 8);
}

#[test]
fn the_card_runs_out_of_buffers_and_gets_them_back() {
    let (fake, mut device, mut port) = start();
    let fit = (0..20)
        .filter(|i| fake.state().deliver(&[*i; 64], 0, reason::FLOOD, 1))
        .count();
    assert_eq!(fit, 8);
    assert_eq!(receive(&mut device, &mut port).len(), 8);
    assert!(fake.state().deliver(&[1; 64], 0, reason::FLOOD, 1));
    // Longer than a buffer: cut off and marked.
    assert!(fake.state().deliver(&[2; BUFFER + 10], 0, reason::FLOOD, 1));
    let mut frames = Vec::new();
    port.receive(device.mmio(), 64, &mut frames).unwrap();
    assert_eq!((frames[1].data.len(), frames[1].truncated), (BUFFER, true));
}

#[test]
fn events_wrap_around_the_ring() {
    let (fake, mut device, mut port) = start();
    let mac = "02:00:00:00:00:09".parse().unwrap();
    for n in 0..50u16 {
        let key = smartnic_driver::device::fdb::FdbKey { fid: n, mac };
        fake.state().event(1 + u32::from(n) % 5, key, 3, 1);
        let mut events = Vec::new();
        port.events(device.mmio(), 16, &mut events).unwrap();
        assert_eq!(events.len(), 1);
        assert_eq!(
            (events[0].kind, events[0].key, events[0].dest),
            (1 + u32::from(n) % 5, key, 3)
        );
        assert_eq!(events[0].old_dest, 1);
    }
    let key = smartnic_driver::device::fdb::FdbKey { fid: 0, mac };
    fake.state().event(99, key, 0, 0);
    fake.state().event(event::AGED, key, 0, 0);
    let mut events = Vec::new();
    port.events(device.mmio(), 16, &mut events).unwrap();
    assert_eq!(
        events.iter().map(|e| e.kind).collect::<Vec<_>>(),
        [event::AGED]
    );
}

#[test]
fn a_stopped_ring_is_restarted() {
    let (fake, mut device, mut port) = start();
    fake.state().stop_ring(0, 2);
    fake.state().set(host::DMA_STATUS, 0, 9);
    assert!(!fake.state().rings.mute);
    assert_eq!(port.check(device.mmio()).unwrap(), 9);
    assert_eq!(port.restarts(), [1, 0, 0]);
    assert_eq!(port.check(device.mmio()).unwrap(), 0);
    assert!(fake.state().deliver(&[5; 70], 0, reason::LOCAL, 1));
    assert_eq!(receive(&mut device, &mut port), [vec![5; 70]]);
}

/// Every kind of lie is a fault with a name, and the ring works again after it.
#[test]
fn lies_are_told_apart() {
    let good = completion::ENTRY_VERSION.put(VERSION) | completion::HEAD.put(1);
    let receive_60 = completion::LENGTH.put(60) | completion::KIND.put(completion::RECEIVE);
    let cases: [(u32, u32, u32, RingFault); 6] = [
        (99, receive_60, good, RingFault::Cookie(99)),
        (
            0,
            receive_60,
            completion::ENTRY_VERSION.put(3),
            RingFault::Version(3),
        ),
        (0, completion::KIND.put(2), good, RingFault::Kind(2)),
        (
            0,
            receive_60 | 0xffff,
            good,
            RingFault::Length {
                length: 0xffff,
                room: BUFFER as u32,
            },
        ),
        (
            0,
            receive_60 | completion::STATUS.put(77),
            good,
            RingFault::Status(77),
        ),
        (
            0,
            receive_60,
            good | 0x9000,
            RingFault::Head {
                head: 0x9001,
                tail: 8,
            },
        ),
    ];
    for (cookie, one, last, fault) in cases {
        let fake = Fake::new(Shape::default());
        let mut device = fake.device();
        let setup = RingSetup {
            index: 0,
            name: "rx0".into(),
            size_log2: 3,
            moderation: 0,
        };
        let mut ring = RxRing::new(device.mmio(), setup).unwrap();
        ring.start(device.mmio()).unwrap();
        fake.state()
            .complete_raw(0, [cookie, one, 0, 0, 0, 0, 0], last);
        match ring.receive_frames(device.mmio(), 8, &mut Vec::new()) {
            Err(DeviceError::Ring { fault: got, .. }) => assert_eq!(got, fault),
            other => panic!("{fault:?}: {other:?}"),
        }
        ring.restart(device.mmio()).unwrap();
        assert!(fake.state().deliver(&[3; 64], 1, reason::LOCAL, 1));
        let mut frames = Vec::new();
        assert_eq!(
            ring.receive_frames(device.mmio(), 8, &mut frames).unwrap(),
            1
        );
    }
}

/// A card that writes random entries: the driver neither panics nor loops, and the ring goes on.
#[test]
fn random_completions_do_no_harm() {
    let (fake, mut device, mut port) = start();
    let mut rng = crate::rng("hostile");
    for _ in 0..3000 {
        let words: [u32; 7] = std::array::from_fn(|_| {
            if rng.random_bool(0.5) {
                rng.random_range(0..9)
            } else {
                rng.random()
            }
        });
        let ring = if rng.random_bool(0.5) { 0 } else { 4 };
        let last = if rng.random_bool(0.7) {
            completion::ENTRY_VERSION.put(VERSION)
        } else {
            rng.random::<u32>() >> 1
        };
        fake.state().complete_raw(ring, words, last);
        port.receive(device.mmio(), 64, &mut Vec::new()).unwrap();
        port.reap(device.mmio(), 64, &mut Vec::new()).unwrap();
        port.events(device.mmio(), 64, &mut Vec::new()).unwrap();
        if rng.random_bool(0.3) {
            port.send(&[1; 64], TxTarget::Switch, 0).unwrap();
            port.flush(device.mmio()).unwrap();
        }
    }
    assert!(port.restarts()[0] > 100);
    // Whatever state it is in now, one restart brings a working ring.
    fake.state().stop_ring(0, 1);
    fake.state().stop_ring(4, 1);
    port.check(device.mmio()).unwrap();
    assert!(fake.state().deliver(&[7; 64], 0, reason::LOCAL, 1));
    assert_eq!(receive(&mut device, &mut port), [vec![7; 64]]);
}

/// The card writes completions four at a time: their queue begins at a multiple of 128, whatever the ring's size.
#[test]
fn queues_are_aligned_for_every_size() {
    for ring_log2 in 2..=6 {
        let fake = Fake::new(Shape::default());
        let mut device = fake.device();
        let config = HostConfig { ring_log2, ..SMALL };
        let mut port = device.start_host(&config).unwrap();
        for ring in [0, 4] {
            assert_eq!(fake.state().get(host::SQ_LO, ring) % 64, 0);
            assert_eq!(fake.state().get(host::CQ_LO, ring) % 128, 0);
        }
        for n in 0..100u8 {
            assert!(fake.state().deliver(&[n; 64], 1, reason::LOCAL, 1));
            assert_eq!(receive(&mut device, &mut port), [vec![n; 64]]);
        }
    }
    let fake = Fake::new(Shape::default());
    let mut device = fake.device();
    for ring_log2 in [0, 1, 16] {
        assert!(
            device
                .start_host(&HostConfig { ring_log2, ..SMALL })
                .is_err()
        );
    }
}
