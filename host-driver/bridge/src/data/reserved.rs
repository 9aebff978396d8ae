//! The reserved addresses 01:80:C2:00:00:00 to 0F (802.1Q-2018, 8.6.3): which a bridge forwards, which are somebody's on the port.

use std::sync::atomic::Ordering::Relaxed;

use smartnic_slowpath::MacAddr;

use crate::bridge::Bridge;
use crate::flags::Stp;
use crate::port::Port;

/// Bits that a bridge's `group_fwd_mask` may not have: BPDUs, pause, slow protocols (Linux: BR_GROUPFWD_RESTRICTED).
pub const BRIDGE_RESTRICTED: u16 = 0b111;
/// Bits that a port's mask may not have: pause (Linux: BR_GROUPFWD_MACPAUSE).
pub const PORT_RESTRICTED: u16 = 0b010;
/// What a bridge of 802.1ad forwards by standard: all but what is for its own kind (Linux: BR_GROUPFWD_8021AD).
pub(crate) const PROVIDER_FORWARDS: u16 = 0xb801;
const PAUSE: u8 = 1;

/// Which of the reserved addresses it is; none for any other.
pub fn reserved(address: MacAddr) -> Option<u8> {
    match address.0 {
        [0x01, 0x80, 0xc2, 0, 0, n] if n < 16 => Some(n),
        _ => None,
    }
}

/// What becomes of a frame to a reserved address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    /// It is forwarded like any other group's.
    Forward,
    /// A BPDU for this driver's tree.
    Tree,
    /// For a protocol on the port that it came in by.
    Port,
    Drop,
}

impl Bridge {
    pub(super) fn fate(&self, port: &Port, address: MacAddr, n: u8) -> Fate {
        let (stp, bit) = (self.stp(), 1u16 << n);
        let mut forwarded =
            self.group_fwd_required.load(Relaxed) | port.group_fwd_mask.load(Relaxed);
        if n != 0 {
            forwarded |= self.group_fwd_mask.load(Relaxed);
        }
        match n {
            PAUSE => Fate::Drop,
            0 if stp == Stp::Off => Fate::Forward,
            _ if forwarded & bit != 0 => Fate::Forward,
            _ if stp == Stp::On && address == self.group_address() => Fate::Tree,
            _ => Fate::Port,
        }
    }
}
