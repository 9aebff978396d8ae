//! The way of a received frame through rx handlers, as `__netif_receive_skb_core` has it.

use super::IfIndex;

/// Longest chain of devices that a frame may pass: port, lag, bridge, and one to spare.
pub const MAX_ROUNDS: usize = 4;

/// A frame on its way up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The device that it is received on; a handler changes it and returns [`RxVerdict::Another`].
    pub dev: IfIndex,
    /// Destination address to the end of the payload.
    pub data: Vec<u8>,
    /// Why the card gave it to the host (`values::reason`).
    pub reason: u32,
    /// FID in which the card forwarded it.
    pub fid: u16,
    /// Hash (layer3+4).
    pub hash: u32,
}

/// What a handler says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RxVerdict {
    /// The handler took the frame.
    Consumed,
    /// The frame's device changed: start again there.
    Another,
    /// Only to listeners on exactly this device.
    Exact,
    /// As if there were no handler: to the device's own stack.
    Pass,
    /// The frame is of a protocol that the handler's device runs.
    Control,
    /// To a reserved address that the card gave to the host only, and the handler's device forwards: to its other ports, and up to itself.
    Forward,
}
