//! The way of a frame: from a slave up, from the bond down.

use std::sync::Arc;

use smartnic_netdev::device::Counter;
use smartnic_netdev::packet::{PacketError, eth};
use smartnic_netdev::softnet::rx::{RxHandler, RxResult};
use smartnic_netdev::{Dev, Packet, Softnet};
use smartnic_slowpath::bond::{Action, Rx, SlaveId, Tx};
use smartnic_slowpath::wire::slow;

use crate::bond::Bond;

/// What a slave's device gives its frames to.
pub(crate) struct SlaveHandler {
    pub(crate) bond: Arc<Bond>,
    /// The bond's device.
    pub(crate) master: Dev,
}

/// The machine reads the tag of these: who speaks, and in which VLAN.
fn is_read(protocol: u16) -> bool {
    matches!(protocol, eth::P_ARP | eth::P_IPV6 | slow::ETHERTYPE)
}

impl RxHandler for SlaveHandler {
    fn handle(&self, net: &mut Softnet, dev: &Dev, mut packet: Packet) -> RxResult {
        let tagged = packet.vlan_tag().is_some() && is_read(packet.protocol);
        let header = packet.mac_len();
        if open(&mut packet, header, tagged).is_err() {
            return RxResult::Pass(packet);
        }
        let (now, id) = (net.now(), dev.ifindex());
        let (verdict, actions) = self.bond.ask(|m| m.receive(now, id, packet.bytes_mut()));
        let closed = match tagged {
            false => packet.pull(header),
            true => eth::type_trans(&mut packet, id, dev.address())
                .and_then(|_| eth::untag(&mut packet)),
        };
        debug_assert!(closed.is_ok(), "what was opened can be closed");
        self.bond.act(net, actions);
        match verdict {
            Rx::Another => {
                packet.dev = self.master.ifindex();
                RxResult::Another(packet)
            }
            Rx::Exact => RxResult::Exact(packet),
            Rx::Pass => RxResult::Pass(packet),
            Rx::Consumed => RxResult::Consumed,
        }
    }
}

/// The whole frame, from its destination address on, with its tag in it if that is read.
fn open(packet: &mut Packet, header: usize, tagged: bool) -> Result<(), PacketError> {
    packet.unpull(header)?;
    match tagged {
        true => eth::insert_vlan(packet),
        false => Ok(()),
    }
}

impl Bond {
    /// Sends a frame that begins at its link header by the slaves that the machine chooses.
    pub(crate) fn transmit(&self, net: &mut Softnet, dev: &Dev, queue: u16, mut packet: Packet) {
        let now = net.now();
        let (tx, actions) = self.ask(|m| m.transmit(now, packet.bytes_mut(), queue));
        self.act(net, actions);
        let sent = match tx {
            Tx::One(id) => self.forward(net, id, packet),
            Tx::Each(ids) => {
                let mut sent = false;
                for id in ids {
                    sent |= self.forward(net, id, packet.clone());
                }
                sent
            }
            Tx::Drop => false,
        };
        if !sent {
            dev.stats().count(Counter::tx_dropped);
        }
    }

    /// Gives a frame to a slave, unless that has left meanwhile.
    pub(crate) fn forward(&self, net: &mut Softnet, id: SlaveId, packet: Packet) -> bool {
        let slaves = self.slaves.load();
        let slave = slaves.iter().find(|s| s.dev.ifindex() == id);
        if let Some(slave) = slave {
            net.forward(&slave.dev, packet);
        }
        slave.is_some()
    }

    /// What the machine wants done that a thread of the data path may do at once; the rest waits for the configuration.
    fn act(&self, net: &mut Softnet, actions: Vec<Action>) {
        if actions.is_empty() {
            return;
        }
        let later = actions.into_iter().filter_map(|action| match action {
            Action::Send { slave, frame } => {
                self.forward(net, slave, control(&frame));
                None
            }
            later => Some(later),
        });
        let later: Vec<_> = later.collect();
        self.leave(later.into_iter());
    }
}

/// A frame of the bond's own, before all others.
pub(crate) fn control(frame: &[u8]) -> Packet {
    let mut packet = Packet::from_bytes(frame);
    packet.priority = 7;
    packet
}
