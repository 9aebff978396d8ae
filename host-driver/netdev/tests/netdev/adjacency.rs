//! Above and below: masters, loops, the headroom on the way, and the two ways in with their errors.

use std::sync::Arc;

use smartnic_netdev::device::{Flags, PrivFlags};
use smartnic_netdev::registry::ioctl::{self, Value};
use smartnic_netdev::registry::request::{Caller, Change, Request};
use smartnic_netdev::{Core, Dev, Setup};

use crate::common::{Log, Recorder, Watcher, errno, mac, setup, take, up};

fn device(core: &mut Core, name: &'static str, log: &Log) -> Dev {
    core.add(setup(name, 1), Recorder::new(name, log)).unwrap()
}

fn master(core: &mut Core, name: &'static str, log: &Log) -> (Dev, Arc<Recorder>) {
    let mut ops = Recorder::new(name, log);
    Arc::get_mut(&mut ops).unwrap().user_made = true;
    (
        core.add(
            Setup {
                tx_queue_len: 0,
                ..setup(name, 9)
            },
            ops.clone(),
        )
        .unwrap(),
        ops,
    )
}

#[test]
fn loops_and_second_masters_are_refused() {
    let log = Log::default();
    let mut core = Core::new();
    let d: Vec<Dev> = ["a", "b", "c", "d"]
        .map(|n| device(&mut core, n, &log))
        .into();
    core.upper_link(&d[0], &d[1]).unwrap();
    core.upper_link(&d[1], &d[2]).unwrap();
    assert_eq!(errno(core.upper_link(&d[0], &d[0])), "EINVAL");
    assert_eq!(errno(core.upper_link(&d[2], &d[0])), "ELOOP");
    assert_eq!(errno(core.master_upper_link(&d[1], &d[0])), "ELOOP");
    assert_eq!(errno(core.upper_link(&d[0], &d[1])), "EEXIST");
    core.master_upper_link(&d[0], &d[3]).unwrap();
    assert_eq!(errno(core.master_upper_link(&d[0], &d[2])), "EBUSY");
    assert_eq!(errno(core.master_upper_link(&d[0], &d[3])), "EEXIST");
    assert_eq!(d[0].master(), Some(d[3].clone()));
    assert_eq!(d[0].uppers(), [d[1].clone(), d[3].clone()]);
    assert_eq!(*d[3].lowers(), [d[0].clone()]);
    core.upper_unlink(&d[0], &d[3]);
    assert_eq!((d[0].master(), d[3].lowers().len()), (None, 0));
    core.upper_unlink(&d[0], &d[3]);
    // A stack may be eight devices high.
    let tall: Vec<Dev> = (0..10)
        .map(|_| core.add(setup("t%d", 1), Recorder::new("t", &log)).unwrap())
        .collect();
    let linked = (1..10)
        .map(|n| core.upper_link(&tall[n - 1], &tall[n]))
        .take_while(Result::is_ok)
        .count();
    assert_eq!(linked, smartnic_netdev::registry::MAX_NEST);
    // A device that goes takes its links with it.
    core.unregister(&d[1]);
    assert!(d[0].uppers().is_empty() && d[2].lowers().is_empty());
    assert_eq!(errno(core.upper_link(&d[0], &d[1])), "ENODEV");
}

#[test]
fn linking_can_be_refused_before_and_after() {
    let log = Log::default();
    let mut core = Core::new();
    let (low, high) = (
        device(&mut core, "low", &log),
        device(&mut core, "high", &log),
    );
    let (a, b) = (Watcher::new("a", &log), Watcher::new("b", &log));
    core.subscribe(1, a.clone()).unwrap();
    core.subscribe(0, b.clone()).unwrap();
    take(&log);
    b.refuses.lock().unwrap().insert("PRE_CHANGE_UPPER");
    assert_eq!(errno(core.master_upper_link(&low, &high)), "EPERM");
    assert_eq!(
        take(&log),
        ["a:low PRE_CHANGE_UPPER", "b:low PRE_CHANGE_UPPER"]
    );
    *b.refuses.lock().unwrap() = ["CHANGE_UPPER"].into();
    assert_eq!(errno(core.master_upper_link(&low, &high)), "EPERM");
    let heard = take(&log);
    assert_eq!(
        heard[2..],
        [
            "a:low CHANGE_UPPER",
            "b:low CHANGE_UPPER",
            "a:low CHANGE_UPPER",
            "b:low CHANGE_UPPER"
        ]
    );
    assert_eq!(
        (low.master(), low.uppers().len(), high.lowers().len()),
        (None, 0, 0)
    );
}

