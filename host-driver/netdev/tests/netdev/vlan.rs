//! VLAN devices: tags both ways, what is refused, what follows the device below.

use std::sync::Arc;

use smartnic_netdev::device::{AddressOrigin, Features, Flags, OperState};
use smartnic_netdev::packet::{PacketType, eth};
use smartnic_netdev::registry::ListKind;
use smartnic_netdev::registry::request::{Caller, Request};
use smartnic_netdev::vlan::{self, VlanConfig, VlanFlags};
use smartnic_netdev::{Core, Dev, Packet, Setup};
use smartnic_slowpath::MacAddr;

use crate::common::{Log, Recorder, Sink, errno, frame, mac, ms, received, setup, take, up};

struct Bed {
    core: Core,
    real: Dev,
    ops: Arc<Recorder>,
    sink: Arc<Sink>,
    log: Log,
}

fn bed(setup: Setup) -> Bed {
    let log = Log::default();
    let mut core = Core::new();
    let ops = Recorder::new("d", &log);
    let real = up(&mut core, setup, &ops);
    let sink = Arc::new(Sink::default());
    core.add_protocol(eth::P_IP, None, sink.clone());
    Bed {
        core,
        real,
        ops,
        sink,
        log,
    }
}

/// A frame with a tag in it.
fn tagged(protocol: u16, tci: u16, to: MacAddr) -> Vec<u8> {
    let plain = frame(to, mac(9), eth::P_IP, b"data");
    [
        &plain[..12],
        &protocol.to_be_bytes(),
        &tci.to_be_bytes(),
        &plain[12..],
    ]
    .concat()
}

#[test]
fn frames_both_ways() {
    let mut b = bed(setup("e", 1));
    let config = VlanConfig {
        ingress: vec![(3, 33)],
        egress: vec![(33, 5)],
        ..VlanConfig::new("e.7", 7)
    };
    let v = vlan::create(&mut b.core, &b.real, &config).unwrap();
    let ad = vlan::create(
        &mut b.core,
        &b.real,
        &VlanConfig {
            protocol: eth::P_8021AD,
            ..VlanConfig::new("e.ad", 7)
        },
    )
    .unwrap();
    b.core.open(&v).unwrap();
    b.core.open(&ad).unwrap();
    let mut net = b.core.softnet();
    net.receive(received(&b.real, &tagged(eth::P_8021Q, 0x6007, mac(1))));
    let got = b.sink.take();
    assert_eq!(
        (got[0].0.as_str(), got[0].1.priority, got[0].1.vlan_tag()),
        ("e.7", 33, None)
    );
    assert_eq!(
        got[0].1.mac_bytes(),
        frame(mac(1), mac(9), eth::P_IP, b"data")
    );
    assert_eq!((v.stats64().rx_packets, v.stats64().rx_bytes), (1, 46));
    net.receive(received(&b.real, &tagged(eth::P_8021AD, 7, mac(1))));
    assert_eq!(b.sink.take()[0].0, "e.ad");
    // A VLAN that is not there is for somebody else; VLAN 0 is a priority only.
    net.receive(received(&b.real, &tagged(eth::P_8021Q, 8, mac(1))));
    assert_eq!(
        (b.sink.len(), b.real.stats64().rx_otherhost_dropped),
        (0, 1)
    );
    net.receive(received(&b.real, &tagged(eth::P_8021Q, 0xe000, mac(1))));
    assert_eq!(b.sink.take()[0].0, "e");
    // Down: in the tag, with the mapped priority.
    let mut packet = Packet::from_bytes(&frame(mac(9), mac(1), eth::P_IP, b"out"));
    packet.priority = 33;
    net.xmit(&v, packet);
    net.xmit(
        &ad,
        Packet::from_bytes(&frame(mac(9), mac(1), eth::P_IP, b"out")),
    );
    let sent = b.ops.sent();
    assert_eq!(
        (&sent[0][12..18], &sent[1][12..18]),
        (&[0x81, 0, 0xa0, 7, 8, 0][..], &[0x88, 0xa8, 0, 7, 8, 0][..])
    );
    assert_eq!((v.stats64().tx_packets, v.stats64().tx_bytes), (1, 60));
    // No room below: counted above.
    b.real.carrier_off();
    net.xmit(
        &v,
        Packet::from_bytes(&frame(mac(9), mac(1), eth::P_IP, b"out")),
    );
    assert_eq!(v.stats64().tx_dropped, 1);
}

