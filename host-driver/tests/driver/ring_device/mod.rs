//! Rings as a network device of the device model: frames both ways, queues stopped and woken, faults, and the null device.

mod null;

use std::sync::{Arc, Mutex};

use smartnic_driver::device::ring::{BUFFER, TxTarget};
use smartnic_driver::device::ring_device::{RingConfig, RingDevice, SharedMmio};
use smartnic_driver::device::{DeviceError, MacAddr, Mmio};
use smartnic_netdev::packet::eth;
use smartnic_netdev::softnet::rx::ProtocolHandler;
use smartnic_netdev::{Core, Dev, Packet, Softnet};
use smartnic_regs::ring::{VERSION, completion};
use smartnic_regs::values::reason;

use crate::fake::{Fake, Shape};

const OWN: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const CONFIG: RingConfig = RingConfig {
    queues: 1,
    rx_rings: 4,
    ring_log2: 3,
    target: TxTarget::Direct(2),
    moderation: 0,
};

/// Keeps what comes to the top, whole.
#[derive(Default)]
struct Top(Mutex<Vec<Packet>>);

impl ProtocolHandler for Top {
    fn receive(&self, _: &mut Softnet, _: &Dev, packet: Packet) {
        self.0.lock().unwrap().push(packet);
    }
}

struct Rig {
    fake: Fake,
    device: Arc<RingDevice>,
    core: Core,
    dev: Dev,
    net: Softnet,
    top: Arc<Top>,
}

fn rig() -> Rig {
    let fake = Fake::new(Shape::default());
    let mmio: SharedMmio = Arc::new(Mutex::new(Mmio::new(fake.transport())));
    let device = Arc::new(RingDevice::new(mmio, &CONFIG).unwrap());
    let mut core = Core::new();
    let dev = core
        .add(device.setup("card%d", OWN), device.clone())
        .unwrap();
    core.open(&dev).unwrap();
    let top = Arc::new(Top::default());
    core.add_protocol(eth::P_IP, None, top.clone());
    let net = core.softnet();
    Rig {
        fake,
        device,
        core,
        dev,
        net,
        top,
    }
}

fn frame(length: usize, seed: usize) -> Vec<u8> {
    let mut frame: Vec<u8> = (0..length).map(|i| (i * 7 + seed) as u8).collect();
    frame[..6].copy_from_slice(&OWN.0);
    frame[12..14].copy_from_slice(&eth::P_IP.to_be_bytes());
    frame
}

impl Rig {
    fn deliver(&self, frame: &[u8]) -> bool {
        self.fake.state().deliver(frame, 1, reason::FLOOD, 1)
    }
    fn poll(&mut self, budget: usize) -> usize {
        self.dev.ops().poll(&mut self.net, &self.dev, 0, budget)
    }
    fn sent(&self) -> Vec<Vec<u8>> {
        let state = self.fake.state();
        state.sent.iter().map(|f| f.data.clone()).collect()
    }
    fn came(&self) -> Vec<Vec<u8>> {
        let packets = std::mem::take(&mut *self.top.0.lock().unwrap());
        packets.iter().map(|p| p.mac_bytes().to_vec()).collect()
    }
}

#[test]
fn frames_of_every_length_go_up_and_down() {
    let mut rig = rig();
    let (mut count, mut bytes) = (0, 0);
    for length in (14..=BUFFER).step_by(13) {
        let frame = frame(length, length);
        assert!(rig.deliver(&frame));
        assert_eq!(rig.poll(8), 1);
        let packet = rig.top.0.lock().unwrap().pop().unwrap();
        assert_eq!(packet.mac_bytes(), frame);
        assert_eq!(
            (packet.hash, packet.control, packet.queue_mapping()),
            (0x1234_5678, reason::FLOOD, Some(0))
        );
        let dev = rig.dev.clone();
        rig.net.xmit(&dev, Packet::from_bytes(&frame));
        let sent = rig.fake.state().sent.pop().unwrap();
        assert_eq!((sent.data, sent.direct), (frame, Some(2)));
        (count, bytes) = (count + 1, bytes + length as u64);
    }
    let stats = rig.dev.stats64();
    assert_eq!(
        (
            stats.rx_packets,
            stats.rx_bytes,
            stats.tx_packets,
            stats.tx_bytes
        ),
        (count, bytes, count, bytes)
    );
    assert_eq!(
        (stats.rx_errors, stats.tx_errors, stats.rx_dropped),
        (0, 0, 0)
    );
    assert_eq!(rig.device.restarts(), [0, 0]);
}

