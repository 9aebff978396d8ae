//! Registration and its end: each step that fails is undone in reverse; names, indices, subscribers.

use std::sync::Arc;

use smartnic_netdev::device::Registration;
use smartnic_netdev::registry::ListKind;
use smartnic_netdev::{Core, Setup};

use crate::common::{Log, Recorder, Watcher, errno, mac, setup, take, up};

fn core_with_watchers(log: &Log) -> (Core, Arc<Watcher>, Arc<Watcher>) {
    let mut core = Core::new();
    let (a, b) = (Watcher::new("a", log), Watcher::new("b", log));
    core.subscribe(10, a.clone()).unwrap();
    core.subscribe(0, b.clone()).unwrap();
    (core, a, b)
}

#[test]
fn steps_in_order_and_back_in_reverse() {
    let log = Log::default();
    let (mut core, a, b) = core_with_watchers(&log);
    let ops = Recorder::new("d", &log);
    // Where it fails, what is heard then, and the error.
    let begin = [
        "d.init",
        "a:eth0 POST_INIT",
        "b:eth0 POST_INIT",
        "a:eth0 REGISTER",
        "b:eth0 REGISTER",
    ];
    let end = ["a:eth0 UNREGISTER", "b:eth0 UNREGISTER", "d.uninit"];
    type Fail<'a> = (&'a dyn Fn(bool), &'static str, Vec<&'static str>);
    let refuse = |w: &Arc<Watcher>, what, on| {
        let mut set = w.refuses.lock().unwrap();
        if on {
            set.insert(what)
        } else {
            set.remove(what)
        };
    };
    let cases: [Fail<'_>; 4] = [
        (
            &|on| {
                if on {
                    ops.state().failing.insert("init")
                } else {
                    ops.state().failing.remove("init")
                };
            },
            "EIO",
            begin[..1].to_vec(),
        ),
        (
            &|on| refuse(&b, "POST_INIT", on),
            "EPERM",
            [&begin[..3], &end[2..]].concat(),
        ),
        (
            &|on| refuse(&a, "REGISTER", on),
            "EPERM",
            [&begin[..4], &end].concat(),
        ),
        (
            &|on| refuse(&b, "REGISTER", on),
            "EPERM",
            [&begin[..], &end].concat(),
        ),
    ];
    let dev = core.create(setup("eth%d", 1), ops.clone());
    for (fail, word, heard) in cases {
        fail(true);
        assert_eq!(errno(core.register(&dev)), word);
        assert_eq!(take(&log), heard);
        assert_eq!(
            (dev.name().as_str(), dev.ifindex(), dev.registration()),
            ("eth%d", 0, Registration::None)
        );
        assert!(core.by_name("eth0").is_err() && core.devices().next().is_none());
        fail(false);
    }
    core.register(&dev).unwrap();
    assert_eq!(take(&log), begin);
    assert_eq!(dev.registration(), Registration::Registered);
    assert_eq!(errno(core.register(&dev)), "EBUSY");
    core.open(&dev).unwrap();
    assert_eq!(
        take(&log),
        [
            "a:eth0 PRE_UP",
            "b:eth0 PRE_UP",
            "d.open",
            "a:eth0 UP",
            "b:eth0 UP"
        ]
    );
    core.unregister(&dev);
    let mut wanted = vec![
        "a:eth0 GOING_DOWN",
        "b:eth0 GOING_DOWN",
        "d.stop",
        "a:eth0 DOWN",
        "b:eth0 DOWN",
    ];
    wanted.extend(end);
    assert_eq!(take(&log), wanted);
    assert_eq!(dev.registration(), Registration::Unregistered);
    // It may come back, even if another device has its index now.
    let indexed = Setup {
        ifindex: Some(dev.ifindex()),
        ..setup("other", 2)
    };
    let other = core.add(indexed, ops.clone()).unwrap();
    core.register(&dev).unwrap();
    assert_ne!(dev.ifindex(), other.ifindex());
}

