//! Ports come and go: the order of checks, every failed step undone, addresses, MTU, carrier, both ways in.

use std::sync::Arc;
use std::time::Duration;

use smartnic_bridge::{FdbFilter, FdbFlags, Stp};
use smartnic_netdev::device::{Flags, LinkType, PrivFlags};
use smartnic_netdev::registry::notify::{Event, Subscriber};
use smartnic_netdev::{Core, Dev, Errno, NetdevError, Result, Setup};
use smartnic_slowpath::MacAddr;
use smartnic_slowpath::stp::PortState;

use super::common::{Rig, Wire, device, errno, frame, mac, port_mac};

fn odd(core: &mut Core, name: &str, change: impl FnOnce(&mut Setup)) -> Dev {
    let mut setup = Setup::ether(name);
    change(&mut setup);
    core.add(setup, Arc::new(Wire::default())).unwrap()
}

#[test]
fn the_first_reason_to_refuse_is_the_one_that_is_given() {
    let mut rig = Rig::new(1);
    let br = rig.dev.clone();
    let other = rig.bridges.create(&mut rig.core, "br%d", None).unwrap();
    assert_eq!((br.name(), other.name()), ("br0".into(), "br1".into()));
    let core = &mut rig.core;
    let all = PrivFlags::CONDUIT | PrivFlags::BRIDGE | PrivFlags::DONT_BRIDGE;
    let loopback = odd(core, "lo", |s| {
        (s.flags, s.link_type, s.priv_flags) = (Flags::LOOPBACK, LinkType::Loopback, all);
    });
    let tunnel = odd(core, "tun0", |s| {
        (s.link_type, s.priv_flags) = (LinkType::None, all)
    });
    let nobody = odd(core, "x0", |s| {
        (s.address, s.priv_flags) = (MacAddr::default(), all)
    });
    let conduit = odd(core, "x1", |s| s.priv_flags = all);
    let stubborn = odd(core, "x2", |s| s.priv_flags = PrivFlags::DONT_BRIDGE);
    let no_handler = odd(core, "x3", |s| s.priv_flags = PrivFlags::NO_RX_HANDLER);
    for (dev, code) in [
        (&loopback, "EINVAL"),
        (&tunnel, "EINVAL"),
        (&nobody, "EINVAL"),
        (&conduit, "EINVAL"),
        (&other, "ELOOP"),
        (&stubborn, "EOPNOTSUPP"),
        (&no_handler, "EINVAL"),
    ] {
        let before = (dev.rx_counts(), dev.flags(), dev.priv_flags());
        assert_eq!(errno(core.set_master(dev, Some(&br))), code, "{dev:?}");
        assert_eq!((dev.rx_counts(), dev.flags(), dev.priv_flags()), before);
        assert!(dev.master().is_none() && !dev.has_rx_handler());
    }
    // A slave, by the ioctl, which does not release it first.
    let slave = rig.ports[0].clone();
    assert_eq!(
        errno(rig.bridges.ioctl_port(core, &other, "p0", true)),
        "EBUSY"
    );
    assert_eq!(
        errno(rig.bridges.ioctl_port(core, &other, "p0", false)),
        "EINVAL"
    );
    assert_eq!(
        errno(rig.bridges.ioctl_port(core, &other, "none", true)),
        "EINVAL"
    );
    assert_eq!(
        errno(rig.bridges.ioctl_port(core, &slave, "x3", true)),
        "EOPNOTSUPP"
    );
    // By the link request it leaves the one and joins the other.
    core.set_master(&slave, Some(&other)).unwrap();
    assert_eq!(slave.master(), Some(other.clone()));
    rig.bridges.ioctl_port(core, &other, "p0", false).unwrap();
    assert!(slave.master().is_none() && !slave.has_rx_handler());
    assert_eq!(slave.rx_counts(), (0, 0));
}

