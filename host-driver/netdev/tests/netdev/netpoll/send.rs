//! Set-up over masters, sending when there is no room, answering from inside of the receive path.

use super::*;

#[test]
fn a_masters_slaves_are_set_up_and_cleaned_up() {
    let mut b = bonded();
    let np = netpoll::setup(&mut b.core, &b.bond, endpoint(), None).unwrap();
    assert_eq!(
        take(&b.log),
        ["bond.netpoll_setup", "s0.netpoll_setup", "s1.netpoll_setup"]
    );
    let second = netpoll::setup(&mut b.core, &b.bond, endpoint(), None).unwrap();
    assert!(take(&b.log).is_empty(), "once for all users");
    assert_eq!(
        errno(netpoll::setup(&mut b.core, &b.slaves[0], endpoint(), None).map(drop)),
        "EBUSY"
    );
    // Slaves come and go.
    b.core.set_master(&b.slaves[1], None).unwrap();
    assert_eq!(take(&b.log), ["s1.netpoll_cleanup"]);
    b.core.set_master(&b.slaves[1], Some(&b.bond)).unwrap();
    assert_eq!(take(&b.log), ["s1.netpoll_setup"]);
    netpoll::cleanup(&mut b.core, &second);
    netpoll::cleanup(&mut b.core, &second);
    assert!(take(&b.log).is_empty());
    netpoll::cleanup(&mut b.core, &np);
    assert_eq!(
        take(&b.log),
        [
            "bond.netpoll_cleanup",
            "s0.netpoll_cleanup",
            "s1.netpoll_cleanup"
        ]
    );
    assert!(b.slaves.iter().all(|s| netpoll::info(s).is_none()));
    assert_eq!(
        np.send_udp(&mut b.core.softnet(), b"late").unwrap(),
        TxOutcome::Dropped
    );
}

#[test]
fn one_slave_that_refuses_refuses_all() {
    let mut b = bonded();
    b.slaves[1].set_priv_flags(PrivFlags::DISABLE_NETPOLL, true);
    assert_eq!(
        errno(netpoll::setup(&mut b.core, &b.bond, endpoint(), None).map(drop)),
        "EOPNOTSUPP"
    );
    assert_eq!(
        take(&b.log),
        [
            "bond.netpoll_setup",
            "s0.netpoll_setup",
            "s0.netpoll_cleanup",
            "bond.netpoll_cleanup"
        ]
    );
    b.core.set_master(&b.slaves[1], None).unwrap();
    let np = netpoll::setup(&mut b.core, &b.bond, endpoint(), None).unwrap();
    take(&b.log);
    assert_eq!(
        errno(b.core.set_master(&b.slaves[1], Some(&b.bond))),
        "EOPNOTSUPP"
    );
    assert!(!b.slaves[1].has_rx_handler() && b.slaves[1].master().is_none());
    b.ops[1].state().failing.insert("netpoll_setup");
    b.slaves[1].set_priv_flags(PrivFlags::DISABLE_NETPOLL, false);
    assert_eq!(errno(b.core.set_master(&b.slaves[1], Some(&b.bond))), "EIO");
    // The master goes with its user still there.
    b.core.unregister(&b.bond);
    assert!(netpoll::info(&b.slaves[0]).is_none());
    netpoll::cleanup(&mut b.core, &np);
    let mut down = Core::new();
    let dev = down.add(setup("e", 1), Recorder::new("e", &b.log)).unwrap();
    assert_eq!(
        errno(netpoll::setup(&mut down, &dev, endpoint(), None).map(drop)),
        "ENETDOWN"
    );
}

