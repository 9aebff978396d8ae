//! Bonds: LACP between two cards by an injected clock, fail-over, modes in hardware and in the driver, refusals, a bond under a bridge.

use std::time::Duration;

use serde_json::{Map, Value, json};
use smartnic_driver::clock::Clock;
use smartnic_driver::device::MacAddr;
use smartnic_driver::device::host::HostConfig;
use smartnic_driver::netdev::NetError;
use smartnic_driver::switch::Switch;
use smartnic_driver::switch::model::Model;
use smartnic_regs::values::{action, dest, lag_mode, reason, state};
use smartnic_regs::{lag, port, reserved};

use crate::fake::{Fake, Shape};
use crate::harness::{eventually, start};
use crate::switch::field;

const SECOND: Duration = Duration::from_secs(1);
const LACP: [u8; 6] = [1, 0x80, 0xc2, 0, 0, 2];

/// A switch on a card of its own, with a bond of its first two ports.
struct Station {
    fake: Fake,
    switch: Switch,
    seen: usize,
}

fn base(n: u8) -> MacAddr {
    MacAddr([2, 0, 0, 0, n, 0x10])
}

impl Station {
    fn new(clock: &Clock, n: u8, options: &[(&str, &str)]) -> Station {
        let fake = Fake::new(Shape::default());
        let config = HostConfig {
            ring_log2: 5,
            ..Default::default()
        };
        let mut switch = Switch::new(fake.transport(), config, base(n)).unwrap();
        switch.set_clock(clock.clone());
        let set_up = |m: &mut Model| -> Result<(), NetError> {
            m.add("bond0", "bond", MacAddr([2, 9, 9, 9, 9, n]))?;
            m.set_options("bond0", options)?;
            m.enslave("port1", "bond0")?;
            m.enslave("port2", "bond0")?;
            m.set_up("bond0", true)
        };
        switch.change(set_up).unwrap();
        switch.settle_links().unwrap();
        Station {
            fake,
            switch,
            seen: 0,
        }
    }

    /// Frames that the card sent since the last call, by destination.
    fn sent(&mut self) -> Vec<(u32, Vec<u8>)> {
        let state = self.fake.state();
        let new = &state.sent[self.seen..];
        let new = new.iter().map(|f| (f.direct.unwrap(), f.data.clone()));
        let new = new.collect();
        self.seen = state.sent.len();
        new
    }

