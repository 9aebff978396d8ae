//! LACP between two bonds: aggregation, a member whose link is lost, the goodbye of one that leaves, malformed frames.

use smartnic_slowpath::wire::lacp::State;
use smartnic_slowpath::wire::slow::{self, SlowPdu};

use crate::common::*;

const AD: [(&str, &str); 3] = [
    ("mode", "802.3ad"),
    ("miimon", "100"),
    ("lacp_rate", "fast"),
];

/// Two bonds with a cable between the slaves of the same number.
struct Pair([Rig; 2]);

impl Pair {
    fn new() -> Self {
        Self([0, 1].map(|end| {
            let mut rig = Rig::new(&AD, 2);
            rig.core.set_address(&rig.dev, mac(0x10 + end)).unwrap();
            rig
        }))
    }

    fn carry(&mut self) {
        loop {
            let mut quiet = true;
            for from in 0..2 {
                for (slave, frame) in self.0[from].take() {
                    quiet = false;
                    self.0[1 - from].input(slave, &frame);
                }
            }
            if quiet {
                return;
            }
        }
    }

    fn run(&mut self, seconds: u32) {
        for _ in 0..seconds * 10 {
            self.carry();
            for end in &mut self.0 {
                end.advance(SECOND / 10);
            }
        }
        self.carry();
    }

    fn distributing(&self) -> [Vec<bool>; 2] {
        self.0.each_ref().map(|end| {
            let info = end.slaves.iter().map(|s| end.bond.slave_info(s));
            info.map(|i| i.get("distributing").is_some_and(|d| d == true))
                .collect()
        })
    }
}

#[test]
fn two_bonds_aggregate_and_a_slave_that_leaves_says_goodbye() {
    let mut pair = Pair::new();
    pair.run(5);
    assert_eq!(pair.distributing(), [[true; 2]; 2]);
    let info = pair.0[0].bond.info();
    assert_eq!(info["ad_info"]["num_ports"], 2);
    assert_eq!(info["ad_info"]["partner_mac"], mac(0x11).to_string());
    assert_eq!(
        (&info["ad_lacp_rate"], &info["offload"]["mode"]),
        (&"fast".into(), &false.into())
    );
    assert!(pair.0[0].dev.carrier_ok());
    // LACP's group is heard on every slave.
    for slave in &pair.0[0].slaves {
        let mode = smartnic_netdev::Core::rx_mode(slave);
        assert!(mode.multicast.contains(&slow::MULTICAST));
    }
    for end in &mut pair.0 {
        end.link(0, false);
    }
    pair.run(1);
    assert_eq!(pair.distributing(), [[false, true]; 2]);
    for end in &mut pair.0 {
        end.link(0, true);
    }
    pair.run(5);
    assert_eq!(pair.distributing(), [[true; 2]; 2]);
    // One leaves; no time passes until the partner knows.
    let [one, other] = &mut pair.0;
    one.core.set_master(&one.slaves[1], None).unwrap();
    for (slave, frame) in one.take() {
        if slave == 1 {
            let Ok(SlowPdu::Lacp(pdu)) = SlowPdu::parse_frame(&frame) else {
                panic!("only LACP speaks here");
            };
            assert!(!pdu.actor.state.has(State::AGGREGATION));
        }
        other.input(slave, &frame);
    }
    assert_eq!(pair.distributing()[1], [true, false]);
    let one = &mut pair.0[0];
    assert!(
        !one.slaves[1]
            .address_lists()
            .1
            .iter()
            .any(|a| a == slow::MULTICAST)
    );
    // And so does all of a bond that is deleted.
    one.bonds.delete(&mut one.core, &one.dev).unwrap();
    let last = one.take();
    assert!(last.iter().any(|(slave, _)| *slave == 0));
    for (slave, frame) in last {
        pair.0[1].input(slave, &frame);
    }
    assert_eq!(
        pair.0[1].bond.slave_info(&pair.0[1].slaves[0])["ad_partner_oper_port_state"]
            .as_u64()
            .unwrap()
            & 4,
        0
    );
}

#[test]
fn malformed_frames_change_nothing_and_are_counted() {
    let mut pair = Pair::new();
    pair.run(5);
    let end = &mut pair.0[0];
    let whole = frame(
        slow::MULTICAST,
        mac(1),
        slow::ETHERTYPE,
        &[1, 1, 0x55, 0x55],
    );
    for cut in 14..whole.len() {
        end.input(0, &whole[..cut]);
    }
    let counters = end.bond.slave_info(&end.slaves[0])["ad_counters"].clone();
    assert_eq!(
        counters["illegal_rx"].as_u64().unwrap() as usize,
        whole.len() - 14
    );
    assert!(end.seen().is_empty());
    assert_eq!(pair.distributing(), [[true; 2]; 2]);
}
