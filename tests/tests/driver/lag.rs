//! The lag: flows over its members by Linux's hash, members that go down, buckets by both fillers.

use crate::bridge::notices;
use crate::setup::{Bench, Way, demo_switch, station, udp};
use smartnic_driver::device::fill::{BUCKETS, Fill};
use smartnic_driver::switch::Switch;
use smartnic_refswitch::{Flow, Policy};

both_ways!(
    flows_take_the_member_of_their_hash,
    a_dead_member_is_skipped_and_comes_back,
    both_fillers_reach_the_hardware
);

/// Datagrams of 32 flows to a station behind the lag.
fn flows() -> Vec<(usize, Vec<u8>)> {
    let (to, from) = (station(3, 1), station(1, 1));
    (0..32)
        .map(|n| (1, udp(to, from, 1000 + 7 * n, 53)))
        .collect()
}

/// Makes the station behind the lag known.
fn hello(bench: &Bench, switch: &mut Switch) {
    let back = udp(station(1, 1), station(3, 1), 1, 1);
    bench.exchange(switch, &[(3, back)]);
    assert_eq!(notices(switch).len(), 1);
}

/// What ports 3 and 4 got of the flows; the others got nothing.
fn spread(bench: &Bench, switch: &mut Switch) -> [Vec<Vec<u8>>; 2] {
    let [p1, p2, p3, p4] = bench.exchange(switch, &flows());
    assert_eq!((p1.len(), p2.len()), (0, 0));
    [p3, p4]
}

fn flows_take_the_member_of_their_hash(way: Way) {
    let (bench, mut switch) = demo_switch(way);
    hello(&bench, &mut switch);
    for (option, policy) in [
        ("layer3+4", Policy::Layer34),
        ("layer2", Policy::Layer2),
        ("layer2+3", Policy::Layer23),
    ] {
        switch
            .change(|m| m.set_option("lag0", "xmit_hash_policy", option))
            .unwrap();
        let got = spread(&bench, &mut switch);
        let mut want = [vec![], vec![]];
        for (_, frame) in flows() {
            let hash = Flow::of(&frame).hash(policy);
            want[hash as usize % 2].push(frame);
        }
        assert_eq!(got, want, "{option}");
        let both = policy == Policy::Layer34;
        assert_eq!(want.iter().all(|w| !w.is_empty()), both, "{option}");
    }
    // Active-backup: one member has them all, the other's frames are dropped.
    switch
        .change(|m| m.set_option("lag0", "primary", "port4"))
        .unwrap();
    switch
        .change(|m| m.set_option("lag0", "mode", "active-backup"))
        .unwrap();
    let got = spread(&bench, &mut switch);
    assert_eq!((got[0].len(), got[1].len()), (0, 32));
    let back = udp(station(1, 1), station(3, 1), 1, 1);
    for (port, arrives) in [(3, 0), (4, 1)] {
        let out = bench.exchange(&mut switch, &[(port, back.clone())]);
        assert_eq!(out[0].len(), arrives, "port {port}");
    }
}

fn a_dead_member_is_skipped_and_comes_back(way: Way) {
    let (bench, mut switch) = demo_switch(way);
    hello(&bench, &mut switch);
    let before = spread(&bench, &mut switch).map(|f| f.len());
    assert!(before[0] > 0 && before[1] > 0 && before[0] + before[1] == 32);
    for (cable, want) in [(2, [0, 32]), (3, [32, 0])] {
        bench.cables[cable].set_link(false);
        // Hardware alone, before the driver knows.
        assert_eq!(spread(&bench, &mut switch).map(|f| f.len()), want);
        // And with the buckets that the driver writes.
        switch.check_links().unwrap();
        assert_eq!(spread(&bench, &mut switch).map(|f| f.len()), want);
        let buckets = switch.device(|d| d.lag().read_buckets(0)).unwrap();
        let other = if cable == 2 { 3 } else { 2 };
        assert!(buckets.iter().all(|b| *b == Some(other)), "{cable}");
        bench.cables[cable].set_link(true);
        bench.settle();
        switch.check_links().unwrap();
        assert_eq!(spread(&bench, &mut switch).map(|f| f.len()), before);
    }
    // Both down: nowhere to go, and the lag's entry goes with it.
    bench.cables[2].set_link(false);
    bench.cables[3].set_link(false);
    assert_eq!(spread(&bench, &mut switch).map(|f| f.len()), [0, 0]);
    assert_eq!(switch.device(|d| d.lag().no_member(0)).unwrap(), 32);
    switch.check_links().unwrap();
    notices(&mut switch);
    let shown = switch.fdb_show().unwrap();
    assert!(!shown.iter().any(|e| e.key.mac == station(3, 1)));
}

fn both_fillers_reach_the_hardware(way: Way) {
    let (bench, mut switch) = demo_switch(way);
    let all = Fill::Linux.fill(&[2, 3], &[]);
    let read = |switch: &mut Switch| switch.device(|d| d.lag().read_buckets(0)).unwrap();
    assert_eq!(read(&mut switch), all);
    assert!(switch.device(|d| d.lag().read_buckets(4)).is_err());
    // Resilient, a member lost: the others keep theirs. A third member takes its share from them.
    switch
        .change(|m| m.set_option("lag0", "lb_fill", "resilient"))
        .unwrap();
    assert_eq!(read(&mut switch), all, "nothing moves by itself");
    switch
        .change(|m| {
            let port2 = m.device("port2")?.ifindex;
            m.leave(port2)?;
            m.enslave("port2", "lag0")
        })
        .unwrap();
    bench.links(&mut switch);
    let three = read(&mut switch);
    let count = |b: &[Option<u8>], p| b.iter().filter(|m| **m == Some(p)).count();
    assert_eq!([1, 2, 3].map(|p| count(&three, p)), [BUCKETS / 3; 3]);
    let kept = |a: &[Option<u8>], b: &[Option<u8>]| a.iter().zip(b).filter(|(x, y)| x == y).count();
    assert_eq!(kept(&all, &three), BUCKETS - BUCKETS / 3);
    switch
        .change(|m| {
            let port3 = m.device("port3")?.ifindex;
            m.leave(port3)
        })
        .unwrap();
    let two = read(&mut switch);
    assert_eq!([1, 2, 3].map(|p| count(&two, p)), [420, 0, 420]);
    assert_eq!(kept(&three, &two), BUCKETS - BUCKETS / 3);
    // Back to Linux's: hash mod n over those there are, in order of joining.
    switch
        .change(|m| m.set_option("lag0", "lb_fill", "linux"))
        .unwrap();
    assert_eq!(read(&mut switch), Fill::Linux.fill(&[3, 1], &[]));
}
