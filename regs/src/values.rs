//! Values of fields, shared by hardware, driver and tests.

/// Bridge port states, numbered as Linux does.
pub mod state {
    /// Receives and sends nothing.
    pub const DISABLED: u32 = 0;
    /// Takes part in STP only.
    pub const LISTENING: u32 = 1;
    /// Learns, does not forward.
    pub const LEARNING: u32 = 2;
    /// Learns and forwards.
    pub const FORWARDING: u32 = 3;
    /// Takes BPDUs only.
    pub const BLOCKING: u32 = 4;
}

/// Learning modes of a port.
pub mod learn {
    /// No learning.
    pub const OFF: u32 = 0;
    /// Hardware inserts and reports.
    pub const HARDWARE: u32 = 1;
    /// Hardware reports an unknown source; the driver decides and inserts.
    pub const SLOW_PATH: u32 = 2;
}

/// Actions for trapped frames.
pub mod action {
    /// Dropped and counted.
    pub const DROP: u32 = 0;
    /// To the host only.
    pub const TRAP: u32 = 1;
    /// To the host and forwarded.
    pub const COPY: u32 = 2;
    /// Forwarded as any other multicast.
    pub const FORWARD: u32 = 3;
}

/// Why a frame came to the host.
pub mod reason {
    /// Addressed to the host (FDB entry to the host, or the only destination).
    pub const LOCAL: u32 = 1;
    /// The host's copy of a flooded unicast, multicast or broadcast frame.
    pub const FLOOD: u32 = 2;
    /// 01:80:C2:00:00:00 to 0F: this plus the last digit.
    pub const RESERVED: u32 = 16;
}

/// FDB destinations, 6 bits.
pub mod dest {
    /// Ports are 0 to 7.
    pub const PORT: u32 = 0;
    /// The host.
    pub const HOST: u32 = 0x0f;
    /// LAG group g is this plus g.
    pub const LAG: u32 = 0x10;
    /// Multicast set n is this plus n.
    pub const MULTICAST: u32 = 0x20;
}

/// FDB entry kinds: 4 bits, combined. An entry that is neither STATIC nor EXTERN ages.
pub mod kind {
    /// Learned by hardware, or added dynamic.
    pub const DYNAMIC: u32 = 0;
    /// Not aged, not moved by learning.
    pub const STATIC: u32 = 1;
    /// Ages, but does not move.
    pub const STICKY: u32 = 2;
    /// Learned by the driver or the kernel: not aged by hardware, moved by learning.
    pub const EXTERN: u32 = 4;
    /// Frames to (or from) this address are dropped; the destination does not matter. Implies STATIC.
    pub const BLACKHOLE: u32 = 8;
    /// A local address of the host: STATIC and to the host.
    pub const LOCAL: u32 = 3;
}

/// Operations of fdb::COMMAND.
pub mod fdb_op {
    /// Finds KEY; does not change the age.
    pub const LOOKUP: u32 = 1;
    /// Adds or replaces KEY with DATA.
    pub const ADD: u32 = 2;
    /// Deletes KEY.
    pub const DELETE: u32 = 3;
    /// Reads entry INDEX.
    pub const READ: u32 = 4;
    /// Deletes entries: INDEX says what must match, as bits of [`super::fdb_flush`].
    pub const FLUSH: u32 = 5;
}

/// What an entry must be for fdb_op::FLUSH to delete it: bits, of which each that is set must hold.
pub mod fdb_flush {
    /// Its destination is DATA.DEST.
    pub const DEST: u32 = 1 << 0;
    /// Its FID is KEY_HI.FID.
    pub const FID: u32 = 1 << 1;
    /// It is dynamic: neither STATIC nor LOCAL nor EXTERN.
    pub const DYNAMIC: u32 = 1 << 2;
    /// It is EXTERN.
    pub const EXTERN: u32 = 1 << 3;
}

/// Linux's numbering of xmit_hash_policy (BOND_XMIT_POLICY_*).
pub mod hash_policy {
    /// layer2.
    pub const LAYER2: u32 = 0;
    /// layer3+4.
    pub const LAYER34: u32 = 1;
    /// layer2+3.
    pub const LAYER23: u32 = 2;
    /// encap2+3. Hashes as layer2+3 until the card reads inner headers.
    pub const ENCAP23: u32 = 3;
    /// encap3+4. Hashes as layer3+4 until the card reads inner headers.
    pub const ENCAP34: u32 = 4;
    /// vlan+srcmac.
    pub const VLAN_SRCMAC: u32 = 5;
}

/// Modes of lag::GROUP.
pub mod lag_mode {
    /// By bucket: balance-xor and 802.3ad.
    pub const HASH: u32 = 0;
    /// One active member.
    pub const ACTIVE_BACKUP: u32 = 1;
}

/// Buckets in a LAG group.
pub const LAG_BUCKETS: u32 = 840;

/// Errors that stop a ring.
pub mod ring_error {
    /// None.
    pub const NONE: u32 = 0;
    /// A submission could not be read (UR, CA, poisoned, timeout).
    pub const SUBMISSION: u32 = 1;
    /// Frame data could not be read.
    pub const DATA: u32 = 2;
    /// The doorbell ran more than the ring's size ahead.
    pub const DOORBELL: u32 = 3;
    /// The ring's size is out of range.
    pub const SIZE: u32 = 4;
}

/// MSI-X vectors.
pub mod vector {
    /// Receive ring q has vector q; transmit ring q has QUEUES + q.
    pub const RINGS: u32 = 0;
    /// The event ring and link changes.
    pub const EVENT: u32 = 8;
    /// Errors (stopped ring, DMA).
    pub const ERROR: u32 = 9;
    /// Vectors in the table.
    pub const COUNT: u32 = 16;
}

