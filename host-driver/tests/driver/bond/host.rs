//! What a bond says: in the name of the host behind it, whose frames tell it what to announce after a fail-over; and LACP's last word on a member that leaves.

use std::net::Ipv4Addr;

use smartnic_slowpath::wire::arp::{Arp, ArpOperation};
use smartnic_slowpath::wire::lacp::State;
use smartnic_slowpath::wire::slow::SlowPdu;

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

/// As Linux does when a member is released: the partner need not wait for a timeout.
#[test]
fn a_member_that_leaves_says_goodbye() {
    let mut pair = bonds(&AD);
    pair.run(5 * SECOND);
    let end = &mut pair.ends[0];
    let port2 = end.switch.model().device("port2").unwrap().ifindex;
    end.change(|m| m.leave(port2));
    end.switch.tick();
    let last = end.sent().into_iter().rfind(|(port, _)| *port == 1);
    let (port, frame) = last.expect("a frame");
    let Ok(SlowPdu::Lacp(pdu)) = SlowPdu::parse_frame(&frame) else {
        panic!("{frame:02x?}");
    };
    assert!(
        !pdu.actor.state.has(State::AGGREGATION) && !pdu.actor.state.has(State::SYNCHRONIZATION)
    );
    // It is enough: no time has to pass.
    pair.ends[1].receive(port, &frame, LACP[5]);
    assert_eq!(pair.members(), [[0b01; 2]; 2]);
}
