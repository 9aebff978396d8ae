//! MTU, address, flags, filters, features, queue length: what is refused, by whom, and what is told to whom.

use smartnic_netdev::device::{Features, Flags, OperState, PrivFlags};
use smartnic_netdev::registry::ListKind::{Multicast, Unicast};
use smartnic_netdev::registry::link::LinkMessageKind;
use smartnic_netdev::{Core, Dev, Setup};
use smartnic_slowpath::MacAddr;

use std::sync::Arc;

use crate::common::{Log, Recorder, Watcher, errno, mac, ms, setup, take, up};

struct Bed {
    core: Core,
    dev: Dev,
    ops: Arc<Recorder>,
    watcher: Arc<Watcher>,
    log: Log,
}

fn bed(setup: Setup) -> Bed {
    let log = Log::default();
    let mut core = Core::new();
    let watcher = Watcher::new("w", &log);
    core.subscribe(0, watcher.clone()).unwrap();
    let ops = Recorder::new("d", &log);
    let dev = up(&mut core, setup, &ops);
    take(&log);
    Bed {
        core,
        dev,
        ops,
        watcher,
        log,
    }
}

fn refuse(watcher: &Watcher, what: &'static str) {
    watcher.refuses.lock().unwrap().clear();
    watcher.refuses.lock().unwrap().insert(what);
}

#[test]
fn mtu_limits_refusals_and_the_way_back() {
    let mut b = bed(Setup {
        max_mtu: 1982,
        ..setup("e", 1)
    });
    for bad in [0, 67, 1983, u32::MAX] {
        let error = b.core.set_mtu(&b.dev, bad).unwrap_err();
        assert_eq!(
            (error.errno(), error.argument(), error.reason()),
            (22, "mtu", "e takes 68 to 1982")
        );
    }
    assert!(take(&b.log).is_empty(), "nobody hears of nonsense");
    for good in [68, 1982] {
        b.core.set_mtu(&b.dev, good).unwrap();
        assert_eq!(
            (b.dev.mtu(), take(&b.log)),
            (
                good,
                vec![
                    "w:e PRE_CHANGE_MTU".into(),
                    "d.change_mtu".into(),
                    "w:e CHANGE_MTU".into()
                ]
            )
        );
    }
    refuse(&b.watcher, "PRE_CHANGE_MTU");
    assert_eq!(errno(b.core.set_mtu(&b.dev, 1000)), "EPERM");
    assert_eq!((b.dev.mtu(), take(&b.log).len()), (1982, 1));
    refuse(&b.watcher, "CHANGE_MTU");
    assert_eq!(errno(b.core.set_mtu(&b.dev, 1000)), "EPERM");
    assert_eq!(b.dev.mtu(), 1982, "put back");
    let heard = [
        "w:e PRE_CHANGE_MTU",
        "d.change_mtu",
        "w:e CHANGE_MTU",
        "d.change_mtu",
        "w:e CHANGE_MTU",
    ];
    assert_eq!(take(&b.log), heard);
    refuse(&b.watcher, "");
    b.ops.state().failing.insert("change_mtu");
    assert_eq!(errno(b.core.set_mtu(&b.dev, 1000)), "EIO");
    b.dev.detach();
    assert_eq!(errno(b.core.set_mtu(&b.dev, 1000)), "ENODEV");
}

