//! The way up: handlers and their verdicts, protocols, taps, other hosts, polls, no endless rounds.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use smartnic_netdev::device::{Flags, PrivFlags};
use smartnic_netdev::packet::{PacketType, eth};
use smartnic_netdev::softnet::rx::{RxHandler, RxResult};
use smartnic_netdev::{Batch, Core, Dev, Packet, Softnet};

use crate::common::{Log, Recorder, Sink, errno, frame, mac, received, setup, up};

/// Says what it is told to; `another` is the device to change to.
struct Verdict {
    say: Mutex<&'static str>,
    another: u32,
    seen: AtomicUsize,
}

struct Shared(Arc<Verdict>);

impl RxHandler for Shared {
    fn handle(&self, _: &mut Softnet, _: &Dev, mut packet: Packet) -> RxResult {
        self.0.seen.fetch_add(1, Ordering::SeqCst);
        match *self.0.say.lock().unwrap() {
            "consumed" => RxResult::Consumed,
            "exact" => RxResult::Exact(packet),
            "pass" => RxResult::Pass(packet),
            _ => {
                packet.dev = self.0.another;
                RxResult::Another(packet)
            }
        }
    }
}

fn ip(to: smartnic_slowpath::MacAddr) -> Vec<u8> {
    frame(to, mac(99), eth::P_IP, b"hello")
}

#[test]
fn verdicts_of_a_handler() {
    let log = Log::default();
    let mut core = Core::new();
    let port = up(&mut core, setup("port", 1), &Recorder::new("p", &log));
    let master = up(&mut core, setup("master", 1), &Recorder::new("m", &log));
    let (all, exact) = (Arc::new(Sink::default()), Arc::new(Sink::default()));
    core.add_protocol(eth::P_IP, None, all.clone());
    core.add_protocol(eth::P_IP, Some(&port), exact.clone());
    let verdict = Arc::new(Verdict {
        say: Mutex::new("pass"),
        another: master.ifindex(),
        seen: AtomicUsize::new(0),
    });
    core.rx_handler_register(&port, Box::new(Shared(verdict.clone())))
        .unwrap();
    assert_eq!(
        errno(core.rx_handler_register(&port, Box::new(Shared(verdict.clone())))),
        "EBUSY"
    );
    master.set_priv_flags(PrivFlags::NO_RX_HANDLER, true);
    assert_eq!(
        errno(core.rx_handler_register(&master, Box::new(Shared(verdict.clone())))),
        "EINVAL"
    );
    assert_eq!(errno(core.rx_handler_unregister(&master)), "ENOENT");

    let mut net = core.softnet();
    // What it says: frames at the protocol of all devices (and where), and at the one bound to the port.
    let cases = [
        ("pass", vec!["port"], 1),
        ("consumed", vec![], 0),
        ("exact", vec![], 1),
        ("another", vec!["master"], 1),
    ];
    for (say, at, bound) in cases {
        *verdict.say.lock().unwrap() = say;
        for list in [false, true] {
            if list {
                net.receive_list(&port, &mut Batch::from([received(&port, &ip(mac(1)))]));
            } else {
                net.receive(received(&port, &ip(mac(1))));
            }
            let got = all.take();
            assert_eq!(
                got.iter().map(|(d, _)| d.as_str()).collect::<Vec<_>>(),
                at,
                "{say}"
            );
            assert!(
                got.iter()
                    .all(|(_, p)| p.iif == port.ifindex() && p.bytes().starts_with(b"hello"))
            );
            assert_eq!(exact.take().len(), bound, "{say}");
        }
    }
    assert_eq!(verdict.seen.load(Ordering::SeqCst), 8);
    // Nobody there: an inactive slave's frames are told apart from frames of an unknown protocol.
    *verdict.say.lock().unwrap() = "exact";
    net.receive(received(&port, &frame(mac(1), mac(9), 0x9999, &[])));
    assert_eq!(
        (port.stats64().rx_nohandler, port.stats64().rx_dropped),
        (1, 0)
    );
    *verdict.say.lock().unwrap() = "pass";
    net.receive(received(&port, &frame(mac(1), mac(9), 0x9999, &[])));
    assert_eq!(
        (port.stats64().rx_nohandler, port.stats64().rx_dropped),
        (1, 1)
    );
    core.rx_handler_unregister(&port).unwrap();
    net.receive(received(&port, &ip(mac(1))));
    assert_eq!((verdict.seen.load(Ordering::SeqCst), all.len()), (10, 1));
}

#[test]
fn handlers_in_a_circle_end() {
    let log = Log::default();
    let mut core = Core::new();
    let a = up(&mut core, setup("a", 1), &Recorder::new("a", &log));
    let b = up(&mut core, setup("b", 1), &Recorder::new("b", &log));
    let circle = |to: &Dev| {
        Arc::new(Verdict {
            say: Mutex::new("another"),
            another: to.ifindex(),
            seen: AtomicUsize::new(0),
        })
    };
    let (to_b, to_a) = (circle(&b), circle(&a));
    core.rx_handler_register(&a, Box::new(Shared(to_b.clone())))
        .unwrap();
    core.rx_handler_register(&b, Box::new(Shared(to_a.clone())))
        .unwrap();
    core.softnet().receive(received(&a, &ip(mac(1))));
    let rounds = to_b.seen.load(Ordering::SeqCst) + to_a.seen.load(Ordering::SeqCst);
    assert_eq!(rounds, smartnic_netdev::softnet::MAX_ROUNDS);
    assert_eq!(a.stats64().rx_dropped + b.stats64().rx_dropped, 1);
}

