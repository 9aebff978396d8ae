//! What VLANs do beside filtering: MST, per-port counters, the default PVID, 802.1ad, promiscuity.

use smartnic_bridge::VlanFlags;
use smartnic_netdev::device::PrivFlags;
use smartnic_netdev::{Setup, registry::Core};
use smartnic_slowpath::MacAddr;
use smartnic_slowpath::stp::PortState;
use std::sync::Arc;

use super::common::{Rig, Wire, errno, frame, mac, port_mac, tagged};

const TAGGED: VlanFlags = VlanFlags::empty();

#[test]
fn mst_lets_an_instance_forward_where_another_is_blocked() {
    let mut rig = Rig::new(2);
    rig.set("vlan_default_pvid", "0").unwrap();
    rig.set("vlan_filtering", "1").unwrap();
    let (bridge, one, two) = (
        rig.bridge.clone(),
        rig.ports[0].clone(),
        rig.ports[1].clone(),
    );
    assert_eq!(
        errno(bridge.mst_set(&rig.core, &two, 1, PortState::Forwarding)),
        "EOPNOTSUPP"
    );
    rig.set("mst_enabled", "1").unwrap();
    let core = &mut rig.core;
    for dev in [&one, &two] {
        bridge.vlan_add(core, dev, 10, 12, TAGGED).unwrap();
    }
    assert_eq!(errno(bridge.vlan_set_msti(core, 99, 1)), "ENOENT");
    assert_eq!(errno(bridge.vlan_set_msti(core, 10, 4095)), "EINVAL");
    assert_eq!(
        errno(bridge.mst_set(core, &two, 0, PortState::Forwarding)),
        "EINVAL"
    );
    assert_eq!(
        errno(bridge.vlan_set_state(core, &two, 10, PortState::Forwarding)),
        "EBUSY"
    );
    bridge.vlan_set_msti(core, 10, 1).unwrap();
    bridge.vlan_set_msti(core, 11, 1).unwrap();
    let states = |rig: &Rig| {
        rig.bridge
            .vlan_show(&rig.ports[1])
            .unwrap()
            .iter()
            .map(|v| (v.vlan, v.msti, v.state))
            .collect::<Vec<_>>()
    };
    use PortState::{Blocking, Disabled, Forwarding};
    assert_eq!(
        states(&rig),
        [(10, 1, Disabled), (11, 1, Disabled), (12, 0, Forwarding)]
    );
    for dev in [&one, &two] {
        bridge.mst_set(&rig.core, dev, 1, Forwarding).unwrap();
    }
    // The common tree blocks the port: instance 1 does not mind.
    rig.set("stp_state", "2").unwrap();
    rig.set_port(1, &[("state", "blocking")]).unwrap();
    assert_eq!(
        states(&rig),
        [(10, 1, Forwarding), (11, 1, Forwarding), (12, 0, Blocking)]
    );
    for vid in [10, 12] {
        rig.input(0, &tagged(&frame(mac(1), mac(2), 0x9000, &[]), 0x8100, vid));
    }
    let (sent, _) = rig.take();
    assert_eq!(
        sent[1],
        [tagged(&frame(mac(1), mac(2), 0x9000, &[]), 0x8100, 10)]
    );
    assert_eq!(errno(rig.set("mst_enabled", "0")), "EBUSY");
}

#[test]
fn counters_per_port_and_states_per_vlan() {
    let mut rig = Rig::new(2);
    rig.set("vlan_default_pvid", "0").unwrap();
    rig.set("vlan_stats_per_port", "1").unwrap();
    rig.set("vlan_stats_enabled", "1").unwrap();
    rig.set("vlan_filtering", "1").unwrap();
    let (bridge, one, two) = (
        rig.bridge.clone(),
        rig.ports[0].clone(),
        rig.ports[1].clone(),
    );
    for dev in [&one, &two] {
        bridge
            .vlan_add(
                &mut rig.core,
                dev,
                5,
                5,
                VlanFlags::PVID | VlanFlags::UNTAGGED,
            )
            .unwrap();
    }
    let bytes = frame(mac(1), mac(2), 0x9000, &[]);
    rig.input(0, &bytes);
    let counters = |dev| bridge.vlan_show(dev).unwrap()[0].counters;
    assert_eq!(
        (
            counters(&one).rx_packets,
            counters(&one).rx_bytes,
            counters(&one).tx_packets
        ),
        (1, 46, 0)
    );
    assert_eq!(
        (
            counters(&two).rx_packets,
            counters(&two).tx_packets,
            counters(&two).tx_bytes
        ),
        (0, 1, 46)
    );
    bridge
        .vlan_set_state(&rig.core, &one, 5, PortState::Learning)
        .unwrap();
    rig.input(0, &bytes);
    let c = bridge.port_counters(&one).unwrap();
    assert_eq!((c.drop_learning, c.forwarded), (1, 1));
    bridge
        .vlan_set_state(&rig.core, &one, 5, PortState::Blocking)
        .unwrap();
    rig.input(0, &bytes);
    assert_eq!(bridge.port_counters(&one).unwrap().drop_state, 1);
    assert_eq!(
        errno(bridge.vlan_set_state(&rig.core, &one, 6, PortState::Learning)),
        "ENOENT"
    );
    assert_eq!(
        errno(bridge.vlan_add(&mut rig.core, &one, 7, 8, VlanFlags::PVID)),
        "EINVAL"
    );
    assert_eq!(
        errno(bridge.vlan_add(&mut rig.core, &one, 4094, 4095, TAGGED)),
        "EINVAL"
    );
    assert_eq!(
        errno(bridge.vlan_del(&mut rig.core, &two, 100, 200)),
        "ENOENT"
    );
    bridge.vlan_del(&mut rig.core, &one, 1, 4094).unwrap();
    assert!(bridge.vlan_show(&one).unwrap().is_empty());
}

