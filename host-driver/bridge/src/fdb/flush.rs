//! Taking away many entries at once: a port's, those that a filter matches, those whose age is over; and showing all of them.
//!
//! Each looks at every entry once, under the writer's lock: the answer is one state of the whole database. About 20 ns an entry.

use super::local::Ports;
use super::{Edit, Fdb, FdbFlags, Record};
use crate::events::Events;

/// Which entries `bridge fdb flush` takes: those that all that is given is true of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FdbFilter {
    /// At this port (its device's index); the bridge's own index: the bridge's own.
    pub ifindex: Option<u32>,
    /// In this VLAN.
    pub vlan: Option<u16>,
    /// Flags that count.
    pub mask: FdbFlags,
    /// How each of them has to be.
    pub flags: FdbFlags,
}

impl FdbFilter {
    /// Only entries that have this flag, or that have it not.
    pub fn with(mut self, flag: FdbFlags, on: bool) -> Self {
        self.mask |= flag;
        self.flags.set(flag, on);
        self
    }
}

impl Edit<'_> {
    /// Takes the entries that match. What is the bridge's own goes like any other, as in Linux.
    pub(crate) fn flush(&mut self, matches: impl Fn(&Record) -> bool) {
        for record in self.records().into_iter().filter(matches) {
            self.remove(&record);
        }
    }

    /// Takes what was learned on a port, in one VLAN or (0) all: what hardware learned too, but not what is static or what a control plane takes
    /// care of.
    pub(crate) fn flush_port(&mut self, port: u16, vid: u16) {
        self.flush(|r| {
            let flags = r.target.flags;
            let elsewhere =
                flags.contains(FdbFlags::EXT_LEARN) && !flags.contains(FdbFlags::OFFLOAD);
            r.target.port == port
                && !flags.contains(FdbFlags::STATIC)
                && !elsewhere
                && (vid == 0 || r.key.vid() == vid)
        });
    }

    /// A port goes: takes everything that is there; own addresses pass to other ports that have them.
    pub(crate) fn forget_port(&mut self, ports: &dyn Ports, port: u16) {
        for record in self.records() {
            match record.target.flags.contains(FdbFlags::LOCAL) {
                _ if record.target.port != port => {}
                true => self.remove_local(ports, record),
                false => self.remove(&record),
            }
        }
    }
}

impl Fdb {
    /// Takes the entries whose age is over, and says when the next one's will be.
    pub(crate) fn age(&self, events: &Events, now: u64, hold: u64) -> Option<u64> {
        let mut edit = self.edit(events);
        let mut next = None;
        for record in edit.records() {
            if record.is_over(now, hold) {
                edit.remove(&record);
            } else if record.ages() {
                let end = record.updated.saturating_add(hold);
                next = Some(next.map_or(end, |n: u64| n.min(end)));
            }
        }
        next
    }
}
