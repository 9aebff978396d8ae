//! The null device: frames pass both ways and every packet comes home.

use std::sync::Arc;
use std::time::Duration;

use smartnic_netdev::null::{Case, NullDevice, measure};
use smartnic_netdev::softnet::rx::{RxHandler, RxResult};
use smartnic_netdev::{Core, Dev, Packet, Softnet};

use crate::common::{errno, mac};

struct To(Dev);

impl RxHandler for To {
    fn handle(&self, net: &mut Softnet, _: &Dev, mut packet: Packet) -> RxResult {
        packet.unpull(14).unwrap();
        net.forward(&self.0, packet);
        RxResult::Consumed
    }
}

#[test]
fn frames_pass_and_packets_come_home() {
    for (queues, batch) in [(1, 1), (1, 64), (4, 32), (2, 256)] {
        let mut core = Core::new();
        let add = |core: &mut Core, n| {
            let null = NullDevice::new(60, queues, mac(n)).unwrap();
            let dev = core
                .add(null.setup("null%d", mac(n)), Arc::new(null))
                .unwrap();
            core.open(&dev).unwrap();
            dev
        };
        let (a, b) = (add(&mut core, 1), add(&mut core, 2));
        core.rx_handler_register(&a, Box::new(To(b.clone())))
            .unwrap();
        let mut net = core.softnet();
        let rounds = 100;
        for _ in 0..rounds {
            for queue in 0..queues {
                // A whole batch each time: those of the last round came back, although another device sent them.
                assert_eq!(a.ops().poll(&mut net, &a, queue, batch), batch);
            }
        }
        let frames = (rounds * usize::from(queues) * batch) as u64;
        let (from, to) = (a.stats64(), b.stats64());
        assert_eq!(
            (from.rx_packets, to.tx_packets, to.tx_bytes),
            (frames, frames, frames * 60)
        );
        assert_eq!((from.rx_dropped, to.tx_dropped), (0, 0));
        core.rx_handler_unregister(&a).unwrap();
    }
}

#[test]
fn a_figure_is_of_what_was_sent() {
    let case = Case {
        size: 64,
        queues: 1,
        batch: 32,
    };
    let figure = measure(case, Duration::from_millis(30)).unwrap();
    println!("{figure:?}");
    assert!(figure.frames > 1000 && figure.frames_per_s > 10_000.0);
    assert_eq!(
        errno(measure(Case { batch: 0, ..case }, Duration::ZERO)),
        "EINVAL"
    );
    assert_eq!(
        errno(measure(Case { size: 10, ..case }, Duration::ZERO)),
        "EINVAL"
    );
}
