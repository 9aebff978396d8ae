//! Joining and leaving: the codes of both ways in, addresses and MTU, and that a failure leaves nothing changed.

#[path = "common/bond_base.rs"]
mod bond_base;

use std::time::Duration;

use bond_base::{Devices, bond, device, mac};
use smartnic_slowpath::MacAddr;
use smartnic_slowpath::bond::{Action, Bond, Device, Errno, Tx, Way};

const NOW: Duration = Duration::ZERO;

fn join(bond: &mut Bond, devices: &mut Devices, way: Way, device: &Device) -> Option<Errno> {
    bond.enslave(NOW, devices, way, device)
        .err()
        .map(|e| e.errno)
}

/// Makes a device unfit.
type Change = fn(&mut Device);

fn running(id: u32) -> Device {
    Device {
        up: true,
        ..device(id)
    }
}

#[test]
fn codes_of_the_link_way() {
    let (mut bond, mut devices) = bond("balance-rr", &[], 1);
    let cases: [(Change, Errno); 6] = [
        (|d| d.up = true, Errno::EPERM),
        (|d| d.other_master = true, Errno::EPERM),
        (|d| d.is_bond = true, Errno::EPERM),
        (|d| d.busy = true, Errno::EBUSY),
        (|d| d.ethernet = false, Errno::EINVAL),
        (|d| d.id = 1, Errno::EBUSY),
    ];
    let (before, state) = (devices.clone(), bond.status());
    for (change, errno) in cases {
        let mut d = device(2);
        change(&mut d);
        assert_eq!(
            join(&mut bond, &mut devices, Way::Link, &d),
            Some(errno),
            "{d:?}"
        );
    }
    assert_eq!((&devices, bond.status()), (&before, state));
    // The order: a master that is in use and up is told the first.
    let mut d = running(2);
    (d.other_master, d.busy) = (true, true);
    assert_eq!(
        join(&mut bond, &mut devices, Way::Link, &d),
        Some(Errno::EPERM)
    );
    (d.other_master, d.busy) = (false, true);
    assert_eq!(
        join(&mut bond, &mut devices, Way::Link, &d),
        Some(Errno::EBUSY)
    );
    assert_eq!(join(&mut bond, &mut devices, Way::Link, &device(2)), None);
    assert!(devices.up.contains(&2), "the bond sets it up");
    let error = bond.release(NOW, &mut devices, 9).unwrap_err();
    assert_eq!(error.errno, Errno::EINVAL, "a stranger");
}

#[test]
fn codes_of_the_ioctl() {
    let (mut bond, mut devices) = bond("balance-rr", &[], 0);
    assert_eq!(
        join(&mut bond, &mut devices, Way::Ioctl, &device(1)),
        Some(Errno::EINVAL),
        "down"
    );
    let mut dark = running(1);
    dark.link = None;
    assert_eq!(
        join(&mut bond, &mut devices, Way::Ioctl, &dark),
        Some(Errno::EINVAL),
        "not running"
    );
    assert_eq!(join(&mut bond, &mut devices, Way::Ioctl, &running(1)), None);
    assert_eq!(
        join(&mut bond, &mut devices, Way::Ioctl, &running(1)),
        Some(Errno::EBUSY)
    );
    let mut busy = running(2);
    busy.busy = true;
    assert_eq!(
        join(&mut bond, &mut devices, Way::Ioctl, &busy),
        Some(Errno::EBUSY)
    );
    bond.set_enslaved(true);
    assert_eq!(
        join(&mut bond, &mut devices, Way::Ioctl, &running(2)),
        Some(Errno::EBUSY)
    );
    bond.set_enslaved(false);
    devices.fail = Some(("attach", Errno::ENOMEM));
    let before = devices.clone();
    assert_eq!(
        join(&mut bond, &mut devices, Way::Ioctl, &running(2)),
        Some(Errno::ENOMEM)
    );
    assert_eq!(bond.slaves(), [1]);
    assert_eq!(devices.attached, before.attached);
    assert_eq!(devices.address.get(&2), Some(&mac(2)), "its own again");
    assert_eq!(devices.mtu.get(&2), Some(&9000));
    // Closing the bond releases those that came this way, and only those.
    devices.fail = None;
    assert_eq!(join(&mut bond, &mut devices, Way::Link, &device(3)), None);
    bond.close(NOW, &mut devices);
    assert_eq!(bond.slaves(), [3]);
    assert_eq!(devices.address[&1], mac(1));
}

/// Whatever fails, in whatever mode: the devices and the bond are as before.
#[test]
fn a_failed_step_undoes_those_before_it() {
    for mode in ["balance-rr", "active-backup", "802.3ad", "balance-alb"] {
        for there in [0, 1] {
            for step in ["mtu", "address", "open", "attach"] {
                let (mut bond, mut devices) = bond(mode, &[], there);
                let d = device(2);
                let state = bond.status();
                devices.fail = Some((step, Errno::ENOMEM));
                let got = join(&mut bond, &mut devices, Way::Link, &d);
                if got.is_none() {
                    // Nobody sets an address on the first, or where each keeps its own.
                    let keeps = there == 0 || mode == "balance-alb";
                    assert!(step == "address" && keeps, "{mode} {step} {there}");
                    continue;
                }
                assert_eq!(got, Some(Errno::ENOMEM));
                assert_eq!(bond.status(), state, "{mode} {step} {there}");
                assert!(bond.poll().is_none());
                assert!(!devices.up.contains(&2) && !devices.attached.contains(&2));
                assert!(devices.mtu.get(&2).is_none_or(|m| *m == 9000));
                assert!(devices.address.get(&2).is_none_or(|a| *a == d.address));
            }
        }
    }
}

