//! What becomes of a frame that a member received.

use std::time::Duration;

use super::dissect::Ethernet;
use super::slave::SlaveId;
use super::{Bond, Mode};
use crate::mac::MacAddr;
use crate::wire::slow;

/// What becomes of a received frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rx {
    /// It is the bond's: go on with the bond as its device.
    Another,
    /// It is for those who listen on this very member only.
    Exact,
    /// It goes on as the member's own: link-local frames on an inactive member, for LLDP and the like.
    Pass,
    /// It was for the bond itself.
    Consumed,
}

/// 01:80:C2:00:00:0X, which no bridge forwards.
fn is_link_local(destination: MacAddr) -> bool {
    matches!(destination.0, [0x01, 0x80, 0xc2, 0, 0, last] if last < 16)
}

impl Bond {
    /// Judges a frame, from its destination address on. In balance-alb a frame to the member's own address gets the
    /// bond's address as its destination, for that is whom it is for.
    pub fn receive(&mut self, now: Duration, id: SlaveId, frame: &mut [u8]) -> Rx {
        let Some(ethernet) = Ethernet::of(frame) else {
            self.counters.rx_malformed += 1;
            return Rx::Pass;
        };
        let mut destination = MacAddr::default();
        destination.0.copy_from_slice(&frame[..6]);
        let mode = self.options.mode;
        if mode == Mode::Ad
            && ethernet.ethertype == slow::ETHERTYPE
            && destination == slow::MULTICAST
        {
            let result = self.lacp.receive(now, id, frame);
            self.settle();
            if !result.is_err_and(|e| e.is_unknown()) {
                return Rx::Consumed;
            }
        }
        let ours =
            |mac: MacAddr| mac == self.address || self.slaves.iter().any(|s| s.address == mac);
        self.host.heard(frame, ethernet, ours);
        let payload = &frame[ethernet.payload..];
        if self.options.arp_interval > 0 {
            self.hear(now, id, ethernet.ethertype, payload);
        }
        if mode == Mode::Alb && ethernet.ethertype == crate::wire::arp::ETHERTYPE {
            self.hear_client(now, payload);
        }
        let Some(slave) = self.slave(id) else {
            return Rx::Pass;
        };
        let own_address = slave.address;
        // Duplicates of what the active member receives; balance-alb's clients send to each member on purpose.
        if slave.inactive && (mode != Mode::Alb || destination.is_multicast()) {
            self.counters.rx_inactive += 1;
            return match is_link_local(destination) {
                true => Rx::Pass,
                false => Rx::Exact,
            };
        }
        if mode == Mode::Alb && destination == own_address {
            frame[..6].copy_from_slice(&self.address.0);
        }
        self.counters.rx_frames += 1;
        Rx::Another
    }
}