/// Counter numbers (stats::INDEX.COUNTER), the same for every port; the host port has those that make sense.
pub mod counter {
    /// Declares the counters in order.
    macro_rules! counters { ($($(#[doc = $d:literal])* $n:ident = $v:literal, $text:literal;)*) => {
        $( $(#[doc = $d])* pub const $n: u32 = $v; )*
        /// Numbers and names, as `stats` shows them.
        pub const NAMES: &[(u32, &str)] = &[ $(($v, $text)),* ];
    } }
    counters! {
        /// Good frames received.
        RX_FRAMES = 0, "rx_frames";
        /// Bytes of good frames received, FCS included.
        RX_BYTES = 1, "rx_bytes";
        /// Good unicast frames received.
        RX_UNICAST = 2, "rx_unicast";
        /// Good multicast frames received, broadcast excluded.
        RX_MULTICAST = 3, "rx_multicast";
        /// Good broadcast frames received.
        RX_BROADCAST = 4, "rx_broadcast";
        /// Frames of 64 to the maximum with a bad FCS and whole bytes.
        RX_FCS_ERRORS = 5, "rx_fcs_errors";
        /// Frames during which RX_ER was set.
        RX_SYMBOL_ERRORS = 6, "rx_symbol_errors";
        /// Frames shorter than 64 bytes with a good FCS (RMON undersize).
        RX_UNDERSIZE = 7, "rx_undersize";
        /// Frames shorter than 64 bytes with a bad FCS (RMON fragments).
        RX_FRAGMENTS = 8, "rx_fragments";
        /// Frames longer than the maximum with a good FCS (RMON oversize).
        RX_OVERSIZE = 9, "rx_oversize";
        /// Frames longer than the maximum with a bad FCS (RMON jabbers).
        RX_JABBERS = 10, "rx_jabbers";
        /// RX_ER without carrier (false carrier).
        RX_FALSE_CARRIER = 11, "rx_false_carrier";
        /// Pause frames received (obeyed or not).
        RX_PAUSE = 12, "rx_pause";
        /// Good frames of 64 bytes.
        RX_64 = 13, "rx_64";
        /// 65 to 127 bytes.
        RX_65_127 = 14, "rx_65_127";
        /// 128 to 255 bytes.
        RX_128_255 = 15, "rx_128_255";
        /// 256 to 511 bytes.
        RX_256_511 = 16, "rx_256_511";
        /// 512 to 1,023 bytes.
        RX_512_1023 = 17, "rx_512_1023";
        /// 1,024 to 1,518 bytes.
        RX_1024_1518 = 18, "rx_1024_1518";
        /// 1,519 bytes to the maximum.
        RX_1519_MAX = 19, "rx_1519_max";
        /// Frames lost in the clock crossing (the core did not keep up; must stay 0).
        RX_OVERFLOW = 20, "rx_overflow";
        /// Frames sent. The host: frames that are in a receive ring; what found no buffer there is in host::NO_BUFFER instead.
        TX_FRAMES = 24, "tx_frames";
        /// Bytes sent, FCS included; whole frames, also where a receive buffer was too short.
        TX_BYTES = 25, "tx_bytes";
        /// Unicast frames sent.
        TX_UNICAST = 26, "tx_unicast";
        /// Multicast frames sent, broadcast excluded.
        TX_MULTICAST = 27, "tx_multicast";
        /// Broadcast frames sent.
        TX_BROADCAST = 28, "tx_broadcast";
        /// Pause frames sent.
        TX_PAUSE = 29, "tx_pause";
        /// Frames of 64 bytes sent.
        TX_64 = 30, "tx_64";
        /// 65 to 127 bytes.
        TX_65_127 = 31, "tx_65_127";
        /// 128 to 255 bytes.
        TX_128_255 = 32, "tx_128_255";
        /// 256 to 511 bytes.
        TX_256_511 = 33, "tx_256_511";
        /// 512 to 1,023 bytes.
        TX_512_1023 = 34, "tx_512_1023";
        /// 1,024 to 1,518 bytes.
        TX_1024_1518 = 35, "tx_1024_1518";
        /// 1,519 bytes and more.
        TX_1519_MAX = 36, "tx_1519_max";
        /// Frames cut off on the wire with TX_ER because data did not come in time (must stay 0).
        TX_UNDERRUN = 37, "tx_underrun";
        /// Source: dropped because of the port's state. A frame that the rules drop counts in one of 40 to 46 and 48, by the first
        /// rule that applies (docs/architecture.md, "Forward"); a frame with a fault counts in its RX_ counter alone.
        DROP_STATE = 40, "drop_state";
        /// Source: dropped by a reserved address's action.
        DROP_RESERVED = 41, "drop_reserved";
        /// Source: no destination was left (own port, mask, pruning, flood off).
        DROP_NO_DESTINATION = 42, "drop_no_destination";
        /// Source: blackhole entry.
        DROP_BLACKHOLE = 43, "drop_blackhole";
        /// Source: the buffer had no cell for it.
        DROP_NO_CELL = 44, "drop_no_cell";
        /// Source: the frame came from a LAG member that is not collecting.
        DROP_NOT_COLLECTING = 45, "drop_not_collecting";
        /// Source: source address is multicast or zero.
        DROP_BAD_SOURCE = 46, "drop_bad_source";
        /// Destination: the queue to this port was at its limit.
        DROP_QUEUE_FULL = 47, "drop_queue_full";
        /// Source: forwarding is cut globally, and but for that the frame would have gone to a port.
        DROP_CUT = 48, "drop_cut";
        /// Destination: the port's link was down; the frame waited in the queue or in the MAC.
        DROP_LINK_DOWN = 49, "drop_link_down";
    }
    /// Counters a port.
    pub const COUNT: u32 = 64;
}
