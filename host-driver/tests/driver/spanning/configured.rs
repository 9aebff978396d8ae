//! Options and what they refuse, reserved addresses, and the spanning tree of the daemon.

use super::*;

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    let fake = Fake::new(Shape::default());
    let mut switch = switch(&fake);
    switch
        .change(|m| {
            m.add("br0", "bridge", MacAddr([2, 9, 9, 9, 9, 9]))?;
            m.enslave("port1", "br0")
        })
        .unwrap();
    let before = |switch: &Switch| {
        switch
            .model()
            .master("br0")
            .unwrap()
            .info(switch.model().view())
    };
    let was = before(&switch);
    for (options, text) in [
        (
            &[("stp_state", "3")][..],
            "argument stp_state: \"3\" is wrong: a number from 0 to 2 is wanted",
        ),
        (
            &[("forcevers", "mstp")],
            "argument forcevers: \"mstp\" is wrong: use one of: stp, rstp",
        ),
        (
            &[("priority", "65536")],
            "argument priority: \"65536\" is wrong: a number from 0 to 65535 is wanted",
        ),
        (
            &[("hello_time", "50"), ("stp_state", "1")],
            "argument hello_time: \"500ms\" is wrong: hello_time 500ms is outside 1s to 10s",
        ),
        (
            &[("max_age", "4000"), ("stp_state", "1")],
            "argument max_age: \"4000\" is wrong: max age 40s does not fit: 2 * (forward delay 15s - 1 s) >= max age >= 2 * (hello time 2s + 1 s) must hold; set all three at once",
        ),
        (
            &[("group_fwd_mask", "0x4001")],
            "argument group_fwd_mask: \"0x4001\" is wrong: bits 0x7 cannot be forwarded: use others",
        ),
        (
            &[("group_fwd_mask", "x")],
            "argument group_fwd_mask: \"x\" is wrong: a mask of 16 bits is wanted, 0x4000 say",
        ),
        (
            &[("group_address", "01:80:c2:00:00:02")],
            "argument group_address: \"01:80:c2:00:00:02\" is wrong: use 01:80:c2:00:00:0n, n other than 1, 2 and 3",
        ),
    ] {
        let change = |m: &mut Model| {
            options
                .iter()
                .try_for_each(|(o, v)| m.set_option("br0", o, v))
        };
        assert_eq!(switch.change(change).unwrap_err().to_string(), text);
        assert_eq!(before(&switch), was);
    }
    // Without a protocol the times only wait; with it, all three at once.
    switch
        .change(|m| {
            m.set_option("br0", "forward_delay", "0")?;
            m.set_option("br0", "forward_delay", "3000")?;
            m.set_option("br0", "max_age", "4000")?;
            m.set_option("br0", "stp_state", "1")
        })
        .unwrap();
    for (option, value, text) in [
        (
            "state",
            "3",
            "\"state\" is busy: the spanning tree sets it; use stp_state 0, or 2 for one of your own",
        ),
        (
            "state",
            "5",
            "argument state: \"5\" is wrong: use one of: disabled, listening, learning, forwarding, blocking",
        ),
        (
            "cost",
            "65536",
            "argument cost: \"65536\" is wrong: cost 65536 is outside 1 to 65535",
        ),
        (
            "priority",
            "64",
            "argument priority: \"64\" is wrong: a number from 0 to 63 is wanted",
        ),
        (
            "group_fwd_mask",
            "2",
            "argument group_fwd_mask: \"2\" is wrong: bits 0x2 cannot be forwarded: use others",
        ),
        (
            "point_to_point",
            "on",
            "argument point_to_point: \"on\" is wrong: use one of: auto, yes, no",
        ),
    ] {
        let change = |m: &mut Model| m.set_member_option("port1", option, value);
        assert_eq!(switch.change(change).unwrap_err().to_string(), text);
    }
    let rapid = |m: &mut Model| {
        m.set_option("br0", "forcevers", "rstp")?;
        m.set_member_option("port1", "cost", "65536")
    };
    switch.change(rapid).unwrap();
    // A program that does not stay cannot run a protocol.
    let mut visitor =
        Switch::observe(fake.transport(), HostConfig::default(), MacAddr::default()).unwrap();
    visitor.restart().unwrap();
    let error = visitor.change(|m| {
        m.add("br0", "bridge", MacAddr([2, 9, 9, 9, 9, 9]))?;
        m.set_option("br0", "stp_state", "1")
    });
    assert_eq!(
        error.unwrap_err().to_string(),
        "argument stp_state: \"1\" is wrong: smartnicd has to see to it, and this command does not stay"
    );
}

