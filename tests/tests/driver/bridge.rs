//! The bridge: hardware forwards, hardware or the driver learns.

use crate::setup::{Way, demo_switch, none, station, udp};
use smartnic_driver::device::MacAddr;
use smartnic_driver::device::fdb::FdbKey;
use smartnic_driver::switch::{NoticeKind, Switch};
use smartnic_regs::values::counter;

both_ways!(
    hardware_forwards_learns_and_counts,
    the_driver_learns_by_the_slow_path,
    a_station_that_moves_is_reported
);

/// Takes what the card has for the host, and tells what happened in the FDB: kind, address, device.
pub fn notices(switch: &mut Switch) -> Vec<(NoticeKind, MacAddr, String)> {
    while switch.poll().expect("a card").more {}
    let all = switch.take_notices();
    let name = |dev| switch.model().registry.name(dev).to_owned();
    all.into_iter()
        .map(|n| {
            let dev = n.entry.dev.map(name).unwrap_or_default();
            (n.kind, n.entry.key.mac, dev)
        })
        .collect()
}

/// Where an address leads, as the hardware has it.
fn leads_to(switch: &mut Switch, mac: MacAddr) -> Option<String> {
    let all = switch.fdb_show().expect("a card");
    let entry = all.into_iter().find(|e| e.key.mac == mac)?;
    entry
        .dev
        .map(|dev| switch.model().registry.name(dev).to_owned())
}

fn hardware_forwards_learns_and_counts(way: Way) {
    let (bench, mut switch) = demo_switch(way);
    let (a, b, c) = (station(1, 1), station(2, 1), station(3, 1));
    let before: Vec<_> = (0..5).map(|p| switch.counters(p).unwrap()).collect();
    // Unknown: to port 2 and to one member of the lag. Nothing goes back.
    let hello = udp(b, a, 1, 2);
    let out = bench.exchange(&mut switch, &[(1, hello.clone())]);
    assert_eq!((&out[0], &out[1]), (&vec![], &vec![hello.clone()]));
    assert_eq!([&out[2][..], &out[3][..]].concat(), vec![hello]);
    assert_eq!(
        notices(&mut switch),
        [(NoticeKind::Added, a, "port1".into())]
    );
    assert_eq!(leads_to(&mut switch, a).as_deref(), Some("port1"));
    // Known: to its port alone, from a lag member too, and the lag is what is learned.
    let (back, from_lag) = (udp(a, b, 3, 4), udp(a, c, 5, 6));
    let out = bench.exchange(&mut switch, &[(2, back.clone())]);
    assert_eq!(out, [vec![back], vec![], vec![], vec![]]);
    let out = bench.exchange(&mut switch, &[(4, from_lag.clone())]);
    assert_eq!(out, [vec![from_lag], vec![], vec![], vec![]]);
    let learned = notices(&mut switch);
    let added = |mac, dev: &str| (NoticeKind::Added, mac, dev.to_owned());
    assert_eq!(learned, [added(b, "port2"), added(c, "lag0")]);
    assert_eq!(leads_to(&mut switch, c).as_deref(), Some("lag0"));
    // 40 frames both ways at once.
    let burst: Vec<_> = (0..40)
        .flat_map(|n| [(1, udp(b, a, n, 2)), (2, udp(a, b, n, 4))])
        .collect();
    let out = bench.exchange(&mut switch, &burst);
    assert_eq!(out.each_ref().map(Vec::len), [40, 40, 0, 0]);
    let sent = |port| burst.iter().filter(move |f| f.0 == port).map(|f| &f.1);
    assert!(sent(1).eq(&out[1]) && sent(2).eq(&out[0]), "in order");
    // Counters: frames and bytes with FCS, by port.
    let since: Vec<_> = (0..5)
        .map(|p| switch.counters(p).unwrap().since(&before[p as usize]))
        .collect();
    for (port, rx, tx) in [(0, 41, 42), (1, 41, 41), (3, 1, 0)] {
        let got = |n| since[port].get(n);
        assert_eq!(got(counter::RX_FRAMES), rx, "port {port}");
        assert_eq!(got(counter::RX_BYTES), rx * 64, "port {port}");
        assert_eq!(got(counter::RX_UNICAST), rx, "port {port}");
        // The first frame went to one member of the lag.
        if port != 3 {
            assert_eq!(got(counter::TX_FRAMES), tx, "port {port}");
            assert_eq!(got(counter::TX_64), tx, "port {port}");
        }
    }
    let lag = since[2].get(counter::TX_FRAMES) + since[3].get(counter::TX_FRAMES);
    assert_eq!((lag, since[4].get(counter::TX_FRAMES)), (1, 0));
    for (port, counters) in since.iter().enumerate() {
        for (name, value) in counters.named() {
            let fault = name.contains("drop") || name.contains("err") || name.contains("over");
            assert!(!fault || value == 0, "port {port}: {name} = {value}");
        }
    }
    let fdb = switch.fdb_counters().unwrap();
    assert_eq!((fdb.learned, fdb.moved, fdb.events_lost), (3, 0, 0));
    let buffer = switch.buffer().unwrap();
    assert_eq!((buffer.free, buffer.fault), (buffer.cells, 0));
}

