//! What the stack knows about a frame beside its bytes.

use super::{Packet, PacketError};

/// Whose frame it is, by the destination address: `PACKET_HOST` and so on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u8)]
pub enum PacketType {
    /// To this device.
    #[default]
    Host,
    /// To all.
    Broadcast,
    /// To a group.
    Multicast,
    /// To somebody else: seen only because the device takes everything.
    OtherHost,
    /// Sent by this host, on its way out (what a tap sees).
    Outgoing,
}

/// What is known about the transport layer's checksum.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Checksum {
    /// Nothing: on receive software has to verify, on transmit it is all there (`CHECKSUM_NONE`).
    #[default]
    None,
    /// Verified, or not worth it (`CHECKSUM_UNNECESSARY`).
    Unnecessary,
    /// The device summed the whole packet from the network header: this is the folded sum (`CHECKSUM_COMPLETE`).
    Complete(u16),
    /// On transmit: sum from `start` to the end and store the result at `start + offset` (`CHECKSUM_PARTIAL`).
    /// Both count from the data of the packet at the time of setting.
    Partial {
        /// Where summing begins.
        start: u16,
        /// Where the sum goes, from `start`.
        offset: u16,
    },
}

/// A VLAN tag that is beside the frame instead of in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VlanTag {
    /// TPID: [`super::eth::P_8021Q`] or [`super::eth::P_8021AD`].
    pub protocol: u16,
    /// Priority, drop eligible and VLAN id.
    pub tci: u16,
}

impl VlanTag {
    /// VLAN id.
    pub fn vid(self) -> u16 {
        self.tci & 0xfff
    }
    /// 802.1p priority.
    pub fn pcp(self) -> u8 {
        (self.tci >> 13) as u8
    }
}

impl Packet {
    /// What is known about the checksum.
    #[inline]
    pub fn checksum(&self) -> Checksum {
        let (low, high) = (self.checksum as u16, (self.checksum >> 16) as u16);
        match self.checksum_kind {
            0 => Checksum::None,
            1 => Checksum::Unnecessary,
            2 => Checksum::Complete(low),
            _ => {
                let start = low.wrapping_sub(self.data as u16);
                Checksum::Partial {
                    start,
                    offset: high,
                }
            }
        }
    }

    /// Says what is known about the checksum.
    pub fn set_checksum(&mut self, checksum: Checksum) {
        (self.checksum_kind, self.checksum) = match checksum {
            Checksum::None => (0, 0),
            Checksum::Unnecessary => (1, 0),
            Checksum::Complete(sum) => (2, sum.into()),
            // From the head, so that headers pushed later do not move it.
            Checksum::Partial { start, offset } => (
                3,
                (self.data + u32::from(start)) & 0xffff | u32::from(offset) << 16,
            ),
        };
    }

    /// The data moved by so much from the head.
    pub(super) fn move_checksum(&mut self, moved: u16) {
        if self.checksum_kind == 3 {
            let start = (self.checksum as u16).wrapping_add(moved);
            self.checksum = self.checksum & 0xffff_0000 | u32::from(start);
        }
    }

    /// Does in software what [`Checksum::Partial`] asks of a device that cannot (`skb_checksum_help`).
    pub fn checksum_help(&mut self) -> Result<(), PacketError> {
        let Checksum::Partial { start, offset } = self.checksum() else {
            return Ok(());
        };
        let (start, at, len) = (
            start.into(),
            usize::from(start) + usize::from(offset),
            self.len(),
        );
        if at + 2 > len || start > len {
            return Err(super::failure("checksum", at + 2, len));
        }
        let bytes = self.bytes_mut();
        let sum = !fold(sum(&bytes[start..]));
        // 0 means "none" to UDP: its other form says the same sum.
        let sum = if sum == 0 { 0xffff } else { sum };
        bytes[at..at + 2].copy_from_slice(&sum.to_be_bytes());
        self.set_checksum(Checksum::None);
        Ok(())
    }

    /// The tag that is beside the frame.
    #[inline]
    pub fn vlan_tag(&self) -> Option<VlanTag> {
        (self.vlan_protocol != 0).then_some(VlanTag {
            protocol: self.vlan_protocol,
            tci: self.vlan_tci,
        })
    }
    /// Puts a tag beside the frame, or takes it away.
    pub fn set_vlan_tag(&mut self, tag: Option<VlanTag>) {
        (self.vlan_protocol, self.vlan_tci) = tag.map_or((0, 0), |t| (t.protocol, t.tci));
    }

    /// The transmit queue that was chosen.
    #[inline]
    pub fn queue_mapping(&self) -> Option<u16> {
        self.queue.checked_sub(1)
    }
    /// Chooses a transmit queue, or leaves it to the device.
    #[inline]
    pub fn set_queue_mapping(&mut self, queue: Option<u16>) {
        self.queue = queue.map_or(0, |q| q.saturating_add(1));
    }
}

/// Sum of the 16-bit words (RFC 1071), not folded; an odd last byte counts as the high half of a word.
pub fn sum(bytes: &[u8]) -> u32 {
    let (words, rest) = bytes.as_chunks::<2>();
    let words: u32 = words
        .iter()
        .map(|w| u32::from(u16::from_be_bytes(*w)))
        .sum();
    words + rest.first().map_or(0, |b| u32::from(*b) << 8)
}

/// Folds a sum into 16 bits.
pub fn fold(mut sum: u32) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}