#[test]
fn bridges_are_made_and_deleted_by_two_ways_with_their_own_codes() {
    let mut rig = Rig::new(1);
    let (core, bridges) = (&mut rig.core, &rig.bridges);
    assert_eq!(errno(bridges.create(core, "br0", None)), "EEXIST");
    assert_eq!(errno(bridges.create(core, "a/b", None)), "EINVAL");
    let group = Some(MacAddr([1, 0, 0, 0, 0, 0]));
    assert_eq!(errno(bridges.create(core, "br9", group)), "EADDRNOTAVAIL");
    assert_eq!(errno(bridges.ioctl_delete(core, "none")), "ENXIO");
    assert_eq!(errno(bridges.ioctl_delete(core, "p0")), "EPERM");
    assert_eq!(errno(bridges.ioctl_delete(core, "br0")), "EBUSY");
    let port = rig.ports[0].clone();
    assert_eq!(errno(bridges.delete(core, &port)), "EOPNOTSUPP");
    let br = rig.dev.clone();
    bridges.delete(core, &br).unwrap();
    assert!(port.master().is_none() && bridges.all().is_empty());
    assert_eq!(port.rx_counts(), (0, 0));
    let again = bridges.create(core, "br%d", None).unwrap();
    bridges.ioctl_delete(core, "br0").unwrap();
    assert!(bridges.get(&again).is_err());
}

