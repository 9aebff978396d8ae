//! What a bond says: in the name of the host behind it, whose frames tell it what to announce after a fail-over.

use std::net::Ipv4Addr;

use smartnic_slowpath::wire::arp::{Arp, ArpOperation};

use super::*;

const HOST: Ipv4Addr = Ipv4Addr::new(10, 1, 2, 3);
const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 1, 2, 254);

/// A request from the bond's address.
fn request(target: Ipv4Addr) -> Vec<u8> {
    let arp = Arp {
        operation: ArpOperation::Request,
        sender_mac: base(1),
        sender_ip: HOST,
        target_mac: MacAddr::default(),
        target_ip: target,
    };
    arp.emit_frame(MacAddr::BROADCAST, base(1))
}

/// The host's interface sends a frame by the bond; what the card then sends is not looked at.
fn say(end: &mut Station, frame: &[u8]) {
    let bond0 = end.switch.model().device("bond0").unwrap().ifindex;
    assert!(end.switch.xmit(bond0, frame).unwrap());
    end.switch.flush_tx().unwrap();
    end.sent();
}

/// Lets so many steps of 100 ms pass; gives what was sent.
fn pass(end: &mut Station, clock: &Clock, steps: u32) -> Vec<(u32, Vec<u8>)> {
    for _ in 0..steps {
        clock.advance(Duration::from_millis(100));
        end.switch.tick();
    }
    end.sent()
}

#[test]
fn a_fail_over_is_announced() {
    let clock = Clock::manual();
    let options = [
        ("mode", "active-backup"),
        ("miimon", "100"),
        ("num_grat_arp", "2"),
        ("peer_notif_delay", "200"),
    ];
    let mut end = bonded(&clock, 1, &options);
    pass(&mut end, &clock, 5);
    say(&mut end, &request(ROUTER));
    assert_eq!(pass(&mut end, &clock, 10), [], "nothing has happened");
    end.fake.state().set_link(0, false);
    end.switch.check_links().unwrap();
    let announced = (1, request(HOST));
    assert_eq!(pass(&mut end, &clock, 10), [announced.clone(), announced]);
}

/// In a bridge the host speaks from the bridge's address: the bond overhears it all the same.
#[test]
fn a_bond_in_a_bridge_announces_the_bridges_host() {
    let clock = Clock::manual();
    let options = [("mode", "active-backup"), ("miimon", "100")];
    let mut end = bonded(&clock, 1, &options);
    end.change(|m| {
        m.add("br0", "bridge", base(7))?;
        m.enslave("bond0", "br0")?;
        m.enslave("port3", "br0")?;
        m.set_up("br0", true)
    });
    pass(&mut end, &clock, 5);
    let model = end.switch.model();
    let device = model.device("br0").unwrap();
    let (br0, own) = (device.ifindex, device.address);
    let arp = Arp {
        operation: ArpOperation::Request,
        sender_mac: own,
        sender_ip: HOST,
        target_mac: MacAddr::default(),
        target_ip: HOST,
    };
    let says = arp.emit_frame(MacAddr::BROADCAST, own);
    assert!(end.switch.xmit(br0, &says).unwrap());
    end.switch.flush_tx().unwrap();
    // A general query may be due: only ARP is looked at.
    let arps = |end: &mut Station, clock: &Clock| -> Vec<(u32, Vec<u8>)> {
        let sent = pass(end, clock, 10).into_iter();
        sent.filter(|(_, f)| f[12..14] == [8, 6]).collect()
    };
    end.sent();
    assert_eq!(arps(&mut end, &clock), []);
    end.fake.state().set_link(0, false);
    end.switch.check_links().unwrap();
    assert_eq!(arps(&mut end, &clock), [(1, says)]);
}