    /// A slow protocol's frame comes in, as the card handles it.
    fn receive(&mut self, port: u32, frame: &[u8]) {
        let mut state = self.fake.state();
        assert_eq!(state.get(reserved::ACTION, 2), action::TRAP);
        let disabled = port::CONFIG::STATE.get(state.get(port::CONFIG, port)) == state::DISABLED;
        if state.link >> port & 1 == 1 && !disabled {
            assert!(
                state.deliver(frame, port, reason::RESERVED + 2, 1),
                "no buffer"
            );
        }
        drop(state);
        self.switch.poll().unwrap();
    }

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

/// Two stations with a cable between their first ports, and one between their second ones.
struct Pair {
    clock: Clock,
    ends: [Station; 2],
    /// What the cables lose, bit per cable.
    lost: u32,
}

impl Pair {
    fn new(options: &[(&str, &str)]) -> Pair {
        let clock = Clock::manual();
        let ends = [1, 2].map(|n| Station::new(&clock, n, options));
        Pair {
            clock,
            ends,
            lost: 0,
        }
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
                    if frame.starts_with(&LACP) && self.lost >> port & 1 == 0 {
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
    let mut pair = Pair::new(&AD);
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
    pair.ends[1].receive(0, &garbage);
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
    let mut end = Station::new(&clock, 1, &options);
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
        let mut end = Station::new(&clock, 1, &[("mode", mode)]);
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
            let stats = end.switch.model().device("bond0").unwrap().stats;
            assert_eq!((stats.tx_packets, stats.tx_dropped), (4, 1));
        }
    }
}

#[test]
fn refusals_have_linux_codes_and_change_nothing() {
    let clock = Clock::manual();
    let mut end = Station::new(&clock, 1, &AD);
    let before = end.fake.state().regs.clone();
    type Change = fn(&mut Model) -> Result<(), NetError>;
    let cases: [(Change, &str); 10] = [
        (
            |m| m.set_option("bond0", "mode", "balance-rr"),
            "argument mode: \"balance-rr\" is wrong: the bond has slaves: release them first (ENOTEMPTY)",
        ),
        (
            |m| m.set_option("bond0", "lacp_rate", "slow"),
            "argument lacp_rate: \"slow\" is wrong: the bond is up: set it down first (EBUSY)",
        ),
        (
            |m| m.set_option("bond0", "primary", "port1"),
            "argument primary: \"port1\" is wrong: mode 802.3ad does not have this option (EACCES)",
        ),
        (
            |m| m.set_option("bond0", "color", "red"),
            "argument color: \"red\" is wrong: a bond has no such option (EINVAL)",
        ),
        (
            |m| m.set_option("bond0", "xmit_hash_policy", "encap2+3"),
            "argument xmit_hash_policy: \"encap2+3\" is wrong: the card hashes outer headers only: use layer2, layer2+3, layer3+4 or vlan+srcmac (EOPNOTSUPP)",
        ),
        (
            |m| {
                m.set_up("port3", true)?;
                m.enslave("port3", "bond0")
            },
            "argument slave: \"port3\" is wrong: it is up: set it down first (EPERM)",
        ),
        (
            |m| {
                m.add("br0", "bridge", MacAddr([2, 7, 7, 7, 7, 7]))?;
                m.enslave("br0", "bond0")
            },
            "argument slave: \"br0\" is wrong: a bond takes ports of the card only (EOPNOTSUPP)",
        ),
        (
            |m| {
                m.add("bond1", "bond", MacAddr([2, 7, 7, 7, 7, 7]))?;
                m.enslave("port1", "bond1")
            },
            "\"port1\" is busy: its frames go to bond0 already; use nomaster first",
        ),
        (
            |m| {
                m.add("bond1", "bond", MacAddr([2, 7, 7, 7, 7, 7]))?;
                m.add("br0", "bridge", MacAddr([2, 7, 7, 7, 7, 8]))?;
                m.enslave("bond1", "br0")
            },
            "argument mode: \"balance-rr\" is wrong: the card cannot forward to a bond by this mode: a bridge takes balance-xor, 802.3ad and active-backup (EOPNOTSUPP)",
        ),
        (
            |m| m.set_member_option("port1", "queue_id", "99"),
            "argument queue_id: \"port1:99\" is wrong: not a queue from 0 to 16 (EPERM)",
        ),
    ];
    for (change, text) in cases {
        assert_eq!(end.switch.change(change).unwrap_err().to_string(), text);
    }
    assert_eq!(end.fake.state().regs, before);
}

/// A bond is a bridge's port: LACP works whatever the bridge does, and BPDUs come and go by the bond.
#[test]
fn a_bond_under_a_bridge() {
    let mut pair = Pair::new(&AD);
    for end in &mut pair.ends {
        end.change(|m| {
            m.add("br0", "bridge", MacAddr([2, 7, 7, 7, 7, 7]))?;
            m.enslave("bond0", "br0")?;
            m.enslave("port3", "br0")?;
            m.set_up("port3", true)
        });
    }
    let states = |end: &Station| [0, 1].map(|n| field(&end.fake, n, port::CONFIG::STATE));
    assert_eq!(
        states(&pair.ends[0]),
        [state::BLOCKING; 2],
        "the bridge is down"
    );
    pair.run(5 * SECOND);
    assert_eq!(pair.members(), [[0b11; 2]; 2]);
    for end in &mut pair.ends {
        end.change(|m| m.set_up("br0", true));
        end.switch.settle_links().unwrap();
        assert_eq!(states(end), [state::FORWARDING; 2]);
        assert_eq!(end.fake.state().get(port::FORWARD_MASK, 0), 0b1_0111);
    }
    // The tree's frames go to the group, and come in by any of its members; 2 Gb/s cost what 1 Gb/s does (Linux's table).
    let end = &mut pair.ends[0];
    end.change(|m| m.set_option("br0", "stp_state", "1"));
    let before = end.fake.state().sent.len();
    pair.run(3 * SECOND);
    let end = &mut pair.ends[0];
    let sent: Vec<(u32, Vec<u8>)> = {
        let state = end.fake.state();
        let sent = state.sent[before..].iter();
        let bpdus = sent.filter(|f| f.data.starts_with(&[1, 0x80, 0xc2, 0, 0, 0]));
        bpdus.map(|f| (f.direct.unwrap(), f.data.clone())).collect()
    };
    assert!(sent.iter().any(|(to, _)| *to == dest::LAG), "{sent:?}");
    let [br0, bond0] = ["br0", "bond0"].map(|n| end.switch.model().device(n).unwrap().ifindex);
    let frame = sent
        .iter()
        .find(|(to, _)| *to != dest::LAG)
        .unwrap()
        .1
        .clone();
    assert!(end.fake.state().deliver(&frame, 1, reason::RESERVED, 1));
    assert!(end.switch.poll().unwrap().frames.is_empty());
    let tree = end.switch.port_tree(br0, bond0);
    assert_eq!(tree["xstats"]["rx_bpdu"], json!(1));
    assert_eq!(tree["cost"], json!(5));
    assert_eq!(states(end), [state::LISTENING; 2]);
}

#[test]
fn the_daemon_has_bonds() {
    let running = start(Shape::default());
    running.ctl_ok(&[
        "link add bond0 type bond mode 802.3ad miimon 100 lacp_rate fast min_links 1 xmit_hash_policy vlan+srcmac",
        "link set port1 master bond0",
        "link set port2 master bond0",
        "link set bond0 up",
    ]);
    let lacpdus = || {
        let state = running.fake.state();
        state
            .sent
            .iter()
            .filter(|f| f.data.starts_with(&LACP))
            .count()
    };
    for n in 1..=3 {
        running.clock.advance(SECOND);
        running.ctl_ok(&["dev"]);
        eventually("a PDU a second from each port", || lacpdus() >= 2 * n);
    }
    let shown = running.ctl("-j -d link show bond0").unwrap();
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let data = &shown[0]["linkinfo"]["info_data"];
    assert_eq!(
        (&data["min_links"], &data["ad_select"]),
        (&json!(1), &json!("stable"))
    );
    let port = running.ctl("-d link show port1").unwrap();
    assert!(
        port.contains("bond_slave") && port.contains("mii_status UP"),
        "{port}"
    );
    assert!(running.ctl("lag").unwrap().contains("bond0: mode 802.3ad"));
    // Alone, without a partner, one port works, and the kernel's interface carries the host's frames.
    for _ in 0..60 {
        running.clock.advance(SECOND / 10);
        running.ctl_ok(&["dev"]);
    }
    eventually("a carrier", || {
        running.kernel.state("bond0").is_some_and(|s| s.carrier)
    });
    let end = running.kernel.end("bond0");
    end.send(&[5; 60]).unwrap();
    let to_group = || {
        let state = running.fake.state();
        state
            .sent
            .iter()
            .any(|f| f.direct == Some(dest::LAG) && f.data == [5; 60])
    };
    eventually("sent", to_group);
    assert!(running.fake.state().deliver(&[6; 60], 0, reason::LOCAL, 1));
    assert_eq!(end.recv(&mut [0; 100]).unwrap(), 60);
}