/// Refuses one event.
struct Refuses(&'static str);

impl Subscriber for Refuses {
    fn notify(&self, _: &mut Core, dev: &Dev, event: &Event) -> Result<()> {
        match event.word() == self.0 && !matches!(event, Event::ChangeUpper { linking: false, .. })
        {
            true => Err(NetdevError::new(
                Errno::Perm,
                "event",
                dev.name(),
                "refused by the test",
            )),
            false => Ok(()),
        }
    }
}

#[test]
fn a_step_that_fails_undoes_those_before_it() {
    for word in ["PRE_CHANGE_UPPER", "CHANGE_UPPER", "PRE_CHANGE_ADDR"] {
        let mut rig = Rig::new(2);
        let (new, wire) = device(&mut rig.core, "new", mac(1));
        let dump = |rig: &Rig| rig.bridge.fdb_show(&rig.core, &FdbFilter::default());
        let before = (dump(&rig), rig.dev.address(), rig.dev.mtu());
        rig.core.subscribe(0, Arc::new(Refuses(word))).unwrap();
        let br = rig.dev.clone();
        assert_eq!(
            errno(rig.core.set_master(&new, Some(&br))),
            "EPERM",
            "{word}"
        );
        assert_eq!((dump(&rig), rig.dev.address(), rig.dev.mtu()), before);
        assert!(new.master().is_none() && !new.has_rx_handler());
        assert_eq!(
            (new.rx_counts(), new.priv_flags()),
            ((0, 0), PrivFlags::empty())
        );
        assert_eq!(br.lowers().len(), 2);
        rig.input(0, &frame(MacAddr::BROADCAST, mac(2), 0x9000, &[]));
        assert!(wire.sent.lock().unwrap().is_empty());
    }
}

#[test]
fn the_lowest_address_is_the_bridges_unless_one_is_set() {
    let mut rig = Rig::new(0);
    let (br, core) = (rig.dev.clone(), &mut rig.core);
    let random = br.address();
    assert!(random.is_unicast());
    assert_eq!(rig.bridge.info()["bridge_id"], "8000.0:0:0:0:0:0");
    let (high, _) = device(core, "a", mac(9));
    let (low, _) = device(core, "b", mac(4));
    core.set_master(&high, Some(&br)).unwrap();
    assert_eq!(br.address(), mac(9));
    core.set_master(&low, Some(&br)).unwrap();
    assert_eq!(br.address(), mac(4));
    assert_eq!(rig.bridge.info()["bridge_id"], "8000.2:0:0:0:0:4");
    let local = |rig: &Rig| {
        let own = FdbFilter::default().with(FdbFlags::LOCAL, true);
        let shown = rig.bridge.fdb_show(&rig.core, &own);
        shown
            .iter()
            .map(|e| (e.vlan, e.mac, e.ifindex))
            .collect::<Vec<_>>()
    };
    let (h, l) = (high.ifindex(), low.ifindex());
    let expected = [
        (0, mac(4), l),
        (0, mac(9), h),
        (1, mac(4), l),
        (1, mac(9), h),
    ];
    assert_eq!(local(&rig), expected);
    // A port takes another address; the bridge follows, and the old one is nobody's.
    rig.core.close(&low);
    rig.core.set_address(&low, mac(6)).unwrap();
    assert_eq!(br.address(), mac(6));
    assert_eq!(local(&rig)[0], (0, mac(6), l));
    rig.core.set_address(&br, mac(2)).unwrap();
    rig.core.set_master(&low, None).unwrap();
    assert_eq!(br.address(), mac(2));
    let b = br.ifindex();
    let expected = [
        (0, mac(2), b),
        (0, mac(9), h),
        (1, mac(2), b),
        (1, mac(9), h),
    ];
    assert_eq!(local(&rig), expected);
}

#[test]
fn an_address_that_two_ports_have_passes_to_the_other() {
    let mut rig = Rig::new(1);
    let (twin, _) = device(&mut rig.core, "twin", port_mac(0));
    let br = rig.dev.clone();
    rig.core.set_master(&twin, Some(&br)).unwrap();
    let held = |rig: &Rig, dev: &Dev| {
        let holder = |vid| rig.bridge.fdb_get(&rig.core, port_mac(0), vid).unwrap();
        [0, 1].map(|vid| holder(vid).ifindex) == [dev.ifindex(); 2]
    };
    let first = rig.ports[0].clone();
    assert!(held(&rig, &first));
    rig.core.set_master(&first, None).unwrap();
    assert!(held(&rig, &twin));
    rig.core.set_master(&twin, None).unwrap();
    for vid in [0, 1] {
        let gone = rig.bridge.fdb_get(&rig.core, port_mac(0), vid);
        assert_eq!(errno(gone), "ENOENT");
    }
    assert!(br.address().is_zero());
}

#[test]
fn the_mtu_is_the_least_of_the_ports() {
    let mut rig = Rig::new(2);
    let (br, one, two) = (rig.dev.clone(), rig.ports[0].clone(), rig.ports[1].clone());
    let core = &mut rig.core;
    core.set_mtu(&one, 9000).unwrap();
    assert_eq!(br.mtu(), 1500);
    core.set_mtu(&two, 4000).unwrap();
    assert_eq!(br.mtu(), 4000);
    assert_eq!(errno(core.set_mtu(&br, 4001)), "EINVAL");
    core.set_mtu(&br, 2000).unwrap();
    core.set_mtu(&two, 9000).unwrap();
    assert_eq!(br.mtu(), 2000, "a user's stays");
    core.set_mtu(&two, 1400).unwrap();
    assert_eq!(br.mtu(), 1400);
}

#[test]
fn states_and_carrier_follow_links() {
    let mut rig = Rig::new(2);
    let (br, one) = (rig.dev.clone(), rig.ports[0].clone());
    let state = |rig: &Rig, n: usize| rig.bridge.port_state(&rig.ports[n]).unwrap();
    assert_eq!(
        (state(&rig, 0), br.carrier_ok()),
        (PortState::Forwarding, true)
    );
    rig.core.close(&one);
    rig.ports[1].carrier_off();
    rig.advance(Duration::ZERO);
    assert_eq!(state(&rig, 0), PortState::Disabled);
    assert_eq!(state(&rig, 1), PortState::Disabled);
    assert!(!br.carrier_ok() && !br.flags().contains(Flags::RUNNING));
    assert_eq!(
        errno(rig.set_port(0, &[("state", "forwarding")])),
        "ENETDOWN"
    );
    rig.core.open(&one).unwrap();
    assert!(br.carrier_ok());
    rig.core.close(&br);
    assert_eq!(state(&rig, 0), PortState::Disabled);
    rig.core.open(&br).unwrap();
    assert_eq!(state(&rig, 0), PortState::Forwarding);
    // A program of the user's sets the states: new links begin blocked.
    rig.set("stp_state", "2").unwrap();
    assert_eq!(rig.bridge.stp(), Stp::User);
    rig.ports[1].carrier_on();
    rig.advance(Duration::ZERO);
    assert_eq!(state(&rig, 1), PortState::Blocking);
    rig.set_port(1, &[("state", "learning")]).unwrap();
    assert_eq!(state(&rig, 1), PortState::Learning);
    rig.set("stp_state", "1").unwrap();
    assert_eq!(errno(rig.set_port(1, &[("state", "4")])), "EBUSY");
}

#[test]
fn options_are_checked_and_shown() {
    let mut rig = Rig::new(2);
    for (option, value, code) in [
        ("nonsense", "1", "EINVAL"),
        ("ageing_time", "x", "EINVAL"),
        ("ageing_time", "100000001", "ERANGE"),
        ("group_fwd_mask", "7", "EINVAL"),
        ("group_address", "01:80:c2:00:00:01", "EINVAL"),
        ("vlan_protocol", "802.1x", "EPROTONOSUPPORT"),
        ("vlan_default_pvid", "4095", "EINVAL"),
        ("vlan_stats_per_port", "1", "EBUSY"),
        ("mst_enabled", "1", "EBUSY"),
        ("fdb_n_learned", "1", "EINVAL"),
        ("stp_state", "3", "ERANGE"),
        ("mcast_igmp_version", "4", "EINVAL"),
    ] {
        let before = rig.bridge.info();
        assert_eq!(errno(rig.set(option, value)), code, "{option} {value}");
        assert_eq!(rig.bridge.info(), before, "{option}");
    }
    for (option, value, code) in [
        ("nonsense", "1", "EINVAL"),
        ("group_fwd_mask", "2", "EINVAL"),
        ("priority", "64", "ERANGE"),
        ("cost", "65536", "ERANGE"),
        ("mab", "on", "EINVAL"),
        ("backup_port", "p0", "EINVAL"),
        ("backup_port", "nothing", "ENODEV"),
        ("backup_port", "br0", "ENOENT"),
        ("learning", "maybe", "EINVAL"),
        ("state", "5", "EINVAL"),
    ] {
        let dev = rig.ports[0].clone();
        let before = rig.bridge.port_info(&dev).unwrap();
        assert_eq!(
            errno(rig.set_port(0, &[(option, value)])),
            code,
            "{option} {value}"
        );
        assert_eq!(rig.bridge.port_info(&dev).unwrap(), before, "{option}");
    }
    let info = rig.bridge.info();
    for (key, value) in [
        ("ageing_time", 30_000),
        ("priority", 32_768),
        ("hello_time", 200),
        ("max_age", 2_000),
        ("forward_delay", 1_500),
        ("vlan_default_pvid", 1),
        ("stp_state", 0),
        ("vlan_filtering", 0),
        ("mcast_snooping", 1),
    ] {
        assert_eq!(info[key], value, "{key}");
    }
    assert_eq!(info["group_address"], "01:80:c2:00:00:00");
    // mab may come with what it wants, in any order.
    rig.set_port(0, &[("mab", "on"), ("locked", "on"), ("priority", "5")])
        .unwrap();
    let port = rig.bridge.port_info(&rig.ports[0]).unwrap();
    assert_eq!(
        (&port["mab"], &port["priority"], &port["no"]),
        (&true.into(), &5.into(), &"0x1".into())
    );
    assert_eq!(errno(rig.set_port(0, &[("locked", "off")])), "EINVAL");
}
