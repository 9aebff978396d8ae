//! What a bond refuses, a bond as the port of a bridge, and bonds of the daemon.

use super::*;

#[test]
fn refusals_have_linux_codes_and_change_nothing() {
    let clock = Clock::manual();
    let mut end = bonded(&clock, 1, &AD);
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
    let mut pair = bonds(&AD);
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
