//! What a port counts: every frame that it takes ends in exactly one of `forwarded`, `local`, `control`, `answered` and the `drop_` counters of the
//! port that it came in by; what goes out is counted by the port that it goes out by.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::Serialize;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What a port has counted.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
        pub struct PortCounters { $($(#[$doc])* pub $name: u64,)* }

        #[allow(non_camel_case_types, reason = "the fields' own names")]
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(crate) enum Count { $($name,)* }

        #[derive(Debug, Default)]
        #[repr(align(64))]
        pub(crate) struct Cells { $($name: AtomicU64,)* }

        impl Cells {
            pub(crate) fn count(&self, what: Count) {
                match what { $(Count::$name => &self.$name,)* }.fetch_add(1, Relaxed);
            }
            pub(crate) fn read(&self) -> PortCounters {
                PortCounters { $($name: self.$name.load(Relaxed),)* }
            }
        }
    };
}

counters! {
    /// Frames that the bridge took from this port.
    rx,
    /// Went out by at least one port.
    forwarded,
    /// Went to the bridge itself, and nowhere else.
    local,
    /// For a protocol on this port (a reserved address): BPDUs among them.
    control,
    /// The source is no station's address.
    drop_source,
    /// A pause frame, or too short to have a header.
    drop_reserved,
    /// The port, or the VLAN on it, is in a state that takes no frames.
    drop_state,
    /// The VLAN is not the port's, or there is none.
    drop_vlan,
    /// The port is locked and the source is not let in.
    drop_locked,
    /// Learned from, in the state in which nothing is forwarded.
    drop_learning,
    /// A malformed multicast packet, or a report without room.
    drop_malformed,
    /// No port takes it: it was for where it came from, or every port that it was for is closed to it.
    drop_nowhere,
    /// Frames that were given to this port to be sent.
    tx,
    /// Frames for this port that were longer than it sends, or came while it was down.
    drop_tx,
    /// Frames whose source is an address of the bridge itself: somebody has it too, or there is a loop. Taken all the same, as in Linux.
    own_source,
    /// Frames that this port's backup port took.
    redirected,
}