#[test]
fn headroom_reaches_the_top() {
    let log = Log::default();
    let mut core = Core::new();
    let port = core
        .add(
            Setup {
                needed_headroom: 32,
                ..setup("port", 1)
            },
            Recorder::new("p", &log),
        )
        .unwrap();
    let (bond, bridge) = (
        device(&mut core, "bond", &log),
        device(&mut core, "bridge", &log),
    );
    core.upper_link(&bond, &bridge).unwrap();
    core.upper_link(&port, &bond).unwrap();
    assert_eq!((bond.needed_headroom(), bridge.needed_headroom()), (32, 32));
    assert!(bridge.alloc_packet(100).headroom() >= 32 + 14);
    core.upper_unlink(&port, &bond);
    assert_eq!((bond.needed_headroom(), bridge.needed_headroom()), (0, 0));
}

#[test]
fn masters_take_slaves_by_the_link_way_in() {
    let log = Log::default();
    let mut core = Core::new();
    let slave = device(&mut core, "eth0", &log);
    let (m, ops) = master(&mut core, "m0", &log);
    let (n, _) = master(&mut core, "n0", &log);
    take(&log);
    let set = |name: &str, change| Request::Set(name.into(), vec![change]);
    let join = |to: &str| set("eth0", Change::Master(Some(to.into())));
    assert_eq!(errno(core.request(&Caller::USER, &join("m0"))), "EPERM");
    assert_eq!(
        errno(core.request(&Caller::ADMIN, &join("nobody"))),
        "ENODEV"
    );
    assert_eq!(
        errno(core.request(&Caller::ADMIN, &set("nobody", Change::Up(true)))),
        "ENODEV"
    );
    assert_eq!(
        errno(core.request(
            &Caller::ADMIN,
            &set("m0", Change::Master(Some("eth0".into())))
        )),
        "EOPNOTSUPP"
    );
    core.request(&Caller::ADMIN, &join("m0")).unwrap();
    core.request(&Caller::ADMIN, &join("m0")).unwrap();
    assert_eq!(
        (slave.master(), take(&log)),
        (Some(m.clone()), vec!["m0.add_slave".to_string()])
    );
    // To another master: released there first. A refusal leaves it where it is.
    core.request(&Caller::ADMIN, &join("n0")).unwrap();
    assert_eq!(
        (slave.master(), take(&log)),
        (
            Some(n.clone()),
            vec!["m0.del_slave".into(), "n0.add_slave".into()]
        )
    );
    ops.state().failing.insert("add_slave");
    assert_eq!(errno(core.request(&Caller::ADMIN, &join("m0"))), "EIO");
    assert_eq!(slave.master(), None);
    core.request(&Caller::ADMIN, &join("n0")).unwrap();
    // A slave that goes is released.
    take(&log);
    core.unregister(&slave);
    assert_eq!(take(&log), ["n0.del_slave", "eth0.uninit"]);
    assert!(n.lowers().is_empty());
    core.request(&Caller::ADMIN, &Request::Delete("n0".into()))
        .unwrap();
    let other = device(&mut core, "eth1", &log);
    assert_eq!(
        errno(core.request(&Caller::ADMIN, &Request::Delete("eth1".into()))),
        "EOPNOTSUPP"
    );
    assert_eq!(
        errno(core.request(&Caller::ADMIN, &set("eth1", Change::Carrier(false)))),
        "EOPNOTSUPP"
    );
    let bad = set("eth1", Change::Flags(Flags::RUNNING, true));
    assert_eq!(errno(core.request(&Caller::ADMIN, &bad)), "EINVAL");
    let shown = core
        .request(&Caller::USER, &Request::Show(Some("eth1".into())))
        .unwrap();
    assert_eq!((shown.len(), shown[0].ifindex), (1, other.ifindex()));
    assert_eq!(
        core.request(&Caller::USER, &Request::Show(None))
            .unwrap()
            .len(),
        2
    );
    let changes = vec![
        Change::Mtu(900),
        Change::Name("x0".into()),
        Change::TxQueueLen(7),
        Change::Up(true),
    ];
    let after = core
        .request(&Caller::ADMIN, &Request::Set("eth1".into(), changes))
        .unwrap();
    assert_eq!(
        (after[0].mtu, after[0].ifname.as_str(), after[0].txqlen),
        (900, "x0", 7)
    );
    assert!(other.is_up());
}