#[test]
fn addresses_come_from_the_first_and_go_back() {
    let (mut bond, mut devices) = bond("balance-xor", &[], 3);
    assert_eq!(bond.address(), mac(1));
    for id in [2, 3] {
        assert_eq!(devices.address[&id], mac(1));
        assert_eq!(devices.mtu[&id], 1500, "the bond's");
    }
    bond.release(NOW, &mut devices, 1).unwrap();
    assert_eq!(bond.address(), mac(1), "kept, though its owner left");
    bond.release(NOW, &mut devices, 3).unwrap();
    assert_eq!((devices.address[&3], devices.mtu[&3]), (mac(3), 9000));
    assert!(!devices.up.contains(&3) && !devices.attached.contains(&3));
    bond.release(NOW, &mut devices, 2).unwrap();
    assert!(bond.slaves().is_empty());
    assert!(
        ![mac(1), mac(2), mac(3)].contains(&bond.address()),
        "random again"
    );
    // An address that somebody set stays, and the first gets it.
    let chosen = MacAddr([2, 9, 9, 9, 9, 9]);
    bond.set_address(NOW, &mut devices, chosen).unwrap();
    join(&mut bond, &mut devices, Way::Link, &device(1));
    assert_eq!((bond.address(), devices.address[&1]), (chosen, chosen));
    // All or none get a new one.
    devices.fail = Some(("address", Errno::EBUSY));
    let error = bond.set_address(NOW, &mut devices, mac(7)).unwrap_err();
    assert_eq!((error.errno, bond.address()), (Errno::EBUSY, chosen));
    devices.fail = None;
    let error = bond
        .set_address(NOW, &mut devices, MacAddr::BROADCAST)
        .unwrap_err();
    assert_eq!(error.errno, Errno::EADDRNOTAVAIL);
    // BOND_SETHWADDR.
    assert_eq!(bond.take_address(NOW, 9).unwrap_err().errno, Errno::EINVAL);
    bond.take_address(NOW, 1).unwrap();
    assert_eq!(bond.address(), chosen);
}

#[test]
fn fail_over_mac_active_and_follow() {
    let options = |fom| [("miimon", "100"), ("fail_over_mac", fom)];
    // Active: members keep their own, the bond has the active one's.
    let (mut bond_a, mut devices) = bond("active-backup", &options("active"), 2);
    assert!(devices.address.is_empty());
    assert_eq!(bond_a.address(), mac(1));
    bond_a.set(NOW, "active_slave", "port2").unwrap();
    assert_eq!(bond_a.address(), mac(2));
    assert_eq!(
        bond_a.set_address(NOW, &mut devices, mac(7)),
        Ok(()),
        "as Linux: no error"
    );
    assert_eq!(bond_a.address(), mac(2));
    bond_a.release(NOW, &mut devices, 2).unwrap();
    assert_eq!(bond_a.address(), mac(1));
    assert!(devices.address.is_empty(), "nothing to give back");
    // Follow: the bond's address goes along.
    let (mut bond_f, _) = bond("active-backup", &options("follow"), 3);
    let own = |b: &Bond| {
        b.status()
            .slaves
            .iter()
            .map(|s| s.address)
            .collect::<Vec<_>>()
    };
    assert_eq!(own(&bond_f), [mac(1), mac(2), mac(3)]);
    bond_f.set(NOW, "active_slave", "port3").unwrap();
    assert_eq!(bond_f.address(), mac(1));
    assert_eq!(own(&bond_f), [mac(3), mac(2), mac(1)]);
    let actions: Vec<_> = std::iter::from_fn(|| bond_f.poll()).collect();
    for (slave, address) in [(1, mac(3)), (3, mac(1))] {
        let set = Action::SetSlaveAddress { slave, address };
        assert!(actions.contains(&set), "{actions:?}");
    }
    // A device whose address cannot be set makes it active, if it is the first.
    let mut fixed = device(1);
    fixed.sets_address = false;
    let (mut bond, mut devices) = bond_base::bond("active-backup", &[], 0);
    assert_eq!(join(&mut bond, &mut devices, Way::Link, &fixed), None);
    assert_eq!(join(&mut bond, &mut devices, Way::Link, &device(2)), None);
    assert!(devices.address.is_empty());
    let (mut bond, mut devices) = bond_base::bond("active-backup", &[], 1);
    fixed.id = 2;
    assert_eq!(
        join(&mut bond, &mut devices, Way::Link, &fixed),
        Some(Errno::EOPNOTSUPP)
    );
}

/// The balancing modes keep addresses apart, whatever members come with.
#[test]
fn balancing_modes_need_different_addresses() {
    let (mut bond, mut devices) = bond("balance-alb", &[], 2);
    let own = |b: &Bond| {
        b.status()
            .slaves
            .iter()
            .map(|s| s.address)
            .collect::<Vec<_>>()
    };
    assert_eq!(own(&bond), [mac(1), mac(2)]);
    let mut twin = device(3);
    twin.address = mac(2);
    assert_eq!(
        join(&mut bond, &mut devices, Way::Link, &twin),
        Some(Errno::EFAULT)
    );
    bond.set(NOW, "active_slave", "port2").unwrap();
    assert_eq!(own(&bond), [mac(2), mac(1)], "swapped");
    bond.release(NOW, &mut devices, 2).unwrap();
    assert_eq!(own(&bond), [mac(1)], "the bond's address stays with it");
    assert_eq!(bond.address(), mac(1));
    let mut frame = [0; 60];
    assert_eq!(bond.transmit(NOW, &mut frame, 0), Tx::One(1));
}
