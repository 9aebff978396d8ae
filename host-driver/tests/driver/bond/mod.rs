//! Bonds: LACP between two cards by an injected clock, fail-over, modes in hardware and in the driver, refusals, a bond under a bridge.

mod configured;
mod farewell;
mod host;

use std::time::Duration;

use serde_json::{Map, Value, json};
use smartnic_driver::clock::Clock;
use smartnic_driver::device::MacAddr;
use smartnic_driver::netdev::NetError;
use smartnic_driver::switch::model::Model;
use smartnic_regs::values::{dest, lag_mode, reason, state};
use smartnic_regs::{lag, port};

use crate::fake::Shape;
use crate::harness::{eventually, start};
use crate::pair::{Pair, Station, base};
use crate::switch::field;

const SECOND: Duration = Duration::from_secs(1);
const LACP: [u8; 6] = [1, 0x80, 0xc2, 0, 0, 2];

/// Station `n`, with a bond of its first two ports.
fn bonded(clock: &Clock, n: u8, options: &[(&str, &str)]) -> Station {
    Station::new(clock, n, |m| {
        m.add("bond0", "bond", MacAddr([2, 9, 9, 9, 9, n]))?;
        m.set_options("bond0", options)?;
        m.enslave("port1", "bond0")?;
        m.enslave("port2", "bond0")?;
        m.set_up("bond0", true)
    })
}

/// Two bonds, back to back.
fn bonds(options: &[(&str, &str)]) -> Pair {
    Pair::new(LACP[5], |clock, n| bonded(clock, n, options))
}

impl Station {
    /// Members that distribute and collect, bit per port.
    fn members(&self) -> [u32; 2] {
        let state = self.fake.state();
        [lag::DISTRIBUTING, lag::COLLECTING].map(|r| state.get(r, 0))
    }

    fn info(&self, name: &str) -> Map<String, Value> {
        let model = self.switch.model();
        let device = model.device(name).unwrap();
        match model.masters.get(&device.ifindex) {
            Some(master) => master.info(model.view()),
            None => {
                let master = &model.masters[&device.master.unwrap()];
                master.member_info(model.view(), device.ifindex)
            }
        }
    }

    fn change(&mut self, work: impl FnOnce(&mut Model) -> Result<(), NetError>) {
        self.switch.change(work).unwrap();
    }
}

impl Pair {
    fn members(&self) -> [[u32; 2]; 2] {
        [0, 1].map(|n| self.ends[n].members())
    }
}

const AD: [(&str, &str); 4] = [
    ("mode", "802.3ad"),
    ("miimon", "100"),
    ("lacp_rate", "fast"),
    ("xmit_hash_policy", "layer3+4"),
];