/// The ring takes eight; the others wait in order, and go when it is reaped.
#[test]
fn a_full_ring_stops_the_queue_and_a_reaped_one_wakes_it() {
    let mut rig = rig();
    let dev = rig.dev.clone();
    rig.fake.state().rings.mute = true;
    for n in 0..20 {
        rig.net.xmit(&dev, Packet::from_bytes(&frame(60, n)));
    }
    assert!(dev.queue(0).is_stopped());
    assert_eq!(
        (rig.fake.state().sent.len(), dev.queue(0).backlog()),
        (8, 12)
    );
    rig.fake.state().complete_sent();
    for _ in 0..3 {
        rig.poll(0);
        rig.net.run_all(4);
    }
    assert!(!dev.queue(0).is_stopped());
    let sent: Vec<_> = rig
        .fake
        .state()
        .sent
        .iter()
        .map(|f| f.data.clone())
        .collect();
    let all: Vec<_> = (0..20).map(|n| frame(60, n)).collect();
    assert_eq!(sent, all);
    let stats = dev.stats64();
    assert_eq!(
        (stats.tx_packets, stats.tx_dropped, stats.tx_errors),
        (20, 0, 0)
    );
}

#[test]
fn frames_that_are_none_are_counted_and_go_no_further() {
    let mut rig = rig();
    assert!(rig.deliver(&frame(BUFFER + 1, 0)));
    assert!(rig.deliver(&[2; 13]));
    assert!(rig.deliver(&frame(60, 1)));
    assert_eq!(rig.poll(8), 3);
    assert_eq!(rig.came(), [frame(60, 1)]);
    let stats = rig.dev.stats64();
    assert_eq!(
        (stats.rx_packets, stats.rx_errors, stats.rx_length_errors),
        (1, 2, 2)
    );
}

/// Packets held further up run the pool dry: frames are dropped and counted, buffers go back to the card, and all is well once packets come home.
#[test]
fn without_packets_frames_are_dropped_and_counted() {
    let mut rig = rig();
    let mut held = 0;
    while rig.dev.stats64().rx_dropped == 0 {
        assert!(rig.deliver(&frame(60, held)));
        assert_eq!(rig.poll(8), 1);
        held += 1;
        assert!(held < 100, "the pool has an end");
    }
    assert_eq!(rig.came().len(), 16);
    assert!(rig.deliver(&frame(60, 7)));
    rig.poll(8);
    assert_eq!(rig.came(), [frame(60, 7)]);
}

/// A completion that makes no sense restarts its ring and is counted; frames before and after it arrive.
#[test]
fn faults_are_repaired_and_counted() {
    let mut rig = rig();
    let dev = rig.dev.clone();
    assert!(rig.deliver(&frame(60, 1)));
    let good = completion::ENTRY_VERSION.put(VERSION) | completion::HEAD.put(2);
    let lie = completion::KIND.put(completion::RECEIVE);
    rig.fake
        .state()
        .complete_raw(0, [99, lie, 0, 0, 0, 0, 0], good);
    rig.poll(8);
    assert_eq!(rig.came(), [frame(60, 1)]);
    assert_eq!(
        (dev.stats64().rx_errors, rig.device.restarts()),
        (1, [1, 0])
    );
    assert!(rig.deliver(&frame(60, 2)));
    rig.poll(8);
    assert_eq!(rig.came(), [frame(60, 2)]);

    rig.fake.state().rings.mute = true;
    for n in 0..3 {
        rig.net.xmit(&dev, Packet::from_bytes(&frame(60, n)));
    }
    rig.fake.state().sent.clear();
    let lie = completion::KIND.put(completion::TRANSMIT);
    rig.fake
        .state()
        .complete_raw(4, [99, lie, 0, 0, 0, 0, 0], good);
    rig.poll(0);
    let stats = dev.stats64();
    assert_eq!((stats.tx_errors, stats.tx_aborted_errors), (1, 0));
    assert_eq!(rig.device.restarts(), [1, 1]);
    rig.fake.state().rings.mute = false;
    rig.net.xmit(&dev, Packet::from_bytes(&frame(60, 9)));
    // What was under way is sent again, before what comes later.
    assert_eq!(rig.sent(), [0, 1, 2, 9].map(|n| frame(60, n)));
    assert!(dev.carrier_ok());
}