#[test]
fn addresses() {
    let mut b = bed(setup("e", 1));
    for bad in [
        "ff:ff:ff:ff:ff:ff",
        "01:00:5e:00:00:01",
        "00:00:00:00:00:00",
    ] {
        assert_eq!(
            errno(b.core.set_address(&b.dev, bad.parse().unwrap())),
            "EADDRNOTAVAIL"
        );
    }
    assert_eq!(
        errno(b.core.set_address(&b.dev, mac(2))),
        "EBUSY",
        "while running"
    );
    assert!(take(&b.log).is_empty());
    b.core.close(&b.dev);
    take(&b.log);
    b.core.set_address(&b.dev, mac(2)).unwrap();
    assert_eq!(
        take(&b.log),
        [
            "w:e PRE_CHANGE_ADDR",
            "d.set_mac_address",
            "w:e CHANGE_ADDR"
        ]
    );
    assert_eq!(
        (b.dev.address(), b.dev.permanent_address()),
        (mac(2), mac(1))
    );
    b.dev.set_priv_flags(PrivFlags::LIVE_ADDR_CHANGE, true);
    b.core.open(&b.dev).unwrap();
    b.core.set_address(&b.dev, mac(3)).unwrap();
    refuse(&b.watcher, "PRE_CHANGE_ADDR");
    assert_eq!(errno(b.core.set_address(&b.dev, mac(4))), "EPERM");
    refuse(&b.watcher, "");
    b.ops.state().failing.insert("set_mac_address");
    assert_eq!(errno(b.core.set_address(&b.dev, mac(4))), "EIO");
    assert_eq!(b.dev.address(), mac(3));
}

#[test]
fn open_can_be_refused_and_close_cannot() {
    let mut b = bed(setup("e", 1));
    b.core.close(&b.dev);
    take(&b.log);
    refuse(&b.watcher, "PRE_UP");
    assert_eq!(errno(b.core.open(&b.dev)), "EPERM");
    assert_eq!(
        (take(&b.log), b.dev.is_running()),
        (vec!["w:e PRE_UP".to_string()], false)
    );
    refuse(&b.watcher, "");
    b.ops.state().failing.insert("open");
    assert_eq!(errno(b.core.open(&b.dev)), "EIO");
    assert_eq!(
        (take(&b.log).len(), b.dev.is_up(), b.dev.is_running()),
        (2, false, false)
    );
    b.ops.state().failing = ["stop"].into();
    b.core.open(&b.dev).unwrap();
    refuse(&b.watcher, "GOING_DOWN");
    b.core.close(&b.dev);
    assert!(!b.dev.is_up(), "whatever anybody says");
    b.dev.detach();
    assert_eq!(errno(b.core.open(&b.dev)), "ENODEV");
}

#[test]
fn carrier_and_operational_state() {
    let mut b = bed(Setup {
        carrier: false,
        ..setup("e", 1)
    });
    let words = |b: &Bed| b.dev.flags().words().join(",");
    assert_eq!(
        (words(&b).as_str(), b.dev.operstate()),
        ("NO-CARRIER,BROADCAST,MULTICAST,UP", OperState::Down)
    );
    b.dev.carrier_on();
    b.dev.carrier_on();
    b.core.tick(ms(1));
    assert_eq!(take(&b.log), ["w:e CHANGE"]);
    assert_eq!(
        (words(&b).as_str(), b.dev.operstate()),
        ("BROADCAST,MULTICAST,UP,LOWER_UP", OperState::Up)
    );
    b.dev.set_dormant(true);
    b.core.tick(ms(2));
    assert_eq!(
        (words(&b).as_str(), b.dev.operstate()),
        (
            "NO-CARRIER,BROADCAST,MULTICAST,UP,LOWER_UP,DORMANT",
            OperState::Dormant
        )
    );
    b.dev.set_dormant(false);
    b.dev.carrier_off();
    b.dev.carrier_on();
    b.core.tick(ms(3));
    assert_eq!(b.dev.carrier_changes(), 3);
    b.dev.detach();
    b.core.tick(ms(4));
    assert_eq!(b.dev.operstate(), OperState::NotPresent);
}

