//! What becomes of received frames: a member's go to its master, and what comes to the top of a device to the kernel's interfaces.

use std::sync::{Arc, Mutex, PoisonError};

use smartnic_netdev::device::Counter;
use smartnic_netdev::packet::eth;
use smartnic_netdev::softnet::rx::{ProtocolHandler, RxHandler, RxResult};
use smartnic_netdev::{Dev, Packet, Softnet};
use smartnic_regs::values::reason;

use super::super::datapath::Upward;
use super::{BRIDGE, Plane};
use crate::netdev::{Frame, IfIndex, RxVerdict};

/// Gives the frames of a master's member to the master.
pub(in crate::switch) struct ToMaster {
    pub plane: Arc<Plane>,
    pub owner: IfIndex,
}

impl RxHandler for ToMaster {
    fn handle(&self, net: &mut Softnet, dev: &Dev, mut packet: Packet) -> RxResult {
        let member = IfIndex(dev.ifindex());
        let mut lent = self.plane.lent();
        let (why, fid) = (packet.control >> 16, packet.control as u16);
        let mut frame = Frame {
            dev: member,
            data: packet.mac_bytes().to_vec(),
            reason: why,
            fid,
            hash: packet.hash,
        };
        if frame.data[0] & 1 == 1 && why < reason::RESERVED {
            let heard = (self.owner, Some(member), frame.data.clone());
            lent.out.heard.push(heard);
        }
        let now = lent.now;
        let verdict = match lent.masters.get_mut(&self.owner) {
            Some(master) => master.rx(now, &mut frame),
            None => {
                dev.stats().count(Counter::rx_dropped);
                return RxResult::Consumed;
            }
        };
        match verdict {
            RxVerdict::Another => {}
            RxVerdict::Forward => {
                let data = whole(&packet);
                lent.out.forwards.push((self.owner, member, data));
                frame.dev = self.owner;
            }
            RxVerdict::Control => {
                lent.out.bpdus.push((self.owner, member, frame.data));
                return RxResult::Consumed;
            }
            RxVerdict::Consumed => return RxResult::Consumed,
            RxVerdict::Exact => return RxResult::Exact(packet),
            RxVerdict::Pass => return RxResult::Pass(packet),
        }
        drop(lent);
        let Some(upper) = net.device(frame.dev.0) else {
            return RxResult::Consumed;
        };
        let header = packet.mac_len();
        let ours = packet.unpull(header).is_ok() && packet.len() == frame.data.len();
        if !ours || !upper.is_up() {
            upper.stats().count(Counter::rx_dropped);
            return RxResult::Consumed;
        }
        // A bond may have changed it.
        packet.bytes_mut().copy_from_slice(&frame.data);
        if eth::type_trans(&mut packet, upper.ifindex(), upper.address()).is_err() {
            return RxResult::Consumed;
        }
        if upper.ops().kind() == Some(BRIDGE) {
            let multicast = u64::from(frame.data[0] & 1);
            let bytes = frame.data.len() as u64;
            upper.stats().rx(net.stripe(), 1, bytes, multicast);
        }
        RxResult::Another(packet)
    }
}

/// A received frame as it was on the wire: with the tag that is beside it.
fn whole(packet: &Packet) -> Vec<u8> {
    let mut frame = packet.mac_bytes().to_vec();
    if let Some(tag) = packet.vlan_tag() {
        let [a, b] = tag.protocol.to_be_bytes();
        let [c, d] = tag.tci.to_be_bytes();
        let at = frame.len().min(2 * eth::ALEN);
        frame.splice(at..at, [a, b, c, d]);
    }
    frame
}

/// Collects what comes to the top of devices, for the kernel's interfaces.
#[derive(Default)]
pub(in crate::switch) struct Top(Mutex<Vec<Upward>>);

impl Top {
    pub(in crate::switch) fn take(&self) -> Vec<Upward> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ProtocolHandler for Top {
    fn receive(&self, _net: &mut Softnet, dev: &Dev, packet: Packet) {
        let mut frames = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        frames.push((IfIndex(dev.ifindex()), whole(&packet)));
    }
}