#[test]
fn frames_for_others_are_dropped_unless_promiscuous() {
    let log = Log::default();
    let mut core = Core::new();
    let dev = up(&mut core, setup("e", 1), &Recorder::new("e", &log));
    let (sink, tap) = (Arc::new(Sink::default()), Arc::new(Sink::default()));
    core.add_protocol(eth::P_IP, None, sink.clone());
    let id = core.add_protocol(eth::P_ALL, Some(&dev), tap.clone());
    let mut net = core.softnet();
    net.receive(received(&dev, &ip(mac(2))));
    assert_eq!(
        (sink.len(), tap.len(), dev.stats64().rx_otherhost_dropped),
        (0, 1, 1)
    );
    core.change_flags(&dev, dev.flags() | Flags::PROMISC)
        .unwrap();
    net.receive(received(&dev, &ip(mac(2))));
    assert_eq!(
        (sink.len(), tap.len(), dev.stats64().rx_otherhost_dropped),
        (1, 2, 1)
    );
    assert_eq!(sink.take()[0].1.packet_type, PacketType::OtherHost);
    // A tap sees what is sent as well.
    net.xmit(&dev, Packet::from_bytes(&ip(mac(5))));
    assert_eq!(
        tap.take().last().unwrap().1.packet_type,
        PacketType::Outgoing
    );
    core.remove_protocol(id);
    net.receive(received(&dev, &ip(mac(1))));
    assert_eq!((sink.len(), tap.len()), (1, 0));
    // A device that is down takes nothing.
    core.close(&dev);
    net.receive(received(&dev, &ip(mac(1))));
    assert_eq!((sink.len(), dev.stats64().rx_dropped), (1, 1));
}

#[test]
fn polls_have_a_budget_and_miss_nothing() {
    let log = Log::default();
    let mut core = Core::new();
    let ops = Recorder::new("e", &log);
    let dev = up(&mut core, setup("e", 1), &ops);
    let sink = Arc::new(Sink::default());
    core.add_protocol(eth::P_IP, None, sink.clone());
    let mut net = core.softnet();
    let fill = |n: usize| {
        ops.state()
            .incoming
            .extend((0..n).map(|_| received(&dev, &ip(mac(1)))))
    };
    fill(150);
    assert!(dev.napi_schedule(0), "the interrupt is to be masked");
    assert!(!dev.napi_schedule(0), "once");
    let mut rounds = 0;
    while net.run() {
        rounds += 1;
        assert!(rounds < 10);
    }
    // 64, 64, 22; one more because an interrupt came while it was scheduled.
    assert_eq!((sink.len(), ops.state().polled), (150, 4));
    assert_eq!(
        (dev.stats64().rx_packets, dev.stats64().rx_bytes),
        (150, 150 * 46)
    );
    fill(1);
    assert!(dev.napi_schedule(0), "done: it may be asked for again");
    net.run_all(4);
    assert_eq!(sink.len(), 151);
    core.close(&dev);
    assert!(!dev.napi_schedule(0), "disabled");
}

#[test]
fn a_backlog_has_an_end() {
    let log = Log::default();
    let mut core = Core::new();
    let dev = up(&mut core, setup("e", 1), &Recorder::new("e", &log));
    let sink = Arc::new(Sink::default());
    core.add_protocol(eth::P_IP, None, sink.clone());
    let mut net = core.softnet();
    let kept = (0..1100)
        .filter(|_| net.netif_rx(&dev, received(&dev, &ip(mac(1)))))
        .count();
    assert_eq!((kept, dev.stats64().rx_dropped), (1000, 100));
    assert!(net.run(), "more than one round's budget");
    assert_eq!(sink.len(), 300);
    net.run_all(10);
    assert_eq!(sink.len(), 1000);
}

#[test]
fn a_handler_goes_while_frames_come() {
    let log = Log::default();
    let mut core = Core::new();
    let dev = up(&mut core, setup("e", 1), &Recorder::new("e", &log));
    let stop = std::sync::atomic::AtomicBool::new(false);
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let (mut net, dev, stop) = (core.softnet(), dev.clone(), &stop);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) && began.elapsed() < Duration::from_secs(20) {
                    let mut batch: Batch = (0..8).map(|_| received(&dev, &ip(mac(1)))).collect();
                    net.receive_list(&dev, &mut batch);
                }
            });
        }
        for _ in 0..50 {
            let verdict = Arc::new(Verdict {
                say: Mutex::new("consumed"),
                another: 0,
                seen: AtomicUsize::new(0),
            });
            core.rx_handler_register(&dev, Box::new(Shared(verdict.clone())))
                .unwrap();
            while verdict.seen.load(Ordering::SeqCst) == 0
                && began.elapsed() < Duration::from_secs(20)
            {
                std::thread::yield_now();
            }
            core.rx_handler_unregister(&dev).unwrap();
            // Nobody is in it any more: what it counted stays.
            let seen = verdict.seen.load(Ordering::SeqCst);
            std::thread::yield_now();
            assert_eq!(verdict.seen.load(Ordering::SeqCst), seen);
        }
        core.unregister(&dev);
        stop.store(true, Ordering::Relaxed);
    });
    assert!(began.elapsed() < Duration::from_secs(20));
}