#[test]
fn the_default_pvid_moves_those_that_have_it() {
    let mut rig = Rig::new(2);
    let (bridge, one) = (rig.bridge.clone(), rig.ports[0].clone());
    bridge
        .vlan_add(&mut rig.core, &one, 1, 1, VlanFlags::PVID)
        .unwrap();
    rig.set("vlan_default_pvid", "20").unwrap();
    let vids = |dev| {
        bridge
            .vlan_show(dev)
            .unwrap()
            .iter()
            .map(|v| (v.vlan, v.pvid))
            .collect::<Vec<_>>()
    };
    assert_eq!(vids(&one), [(1, true)], "set up in another way: it stays");
    assert_eq!(vids(&rig.ports[1]), [(20, true)]);
    assert_eq!(vids(&rig.dev), [(20, true)]);
    assert!(bridge.fdb_get(&rig.core, port_mac(1), 20).is_ok());
    assert_eq!(errno(bridge.fdb_get(&rig.core, port_mac(1), 1)), "ENOENT");
    rig.set("vlan_filtering", "1").unwrap();
    assert_eq!(errno(rig.set("vlan_default_pvid", "30")), "EPERM");
}

#[test]
fn a_providers_bridge_has_its_own_tags_and_group() {
    let mut rig = Rig::new(2);
    rig.set("vlan_protocol", "802.1ad").unwrap();
    rig.set("vlan_filtering", "1").unwrap();
    assert_eq!(rig.bridge.info()["group_address"], "01:80:c2:00:00:08");
    rig.set("stp_state", "1").unwrap();
    let (bridge, dev) = (rig.bridge.clone(), rig.ports[0].clone());
    // A customer's BPDU is data, its provider's is the tree's.
    rig.input(
        0,
        &frame(MacAddr([1, 0x80, 0xc2, 0, 0, 0]), mac(2), 0x26, &[]),
    );
    rig.input(
        0,
        &frame(MacAddr([1, 0x80, 0xc2, 0, 0, 8]), mac(2), 0x26, &[]),
    );
    let c = bridge.port_counters(&dev).unwrap();
    assert_eq!(
        (c.control, c.drop_state),
        (1, 1),
        "the tree has not let the port forward yet"
    );
    assert_eq!(bridge.port_info(&dev).unwrap()["stp_xstats"]["rx_bad"], 1);
    rig.set("vlan_filtering", "0").unwrap();
    assert_eq!(rig.bridge.info()["group_address"], "01:80:c2:00:00:00");
}

fn filtering(core: &mut Core, name: &str, n: usize) -> smartnic_netdev::Dev {
    let mut setup = Setup::ether(name).with_address(port_mac(n));
    setup.priv_flags |= PrivFlags::UNICAST_FLT;
    let dev = core.add(setup, Arc::new(Wire::default())).unwrap();
    core.open(&dev).unwrap();
    dev
}

#[test]
fn one_automatic_port_lets_its_filter_work() {
    let mut rig = Rig::new(0);
    let br = rig.dev.clone();
    let (a, b) = (
        filtering(&mut rig.core, "a", 0),
        filtering(&mut rig.core, "b", 1),
    );
    for dev in [&a, &b] {
        rig.core.set_master(dev, Some(&br)).unwrap();
    }
    let promiscuous = || (a.is_promiscuous(), b.is_promiscuous());
    assert_eq!(promiscuous(), (true, true));
    rig.set("vlan_filtering", "1").unwrap();
    assert_eq!(promiscuous(), (true, true), "two automatic ports");
    let bridge = rig.bridge.clone();
    bridge
        .set_port(&mut rig.core, &b, &[("learning", "off"), ("flood", "off")])
        .unwrap();
    assert_eq!(promiscuous(), (false, true));
    let list = |dev: &smartnic_netdev::Dev| dev.address_lists().0.iter().collect::<Vec<_>>();
    assert_eq!(list(&a), [port_mac(0), port_mac(1)]);
    let request = smartnic_bridge::FdbRequest::add(mac(9), smartnic_bridge::FdbWay::Static);
    bridge.fdb_add(&mut rig.core, &b, &request).unwrap();
    assert_eq!(list(&a), [mac(9), port_mac(0), port_mac(1)]);
    bridge
        .set_port(&mut rig.core, &a, &[("learning", "off"), ("flood", "off")])
        .unwrap();
    assert_eq!(promiscuous(), (false, false), "none is automatic");
    bridge.fdb_del(&mut rig.core, &b, mac(9), None).unwrap();
    assert_eq!(list(&b), [port_mac(0), port_mac(1)]);
    rig.core.set_promiscuity(&br, 1).unwrap();
    assert_eq!(promiscuous(), (true, true));
    assert!(list(&a).is_empty());
    rig.core.set_promiscuity(&br, -1).unwrap();
    rig.core.set_master(&a, None).unwrap();
    assert!(list(&a).is_empty() && a.rx_counts() == (0, 0));
}
