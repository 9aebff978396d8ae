//! The spanning tree in the switch: two cards cabled together, by an injected clock; options; reserved addresses.

mod configured;

use std::time::Duration;

use serde_json::{Map, Value, json};
use smartnic_driver::clock::Clock;
use smartnic_driver::device::MacAddr;
use smartnic_driver::device::fdb::{FdbKey, age_period};
use smartnic_driver::device::host::HostConfig;
use smartnic_driver::netdev::NetError;
use smartnic_driver::switch::Switch;
use smartnic_driver::switch::model::Model;
use smartnic_regs::values::{action, dest, reason, state};
use smartnic_regs::{fdb, port, reserved};

use crate::fake::{Fake, Shape};
use crate::harness::{eventually, start};
use crate::pair::{Pair, Station, base};
use crate::switch::{field, switch};

const SECOND: Duration = Duration::from_secs(1);

/// Two bridges of three ports with two cables between them; their third ports have nothing behind them.
fn bridges(version: &str) -> Pair {
    Pair::new(0, |clock, n| {
        Station::new(clock, n, |m| {
            m.add("br0", "bridge", base(n))?;
            m.set_option("br0", "forcevers", version)?;
            m.set_option("br0", "priority", ["4096", "32768"][usize::from(n) - 1])?;
            m.set_option("br0", "stp_state", "1")?;
            for port in ["port1", "port2", "port3"] {
                m.enslave(port, "br0")?;
                m.set_up(port, true)?;
            }
            m.set_up("br0", true)
        })
    })
}

impl Station {
    fn states(&self) -> [u32; 2] {
        [0, 1].map(|p| field(&self.fake, p, port::CONFIG::STATE))
    }

    fn bridge(&self) -> Map<String, Value> {
        let br0 = self.switch.model().device("br0").unwrap().ifindex;
        self.switch.bridge_tree(br0)
    }

    fn port(&self, name: &str) -> Map<String, Value> {
        let index = |name| self.switch.model().device(name).unwrap().ifindex;
        self.switch.port_tree(index("br0"), index(name))
    }
}

impl Pair {
    fn cut(&mut self, cable: u32) {
        for end in &mut self.ends {
            end.fake.state().set_link(cable, false);
            end.switch.check_links().unwrap();
        }
    }

    fn states(&self) -> [[u32; 2]; 2] {
        [0, 1].map(|n| self.ends[n].states())
    }
}

#[test]
fn two_bridges_elect_a_root_and_the_hardware_cuts_the_loop() {
    use state::{BLOCKING, FORWARDING, LEARNING, LISTENING};
    let mut pair = bridges("stp");
    pair.run(SECOND);
    assert_eq!(pair.states()[0], [LISTENING; 2]);
    pair.run(15 * SECOND);
    assert_eq!(pair.states()[0], [LEARNING; 2]);
    pair.run(20 * SECOND);
    assert_eq!(pair.states(), [[FORWARDING; 2], [FORWARDING, BLOCKING]]);
    let (root, other) = (pair.ends[0].bridge(), pair.ends[1].bridge());
    for (key, at_root, at_other) in [
        (
            "root_id",
            json!("1000.2:0:0:0:1:10"),
            json!("1000.2:0:0:0:1:10"),
        ),
        ("root_port", json!(0), json!(1)),
        ("root_path_cost", json!(0), json!(5)),
    ] {
        assert_eq!((&root[key], &other[key]), (&at_root, &at_other), "{key}");
    }
    let port = pair.ends[1].port("port2");
    assert_eq!(
        [
            &port["designated_bridge"],
            &port["id"],
            &port["designated_port"]
        ],
        [
            &json!("1000.2:0:0:0:1:10"),
            &json!("0x8002"),
            &json!(0x8002)
        ]
    );
    assert!(port["xstats"]["rx_bpdu"].as_u64().unwrap() > 10);
    assert!(port["message_age_timer"].as_f64().unwrap() > 0.0);
    // Ageing is short while the topology changes, and as configured after.
    let period = |pair: &Pair, n: usize| pair.ends[n].fake.state().get(fdb::AGE_PERIOD, 0);
    pair.run(40 * SECOND);
    assert_eq!(period(&pair, 0), age_period(300_000));
    let station = FdbKey {
        fid: 1,
        mac: MacAddr([2, 7, 7, 7, 7, 7]),
    };
    pair.ends[1].fake.state().learn(station, 0);
    pair.cut(0);
    let known = |pair: &Pair| {
        let state = pair.ends[1].fake.state();
        state.table.iter().flatten().any(|(k, _)| *k == station)
    };
    assert!(!known(&pair), "what was learned on the dead port is gone");
    pair.run(31 * SECOND);
    assert_eq!(pair.states()[1][1], FORWARDING);
    assert_eq!(period(&pair, 0), age_period(15_000));
    pair.run(60 * SECOND);
    assert_eq!(
        [period(&pair, 0), period(&pair, 1)],
        [age_period(300_000); 2]
    );
    assert_eq!(pair.ends[1].bridge()["root_port"], json!(2));
    // Off: everything forwards, and BPDUs are nobody's.
    for end in &mut pair.ends {
        end.switch
            .change(|m| m.set_option("br0", "stp_state", "0"))
            .unwrap();
        assert_eq!(end.states(), [FORWARDING; 2]);
        assert_eq!(end.fake.state().get(reserved::ACTION, 0), action::FORWARD);
        assert!(end.sent().is_empty() && end.switch.next_tick().is_none());
    }
}

#[test]
fn rapid_spanning_tree_takes_no_time() {
    use state::{BLOCKING, FORWARDING};
    let mut pair = bridges("rstp");
    pair.run(SECOND);
    assert_eq!(pair.states(), [[FORWARDING; 2], [FORWARDING, BLOCKING]]);
    pair.cut(0);
    pair.run(SECOND);
    assert_eq!(pair.states()[1][1], FORWARDING);
    assert_eq!(pair.ends[1].port("port2")["role"], json!("root"));
    // The bridge goes down: its ports take nothing, and the other end notices.
    let down = |m: &mut Model| m.set_up("br0", false);
    pair.ends[0].switch.change(down).unwrap();
    assert_eq!(pair.states()[0], [state::DISABLED; 2]);
    pair.run(10 * SECOND);
    let other = pair.ends[1].bridge();
    assert_eq!(other["root_id"], json!("8000.2:0:0:0:2:10"));
}

/// A card that comes back is blocked until the protocol has run again.
#[test]
fn a_card_that_comes_back_forwards_only_when_the_tree_says_so() {
    let mut pair = bridges("rstp");
    pair.run(SECOND);
    let end = &mut pair.ends[1];
    end.switch.detach("a test");
    end.switch.tick();
    let device = end.fake.device();
    end.fake.state().write(smartnic_regs::global::RESET.addr, 3);
    end.switch.attach(device).unwrap();
    assert_ne!(end.states(), [state::FORWARDING; 2]);
    pair.run(2 * SECOND);
    let forwarding = pair.states()[1].map(|s| s == state::FORWARDING);
    assert_eq!(forwarding, [true, false]);
}
