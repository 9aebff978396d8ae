//! The link's rate: when a packet that is given to it arrives.
//!
//! Each direction serialises packets one after the other: payload and a fixed overhead per packet, at
//! a fixed time per byte. Defaults are PCI Express 1.0 with one lane: 2.5 GT/s, 8b/10b, hence 2 Gb/s;
//! 24 bytes of header, sequence number, LCRC, framing and their share of acknowledgements a packet.

use std::collections::VecDeque;

/// Rate and overhead of both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkSettings {
    /// Picoseconds that a byte takes.
    pub byte_ps: u64,
    /// Bytes that every packet costs beside its payload.
    pub overhead_bytes: u64,
    /// Bytes that the card may be ahead of the link before the link's buffer takes no new packet.
    pub buffer_bytes: u64,
}

impl LinkSettings {
    /// PCI Express 1.0 x1.
    pub const GEN1_X1: LinkSettings = LinkSettings {
        byte_ps: 4_000,
        overhead_bytes: 24,
        buffer_bytes: 512,
    };
    /// A link that costs nothing, for block tests.
    pub const INSTANT: LinkSettings = LinkSettings {
        byte_ps: 0,
        overhead_bytes: 0,
        buffer_bytes: u64::MAX / 2,
    };
}

/// One direction.
#[derive(Debug)]
pub struct Lane<T> {
    settings: LinkSettings,
    /// When the last packet given so far will have left, in picoseconds.
    free: u64,
    flight: VecDeque<(u64, T)>,
    /// Packets sent.
    pub packets: u64,
    /// Bytes sent, overhead included.
    pub bytes: u64,
}

impl<T> Lane<T> {
    /// An empty direction.
    pub fn new(settings: LinkSettings) -> Self {
        Lane {
            settings,
            free: 0,
            flight: VecDeque::new(),
            packets: 0,
            bytes: 0,
        }
    }

    /// Whether a new packet may begin at `now`.
    pub fn ready(&self, now: u64) -> bool {
        let ahead = self
            .settings
            .buffer_bytes
            .saturating_mul(self.settings.byte_ps);
        self.free <= now.saturating_add(ahead)
    }

    /// Whether nothing is being serialised at `now`.
    pub fn free(&self, now: u64) -> bool {
        self.free <= now
    }

    /// Sends a packet at `now`.
    pub fn send(&mut self, now: u64, payload_bytes: usize, packet: T) {
        let bytes = self.settings.overhead_bytes + payload_bytes as u64;
        self.free = self.free.max(now) + bytes * self.settings.byte_ps;
        self.flight.push_back((self.free, packet));
        self.packets += 1;
        self.bytes += bytes;
    }

    /// The next packet that has arrived by `now`.
    pub fn receive(&mut self, now: u64) -> Option<T> {
        self.flight
            .pop_front_if(|(arrival, _)| *arrival <= now)
            .map(|(_, packet)| packet)
    }

    /// Whether nothing is under way.
    pub fn is_empty(&self) -> bool {
        self.flight.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_take_their_time() {
        let mut lane = Lane::new(LinkSettings::GEN1_X1);
        lane.send(1_000_000, 64, 'a');
        lane.send(1_000_000, 0, 'b');
        let (a, b) = (1_000_000 + 88 * 4_000, 1_000_000 + 112 * 4_000);
        assert_eq!(lane.receive(a - 1), None);
        assert_eq!(lane.receive(a), Some('a'));
        assert_eq!(lane.receive(b - 1), None);
        assert!(!lane.free(b - 1) && lane.free(b) && !lane.is_empty());
        assert_eq!(lane.receive(b), Some('b'));
        assert_eq!((lane.packets, lane.bytes, lane.is_empty()), (2, 112, true));
        lane.send(2_000_000, 488, 'c');
        lane.send(2_000_000, 0, 'd');
        // 536 bytes ahead are more than the buffer's 512.
        assert!(!lane.ready(2_000_000) && lane.ready(2_000_000 + 24 * 4_000));
    }
}