#[test]
fn hardware_that_tags_gets_the_tag_beside_the_frame() {
    let mut b = bed(Setup {
        features: Features::VLAN_CTAG_TX | Features::VLAN_CTAG_FILTER,
        ..setup("e", 1)
    });
    let v = vlan::create(&mut b.core, &b.real, &VlanConfig::new("e.7", 7)).unwrap();
    b.core.open(&v).unwrap();
    assert!(take(&b.log).contains(&"d.vlan_add(7)".into()));
    b.core.softnet().xmit(
        &v,
        Packet::from_bytes(&frame(mac(9), mac(1), eth::P_IP, b"out")),
    );
    assert_eq!(
        b.ops.sent()[0][12..14],
        [8, 0],
        "the recorder writes what is in the frame"
    );
    assert!(
        v.ops()
            .settings(&v)
            .iter()
            .any(|s| (s.name, s.offload) == ("reorder_hdr", false))
    );
    b.core.unregister(&v);
    assert!(take(&b.log).contains(&"d.vlan_remove(7)".into()));
    // The filter refuses: nothing is left.
    b.ops.state().failing.insert("vlan_add");
    assert_eq!(
        errno(vlan::create(
            &mut b.core,
            &b.real,
            &VlanConfig::new("e.8", 8)
        )),
        "EIO"
    );
    assert!(b.core.by_name("e.8").is_err() && b.real.uppers().is_empty());
}

#[test]
fn without_reordered_headers_the_tag_is_in_the_header() {
    let mut b = bed(setup("e", 1));
    let config = VlanConfig {
        flags: VlanFlags::empty(),
        ..VlanConfig::new("e.7", 7)
    };
    let v = vlan::create(&mut b.core, &b.real, &config).unwrap();
    b.core.open(&v).unwrap();
    let mut net = b.core.softnet();
    net.receive(received(&b.real, &tagged(eth::P_8021Q, 7, mac(1))));
    let (_, packet) = b.sink.take().remove(0);
    assert_eq!(packet.mac_bytes(), tagged(eth::P_8021Q, 7, mac(1)));
    assert!(packet.bytes().starts_with(b"data"));
    let mut packet = v.alloc_packet(46);
    packet.pad_to(46).unwrap();
    let len = v
        .header()
        .create(&mut packet, &v, eth::P_IP, Some(mac(9)), None, 46)
        .unwrap();
    assert_eq!(
        (len, &packet.bytes()[12..18]),
        (18, &[0x81, 0, 0, 7, 8, 0][..])
    );
    net.xmit(&v, packet);
    assert_eq!(b.ops.sent()[0].len(), 64, "not tagged twice");
}

#[test]
fn what_is_refused() {
    let mut b = bed(setup("e", 1));
    vlan::create(&mut b.core, &b.real, &VlanConfig::new("e.7", 7)).unwrap();
    let mut make = |config: VlanConfig| errno(vlan::create(&mut b.core, &b.real, &config));
    let new = |vid| VlanConfig::new("x", vid);
    assert_eq!(make(new(4095)), "ERANGE");
    assert_eq!(make(new(7)), "EEXIST");
    assert_eq!(make(VlanConfig::new("e.7", 8)), "EEXIST");
    assert_eq!(
        make(VlanConfig {
            protocol: 0x9100,
            ..new(8)
        }),
        "EPROTONOSUPPORT"
    );
    assert_eq!(
        make(VlanConfig {
            mtu: Some(1501),
            ..new(8)
        }),
        "EINVAL"
    );
    assert_eq!(
        make(VlanConfig {
            egress: vec![(1, 8)],
            ..new(8)
        }),
        "EINVAL"
    );
    assert_eq!(
        make(VlanConfig {
            ingress: vec![(8, 1)],
            ..new(8)
        }),
        "EINVAL"
    );
    for flag in [VlanFlags::GVRP, VlanFlags::MVRP, VlanFlags::BRIDGE_BINDING] {
        assert_eq!(
            make(VlanConfig {
                flags: flag | VlanFlags::REORDER_HDR,
                ..new(8)
            }),
            "EOPNOTSUPP"
        );
    }
    let add = Request::AddVlan {
        link: "e".into(),
        config: new(0),
    };
    assert_eq!(errno(b.core.request(&Caller::USER, &add)), "EPERM");
    let made = b.core.request(&Caller::ADMIN, &add).unwrap();
    assert_eq!(
        (made[0].info_kind, made[0].link),
        (Some("vlan"), Some(b.real.ifindex()))
    );
    b.core
        .request(&Caller::ADMIN, &Request::Delete("x".into()))
        .unwrap();
    vlan::create(&mut b.core, &b.real, &VlanConfig::new("x", 4094)).unwrap();
    let other = up(
        &mut b.core,
        Setup {
            features: Features::VLAN_CHALLENGED,
            ..setup("f", 1)
        },
        &b.ops,
    );
    assert_eq!(
        errno(vlan::create(
            &mut b.core,
            &other,
            &VlanConfig::new("f.1", 1)
        )),
        "EOPNOTSUPP"
    );
    let v = b.core.by_name("e.7").unwrap().clone();
    assert_eq!(errno(b.core.set_mtu(&v, 1501)), "ERANGE");
    b.core.close(&b.real);
    assert_eq!(errno(b.core.open(&v)), "ENETDOWN");
}