#[test]
fn filters_lists_and_promiscuity() {
    let mut b = bed(Setup {
        priv_flags: PrivFlags::UNICAST_FLT,
        ..setup("e", 1)
    });
    let group: MacAddr = "01:00:5e:00:00:05".parse().unwrap();
    let modes = |b: &Bed| std::mem::take(&mut b.ops.state().modes);
    assert_eq!(modes(&b).len(), 1, "when it went up");
    b.core.address_add(&b.dev, Multicast, group).unwrap();
    b.core.address_add(&b.dev, Multicast, group).unwrap();
    b.core.address_add(&b.dev, Unicast, mac(7)).unwrap();
    assert_eq!(
        errno(b.core.address_add_exclusive(&b.dev, Unicast, mac(7))),
        "EEXIST"
    );
    assert_eq!(errno(b.core.address_add(&b.dev, Unicast, group)), "EINVAL");
    assert_eq!(
        errno(b.core.address_add(&b.dev, Multicast, mac(7))),
        "EINVAL"
    );
    assert_eq!(
        errno(b.core.address_remove(&b.dev, Unicast, mac(8))),
        "ENOENT"
    );
    let last = modes(&b).pop().unwrap();
    assert_eq!(
        (last.unicast, last.multicast, last.promiscuous),
        (vec![mac(7)], vec![group], false)
    );
    b.core.address_remove(&b.dev, Multicast, group).unwrap();
    assert_eq!(b.dev.address_lists().1.users(group), 1);
    b.core.address_remove(&b.dev, Multicast, group).unwrap();
    assert!(modes(&b).pop().unwrap().multicast.is_empty());
    // Two users of promiscuous reception: only the first and the last are told.
    b.core.set_promiscuity(&b.dev, 1).unwrap();
    b.core
        .change_flags(&b.dev, b.dev.flags() | Flags::PROMISC)
        .unwrap();
    assert_eq!(
        (b.dev.rx_counts().0, b.dev.flags().contains(Flags::PROMISC)),
        (2, true)
    );
    b.core
        .change_flags(&b.dev, b.dev.flags() - Flags::PROMISC)
        .unwrap();
    assert_eq!(
        (
            b.dev.is_promiscuous(),
            b.dev.flags().contains(Flags::PROMISC)
        ),
        (true, false),
        "the user's word and the truth"
    );
    b.core.set_promiscuity(&b.dev, -1).unwrap();
    assert!(!b.dev.is_promiscuous());
    assert_eq!(errno(b.core.set_promiscuity(&b.dev, -1)), "ERANGE");
    assert_eq!(errno(b.core.set_allmulti(&b.dev, -1)), "ERANGE");
    modes(&b);
    b.core.set_allmulti(&b.dev, 1).unwrap();
    assert!(modes(&b).pop().unwrap().all_multicast);
    // Down: nobody is called; up: once with everything.
    b.core.close(&b.dev);
    b.core.address_add(&b.dev, Unicast, mac(9)).unwrap();
    assert!(modes(&b).is_empty());
    b.core.open(&b.dev).unwrap();
    assert_eq!(modes(&b).pop().unwrap().unicast, [mac(7), mac(9)]);
    // Without a filter a further address makes it promiscuous, as long as there is one.
    b.dev.set_priv_flags(PrivFlags::UNICAST_FLT, false);
    b.core.set_rx_mode(&b.dev);
    assert!(b.dev.is_promiscuous());
    b.core.address_remove(&b.dev, Unicast, mac(7)).unwrap();
    assert!(b.dev.is_promiscuous());
    b.core.address_remove(&b.dev, Unicast, mac(9)).unwrap();
    assert!(!b.dev.is_promiscuous());
}

#[test]
fn a_filter_that_overflows_opens() {
    let mode = smartnic_netdev::device::RxMode {
        unicast: vec![mac(2), mac(3)],
        multicast: (0..5).map(|n| MacAddr([1, 0, 0x5e, 0, 0, n])).collect(),
        ..Default::default()
    };
    let fits = mode.clone().fit(2, 5);
    assert_eq!(fits, mode);
    assert!(
        fits.accepts(mac(3), mac(1))
            && fits.accepts(mac(1), mac(1))
            && !fits.accepts(mac(4), mac(1))
    );
    let full = mode.clone().fit(2, 4);
    assert!(full.all_multicast && !full.promiscuous && full.multicast.is_empty());
    assert!(full.accepts(MacAddr([1, 0, 0x5e, 9, 9, 9]), mac(1)) && !full.accepts(mac(4), mac(1)));
    assert!(mode.fit(1, 5).accepts(mac(4), mac(1)));
}

