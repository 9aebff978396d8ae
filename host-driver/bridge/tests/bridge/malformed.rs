//! Frames of every protocol that the bridge reads, cut at every length and with bits turned over: nothing changes but counters, and every frame is counted once.

use std::net::Ipv4Addr;
use std::time::Duration;

use rand::Rng;
use serde_json::Value;
use smartnic_bridge::FdbFilter;
use smartnic_slowpath::MacAddr;
use smartnic_slowpath::stp::{Bridge, BridgeSettings, Link, PortSettings, Protocol};
use smartnic_slowpath::wire::arp::{Arp, ArpOperation};
use smartnic_slowpath::wire::igmp::{Igmp, Message};

use super::common::{Rig, mac, port_mac, rng};

/// A BPDU of a better bridge.
fn bpdu() -> Vec<u8> {
    let mut settings = BridgeSettings::new(mac(1), Protocol::Rstp);
    settings.priority = 0;
    let mut bridge = Bridge::new(settings).unwrap();
    let port = bridge
        .add_port(Duration::ZERO, mac(5), PortSettings::default())
        .unwrap();
    bridge.set_running(Duration::ZERO, true);
    bridge
        .set_link(Duration::ZERO, port, Link::up(1000))
        .unwrap();
    let sent = bridge.take_actions().into_iter().find_map(|a| match a {
        smartnic_slowpath::stp::Action::Send { frame, .. } => Some(frame),
        _ => None,
    });
    sent.expect("a port that comes up speaks")
}

fn report() -> Vec<u8> {
    let group = Ipv4Addr::new(239, 1, 2, 3);
    let igmp = Igmp {
        source: Ipv4Addr::new(10, 0, 0, 5),
        destination: group,
        message: Message::ReportV2(group),
    };
    let header = [&[1, 0, 0x5e, 1, 2, 3][..], &mac(5).0, &[8, 0]].concat();
    [&header[..], &igmp.emit()].concat()
}

fn request() -> Vec<u8> {
    let arp = Arp {
        operation: ArpOperation::Request,
        sender_mac: mac(5),
        sender_ip: Ipv4Addr::new(10, 0, 0, 5),
        target_mac: MacAddr::default(),
        target_ip: Ipv4Addr::new(10, 0, 0, 9),
    };
    arp.emit_frame(MacAddr::BROADCAST, mac(5))
}

fn rig() -> Rig {
    let mut rig = Rig::new(3);
    rig.set("forcevers", "rstp").unwrap();
    rig.set_port(2, &[("neigh_suppress", "on")]).unwrap();
    rig.bridge
        .set_neighbour(0, [10, 0, 0, 9].into(), Some(mac(9)));
    rig.set("stp_state", "1").unwrap();
    for _ in 0..80 {
        rig.advance(Duration::from_millis(500));
    }
    rig.take();
    rig
}

/// All that frames may change, without counters and times.
fn state(rig: &Rig) -> (Value, Vec<Value>, usize, Vec<(u16, MacAddr)>) {
    let mut info = rig.bridge.info();
    info.retain(|key, _| !key.ends_with("_timer") && key != "fdb_n_learned");
    let ports = rig.ports.iter().map(|dev| {
        let mut info = rig.bridge.port_info(dev).unwrap();
        info.retain(|key, _| !key.contains("xstats"));
        info.into()
    });
    let entries = rig.bridge.fdb_show(&rig.core, &FdbFilter::default());
    let known = entries
        .iter()
        .map(|e| (e.vlan, e.mac))
        .filter(|(_, m)| *m != mac(5));
    (
        info.into(),
        ports.collect(),
        rig.bridge.mdb_show().len(),
        known.collect(),
    )
}

fn ends(rig: &Rig) {
    for dev in &rig.ports {
        let c = rig.bridge.port_counters(dev).unwrap();
        let drops = c.drop_source + c.drop_reserved + c.drop_state + c.drop_vlan + c.drop_locked;
        let drops = drops + c.drop_learning + c.drop_malformed + c.drop_nowhere;
        assert_eq!(c.rx, c.forwarded + c.local + c.control + drops, "{c:?}");
    }
}

#[test]
fn frames_that_are_cut_short_change_nothing() {
    let mut rig = rig();
    let before = state(&rig);
    // 802.3's length says how long the BPDU is; IP's says how long the packet is; ARP has 28 bytes.
    let cuts = [
        (bpdu(), 14 + 3 + 36),
        (report(), report().len()),
        (request(), 42),
    ];
    for (whole, least) in &cuts {
        for len in 14..*least {
            rig.input(0, &whole[..len]);
            assert_eq!(state(&rig), before, "{len} bytes of {whole:02x?}");
        }
    }
    let port = rig.bridge.port_info(&rig.ports[0]).unwrap();
    assert_eq!(port["stp_xstats"]["rx_bad"], cuts[0].1 - 14);
    assert_eq!(port["xstats"]["drop_malformed"], cuts[1].1 - 14);
    ends(&rig);
    // Whole, each of them counts.
    rig.input(0, &cuts[2].0);
    rig.input(0, &cuts[1].0);
    assert_eq!(rig.bridge.mdb_show().len(), 1);
    rig.input(0, &cuts[0].0);
    assert_eq!(rig.bridge.info()["root_id"], "0000.2:0:0:0:0:1");
    assert_eq!(rig.bridge.info()["root_port"], 1);
}

#[test]
fn noise_of_every_kind_ends_somewhere() {
    let mut rng = rng("noise_of_every_kind_ends_somewhere");
    let mut rig = rig();
    rig.set("vlan_filtering", "1").unwrap();
    rig.set("mcast_querier", "1").unwrap();
    let whole = [bpdu(), report(), request()];
    for round in 0..5_000 {
        let mut bytes = whole[rng.random_range(0..whole.len())].clone();
        for _ in 0..rng.random_range(0..6) {
            let at = rng.random_range(0..bytes.len());
            bytes[at] ^= 1 << rng.random_range(0..8);
        }
        bytes.truncate(rng.random_range(14..=bytes.len()));
        rig.input(rng.random_range(0..3), &bytes);
        if round % 100 == 0 {
            rig.advance(Duration::from_millis(700));
            ends(&rig);
        }
    }
    assert_eq!(rig.bridge.address(), port_mac(0));
    ends(&rig);
}
