//! Counters of each port.

macro_rules! counters { ($($(#[doc = $doc:literal])* $name:ident = $text:literal,)*) => {
    /// A counter, named as the card's.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Counter { $($(#[doc = $doc])* $name,)* }

    impl Counter {
        /// All of them.
        pub const ALL: &[Counter] = &[$(Counter::$name),*];
        /// The card's name for it.
        pub fn name(self) -> &'static str {
            match self { $(Counter::$name => $text),* }
        }
    }
} }

counters! {
    /// Good frames received.
    RxFrames = "rx_frames",
    /// Their bytes, FCS included.
    RxBytes = "rx_bytes",
    /// Good unicast frames received.
    RxUnicast = "rx_unicast",
    /// Good multicast frames received, broadcast excluded.
    RxMulticast = "rx_multicast",
    /// Good broadcast frames received.
    RxBroadcast = "rx_broadcast",
    /// Pause frames received.
    RxPause = "rx_pause",
    /// Received, 64 bytes with FCS.
    Rx64 = "rx_64",
    /// Received, 65 to 127 bytes.
    Rx65To127 = "rx_65_127",
    /// Received, 128 to 255 bytes.
    Rx128To255 = "rx_128_255",
    /// Received, 256 to 511 bytes.
    Rx256To511 = "rx_256_511",
    /// Received, 512 to 1,023 bytes.
    Rx512To1023 = "rx_512_1023",
    /// Received, 1,024 to 1,518 bytes.
    Rx1024To1518 = "rx_1024_1518",
    /// Received, 1,519 bytes and more.
    Rx1519Max = "rx_1519_max",
    /// Frames sent.
    TxFrames = "tx_frames",
    /// Their bytes, FCS included.
    TxBytes = "tx_bytes",
    /// Unicast frames sent.
    TxUnicast = "tx_unicast",
    /// Multicast frames sent, broadcast excluded.
    TxMulticast = "tx_multicast",
    /// Broadcast frames sent.
    TxBroadcast = "tx_broadcast",
    /// Sent, 64 bytes with FCS.
    Tx64 = "tx_64",
    /// Sent, 65 to 127 bytes.
    Tx65To127 = "tx_65_127",
    /// Sent, 128 to 255 bytes.
    Tx128To255 = "tx_128_255",
    /// Sent, 256 to 511 bytes.
    Tx256To511 = "tx_256_511",
    /// Sent, 512 to 1,023 bytes.
    Tx512To1023 = "tx_512_1023",
    /// Sent, 1,024 to 1,518 bytes.
    Tx1024To1518 = "tx_1024_1518",
    /// Sent, 1,519 bytes and more.
    Tx1519Max = "tx_1519_max",
    /// Dropped because of the source's state.
    DropState = "drop_state",
    /// Dropped by a reserved address's action.
    DropReserved = "drop_reserved",
    /// No destination was left.
    DropNoDestination = "drop_no_destination",
    /// Blackhole entry.
    DropBlackhole = "drop_blackhole",
    /// The LAG member is not collecting.
    DropNotCollecting = "drop_not_collecting",
    /// The source address is multicast or zero.
    DropBadSource = "drop_bad_source",
    /// Forwarding is cut.
    DropCut = "drop_cut",
}

use Counter::*;
const RX_SIZES: [Counter; 7] = [
    Rx64,
    Rx65To127,
    Rx128To255,
    Rx256To511,
    Rx512To1023,
    Rx1024To1518,
    Rx1519Max,
];
const TX_SIZES: [Counter; 7] = [
    Tx64,
    Tx65To127,
    Tx128To255,
    Tx256To511,
    Tx512To1023,
    Tx1024To1518,
    Tx1519Max,
];
const RX_KINDS: [Counter; 3] = [RxUnicast, RxMulticast, RxBroadcast];
const TX_KINDS: [Counter; 3] = [TxUnicast, TxMulticast, TxBroadcast];

/// The counters of one source and destination.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters([u64; Counter::ALL.len()]);

impl Counters {
    /// The value of one.
    pub fn get(&self, counter: Counter) -> u64 {
        self.0[counter as usize]
    }

    /// Those that are not zero, for messages.
    pub fn nonzero(&self) -> Vec<(&'static str, u64)> {
        let all = Counter::ALL.iter().map(|c| (c.name(), self.get(*c)));
        all.filter(|(_, n)| *n != 0).collect()
    }

    pub(crate) fn add(&mut self, counter: Counter, n: u64) {
        self.0[counter as usize] += n;
    }

    pub(crate) fn received(&mut self, frame: &[u8]) {
        self.add(RxFrames, 1);
        self.frame(frame, RxBytes, RX_KINDS, RX_SIZES);
    }

    pub(crate) fn sent(&mut self, frame: &[u8]) {
        self.add(TxFrames, 1);
        self.frame(frame, TxBytes, TX_KINDS, TX_SIZES);
    }

    fn frame(&mut self, frame: &[u8], bytes: Counter, kinds: [Counter; 3], sizes: [Counter; 7]) {
        let length = frame.len() + 4;
        self.add(bytes, length as u64);
        let kind = match &frame[..6] {
            [0xff, 0xff, 0xff, 0xff, 0xff, 0xff] => 2,
            [first, ..] => usize::from(first & 1),
            [] => unreachable!("six bytes"),
        };
        self.add(kinds[kind], 1);
        let size = [64, 127, 255, 511, 1023, 1518]
            .iter()
            .filter(|top| length > **top);
        self.add(sizes[size.count()], 1);
    }
}
