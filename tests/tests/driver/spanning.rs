//! The spanning tree on the real card: a cable from one of its ports to another of them is a loop, and the hardware cuts it.

use std::time::Duration;

use smartnic_driver::clock::Clock;
use smartnic_driver::device::MacAddr;
use smartnic_driver::netdev::NetError;
use smartnic_driver::switch::Switch;
use smartnic_driver::switch::model::Model;
use smartnic_regs::values::counter;

use crate::setup::{Bench, Frames, Way, none, station, udp};

both_ways!(a_loop_is_cut_in_hardware);

/// br0 over ports 1 to 3, with the shortest times that STP has.
fn looped(m: &mut Model) -> Result<(), NetError> {
    m.add("br0", "bridge", MacAddr([2, 9, 9, 9, 9, 9]))?;
    for (option, value) in [
        ("hello_time", "200"),
        ("forward_delay", "400"),
        ("max_age", "600"),
    ] {
        m.set_option("br0", option, value)?;
    }
    for port in ["port1", "port2", "port3"] {
        m.enslave(port, "br0")?;
        m.set_up(port, true)?;
    }
    m.set_up("br0", true)
}

/// A cable from port 1 to port 2: what came out of the one goes into the other.
fn cable(out: &Frames) -> Vec<(usize, Vec<u8>)> {
    let to = |port: usize, frames: &[Vec<u8>]| -> Vec<_> {
        frames.iter().map(|f| (port, f.clone())).collect()
    };
    [to(2, &out[0]), to(1, &out[1])].concat()
}

/// Lets the protocol's time pass, with the cable carrying whatever comes.
fn run(bench: &Bench, switch: &mut Switch, clock: &Clock, time: Duration) {
    let end = clock.now() + time;
    loop {
        while switch.poll().expect("a card").more {}
        let out = bench.exchange(switch, &[]);
        let mut back = cable(&out);
        while !back.is_empty() {
            let out = bench.exchange(switch, &back);
            while switch.poll().expect("a card").more {}
            back = cable(&out);
        }
        let left = end.saturating_sub(clock.now());
        if left.is_zero() {
            return;
        }
        let next = switch.next_tick().expect("it runs");
        clock.advance(next.max(Duration::from_millis(1)).min(left));
    }
}

fn a_loop_is_cut_in_hardware(way: Way) {
    let bench = Bench::new(way);
    let mut switch = bench.switch();
    let clock = Clock::manual();
    switch.set_clock(clock.clone());
    switch.change(looped).expect("a bridge");
    bench.links(&mut switch);
    let hello = udp(MacAddr::BROADCAST, station(3, 1), 1, 2);
    // Without a spanning tree a broadcast goes round for ever, both ways.
    let mut out = bench.exchange(&mut switch, &[(3, hello.clone())]);
    for _ in 0..5 {
        let back = cable(&out);
        assert_eq!(back.len(), 2, "it goes round");
        out = bench.exchange(&mut switch, &back);
    }
    switch
        .change(|m| m.set_option("br0", "stp_state", "1"))
        .expect("settings that fit");
    // Whatever still goes round ends here: no port forwards.
    let back = cable(&out);
    assert_eq!(bench.exchange(&mut switch, &back), none());
    run(&bench, &mut switch, &clock, Duration::from_secs(10));
    let br0 = switch.model().device("br0").expect("br0").ifindex;
    let shown = |switch: &Switch, port: &str| {
        let port = switch.model().device(port).expect("a port").ifindex;
        switch.port_tree(br0, port)
    };
    let blocked = shown(&switch, "port2");
    assert_eq!(
        blocked["designated_port"],
        shown(&switch, "port1")["designated_port"]
    );
    let states = ["port1", "port2", "port3"].map(|p| {
        let master = switch.model().master("br0").expect("br0");
        let port = switch.model().device(p).expect("a port").ifindex;
        master.member_info(switch.model().view(), port)["state"].clone()
    });
    assert_eq!(states, ["forwarding", "blocking", "forwarding"]);
    // A broadcast leaves once, and what comes back by the cable goes nowhere, the host included.
    let before = switch.counters(1).expect("a card");
    while switch.poll().expect("a card").more {}
    let out = bench.exchange(&mut switch, &[(3, hello.clone())]);
    assert_eq!(out, [vec![hello.clone()], vec![], vec![], vec![]]);
    assert_eq!(bench.exchange(&mut switch, &cable(&out)), none());
    let since = switch.counters(1).expect("a card").since(&before);
    assert_eq!(
        (
            since.get(counter::DROP_STATE),
            since.get(counter::TX_FRAMES)
        ),
        (1, 0)
    );
    let frames = switch.poll().expect("a card").frames;
    assert_eq!(frames.into_iter().filter(|(dev, _)| *dev == br0).count(), 1);
}