#[test]
fn it_follows_the_device_below() {
    let mut b = bed(setup("e", 1));
    let v = vlan::create(&mut b.core, &b.real, &VlanConfig::new("e.7", 7)).unwrap();
    let config = VlanConfig {
        flags: VlanFlags::REORDER_HDR | VlanFlags::LOOSE_BINDING,
        ..VlanConfig::new("e.8", 8)
    };
    let loose = vlan::create(&mut b.core, &b.real, &config).unwrap();
    // A VLAN in a VLAN hears of it too.
    let inner = vlan::create(&mut b.core, &v, &VlanConfig::new("e.7.9", 9)).unwrap();
    for dev in [&v, &loose, &inner] {
        b.core.open(dev).unwrap();
    }
    b.real.carrier_off();
    b.core.tick(ms(1));
    assert_eq!(
        [&v, &loose, &inner].map(|d| d.operstate()),
        [OperState::LowerLayerDown; 3]
    );
    b.real.carrier_on();
    b.core.tick(ms(2));
    assert_eq!(
        [&v, &loose, &inner].map(|d| d.operstate()),
        [OperState::Up; 3]
    );
    b.core.close(&b.real);
    assert_eq!(
        [&v, &loose, &inner].map(|d| d.is_up()),
        [false, true, false]
    );
    assert!(!loose.carrier_ok());
    // Address: those that took it over follow, one that was set does not.
    assert_eq!(v.address(), mac(1));
    b.core.set_address(&loose, mac(8)).unwrap();
    b.core.set_address(&b.real, mac(2)).unwrap();
    assert_eq!(
        [&v, &loose, &inner].map(|d| d.address()),
        [mac(2), mac(8), mac(2)]
    );
    assert_eq!(inner.address_origin(), AddressOrigin::Stolen);
    b.core.open(&b.real).unwrap();
    assert_eq!(
        [&v, &loose, &inner].map(|d| d.is_up() && d.carrier_ok()),
        [true; 3]
    );
    // MTU: down with it, not up again.
    b.core.set_mtu(&b.real, 1000).unwrap();
    b.core.set_mtu(&b.real, 1500).unwrap();
    assert_eq!([&v, &loose, &inner].map(|d| d.mtu()), [1000; 3]);
    // Two tags, outer first.
    let mut net = b.core.softnet();
    net.xmit(
        &inner,
        Packet::from_bytes(&frame(mac(9), mac(2), eth::P_IP, b"deep")),
    );
    assert_eq!(
        b.ops.sent()[0][12..22],
        [0x81, 0, 0, 7, 0x81, 0, 0, 9, 8, 0]
    );
    let bytes = b.ops.sent().remove(0);
    let back = [&mac(2).0[..], &mac(9).0, &bytes[12..]].concat();
    net.receive(received(&b.real, &back));
    assert_eq!(b.sink.take()[0].0, "e.7.9");
    // It goes with the device below.
    b.core.unregister(&b.real);
    assert!(
        ["e.7", "e.8", "e.7.9"]
            .iter()
            .all(|n| b.core.by_name(n).is_err())
    );
}

#[test]
fn addresses_and_flags_reach_the_device_below() {
    let mut b = bed(setup("e", 1));
    let v = vlan::create(&mut b.core, &b.real, &VlanConfig::new("e.7", 7)).unwrap();
    b.core.set_address(&v, mac(7)).unwrap();
    let group: MacAddr = "01:00:5e:00:00:05".parse().unwrap();
    b.core.address_add(&v, ListKind::Multicast, group).unwrap();
    let lists = |b: &Bed| {
        let (unicast, multicast) = b.real.address_lists();
        (
            unicast.iter().collect::<Vec<_>>(),
            multicast.iter().collect::<Vec<_>>(),
        )
    };
    assert_eq!(lists(&b), (vec![], vec![]), "not while it is down");
    b.core.open(&v).unwrap();
    assert_eq!(lists(&b), (vec![mac(7)], vec![group]));
    b.core.set_address(&v, mac(6)).unwrap();
    assert_eq!(lists(&b).0, [mac(6)]);
    let (promiscuity, _) = b.real.rx_counts();
    b.core
        .change_flags(&v, v.flags() | Flags::PROMISC | Flags::ALLMULTI)
        .unwrap();
    assert_eq!(b.real.rx_counts(), (promiscuity + 1, 1));
    // A frame to its own address, seen by a device that has another one.
    b.core
        .softnet()
        .receive(received(&b.real, &tagged(eth::P_8021Q, 7, mac(6))));
    assert_eq!(b.sink.take()[0].1.packet_type, PacketType::Host);
    b.core.close(&v);
    assert_eq!((lists(&b), b.real.rx_counts()), ((vec![], vec![]), (0, 0)));
}

#[test]
fn features_are_granted_by_the_device_below() {
    let granted = Features::SG | Features::HW_CSUM | Features::TSO;
    let hw = granted | Features::RXHASH;
    let mut b = bed(Setup {
        features: hw,
        hw_features: hw,
        vlan_features: granted,
        ..setup("e", 1)
    });
    let v = vlan::create(&mut b.core, &b.real, &VlanConfig::new("e.7", 7)).unwrap();
    assert!(v.features().contains(granted) && !v.features().contains(Features::RXHASH));
    b.core
        .set_features(&b.real, Features::empty(), Features::HW_CSUM)
        .unwrap();
    assert!(
        !v.features().intersects(granted),
        "what the device below lost, it lost"
    );
    b.core
        .set_features(&b.real, Features::HW_CSUM, Features::empty())
        .unwrap();
    assert!(v.features().contains(granted));
}