#[test]
fn two_cards_aggregate_and_survive_a_member() {
    let mut pair = bonds(&AD);
    assert_eq!(pair.members(), [[0; 2]; 2], "nobody has answered yet");
    pair.run(5 * SECOND);
    assert_eq!(pair.members(), [[0b11; 2]; 2]);
    let one = &pair.ends[0];
    let bond = one.info("bond0");
    assert_eq!(bond["ad_info"]["num_ports"], json!(2));
    assert_eq!(bond["ad_info"]["partner_mac"], json!(base(2)));
    assert_eq!(
        ["mode", "ad_lacp_rate", "miimon", "use_carrier"].map(|k| &bond[k]),
        [&json!("802.3ad"), &json!("fast"), &json!(100), &json!(1)]
    );
    assert_eq!(bond["offload"]["mode"], json!(true));
    assert_eq!(bond["offload"]["lacp_rate"], json!(false));
    let slave = one.info("port2");
    assert_eq!(
        ["state", "mii_status", "ad_aggregator_id", "perm_hwaddr"].map(|k| &slave[k]),
        [
            &json!("ACTIVE"),
            &json!("UP"),
            &json!(1),
            &json!(base(1).plus(1))
        ]
    );
    assert_eq!(slave["ad_partner_oper_port_state"], json!(0x3f));
    // Every member has the bond's address, which was the first one's; frames are the host's.
    let model = one.switch.model();
    for name in ["bond0", "port1", "port2"] {
        assert_eq!(model.device(name).unwrap().address, base(1), "{name}");
    }
    assert!(model.device("bond0").unwrap().carrier);
    for n in 0..2 {
        assert_eq!(field(&one.fake, n, port::CONFIG::STATE), state::FORWARDING);
        assert_eq!(one.fake.state().get(port::FORWARD_MASK, n), 0b1_0000);
        assert_eq!(field(&one.fake, n, port::CONFIG::FID), 1);
    }
    assert_eq!(
        [0, 1, 839].map(|b| one.fake.state().buckets[&(0, b)]),
        [16, 17, 17]
    );
    // A link drops: its buckets go at once, and LACP follows.
    for end in &mut pair.ends {
        end.fake.state().set_link(1, false);
        end.switch.check_links().unwrap();
        assert_eq!([0, 1].map(|b| end.fake.state().buckets[&(0, b)]), [16; 2]);
    }
    pair.run(SECOND);
    assert_eq!(pair.members(), [[0b01; 2]; 2]);
    assert_eq!(pair.ends[0].info("port2")["link_failure_count"], json!(1));
    for end in &mut pair.ends {
        end.fake.state().set_link(1, true);
        end.switch.check_links().unwrap();
    }
    pair.run(5 * SECOND);
    assert_eq!(pair.members(), [[0b11; 2]; 2]);
    // A partner that falls silent is left after three seconds; no carrier tells of it.
    pair.lost = 0b01;
    pair.run(2 * SECOND);
    assert_eq!(pair.members(), [[0b11; 2]; 2]);
    pair.run(2 * SECOND);
    assert_eq!(pair.members(), [[0b10; 2]; 2]);
    pair.lost = 0;
    pair.run(5 * SECOND);
    assert_eq!(pair.members(), [[0b11; 2]; 2]);
    // A member that leaves is down, with the address that it came with.
    let end = &mut pair.ends[0];
    let port2 = end.switch.model().device("port2").unwrap().ifindex;
    end.change(|m| m.leave(port2));
    let device = end.switch.model().device("port2").unwrap();
    assert_eq!((device.address, device.up), (base(1).plus(1), false));
    assert_eq!(end.members(), [0b01; 2]);
    assert_eq!(end.fake.state().get(port::CONFIG, 1), 0);
    // Garbage is counted and changes nothing.
    let mut garbage = [0x55; 60];
    garbage[..6].copy_from_slice(&LACP);
    garbage[12..15].copy_from_slice(&[0x88, 0x09, 1]);
    let before = pair.members();
    pair.ends[1].receive(0, &garbage, LACP[5]);
    assert_eq!(
        pair.ends[1].info("port1")["ad_counters"]["illegal_rx"],
        json!(1)
    );
    assert_eq!(pair.members(), before);
}

#[test]
fn active_backup_fails_over_in_hardware() {
    let clock = Clock::manual();
    let options = [
        ("mode", "active-backup"),
        ("miimon", "100"),
        ("primary", "port2"),
    ];
    let mut end = bonded(&clock, 1, &options);
    let group = |end: &Station| {
        let word = end.fake.state().get(lag::GROUP, 0);
        (lag::GROUP::MODE.get(word), lag::GROUP::ACTIVE.get(word))
    };
    let pass = |end: &mut Station| {
        clock.advance(SECOND);
        end.switch.tick();
        clock.advance(SECOND);
        end.switch.tick();
    };
    pass(&mut end);
    assert_eq!(group(&end), (lag_mode::ACTIVE_BACKUP, 1));
    // The other stands ready for the hardware, and what it receives is dropped.
    assert_eq!(end.members(), [0b11, 0b10]);
    assert_eq!(end.info("bond0")["active_slave"], json!("port2"));
    let states = |end: &Station| ["port1", "port2"].map(|p| end.info(p)["state"].clone());
    assert_eq!(states(&end), ["BACKUP", "ACTIVE"]);
    end.fake.state().set_link(1, false);
    end.switch.check_links().unwrap();
    pass(&mut end);
    assert_eq!((group(&end).1, end.members()), (0, [0b01, 0b01]));
    assert_eq!(states(&end), ["ACTIVE", "BACKUP"]);
    // The primary takes over again, but not before updelay has passed.
    end.change(|m| m.set_option("bond0", "updelay", "5000"));
    end.fake.state().set_link(1, true);
    end.switch.check_links().unwrap();
    pass(&mut end);
    assert_eq!(
        (group(&end).1, &end.info("port2")["mii_status"]),
        (0, &json!("GOING_BACK"))
    );
    for _ in 0..60 {
        clock.advance(Duration::from_millis(100));
        end.switch.tick();
    }
    assert_eq!(group(&end).1, 1);
    // Without any link: no carrier.
    for port in 0..2 {
        end.fake.state().set_link(port, false);
    }
    end.switch.check_links().unwrap();
    pass(&mut end);
    assert!(!end.switch.model().device("bond0").unwrap().carrier);
}