#[test]
fn numbered_commands() {
    let log = Log::default();
    let mut core = Core::new();
    let dev = up(&mut core, setup("e", 1), &Recorder::new("e", &log));
    dev.set_priv_flags(PrivFlags::LIVE_ADDR_CHANGE, true);
    let mut ask = |caller, command, value| core.ioctl(caller, "e", command, value);
    let (user, admin) = (&Caller::USER, &Caller::ADMIN);
    assert_eq!(
        ask(user, ioctl::SIOCGIFMTU, Value::Nothing),
        Ok(Value::Number(1500))
    );
    assert_eq!(
        ask(user, ioctl::SIOCGIFHWADDR, Value::Nothing),
        Ok(Value::Address(mac(1)))
    );
    assert_eq!(
        ask(user, ioctl::SIOCGIFINDEX, Value::Nothing),
        Ok(Value::Number(1))
    );
    assert_eq!(
        ask(user, ioctl::SIOCGIFTXQLEN, Value::Nothing),
        Ok(Value::Number(1000))
    );
    assert_eq!(
        errno(ask(user, ioctl::SIOCSIFMTU, Value::Number(1000))),
        "EPERM"
    );
    assert_eq!(
        errno(ask(user, ioctl::PRIVATE + 3, Value::Bytes(vec![1, 2]))),
        "EPERM"
    );
    assert_eq!(
        errno(ask(admin, ioctl::SIOCSIFMTU, Value::Name("x".into()))),
        "EINVAL"
    );
    assert_eq!(
        errno(ask(admin, ioctl::SIOCSIFMTU, Value::Number(10))),
        "EINVAL"
    );
    ask(admin, ioctl::SIOCSIFMTU, Value::Number(1000)).unwrap();
    ask(admin, ioctl::SIOCSIFTXQLEN, Value::Number(10)).unwrap();
    ask(admin, ioctl::SIOCSIFHWADDR, Value::Address(mac(4))).unwrap();
    let group = Value::Address("01:00:5e:00:00:05".parse().unwrap());
    ask(admin, ioctl::SIOCADDMULTI, group.clone()).unwrap();
    ask(admin, ioctl::SIOCDELMULTI, group.clone()).unwrap();
    assert_eq!(errno(ask(admin, ioctl::SIOCDELMULTI, group)), "ENOENT");
    ask(
        admin,
        ioctl::SIOCSIFFLAGS,
        Value::Number(Flags::MULTICAST.bits()),
    )
    .unwrap();
    let flags = Flags::BROADCAST | Flags::MULTICAST;
    assert_eq!(
        ask(user, ioctl::SIOCGIFFLAGS, Value::Nothing),
        Ok(Value::Number(flags.bits()))
    );
    // The driver's own: bytes go in and come out, a refusal gives nothing back.
    assert_eq!(
        ask(admin, ioctl::PRIVATE + 3, Value::Bytes(vec![1, 2, 3])),
        Ok(Value::Bytes(vec![3, 2, 1]))
    );
    assert_eq!(
        ask(admin, ioctl::PRIVATE + 15, Value::Bytes(vec![1])),
        Ok(Value::Bytes(vec![]))
    );
    for unknown in [ioctl::PRIVATE, ioctl::PRIVATE + 16, 0x8900, 0, u32::MAX] {
        assert_eq!(
            errno(ask(admin, unknown, Value::Nothing)),
            "EOPNOTSUPP",
            "{unknown:#x}"
        );
    }
    ask(admin, ioctl::SIOCSIFNAME, Value::Name("f".into())).unwrap();
    assert_eq!(
        errno(ask(user, ioctl::SIOCGIFMTU, Value::Nothing)),
        "ENODEV"
    );
}