fn the_driver_learns_by_the_slow_path(way: Way) {
    let (bench, mut switch) = demo_switch(way);
    for port in ["port1", "lag0"] {
        switch
            .change(|m| m.set_member_option(port, "learning", "slow-path"))
            .unwrap();
    }
    let (a, c) = (station(1, 1), station(3, 1));
    let key = |mac| FdbKey { fid: 1, mac };
    for (port, mac, dev) in [(1, a, "port1"), (3, c, "lag0")] {
        let hello = udp(MacAddr::BROADCAST, mac, 1, 2);
        bench.exchange(&mut switch, &[(port, hello)]);
        let known = switch.device(|d| d.fdb().lookup(key(mac))).unwrap();
        assert_eq!(known, None, "hardware must not insert it");
        // The event is there: the driver inserts, once however many events there are.
        assert_eq!(
            notices(&mut switch),
            [(NoticeKind::Added, mac, dev.to_owned())]
        );
        assert_eq!(leads_to(&mut switch, mac).as_deref(), Some(dev));
    }
    assert_eq!(switch.fdb_counters().unwrap().learned, 0);
    // And hardware forwards by what the driver inserted.
    let frame = udp(a, station(2, 1), 3, 4);
    let out = bench.exchange(&mut switch, &[(2, frame.clone())]);
    assert_eq!(out, [vec![frame], vec![], vec![], vec![]]);
    // Without learning nothing is inserted, by nobody.
    switch
        .change(|m| m.set_member_option("port1", "learning", "off"))
        .unwrap();
    let stranger = station(1, 9);
    bench.exchange(&mut switch, &[(1, udp(a, stranger, 1, 2))]);
    let strange = |n: &(NoticeKind, MacAddr, String)| n.1 == stranger;
    assert!(!notices(&mut switch).iter().any(strange));
    assert_eq!(leads_to(&mut switch, stranger), None);
}

fn a_station_that_moves_is_reported(way: Way) {
    let (bench, mut switch) = demo_switch(way);
    let a = station(1, 1);
    let hello = udp(MacAddr::BROADCAST, a, 1, 2);
    let moves = [
        (1, "port1", NoticeKind::Added),
        (2, "port2", NoticeKind::Moved),
        (3, "lag0", NoticeKind::Moved),
        (1, "port1", NoticeKind::Moved),
    ];
    for (port, dev, what) in moves {
        let out = bench.exchange(&mut switch, &[(port, hello.clone())]);
        assert_ne!(out, none(), "the broadcast arrives");
        assert_eq!(notices(&mut switch), [(what, a, dev.to_owned())]);
        assert_eq!(leads_to(&mut switch, a).as_deref(), Some(dev));
    }
    // From one member of the lag to the other is no move.
    bench.exchange(&mut switch, &[(3, hello.clone())]);
    assert_eq!(notices(&mut switch).len(), 1);
    bench.exchange(&mut switch, &[(4, hello)]);
    assert_eq!(notices(&mut switch), []);
    assert_eq!(switch.fdb_counters().unwrap().moved, 4);
}
