//! Counters with every field of `rtnl_link_stats64`; they live as long as the device, up or down.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::{Deserialize, Serialize};

macro_rules! fields {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// `rtnl_link_stats64`.
        #[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
        pub struct LinkStats64 { $($(#[$doc])* pub $name: u64,)* }

        /// Which counter.
        #[allow(non_camel_case_types, reason = "the fields' own names")]
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Counter { $($(#[$doc])* $name,)* }

        impl LinkStats64 {
            /// Names of all fields in the order of the structure.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name),)*];

            /// All fields in the same order.
            pub fn values(&self) -> Vec<u64> {
                vec![$(self.$name,)*]
            }
            /// Adds every field (a master's are the sum of its slaves').
            pub fn add(&mut self, other: &LinkStats64) {
                $(self.$name = self.$name.wrapping_add(other.$name);)*
            }
            /// Takes every field away: what was counted before a slave joined.
            pub fn subtract(&mut self, other: &LinkStats64) {
                $(self.$name = self.$name.wrapping_sub(other.$name);)*
            }
        }

        #[derive(Debug, Default)]
        struct Cells { $($name: AtomicU64,)* }

        impl Cells {
            fn cell(&self, counter: Counter) -> &AtomicU64 {
                match counter { $(Counter::$name => &self.$name,)* }
            }
            fn snapshot(&self) -> LinkStats64 {
                LinkStats64 { $($name: self.$name.load(Relaxed),)* }
            }
        }
    };
}

fields! {
    /// Frames received.
    rx_packets,
    /// Frames sent.
    tx_packets,
    /// Bytes received, FCS not counted.
    rx_bytes,
    /// Bytes sent, FCS not counted.
    tx_bytes,
    /// Bad frames received.
    rx_errors,
    /// Frames that could not be sent for an error.
    tx_errors,
    /// Good frames that were not taken: no buffer, no room.
    rx_dropped,
    /// Frames that were not sent for want of room, carrier or a slave.
    tx_dropped,
    /// Multicast frames received.
    multicast,
    /// Collisions.
    collisions,
    /// Of a wrong length.
    rx_length_errors,
    /// The receiver's buffer overflowed.
    rx_over_errors,
    /// With a wrong FCS.
    rx_crc_errors,
    /// Not of whole bytes.
    rx_frame_errors,
    /// The receiver's FIFO overflowed.
    rx_fifo_errors,
    /// The host was too slow.
    rx_missed_errors,
    /// Given up.
    tx_aborted_errors,
    /// Carrier lost while sending.
    tx_carrier_errors,
    /// The transmitter's FIFO ran empty.
    tx_fifo_errors,
    /// No heartbeat.
    tx_heartbeat_errors,
    /// Late collisions.
    tx_window_errors,
    /// Compressed frames received.
    rx_compressed,
    /// Compressed frames sent.
    tx_compressed,
    /// Frames that nobody asked for, on a device that is no active slave.
    rx_nohandler,
    /// Frames for another host.
    rx_otherhost_dropped,
}

/// Stripes of the counters that every frame moves.
const STRIPES: usize = 8;

#[derive(Debug, Default)]
#[repr(align(64))]
struct Hot {
    rx_packets: AtomicU64,
    rx_bytes: AtomicU64,
    tx_packets: AtomicU64,
    tx_bytes: AtomicU64,
    multicast: AtomicU64,
}

/// A device's software counters. Threads count in stripes of their own and never wait for each other.
#[derive(Debug, Default)]
pub struct DevStats {
    hot: [Hot; STRIPES],
    rest: Cells,
}

impl DevStats {
    /// Counts received frames; `stripe` is [`crate::Softnet::stripe`].
    pub fn rx(&self, stripe: usize, packets: u64, bytes: u64, multicast: u64) {
        let hot = &self.hot[stripe % STRIPES];
        hot.rx_packets.fetch_add(packets, Relaxed);
        hot.rx_bytes.fetch_add(bytes, Relaxed);
        if multicast > 0 {
            hot.multicast.fetch_add(multicast, Relaxed);
        }
    }
    /// Counts sent frames.
    pub fn tx(&self, stripe: usize, packets: u64, bytes: u64) {
        let hot = &self.hot[stripe % STRIPES];
        hot.tx_packets.fetch_add(packets, Relaxed);
        hot.tx_bytes.fetch_add(bytes, Relaxed);
    }
    /// Adds to any counter.
    pub fn add(&self, counter: Counter, n: u64) {
        self.rest.cell(counter).fetch_add(n, Relaxed);
    }
    /// Adds one to any counter.
    pub fn count(&self, counter: Counter) {
        self.add(counter, 1);
    }
    /// All of them.
    pub fn snapshot(&self) -> LinkStats64 {
        let mut all = self.rest.snapshot();
        for hot in &self.hot {
            all.rx_packets += hot.rx_packets.load(Relaxed);
            all.rx_bytes += hot.rx_bytes.load(Relaxed);
            all.tx_packets += hot.tx_packets.load(Relaxed);
            all.tx_bytes += hot.tx_bytes.load(Relaxed);
            all.multicast += hot.multicast.load(Relaxed);
        }
        all
    }
}
