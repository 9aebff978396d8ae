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
use crate::switch::{field, switch};

const SECOND: Duration = Duration::from_secs(1);

/// A switch on a card of its own, with a bridge of its first ports.
struct Station {
    fake: Fake,
    switch: Switch,
    seen: usize,
}

impl Station {
    fn new(clock: &Clock, base: u8, ports: u32, options: &[(&str, &str)]) -> Station {
        let fake = Fake::new(Shape::default());
        let base = MacAddr([2, 0, 0, 0, base, 0x10]);
        let config = HostConfig {
            ring_log2: 4,
            ..Default::default()
        };
        let mut switch = Switch::new(fake.transport(), config, base).unwrap();
        switch.set_clock(clock.clone());
        let set_up = |m: &mut Model| -> Result<(), NetError> {
            m.add("br0", "bridge", base)?;
            for (option, value) in options {
                m.set_option("br0", option, value)?;
            }
            for n in 1..=ports {
                m.enslave(&format!("port{n}"), "br0")?;
                m.set_up(&format!("port{n}"), true)?;
            }
            m.set_up("br0", true)
        };
        switch.change(set_up).unwrap();
        switch.settle_links().unwrap();
        Station {
            fake,
            switch,
            seen: 0,
        }
    }

    /// BPDUs that the card sent since the last call, by port.
    fn sent(&mut self) -> Vec<(u32, Vec<u8>)> {
        let state = self.fake.state();
        let new = &state.sent[self.seen..];
        let new = new.iter().map(|f| (f.direct.unwrap(), f.data.clone()));
        let new = new.collect();
        self.seen = state.sent.len();
        new
    }

    /// A BPDU comes in, as the card handles it.
    fn receive(&mut self, port: u32, frame: &[u8]) {
        let mut state = self.fake.state();
        assert_eq!(state.get(reserved::ACTION, 0), action::TRAP);
        let disabled = port::CONFIG::STATE.get(state.get(port::CONFIG, port)) == state::DISABLED;
        if state.link >> port & 1 == 1 && !disabled {
            assert!(state.deliver(frame, port, reason::RESERVED, 1), "no buffer");
        }
        drop(state);
        self.switch.poll().unwrap();
    }

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

/// Two stations with a cable between their first ports, and one between their second ones. Their third ports have no bridge behind them.
struct Pair {
    clock: Clock,
    ends: [Station; 2],
}

impl Pair {
    fn new(version: &str) -> Pair {
        let clock = Clock::manual();
        let end = |base, priority| {
            let options = [
                ("forcevers", version),
                ("priority", priority),
                ("stp_state", "1"),
            ];
            Station::new(&clock, base, 3, &options)
        };
        let ends = [end(1, "4096"), end(2, "32768")];
        Pair { clock, ends }
    }

    /// Lets time pass, every frame arriving at once.
    fn run(&mut self, time: Duration) {
        let end = self.clock.now() + time;
        loop {
            let mut quiet = true;
            for from in 0..2 {
                self.ends[from].switch.poll().unwrap();
                for (port, frame) in self.ends[from].sent() {
                    quiet = false;
                    if port < 2 {
                        self.ends[1 - from].receive(port, &frame);
                    }
                }
            }
            let left = end.saturating_sub(self.clock.now());
            match (quiet, left) {
                (true, Duration::ZERO) => return,
                (true, left) => {
                    let next = self.ends.iter().filter_map(|e| e.switch.next_tick()).min();
                    let step = next.unwrap_or(left).max(Duration::from_millis(1));
                    self.clock.advance(step.min(left));
                }
                _ => {}
            }
        }
    }

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
    let mut pair = Pair::new("stp");
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
    let mut pair = Pair::new("rstp");
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
    let mut pair = Pair::new("rstp");
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