/// A frame that waits for room is chosen for once.
#[test]
fn round_robin_goes_on_where_the_ring_was_full() {
    let clock = Clock::manual();
    let mut end = bonded(&clock, 1, &[("mode", "balance-rr")]);
    let bond0 = end.switch.model().device("bond0").unwrap().ifindex;
    let mut refused = 0;
    for n in 0..100 {
        while !end.switch.xmit(bond0, &[n; 60]).unwrap() {
            refused += 1;
            // Asked once more than there is an answer: in vain, and without a trace.
            assert!(!end.switch.xmit(bond0, &[n; 60]).unwrap());
            end.switch.flush_tx().unwrap();
            end.switch.poll().unwrap();
        }
    }
    end.switch.flush_tx().unwrap();
    assert!(refused > 0, "the ring was never full");
    let to: Vec<u32> = end.sent().into_iter().map(|(to, _)| to).collect();
    let turns: Vec<u32> = (0..100).map(|n| (n + 1) % 2).collect();
    assert_eq!(to, turns);
}

/// What the hardware has no mode for: the driver chooses for the host's frames.
#[test]
fn other_modes_are_the_drivers() {
    let clock = Clock::manual();
    for (mode, wanted) in [
        ("balance-rr", vec![1, 0, 1, 0]),
        ("broadcast", vec![0, 1, 0, 1, 0, 1, 0, 1]),
        ("balance-xor", vec![dest::LAG; 4]),
        ("active-backup", vec![dest::LAG; 4]),
    ] {
        let mut end = bonded(&clock, 1, &[("mode", mode)]);
        let bond0 = end.switch.model().device("bond0").unwrap().ifindex;
        for n in 0..4 {
            assert!(end.switch.xmit(bond0, &[n; 60]).unwrap());
        }
        end.switch.flush_tx().unwrap();
        let to: Vec<u32> = end.sent().into_iter().map(|(to, _)| to).collect();
        assert_eq!(to, wanted, "{mode}");
        // Received frames are the bond's.
        end.fake.state().deliver(&[2; 60], 1, reason::LOCAL, 1);
        let frames = end.switch.poll().unwrap().frames;
        let backup = mode == "active-backup";
        let port2 = end.switch.model().device("port2").unwrap().ifindex;
        assert_eq!(frames[0].0, if backup { port2 } else { bond0 }, "{mode}");
        let offload = end.info("bond0")["offload"]["mode"] == json!(true);
        assert_eq!(offload, wanted[0] == dest::LAG, "{mode}");
        // Nobody is left: dropped and counted.
        end.fake.state().set_link(0, false);
        end.fake.state().set_link(1, false);
        end.switch.check_links().unwrap();
        if !offload {
            assert!(end.switch.xmit(bond0, &[9; 60]).unwrap());
            end.switch.flush_tx().unwrap();
            assert!(end.sent().is_empty());
            assert_eq!(end.switch.link_stats(bond0).tx_dropped, 1);
        }
    }
}
