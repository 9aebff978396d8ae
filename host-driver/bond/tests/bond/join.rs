//! Slaves join and leave: what they get and get back, refusals, steps that are undone, both ways in.

use smartnic_netdev::device::{AddressOrigin, Flags, LinkType, PrivFlags};
use smartnic_netdev::{Core, Dev, Setup};

use crate::common::*;

/// Everything about a device that joining changes.
fn looks(dev: &Dev) -> impl PartialEq + std::fmt::Debug + use<> {
    let state = (
        dev.address(),
        dev.mtu(),
        dev.flags(),
        dev.master().is_some(),
    );
    let origin = dev.address_origin();
    (state, origin, dev.has_rx_handler(), dev.rx_counts())
}

#[test]
fn slaves_get_address_and_mtu_and_have_theirs_back() {
    let mut rig = Rig::new(&[], 0);
    assert_eq!(rig.dev.name(), "bond0");
    assert!(rig.dev.flags().contains(Flags::MASTER));
    assert!(!rig.dev.carrier_ok());
    assert_eq!(rig.dev.address_origin(), AddressOrigin::Random);
    rig.core.set_mtu(&rig.dev, 1400).unwrap();
    let slaves = [0, 1].map(|n| {
        let setup = Setup::ether(format!("s{n}")).with_address(slave_mac(n));
        device(&mut rig.core, setup, false).0
    });
    let before = slaves.each_ref().map(looks);
    for slave in &slaves {
        rig.core.set_master(slave, Some(&rig.dev)).unwrap();
        assert!(slave.flags().contains(Flags::SLAVE | Flags::UP));
        assert_eq!((slave.address(), slave.mtu()), (slave_mac(0), 1400));
    }
    rig.advance(SECOND);
    assert!(rig.dev.carrier_ok());
    assert_eq!(rig.dev.address(), slave_mac(0));
    assert_eq!(rig.dev.address_origin(), AddressOrigin::Stolen);
    // The bond's address and MTU are everybody's.
    rig.core.set_address(&rig.dev, mac(9)).unwrap();
    rig.core.set_mtu(&rig.dev, 1300).unwrap();
    for dev in slaves.iter().chain([&rig.dev]) {
        assert_eq!((dev.address(), dev.mtu()), (mac(9), 1300));
    }
    for slave in &slaves {
        rig.core.set_master(slave, None).unwrap();
    }
    assert_eq!(slaves.each_ref().map(looks), before);
    rig.advance(SECOND);
    assert!(!rig.dev.carrier_ok());
    assert_eq!(rig.dev.address_origin(), AddressOrigin::Random);
    // A bond that is deleted lets go of all, one that is up too.
    rig.core.set_master(&slaves[1], Some(&rig.dev)).unwrap();
    rig.bonds.delete(&mut rig.core, &rig.dev).unwrap();
    assert_eq!(looks(&slaves[1]), before[1]);
    assert!(rig.bonds.all().is_empty());
    assert_eq!(errno(rig.bonds.get(&slaves[1]).map(drop)), "EOPNOTSUPP");
}

