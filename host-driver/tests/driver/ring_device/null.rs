//! Two devices over null cards, each sending what the other received.

use std::sync::{Arc, Mutex};

use smartnic_driver::device::Mmio;
use smartnic_driver::device::ring_device::{RingConfig, RingDevice, SharedMmio};
use smartnic_netdev::packet::eth;
use smartnic_netdev::softnet::rx::{RxHandler, RxResult};
use smartnic_netdev::{Core, Dev, Packet, Softnet};

use super::{CONFIG, OWN, frame};
use crate::fake::null::{NullCard, QUEUES};

/// Sends everything by another device.
struct To(Dev);

impl RxHandler for To {
    fn handle(&self, net: &mut Softnet, _: &Dev, mut packet: Packet) -> RxResult {
        packet.unpull(eth::HLEN).unwrap();
        net.forward(&self.0, packet);
        RxResult::Consumed
    }
}

/// On the null device every frame comes and goes, whatever the batch, round after round of the rings.
#[test]
fn the_null_device_loses_nothing() {
    for (queues, batch) in [(1, 1), (1, 7), (4, 16), (2, 300)] {
        let mut core = Core::new();
        let mut ends = Vec::new();
        for n in 0..2 {
            let card = NullCard::new(frame(60 + n, n), batch);
            let mmio: SharedMmio = Arc::new(Mutex::new(Mmio::new(card.transport())));
            let config = RingConfig {
                queues,
                rx_rings: QUEUES,
                ring_log2: 5,
                ..CONFIG
            };
            let device = RingDevice::new(mmio.clone(), &config).unwrap();
            let setup = device.setup("card%d", OWN);
            let dev = core.add(setup, Arc::new(device)).unwrap();
            core.open(&dev).unwrap();
            ends.push((dev, mmio));
        }
        for n in 0..2 {
            let other = ends[1 - n].0.clone();
            core.rx_handler_register(&ends[n].0, Box::new(To(other)))
                .unwrap();
        }
        let mut net = core.softnet();
        // A ring of 32 gives no more than 32 at a time.
        let (rounds, each) = (200, batch.min(32));
        for _ in 0..rounds {
            for (dev, mmio) in &ends {
                mmio.lock().unwrap().transport().poll();
                for queue in 0..queues {
                    assert_eq!(dev.ops().poll(&mut net, dev, queue, batch), each);
                }
            }
        }
        let frames = (rounds * each * usize::from(queues)) as u64;
        for (n, (dev, _)) in ends.iter().enumerate() {
            let stats = dev.stats64();
            let lengths = [60 + n as u64, 61 - n as u64];
            assert_eq!([stats.rx_packets, stats.tx_packets], [frames; 2]);
            assert_eq!(
                [stats.rx_bytes, stats.tx_bytes],
                lengths.map(|l| l * frames)
            );
            assert_eq!([stats.rx_dropped, stats.tx_dropped], [0; 2]);
            assert_eq!([stats.rx_errors, stats.tx_errors], [0; 2]);
            core.rx_handler_unregister(dev).unwrap();
        }
    }
}
