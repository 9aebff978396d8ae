//! A bond under a bridge and under a VLAN device; what the ARP monitor and the announcements make of the tags of frames.

use std::net::Ipv4Addr;

use smartnic_bridge::Bridges;
use smartnic_netdev::packet::eth;
use smartnic_netdev::vlan::{self, VlanConfig};
use smartnic_slowpath::wire::arp::{Arp, ArpOperation};

use crate::common::*;

#[test]
fn a_bridge_forwards_to_the_bond_and_learns_it() {
    let mut rig = Rig::new(&[("mode", "balance-rr")], 2);
    let bridges = Bridges::install(&mut rig.core).unwrap();
    let br0 = bridges.create(&mut rig.core, "br0", None).unwrap();
    let setup = smartnic_netdev::Setup::ether("p0").with_address(mac(0x40));
    let (p0, wire) = device(&mut rig.core, setup, false);
    rig.core.open(&p0).unwrap();
    for port in [&p0, &rig.dev] {
        rig.core.set_master(port, Some(&br0)).unwrap();
    }
    rig.core.open(&br0).unwrap();
    rig.advance(SECOND);
    bridges.tick(&mut rig.core, &mut rig.net);
    let (a, b) = (mac(1), mac(2));
    let unknown = frame(b, a, eth::P_IP, &[1; 50]);
    rig.input(1, &unknown);
    assert_eq!(wire.take(), [unknown]);
    // The answer goes to the bond, whichever slave the question came by.
    let answer = frame(a, b, eth::P_IP, &[2; 50]);
    let mut packet = smartnic_netdev::Packet::from_bytes(&answer);
    eth::type_trans(&mut packet, p0.ifindex(), p0.address()).unwrap();
    rig.net.receive(packet);
    let sent = rig.take();
    assert_eq!((sent.len(), &sent[0].1), (1, &answer));
}

#[test]
fn what_the_bridge_says_is_announced_by_the_bond_in_it() {
    let options = [("mode", "active-backup"), ("miimon", "100")];
    let mut rig = Rig::new(&options, 2);
    let bridges = Bridges::install(&mut rig.core).unwrap();
    let br0 = bridges.create(&mut rig.core, "br0", None).unwrap();
    rig.core.set_master(&rig.dev, Some(&br0)).unwrap();
    rig.core.open(&br0).unwrap();
    rig.core.set_address(&br0, mac(0x77)).unwrap();
    rig.advance(SECOND);
    let own = Ipv4Addr::new(10, 0, 0, 1);
    let arp = Arp {
        operation: ArpOperation::Request,
        sender_mac: mac(0x77),
        sender_ip: own,
        target_mac: Default::default(),
        target_ip: own,
    };
    let says = arp.emit_frame(smartnic_slowpath::MacAddr::BROADCAST, mac(0x77));
    rig.net
        .xmit(&br0, smartnic_netdev::Packet::from_bytes(&says));
    assert_eq!(rig.take(), [(0, says.clone())]);
    rig.link(0, false);
    rig.advance(SECOND);
    assert_eq!(rig.take(), [(1, says)]);
}

#[test]
fn an_address_in_a_vlan_is_announced_with_its_tag() {
    let options = [
        ("mode", "active-backup"),
        ("miimon", "100"),
        ("num_grat_arp", "1"),
    ];
    let mut rig = Rig::new(&options, 2);
    let config = VlanConfig::new("v5", 5);
    let v5 = vlan::create(&mut rig.core, &rig.dev, &config).unwrap();
    rig.core.open(&v5).unwrap();
    let own = Ipv4Addr::new(10, 0, 5, 1);
    let speak = |mac| Arp {
        operation: ArpOperation::Request,
        sender_mac: mac,
        sender_ip: own,
        target_mac: Default::default(),
        target_ip: Ipv4Addr::new(10, 0, 5, 2),
    };
    let from = rig.dev.address();
    let question = speak(from).emit_frame(smartnic_slowpath::MacAddr::BROADCAST, from);
    rig.net
        .xmit(&v5, smartnic_netdev::Packet::from_bytes(&question));
    let tag = [0x81, 0, 0, 5, 8, 6];
    assert_eq!(rig.take()[0].1[12..18], tag);
    let fail_over = |rig: &mut Rig, from: usize| {
        rig.link(from, false);
        rig.advance(SECOND);
        rig.link(from, true);
        rig.advance(SECOND);
        rig.take()
    };
    let sent = fail_over(&mut rig, 0);
    let [(1, announcement)] = &sent[..] else {
        panic!("{sent:?}");
    };
    assert_eq!(announcement[12..18], tag);
    let arp = Arp::parse(&announcement[18..]).unwrap();
    assert_eq!(
        (arp.sender_ip, arp.target_ip, arp.sender_mac),
        (own, own, from)
    );
    // Somebody else claims it in that VLAN, heard by the active slave: no longer ours to announce.
    let stranger = mac(9);
    let mut claim = speak(stranger).emit_frame(from, stranger);
    claim.splice(12..12, [0x81, 0, 0, 5]);
    rig.input(1, &claim);
    assert!(fail_over(&mut rig, 1).is_empty());
}
