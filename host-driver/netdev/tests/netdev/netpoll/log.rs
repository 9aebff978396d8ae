//! Hook, netconsole and sysrq at the same time; the log's formats; over a VLAN of a master.

use smartnic_netdev::netpoll::console::{self, Format, Record};
use smartnic_netdev::netpoll::sysrq::{Command, Parser};

use super::*;

/// Feeds the magic sequence's parser.
struct Sysrq(Mutex<(Parser, Vec<Command>)>);

impl Hook for Sysrq {
    fn receive(&self, _: &mut Softnet, _: &Netpoll, _: Sender, payload: &[u8]) {
        let mut state = self.0.lock().unwrap();
        let commands = state.0.feed(payload);
        state.1.extend(commands);
    }
}

#[test]
fn hook_netconsole_and_sysrq_at_the_same_time() {
    let mut b = bonded();
    let pong = Arc::new(Pong::default());
    let sysrq = Arc::new(Sysrq(Mutex::new((Parser::new(None), Vec::new()))));
    let at = |port| Endpoint {
        local: SocketAddr::new("10.0.0.1".parse().unwrap(), port),
        ..endpoint()
    };
    netpoll::setup(&mut b.core, &b.bond, at(7000), Some(pong.clone())).unwrap();
    netpoll::setup(&mut b.core, &b.bond, at(7001), Some(sysrq.clone())).unwrap();
    let log = netpoll::setup(&mut b.core, &b.bond, at(7002), None).unwrap();
    b.ops[0].state().room = Some(64);
    let began = Instant::now();
    const EACH: usize = 300;
    std::thread::scope(|scope| {
        for port in [7000, 7001] {
            let (mut net, slave) = (b.core.softnet(), b.slaves[port - 7000].clone());
            scope.spawn(move || {
                for _ in 0..EACH {
                    net.receive(received(
                        &slave,
                        &datagram(&format!("10.0.0.1:{port}"), b"\x1bsysrq d"),
                    ));
                    net.run();
                }
                net.run_all(50);
            });
        }
        for _ in 0..2 {
            let (mut net, log) = (b.core.softnet(), log.clone());
            scope.spawn(move || {
                for n in 0..EACH {
                    let record = Record {
                        level: 6,
                        sequence: n as u64,
                        time: ms(n as u64),
                        text: "hello",
                    };
                    console::write(&log, &mut net, &record, Format::Extended).unwrap();
                }
            });
        }
        // Slaves come and go meanwhile.
        for _ in 0..20 {
            b.core.set_master(&b.slaves[1], None).unwrap();
            b.core.set_master(&b.slaves[1], Some(&b.bond)).unwrap();
        }
    });
    let mut net = b.core.softnet();
    for n in 0..50 {
        b.core.tick(ms(1000 + n));
        net.run_all(50);
    }
    assert!(began.elapsed() < Duration::from_secs(30));
    let answered = pong.seen.lock().unwrap().len();
    assert_eq!(answered, EACH, "s0 was never away");
    let dumps = &sysrq.0.lock().unwrap().1;
    assert!(dumps.iter().all(|c| *c == Command::DumpState));
    let sent = b.ops[0].sent();
    let pongs = sent.iter().filter(|f| payload(f) == b"PONG").count();
    let lines = sent
        .iter()
        .filter(|f| payload(f).ends_with(b"-;hello\n"))
        .count();
    let (bond, slave) = (
        b.bond.stats64().tx_dropped,
        b.slaves[0].stats64().tx_dropped,
    );
    assert_eq!(
        (pongs, lines, bond, slave),
        (EACH, 2 * EACH, 0, 0),
        "nothing lost, nothing twice"
    );
}

#[test]
fn the_log_in_datagrams() {
    let long: String = (0..300).map(|n| format!("line {n} ü\n")).collect();
    let record = |text| Record {
        level: 3,
        sequence: 77,
        time: Duration::from_micros(1_234_567),
        text,
    };
    assert_eq!(
        console::datagrams(&record("one"), Format::Basic),
        [b"one\n"]
    );
    assert_eq!(
        console::datagrams(&record("one\n"), Format::Extended),
        [b"3,77,1234567,-;one\n"]
    );
    assert!(console::datagrams(&record(""), Format::Basic).is_empty());
    let basic = console::datagrams(&record(&long), Format::Basic);
    assert_eq!(basic.concat(), long.as_bytes());
    assert!(basic.iter().all(|d| d.len() <= 1000 && d.ends_with(b"\n")) && basic.len() > 3);
    let extended = console::datagrams(&record(&long), Format::Extended);
    let mut text = String::new();
    for piece in &extended {
        let piece = std::str::from_utf8(piece).unwrap();
        let (head, body) = piece.split_once(';').unwrap();
        let whole = long.trim_end().len();
        assert_eq!(
            head,
            format!("3,77,1234567,-,ncfrag={}/{whole}", text.len())
        );
        assert!(piece.len() <= 1000);
        text += body;
    }
    assert_eq!(text, long.trim_end());
}

#[test]
fn over_a_vlan_of_the_master_and_what_does_not_fit() {
    let mut b = bonded();
    let v = vlan::create(&mut b.core, &b.bond, &VlanConfig::new("bond0.5", 5)).unwrap();
    b.core.open(&v).unwrap();
    let np = netpoll::setup(&mut b.core, &v, endpoint(), None).unwrap();
    assert!(b.slaves.iter().all(|s| netpoll::info(s).is_some()));
    let mut net = b.core.softnet();
    np.send_udp(&mut net, b"hello").unwrap();
    assert_eq!(b.ops[0].sent()[0][12..18], [0x81, 0, 0, 5, 8, 0]);
    assert_eq!(payload(&b.ops[0].sent()[0]), b"hello");
    assert_eq!(np.send_udp(&mut net, &[0; 1472]).unwrap(), TxOutcome::Sent);
    assert_eq!(errno(np.send_udp(&mut net, &[0; 1473])), "EMSGSIZE");
    let six = Sender {
        address: "[fe80::1]:5".parse().unwrap(),
        mac: mac(2),
    };
    assert_eq!(errno(np.send_to(&mut net, six, b"x")), "EINVAL");
    netpoll::cleanup(&mut b.core, &np);
    let local = Endpoint {
        local: "[fe80::2]:5".parse().unwrap(),
        remote: six.address,
        ..endpoint()
    };
    let np = netpoll::setup(&mut b.core, &b.bond, local, None).unwrap();
    np.send_udp(&mut net, b"six").unwrap();
    assert_eq!(payload(b.ops[0].sent().last().unwrap()), b"six");
    b.core.unregister(&v);
    assert!(
        netpoll::info(&b.slaves[0]).is_some(),
        "the other user is still there"
    );
}