/// One card, two bridges: what the one keeps and the other forwards comes to the host, and goes on from there.
#[test]
fn reserved_addresses_follow_the_masks() {
    let fake = Fake::new(Shape::default());
    let mut switch = switch(&fake);
    let clock = Clock::manual();
    switch.set_clock(clock.clone());
    let br1 = switch
        .change(|m| {
            m.add("br0", "bridge", MacAddr([2, 9, 9, 9, 9, 9]))?;
            let br1 = m.add("br1", "bridge", MacAddr([2, 9, 9, 9, 9, 8]))?;
            for (port, bridge) in [
                ("port1", "br0"),
                ("port2", "br1"),
                ("port3", "br1"),
                ("port4", "br1"),
            ] {
                m.enslave(port, bridge)?;
                m.set_up(port, true)?;
            }
            m.set_up("br0", true)?;
            m.set_up("br1", true)?;
            Ok(br1)
        })
        .unwrap();
    switch.settle_links().unwrap();
    let actions = |n| fake.state().get(reserved::ACTION, n);
    let all = [0, 1, 2, 14].map(actions);
    assert_eq!(
        all,
        [action::FORWARD, action::DROP, action::TRAP, action::TRAP]
    );
    let change = |switch: &mut Switch, work: fn(&mut Model) -> Result<(), NetError>| {
        switch.change(work).unwrap();
    };
    change(&mut switch, |m| m.set_option("br0", "stp_state", "1"));
    change(&mut switch, |m| {
        m.set_option("br1", "group_fwd_mask", "0x4000")
    });
    change(&mut switch, |m| {
        m.set_member_option("port4", "isolated", "on")
    });
    change(&mut switch, |m| {
        m.set_member_option("port2", "isolated", "on")
    });
    assert_eq!([0, 14].map(actions), [action::TRAP; 2]);
    let index = |switch: &Switch, name: &str| switch.model().device(name).unwrap().ifindex;
    let port1 = index(&switch, "port1");
    let seen = |fake: &Fake| -> Vec<u32> {
        fake.state()
            .sent
            .drain(..)
            .filter_map(|f| f.direct)
            .collect()
    };
    seen(&fake);
    for (source, n, up, to) in [
        // br1 forwards BPDUs and LLDP by itself, but slow protocols stay on the port.
        (2, 0, Some(br1), vec![1, 3]),
        (2, 14, Some(br1), vec![1, 3]),
        (1, 14, Some(br1), vec![2]),
        (2, 2, Some(index(&switch, "port3")), vec![]),
        // br0 takes BPDUs, and keeps LLDP on the port.
        (0, 0, None, vec![]),
        (0, 14, Some(port1), vec![]),
    ] {
        let frame = [1, 0x80, 0xc2, 0, 0, n as u8];
        let frame = [&frame[..], &[7; 54]].concat();
        assert!(
            fake.state()
                .deliver(&frame, source, reason::RESERVED + n, 1)
        );
        let frames = switch.poll().unwrap().frames;
        assert_eq!(
            frames,
            up.map(|dev| (dev, frame)).into_iter().collect::<Vec<_>>()
        );
        assert_eq!(seen(&fake), to, "from {source}, 0{n}");
    }
    // All of them forward it: the card does. A single port that does not keeps it from the card.
    change(&mut switch, |m| {
        m.set_option("br0", "group_fwd_mask", "16384")
    });
    assert_eq!(actions(14), action::FORWARD);
    change(&mut switch, |m| m.set_option("br0", "group_fwd_mask", "0"));
    change(&mut switch, |m| {
        m.set_member_option("port1", "group_fwd_mask", "0x4000")
    });
    assert_eq!(actions(14), action::FORWARD);
    // A group address of its own.
    change(&mut switch, |m| {
        m.set_option("br0", "group_address", "01:80:c2:00:00:08")
    });
    assert_eq!([0, 8].map(actions), [action::TRAP; 2]);
    clock.advance(3 * SECOND);
    switch.tick();
    assert_eq!(fake.state().sent[0].data[..6], [1, 0x80, 0xc2, 0, 0, 8]);
    assert_eq!(seen(&fake), [dest::PORT]);
}