#[test]
fn names_and_indices_are_unique() {
    let log = Log::default();
    let mut core = Core::new();
    let mut add = |setup: Setup| core.add(setup, Recorder::new("d", &log));
    let names: Vec<_> = (0..3)
        .map(|_| add(setup("br%d", 1)).unwrap().name())
        .collect();
    assert_eq!(names, ["br0", "br1", "br2"]);
    assert_eq!(errno(add(setup("br1", 1))), "EEXIST");
    for bad in [
        "",
        "a b",
        "a/b",
        "a:b",
        "%",
        "%s",
        "%d%d",
        "x%dy%",
        "..",
        ".",
        "a\n",
        "abcdefghijklmnop",
    ] {
        assert_eq!(errno(add(setup(bad, 1))), "EINVAL", "{bad:?}");
    }
    assert_eq!(errno(add(setup("abcdefghijklmno%d", 1))), "ENOSPC");
    assert_eq!(add(setup("abcdefghijklmn%d", 1)).unwrap().name().len(), 15);
    let indexed = |ifindex| Setup {
        ifindex: Some(ifindex),
        ..setup("x%d", 1)
    };
    assert_eq!(add(indexed(77)).unwrap().ifindex(), 77);
    assert_eq!(errno(add(indexed(77))), "EBUSY");
    assert_eq!(errno(add(indexed(65_536))), "EINVAL");
    let next = add(setup("y", 1)).unwrap();
    assert_eq!(next.ifindex(), 5, "refused ones used none up");
    let br1 = core.by_name("br1").unwrap().clone();
    core.unregister(&br1);
    assert_eq!(errno(core.by_name("br1").cloned()), "ENODEV");
    assert_eq!(
        core.add(setup("br%d", 1), Recorder::new("d", &log))
            .unwrap()
            .name(),
        "br1"
    );
    // Renaming follows the same rules.
    assert_eq!(errno(core.set_name(&next, "br0")), "EEXIST");
    assert_eq!(errno(core.set_name(&next, "a b")), "EINVAL");
    core.set_name(&next, "br%d").unwrap();
    assert_eq!(next.name(), "br3");
    assert_eq!(errno(core.set_name(&br1, "gone")), "ENODEV");
}

#[test]
fn a_late_subscriber_hears_what_is_there_or_nothing() {
    let log = Log::default();
    let mut core = Core::new();
    let ops = Recorder::new("d", &log);
    up(&mut core, setup("e0", 1), &ops);
    core.add(setup("e1", 2), ops.clone()).unwrap();
    take(&log);
    let late = Watcher::new("l", &log);
    let id = core.subscribe(0, late.clone()).unwrap();
    assert_eq!(take(&log), ["l:e0 REGISTER", "l:e0 UP", "l:e1 REGISTER"]);
    core.unsubscribe(id);
    assert_eq!(
        take(&log),
        [
            "l:e1 UNREGISTER",
            "l:e0 GOING_DOWN",
            "l:e0 DOWN",
            "l:e0 UNREGISTER"
        ]
    );
    // Refused at the second device: the first is taken back.
    struct Second(Arc<Watcher>);
    impl smartnic_netdev::registry::notify::Subscriber for Second {
        fn notify(
            &self,
            core: &mut Core,
            dev: &smartnic_netdev::Dev,
            event: &smartnic_netdev::registry::notify::Event,
        ) -> smartnic_netdev::Result<()> {
            if dev.name() == "e1" {
                self.0.refuses.lock().unwrap().insert("REGISTER");
            }
            self.0.notify(core, dev, event)
        }
    }
    assert_eq!(errno(core.subscribe(0, Arc::new(Second(late)))), "EPERM");
    let heard = [
        "l:e0 REGISTER",
        "l:e0 UP",
        "l:e1 REGISTER",
        "l:e0 GOING_DOWN",
        "l:e0 DOWN",
        "l:e0 UNREGISTER",
    ];
    assert_eq!(take(&log), heard);
}

#[test]
fn unregistering_clears_everything() {
    let log = Log::default();
    let mut core = Core::new();
    let ops = Recorder::new("d", &log);
    let dev = up(&mut core, setup("e0", 1), &ops);
    core.address_add(
        &dev,
        ListKind::Multicast,
        "01:00:5e:00:00:05".parse().unwrap(),
    )
    .unwrap();
    core.address_add(&dev, ListKind::Unicast, mac(9)).unwrap();
    ops.state().room = Some(1);
    let mut net = core.softnet();
    for _ in 0..3 {
        net.xmit(&dev, crate::common::received(&dev, &[0; 60]));
    }
    assert_eq!(dev.queue(0).backlog(), 2);
    core.unregister(&dev);
    assert_eq!((dev.queue(0).backlog(), dev.stats64().tx_dropped), (0, 2));
    let (unicast, multicast) = dev.address_lists();
    assert!(unicast.is_empty() && multicast.is_empty());
    // The core and its devices let go of each other.
    drop(net);
    let weak = Arc::downgrade(&dev);
    drop((core, dev, ops));
    assert!(weak.upgrade().is_none());
}
