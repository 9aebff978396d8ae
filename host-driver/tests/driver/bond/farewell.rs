//! LACP's goodbye: a member that leaves, and a bond that is deleted, tell the partner while the port still sends.

use smartnic_driver::netdev::IfIndex;
use smartnic_slowpath::wire::lacp::State;
use smartnic_slowpath::wire::slow::SlowPdu;

use super::*;

impl Pair {
    /// What the first end has said since, as far as it came onto the wire, is delivered; gives the ports of the goodbyes.
    fn goodbyes(&mut self) -> Vec<u32> {
        let [one, other] = &mut self.ends;
        let mut ports = Vec::new();
        for (port, frame) in one.on_wire() {
            if let Ok(SlowPdu::Lacp(pdu)) = SlowPdu::parse_frame(&frame)
                && !pdu.actor.state.has(State::AGGREGATION)
            {
                assert!(!pdu.actor.state.has(State::SYNCHRONIZATION));
                ports.push(port);
            }
            other.receive(port, &frame, LACP[5]);
        }
        ports
    }
}

#[test]
fn a_member_that_leaves_says_goodbye() {
    let mut pair = bonds(&AD);
    pair.run(5 * SECOND);
    assert_eq!(pair.members(), [[0b11; 2]; 2]);
    pair.goodbyes();
    let ifindex = |pair: &Pair, name| -> IfIndex {
        let model = pair.ends[0].switch.model();
        model.device(name).unwrap().ifindex
    };
    let port2 = ifindex(&pair, "port2");
    pair.ends[0].change(|m| m.leave(port2));
    assert_eq!(pair.goodbyes(), [1]);
    // No time has passed: the partner did not have to find out by itself.
    assert_eq!(pair.ends[1].members(), [0b01; 2]);
    pair.ends[0].change(|m| m.delete("bond0"));
    assert_eq!(pair.goodbyes(), [0]);
    assert_eq!(pair.ends[1].members()[0], 0);
}

#[test]
fn a_bond_without_a_link_is_deleted_without_delay_or_words() {
    let mut pair = bonds(&AD);
    pair.run(5 * SECOND);
    for port in 0..2 {
        pair.ends[0].fake.state().set_link(port, false);
    }
    pair.ends[0].switch.check_links().unwrap();
    pair.goodbyes();
    pair.ends[0].change(|m| m.delete("bond0"));
    assert_eq!(pair.goodbyes(), Vec::<u32>::new());
}