/// By the daemon and its commands: guard, user's states, what is shown.
#[test]
fn the_daemon_runs_it_by_its_clock() {
    let running = start(Shape::default());
    running.ctl_ok(&[
        "link add br0 type bridge stp_state 1 hello_time 100 forward_delay 400 max_age 600",
        "link set port1 master br0 up",
        "link set port2 master br0 up",
        "port set port2 guard on cost 7 priority 3",
        "link set br0 up",
    ]);
    let hellos = || {
        let state = running.fake.state();
        state.sent.iter().filter(|f| f.direct == Some(0)).count()
    };
    let state = |port| field(&running.fake, port, port::CONFIG::STATE);
    assert_eq!([0, 1].map(state), [state::LISTENING; 2]);
    for n in 1..=8 {
        running.clock.advance(SECOND);
        running.ctl_ok(&["dev"]);
        eventually("a hello a second", || hellos() >= n);
    }
    eventually("forwarding", || [0, 1].map(state) == [state::FORWARDING; 2]);
    let shown = |name: &str| -> Value {
        let out = running.ctl(&format!("-j -d link show {name}")).unwrap();
        serde_json::from_str::<Value>(&out).unwrap()[0]["linkinfo"].take()
    };
    let bridge = shown("br0");
    let data = &bridge["info_data"];
    assert_eq!(data["root_id"], data["bridge_id"]);
    for (key, value) in [
        ("stp_state", 1),
        ("hello_time", 100),
        ("forward_delay", 400),
        ("root_port", 0),
    ] {
        assert_eq!(data[key], json!(value), "{key}");
    }
    assert!(data["hello_timer"].is_number());
    let port = &shown("port2")["info_slave_data"];
    for (key, value) in [
        ("cost", json!(7)),
        ("priority", json!(3)),
        ("guard", json!(true)),
        ("id", json!("0xc02")),
        ("no", json!("0x2")),
        ("state", json!("forwarding")),
        ("role", json!("designated")),
    ] {
        assert_eq!(port[key], value, "{key}");
    }
    assert_eq!(port["offload"]["state"], json!(true));
    assert_eq!(port["offload"]["cost"], json!(false));
    // BPDU guard: any BPDU disables the port until its link has been down. A frame that is none changes nothing.
    let bpdu = running.fake.state().sent[0].data.clone();
    let deliver =
        |frame: &[u8]| assert!(running.fake.state().deliver(frame, 1, reason::RESERVED, 1));
    deliver(&bpdu[..30]);
    eventually("counted", || {
        shown("port2")["info_slave_data"]["xstats"]["rx_bad"] == json!(1)
    });
    assert_eq!(state(1), state::FORWARDING);
    deliver(&bpdu);
    eventually("guarded", || state(1) == state::DISABLED);
    assert_eq!(
        shown("port2")["info_slave_data"]["guard_disabled"],
        json!(true)
    );
    running.fake.state().set_link(1, false);
    eventually("down", || {
        running
            .ctl("link show port2")
            .unwrap()
            .contains("NO-CARRIER")
    });
    running.fake.state().set_link(1, true);
    eventually("again", || state(1) == state::LISTENING);
    // A user's own spanning tree: states stay until they are set, and a new port blocks.
    running.ctl_ok(&[
        "link set br0 type bridge stp_state 2",
        "link set port3 master br0 up",
    ]);
    assert_eq!([0, 2].map(state), [state::FORWARDING, state::BLOCKING]);
    running.ctl_ok(&[
        "port set port3 state learning",
        "link set port1 type bridge_slave state 4",
    ]);
    assert_eq!([0, 2].map(state), [state::BLOCKING, state::LEARNING]);
    running.ctl_ok(&["link set br0 type bridge stp_state 0"]);
    assert_eq!([0, 2].map(state), [state::FORWARDING; 2]);
}