#[test]
fn a_stopped_queue_is_polled_and_its_descriptors_reaped() {
    let mut b = bonded();
    let np = netpoll::setup(&mut b.core, &b.bond, endpoint(), None).unwrap();
    b.ops[0].state().room = Some(2);
    let mut net = b.core.softnet();
    for n in 0..20u8 {
        assert_eq!(np.send_udp(&mut net, &[n; 3]).unwrap(), TxOutcome::Sent);
    }
    let sent: Vec<_> = b.ops[0].sent().iter().map(|f| payload(f)).collect();
    assert_eq!(
        sent,
        (0..20u8).map(|n| vec![n; 3]).collect::<Vec<_>>(),
        "none waited for an interrupt"
    );
    assert_eq!(netpoll::info(&b.slaves[0]).unwrap().late(), 0);
    // The controller does not help either: later, by the tick.
    b.slaves[0].stop_queue(0);
    b.ops[0].state().busy = TRIES * 2;
    assert_eq!(
        np.send_udp(&mut net, b"later").unwrap(),
        TxOutcome::Sent,
        "the master has it"
    );
    assert_eq!(
        (
            b.ops[0].sent().len(),
            netpoll::info(&b.slaves[0]).unwrap().waiting()
        ),
        (20, 1)
    );
    np.send_udp(&mut net, b"behind").unwrap();
    b.ops[0].state().busy = 1;
    net.run_all(3);
    assert_eq!(
        b.ops[0].sent().len(),
        20,
        "tried once and put off until the next tick"
    );
    b.core.tick(ms(1));
    net.run_all(3);
    let sent: Vec<_> = b.ops[0].sent()[20..].iter().map(|f| payload(f)).collect();
    assert_eq!(sent, [b"later".to_vec(), b"behind".to_vec()]);
    // The lock is held by somebody: it is not waited for.
    assert_eq!(b.slaves[0].stats64().tx_dropped, 0);
}

#[test]
fn ping_is_answered_with_pong_after_the_receive_path() {
    let mut b = bonded();
    let pong = Arc::new(Pong::default());
    let np = netpoll::setup(&mut b.core, &b.bond, endpoint(), Some(pong.clone())).unwrap();
    let mut net = b.core.softnet();
    // In on s0, and out by it: its receive path runs, so the answer waits.
    b.ops[0]
        .state()
        .incoming
        .push_back(received(&b.slaves[0], &datagram("10.0.0.1:6665", b"ping")));
    b.slaves[0].napi_schedule(0);
    net.run_all(4);
    assert_eq!(*pong.seen.lock().unwrap(), [b"ping"]);
    assert_eq!(payload(&b.ops[0].sent()[0]), b"PONG");
    assert_eq!(b.ops[0].sent()[0][..12], [mac(2).0, mac(1).0].concat());
    assert_eq!(netpoll::info(&b.slaves[0]).unwrap().late(), 1);
    // In on s1, out by s0: at once.
    net.receive(received(&b.slaves[1], &datagram("10.0.0.1:6665", b"ping")));
    assert_eq!(
        (
            b.ops[0].sent().len(),
            netpoll::info(&b.slaves[0]).unwrap().late()
        ),
        (2, 1)
    );
    // Not for the hook: another port, another host, a wrong checksum, no UDP.
    let mut wrong = datagram("10.0.0.1:6665", b"ping");
    *wrong.last_mut().unwrap() ^= 1;
    let mut header = datagram("10.0.0.1:6665", b"ping");
    header[22] ^= 1;
    for other in [
        datagram("10.0.0.1:6664", b"x"),
        datagram("10.0.0.9:6665", b"x"),
        wrong,
        header,
        frame(mac(1), mac(2), eth::P_IP, b""),
    ] {
        net.receive(received(&b.slaves[1], &other));
    }
    for len in 0..60 {
        net.receive(received(
            &b.slaves[1],
            &[&datagram("10.0.0.1:6665", b"ping")[..14], &vec![0x45; len]].concat(),
        ));
    }
    assert_eq!(pong.seen.lock().unwrap().len(), 2);
    // An ARP request for its address is answered, one for another is not.
    let arp = |target: [u8; 4]| {
        let mut p = vec![0, 1, 8, 0, 6, 4, 0, 1];
        p.extend(mac(2).0);
        p.extend([10, 0, 0, 2]);
        p.extend([0; 6]);
        p.extend(target);
        frame(
            smartnic_slowpath::MacAddr::BROADCAST,
            mac(2),
            eth::P_ARP,
            &p,
        )
    };
    net.receive(received(&b.slaves[1], &arp([10, 0, 0, 1])));
    net.receive(received(&b.slaves[1], &arp([10, 0, 0, 3])));
    let sent = b.ops[0].sent();
    let wanted = [
        &mac(2).0[..],
        &mac(1).0,
        &[8, 6, 0, 1, 8, 0, 6, 4, 0, 2],
        &mac(1).0,
        &[10, 0, 0, 1],
        &mac(2).0,
        &[10, 0, 0, 2],
    ]
    .concat();
    assert_eq!((sent.len(), &sent[2][..]), (3, &wanted[..]));
    netpoll::cleanup(&mut b.core, &np);
    net.receive(received(&b.slaves[1], &datagram("10.0.0.1:6665", b"ping")));
    assert_eq!(pong.seen.lock().unwrap().len(), 2);
}