#[test]
fn refusals_change_nothing() {
    let mut rig = Rig::new(&[], 1);
    rig.core.set_mtu(&rig.dev, 1400).unwrap();
    let core = &mut rig.core;
    let made = |core: &mut Core, name: &str, change: &dyn Fn(&mut Setup), broken| {
        let mut setup = Setup::ether(name).with_address(mac(7));
        change(&mut setup);
        device(core, setup, broken).0
    };
    let up = made(core, "up", &|_| {}, false);
    core.open(&up).unwrap();
    let none = made(core, "none", &|s| s.link_type = LinkType::None, false);
    let master = made(core, "team0", &|s| s.flags |= Flags::MASTER, false);
    let small = made(core, "small", &|s| s.min_mtu = 1500, false);
    let broken = made(core, "broken", &|_| {}, true);
    let shut = made(
        core,
        "shut",
        &|s| s.priv_flags |= PrivFlags::NO_RX_HANDLER,
        false,
    );
    let other = rig.bonds.create(core, "bond%d", None).unwrap();
    let taken = made(core, "taken", &|_| {}, false);
    core.set_master(&taken, Some(&other)).unwrap();
    for (dev, wanted) in [
        (&up, "EPERM"),
        (&none, "EINVAL"),
        (&master, "EPERM"),
        (&small, "EINVAL"),
        (&broken, "EIO"),
        (&shut, "EINVAL"),
    ] {
        let before = (looks(dev), looks(&rig.dev));
        assert_eq!(
            errno(core.set_master(dev, Some(&rig.dev))),
            wanted,
            "{dev:?}"
        );
        assert_eq!((looks(dev), looks(&rig.dev)), before, "{dev:?}");
    }
    // The step that failed, and why.
    let why = core.set_master(&broken, Some(&rig.dev)).unwrap_err();
    assert_eq!(
        why.to_string(),
        "slave \"broken\": it cannot be set up: it is broken (EIO)"
    );
    let itself = rig.dev.clone();
    assert_eq!(errno(core.set_master(&itself, Some(&itself))), "EPERM");
    // One slave that cannot have an MTU: all keep theirs.
    let limited = made(core, "limited", &|s| s.max_mtu = 1450, false);
    core.set_master(&limited, Some(&rig.dev)).unwrap();
    assert_eq!(errno(core.set_mtu(&rig.dev, 1500)), "EINVAL");
    for dev in [&rig.dev, &rig.slaves[0], &limited] {
        assert_eq!(dev.mtu(), 1400, "{dev:?}");
    }
    let bond = rig.bond.clone();
    let mut set = |option, value| errno(bond.set(core, &[(option, value)]));
    assert_eq!(set("mode", "802.3ad"), "ENOTEMPTY");
    assert_eq!(set("colour", "red"), "EINVAL");
}

#[test]
fn the_ioctl_has_its_own_order_and_codes() {
    let mut rig = Rig::new(&[], 0);
    let (core, bonds, bond) = (&mut rig.core, rig.bonds.clone(), rig.dev.clone());
    let setup = Setup::ether("s0").with_address(slave_mac(0));
    let (s0, _) = device(core, setup, false);
    assert_eq!(errno(bonds.ioctl_enslave(core, &s0, "s0")), "EOPNOTSUPP");
    assert_eq!(errno(bonds.ioctl_enslave(core, &bond, "none")), "ENODEV");
    assert_eq!(errno(bonds.ioctl_enslave(core, &bond, "s0")), "EINVAL");
    core.open(&s0).unwrap();
    s0.carrier_off();
    assert_eq!(errno(bonds.ioctl_enslave(core, &bond, "s0")), "EINVAL");
    s0.carrier_on();
    assert_eq!(errno(bonds.ioctl_release(core, &bond, "s0")), "EINVAL");
    bonds.ioctl_enslave(core, &bond, "s0").unwrap();
    assert_eq!(errno(bonds.ioctl_enslave(core, &bond, "s0")), "EBUSY");
    core.set_address(&bond, mac(5)).unwrap();
    bonds.ioctl_take_address(core, &bond, "s0").unwrap();
    assert_eq!(bond.address(), mac(5));
    // A slave that came that way is up still when the bond lets go of it, which it does as it goes down.
    core.close(&bond);
    assert_eq!((s0.master(), s0.is_up()), (None, true));
    assert_eq!(s0.address(), slave_mac(0));
    // A bond that is a slave takes none.
    let outer = bonds.create(core, "outer", None).unwrap();
    core.set_master(&bond, Some(&outer)).unwrap();
    assert_eq!(errno(bonds.ioctl_enslave(core, &bond, "s0")), "EBUSY");
}

#[test]
fn a_slave_that_disappears_is_released_and_one_that_is_renamed_may_be_the_primary() {
    let options = [
        ("mode", "active-backup"),
        ("miimon", "100"),
        ("primary", "x"),
    ];
    let mut rig = Rig::new(&options, 3);
    let active = |rig: &Rig| rig.bond.info()["active_slave"].as_str().unwrap().to_owned();
    assert_eq!(active(&rig), "s0");
    let [s0, s1] = [0, 1].map(|n| rig.slaves[n].clone());
    rig.core.set_name(&s1, "x").unwrap();
    assert_eq!(active(&rig), "x");
    rig.core.unregister(&s1);
    rig.advance(SECOND);
    assert_eq!(active(&rig), "s0");
    rig.core.unregister(&s0);
    rig.advance(SECOND);
    assert_eq!(active(&rig), "s2");
    assert_eq!(rig.dev.lowers().len(), 1);
}
