//! Frames go where somebody listens, fail-over takes the time that the settings say, and after
//! any number of flaps both ends use every link again.

use rand::Rng;

use crate::clock::ms;
use crate::net::Net;
use crate::seed::rng;

/// 802.3ad with collecting and distributing apart: but for a moment after a link broke or returned, no frame arrives
/// where nobody listens; and in the end every link is used both ways.
#[test]
fn lacp_through_flaps() {
    let mut rng = rng();
    for round in 0..10 {
        let links = rng.random_range(2..6);
        let rate = ["slow", "fast"][round % 2];
        let options = [
            ("coupled_control", "off"),
            ("lacp_rate", rate),
            ("xmit_hash_policy", "layer3+4"),
            ("updelay", ["0", "300"][round / 2 % 2]),
        ];
        let mut net = Net::new("802.3ad", &options, links, rng.clone());
        for wire in net.wires.values_mut() {
            wire.delay = ms(rng.random_range(1..40));
        }
        net.run(ms(8000), ms(10));
        let all: Vec<u32> = (1..=links).collect();
        assert_eq!(net.senders(), [all.clone(), all.clone()], "round {round}");
        assert!(
            net.tally.refused.is_empty(),
            "round {round}: {:?}",
            net.tally
        );
        for _ in 0..25 {
            let id = rng.random_range(1..=links);
            let up = !net.wires[&id].up;
            let others = net.wires.iter().any(|(other, w)| *other != id && w.up);
            if up || others {
                net.set_up(id, up);
            }
            net.tally.refused.clear();
            net.run(ms(rng.random_range(5..4000)), ms(10));
            for (when, id, from) in &net.tally.refused {
                // The news is held up by the transmit limit, and travels.
                let since = *when - net.wires[id].touched;
                assert!(
                    since < ms(1200),
                    "round {round}: bond {from} sent on {id} {since:?} after it changed"
                );
            }
        }
        for id in &all {
            net.set_up(*id, true);
        }
        net.run(ms(40_000), ms(1000));
        assert_eq!(net.senders(), [all.clone(), all], "round {round}");
        let t = &net.tally;
        println!(
            "round {round}: {links} links, {rate}: {} delivered, {} dropped, {} lost",
            t.delivered, t.dropped, t.lost
        );
        assert!(t.delivered > t.dropped + t.lost, "{t:?}");
    }
}

/// A link that loses its carrier: nothing more is given to it. One that falls silent: until the rate's timeout.
#[test]
fn fail_over_times() {
    for (rate, most) in [("fast", ms(3100)), ("slow", ms(90_100))] {
        let options = [("lacp_rate", rate), ("xmit_hash_policy", "layer3+4")];
        let mut net = Net::new("802.3ad", &options, 3, rng());
        net.run(ms(35_000), ms(100));
        net.run(ms(5), ms(1000));
        net.tally = Default::default();
        net.set_up(1, false);
        net.run(ms(10_000), ms(10));
        assert_eq!(
            (net.tally.lost, net.tally.dropped),
            (0, 0),
            "{rate}: a carrier is seen at once"
        );
        net.wires.get_mut(&2).unwrap().loss = 100;
        let silent = net.now;
        let mut left = None;
        while left.is_none() && net.now < silent + ms(120_000) {
            net.run(ms(100), ms(10));
            let [a, b] = net.senders();
            left = (a == [3] && b == [3]).then_some(net.now - silent);
        }
        let left = left.expect("the silent link is left");
        println!("{rate}: {left:?}, {} frames lost", net.tally.lost);
        assert!(left <= most, "{rate}: {left:?}");
        net.tally = Default::default();
        net.run(ms(5000), ms(10));
        assert_eq!((net.tally.lost, net.tally.dropped), (0, 0), "{rate}");
    }
}

/// The other modes, where a link's two ends share its fate: after each flap and the monitor's delay nothing is lost.
#[test]
fn other_modes_through_flaps() {
    let mut rng = rng();
    for mode in ["balance-rr", "active-backup", "balance-xor", "broadcast"] {
        let options = [("miimon", "50"), ("primary_reselect", "failure")];
        let mut net = Net::new(mode, &options, 3, rng.clone());
        net.run(ms(500), ms(10));
        for _ in 0..40 {
            let id = rng.random_range(1..=3);
            let up = !net.wires[&id].up;
            let others = net.wires.iter().any(|(other, w)| *other != id && w.up);
            if !up && !others {
                continue;
            }
            net.set_up(id, up);
            net.run(ms(200), ms(10));
            let before = (net.tally.dropped, net.tally.lost);
            net.run(ms(200), ms(10));
            assert_eq!((net.tally.dropped, net.tally.lost), before, "{mode}");
        }
        // In active-backup the two ends may differ in their choice: what then arrives at a backup is refused.
        if mode != "active-backup" {
            assert!(
                net.tally.refused.is_empty(),
                "{mode}: {:?}",
                net.tally.refused
            );
        }
        println!("{mode}: {} delivered", net.tally.delivered);
        assert!(
            net.tally.delivered > 1000 || mode == "active-backup",
            "{mode}"
        );
    }
}