#[test]
fn a_card_that_is_gone_has_no_carrier() {
    let mut rig = rig();
    assert!(rig.deliver(&frame(60, 1)));
    rig.fake.state().unplugged = true;
    rig.poll(8);
    assert!(!rig.dev.carrier_ok());
    let dev = rig.dev.clone();
    rig.core.close(&dev);
}

/// A transmitter that stopped, or that just does nothing any more: the timeout is an error, and every frame goes out, in order, those that wait behind the
/// ring as well.
#[test]
fn the_watchdog_loses_no_frame() {
    for stops in [true, false] {
        let mut rig = rig();
        let dev = rig.dev.clone();
        rig.fake.state().rings.mute = true;
        for n in 0..12 {
            rig.net.xmit(&dev, Packet::from_bytes(&frame(60, n)));
        }
        assert!(dev.queue(0).is_stopped());
        // What it was given, it forgets.
        rig.fake.state().sent.clear();
        if stops {
            rig.fake.state().stop_ring(4, 2);
        }
        rig.fake.state().rings.mute = false;
        dev.ops().tx_timeout(&mut rig.net, &dev, 0);
        for _ in 0..3 {
            rig.poll(0);
            rig.net.run_all(4);
        }
        assert!(!dev.queue(0).is_stopped());
        assert_eq!(rig.device.restarts(), [0, 1]);
        let all: Vec<_> = (0..12).map(|n| frame(60, n)).collect();
        assert_eq!(rig.sent(), all);
        let stats = dev.stats64();
        assert_eq!(
            (stats.tx_errors, stats.tx_aborted_errors, stats.tx_dropped),
            (1, 0, 0)
        );
        assert_eq!(stats.tx_packets, 12);
    }
}

/// An interrupt that was lost is no reason to start the ring again: what was sent is taken, and sent once.
#[test]
fn a_timeout_that_finds_completions_restarts_nothing() {
    let mut rig = rig();
    let dev = rig.dev.clone();
    rig.fake.state().rings.mute = true;
    for n in 0..8 {
        rig.net.xmit(&dev, Packet::from_bytes(&frame(60, n)));
    }
    rig.fake.state().complete_sent();
    dev.ops().tx_timeout(&mut rig.net, &dev, 0);
    assert!(!dev.queue(0).is_stopped());
    assert_eq!(rig.device.restarts(), [0, 0]);
    assert_eq!(rig.sent().len(), 8);
    assert_eq!(dev.stats64().tx_errors, 1);
}

/// Frames that clones share, that are another card's, that are in ordinary memory: all arrive as they are, and go home.
#[test]
fn packets_of_any_memory_are_sent_as_they_are() {
    let mut rigs = [rig(), rig()];
    let other = rigs[1].dev.clone();
    for n in 0..50 {
        let bytes = frame(60 + n, n);
        assert!(rigs[0].deliver(&bytes));
        assert_eq!(rigs[0].poll(8), 1);
        let mut packet = rigs[0].top.0.lock().unwrap().pop().unwrap();
        packet.unpull(eth::HLEN).unwrap();
        let mut changed = packet.clone();
        changed.bytes_mut()[20] ^= 0xff;
        let mut expected = bytes.clone();
        expected[20] ^= 0xff;
        let twin = packet.clone();
        for packet in [packet, changed, twin] {
            rigs[1].net.xmit(&other, packet);
        }
        assert_eq!(rigs[1].sent(), [bytes.clone(), expected, bytes]);
        rigs[1].fake.state().sent.clear();
        rigs[1].poll(0);
    }
    assert_eq!(rigs[0].dev.stats64().rx_dropped, 0);
}

#[test]
fn settings_out_of_range_are_refused_by_name() {
    let refused = |config: RingConfig| {
        let fake = Fake::new(Shape::default());
        let mmio: SharedMmio = Arc::new(Mutex::new(Mmio::new(fake.transport())));
        match RingDevice::new(mmio, &config) {
            Err(DeviceError::Range { what, .. }) => what,
            other => panic!("{:?}", other.map(|_| ())),
        }
    };
    for queues in [0, 5] {
        assert_eq!(refused(RingConfig { queues, ..CONFIG }), "queues");
    }
    for ring_log2 in [1, 16] {
        assert_eq!(
            refused(RingConfig {
                ring_log2,
                ..CONFIG
            }),
            "ring size"
        );
    }
}
