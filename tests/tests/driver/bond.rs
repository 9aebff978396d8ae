//! Bonds on the real card: two of them back to back, port 1 with port 3 and port 2 with port 4, aggregate by LACP; the host's frames cross; a
//! member is lost.

use std::time::Duration;

use smartnic_driver::clock::Clock;
use smartnic_driver::device::MacAddr;
use smartnic_driver::netdev::{IfIndex, NetError};
use smartnic_driver::switch::Switch;
use smartnic_driver::switch::model::Model;

use crate::setup::{Bench, Frames, Way, base, udp};

both_ways!(two_bonds_aggregate_and_carry_the_hosts_frames);

fn bonds(m: &mut Model) -> Result<(), NetError> {
    for (bond, ports) in [("bond0", ["port1", "port2"]), ("bond1", ["port3", "port4"])] {
        m.add(bond, "bond", MacAddr([2, 9, 9, 9, 9, 9]))?;
        let options = [
            ("mode", "802.3ad"),
            ("miimon", "100"),
            ("lacp_rate", "fast"),
            ("xmit_hash_policy", "layer3+4"),
        ];
        m.set_options(bond, &options)?;
        for port in ports {
            m.enslave(port, bond)?;
        }
        m.set_up(bond, true)?;
    }
    Ok(())
}

/// What came out of a port goes into the one at the other end of its cable.
fn cables(out: &Frames) -> Vec<(usize, Vec<u8>)> {
    let ends = [(0, 3), (1, 4), (2, 1), (3, 2)];
    let carry = |(from, to): (usize, usize)| out[from].iter().map(move |f| (to, f.clone()));
    ends.into_iter().flat_map(carry).collect()
}

/// Lets the protocol's time pass, with the cables carrying whatever comes; gives the frames that came to the host.
fn run(
    bench: &Bench,
    switch: &mut Switch,
    clock: &Clock,
    time: Duration,
) -> Vec<(IfIndex, Vec<u8>)> {
    let end = clock.now() + time;
    let mut received = Vec::new();
    loop {
        let polled = switch.poll().expect("a card");
        received.extend(polled.frames);
        let out = bench.exchange(switch, &[]);
        let arriving = cables(&out);
        let quiet = arriving.is_empty() && !polled.more;
        if !arriving.is_empty() {
            bench.queue(&arriving);
            bench.settle();
        }
        let left = end.saturating_sub(clock.now());
        if quiet && left.is_zero() {
            return received;
        }
        if quiet {
            let next = switch.next_tick().expect("it runs");
            clock.advance(next.max(Duration::from_millis(1)).min(left));
        }
    }
}

fn two_bonds_aggregate_and_carry_the_hosts_frames(way: Way) {
    let bench = Bench::new(way);
    let mut switch = bench.switch();
    let clock = Clock::manual();
    switch.set_clock(clock.clone());
    switch.change(bonds).expect("two bonds");
    bench.links(&mut switch);
    run(&bench, &mut switch, &clock, Duration::from_secs(4));
    let [bond0, bond1] = ["bond0", "bond1"].map(|name| {
        let model = switch.model();
        let device = model.device(name).expect("a bond");
        let info = model.master(name).expect("a bond").info(model.view());
        assert_eq!(info["ad_info"]["num_ports"], 2, "{name}: {info:?}");
        assert!(device.carrier, "{name}");
        device.ifindex
    });
    // Broadcasts of 16 flows from the one to the other: each once, over both cables.
    let flows: Vec<_> = (0..16)
        .map(|n| udp(MacAddr::BROADCAST, base(), 1000 + 7 * n, 53))
        .collect();
    let cross = |switch: &mut Switch| {
        for frame in &flows {
            assert!(switch.xmit(bond0, frame).expect("a card"));
        }
        switch.flush_tx().expect("a card");
        let out = bench.exchange(switch, &[]);
        let count = [out[0].len(), out[1].len()];
        bench.queue(&cables(&out));
        bench.settle();
        let mut got = run(&bench, switch, &clock, Duration::ZERO);
        got.retain(|(dev, _)| *dev == bond1);
        let mut got: Vec<_> = got.into_iter().map(|(_, frame)| frame).collect();
        got.sort();
        let mut wanted = flows.clone();
        wanted.sort();
        assert_eq!(got, wanted);
        count
    };
    let both = cross(&mut switch);
    assert!(
        both[0] > 0 && both[1] > 0 && both[0] + both[1] == 16,
        "{both:?}"
    );
    // A cable is cut: everything takes the other.
    bench.cables[1].set_link(false);
    bench.cables[3].set_link(false);
    bench.settle();
    switch.check_links().expect("a card");
    run(&bench, &mut switch, &clock, Duration::from_secs(1));
    assert_eq!(cross(&mut switch), [16, 0]);
}