#[test]
fn features_are_wanted_fixed_and_set() {
    let hw = Features::SG | Features::IP_CSUM | Features::TSO | Features::RXCSUM | Features::LRO;
    let mut b = bed(Setup {
        hw_features: hw,
        features: Features::RXHASH,
        ..setup("e", 1)
    });
    let on = b
        .core
        .set_features(
            &b.dev,
            Features::SG | Features::TSO | Features::IP_CSUM,
            Features::empty(),
        )
        .unwrap();
    assert_eq!(
        on,
        Features::RXHASH | Features::SG | Features::TSO | Features::IP_CSUM
    );
    assert_eq!(take(&b.log), ["d.set_features", "w:e FEATURE_CHANGE"]);
    // Without checksums there is no gathering, and without gathering no cutting; wanted they stay.
    let left = b
        .core
        .set_features(&b.dev, Features::empty(), Features::IP_CSUM)
        .unwrap();
    assert_eq!(left, Features::RXHASH);
    let again = b
        .core
        .set_features(&b.dev, Features::IP_CSUM, Features::empty())
        .unwrap();
    assert_eq!(again, on);
    take(&b.log);
    let error = b
        .core
        .set_features(&b.dev, Features::empty(), Features::RXHASH)
        .unwrap_err();
    assert_eq!((error.errno(), error.value()), (22, "RXHASH"));
    b.ops.state().failing.insert("set_features");
    assert_eq!(
        errno(
            b.core
                .set_features(&b.dev, Features::RXCSUM, Features::empty())
        ),
        "EIO"
    );
    assert_eq!(b.dev.features(), on);
}

#[test]
fn link_messages_for_each_event() {
    let log = Log::default();
    let mut core = Core::new();
    let listener = core.listen();
    let ops = Recorder::new("d", &log);
    let dev = up(&mut core, setup("e", 1), &ops);
    core.set_mtu(&dev, 1000).unwrap();
    core.set_name(&dev, "f").unwrap();
    core.set_tx_queue_len(&dev, 5).unwrap();
    dev.carrier_off();
    core.tick(ms(1));
    core.close(&dev);
    core.set_address(&dev, mac(5)).unwrap();
    core.unregister(&dev);
    let (messages, lost) = listener.take();
    let told: Vec<_> = messages.iter().map(|m| (m.kind, m.event)).collect();
    let new = |event| (LinkMessageKind::NewLink, event);
    let wanted = [
        new(None),
        new(Some("UP")),
        new(Some("CHANGE_MTU")),
        new(Some("CHANGE_NAME")),
        new(Some("CHANGE_TX_QUEUE_LEN")),
        new(Some("CHANGE")),
        new(Some("DOWN")),
        new(Some("CHANGE_ADDR")),
        (LinkMessageKind::DelLink, None),
    ];
    assert_eq!((told, lost), (wanted.to_vec(), false));
    let last = messages.last().unwrap();
    assert_eq!(
        (last.ifname.as_str(), last.mtu, last.txqlen, last.address),
        ("f", 1000, 5, mac(5))
    );
    assert_eq!(
        (
            last.stats.rx_crc_errors,
            last.carrier_changes,
            last.permanent_address
        ),
        (7, 1, mac(1))
    );
    assert_eq!(messages[1].change, Flags::UP.bits());
    // A listener that does not read is told that it missed something.
    let dev = core.add(setup("e", 1), ops.clone()).unwrap();
    for n in 0..1100u32 {
        core.set_tx_queue_len(&dev, n + 10).unwrap();
    }
    let (messages, lost) = listener.take();
    assert_eq!((messages.len(), lost), (1024, true));
}
