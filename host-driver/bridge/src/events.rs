//! What a bridge tells those who listen: entries of its tables, states of its ports (RTM_NEWNEIGH, RTM_NEWMDB, RTM_NEWLINK of the kernel).
//!
//! With nobody listening an event costs one load. A listener that does not read loses what is beyond [`LISTENER_LEN`], and is told so.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering::*};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use smartnic_slowpath::MacAddr;
use smartnic_slowpath::mcast::MdbEntry;
use smartnic_slowpath::stp::PortState;

use crate::fdb::{FdbFlags, Record};

/// Events that wait for a listener.
pub const LISTENER_LEN: usize = 8192;

/// Something happened. Ports are named by their numbers; 0 is the bridge itself.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Event {
    /// An entry of the forwarding database is new, has changed, or is gone.
    Fdb {
        /// Gone.
        deleted: bool,
        /// Address.
        mac: MacAddr,
        /// VLAN.
        vlan: u16,
        /// Port.
        port: u16,
        /// What it is.
        flags: FdbFlags,
    },
    /// An entry of the multicast database is new, has changed, or is gone.
    Mdb {
        /// Gone.
        deleted: bool,
        /// The entry; its ports are numbers of the bridge's.
        entry: MdbEntry,
    },
    /// A port is a router's, or is none any more.
    Router {
        /// None any more.
        deleted: bool,
        /// Port.
        port: u16,
        /// In this VLAN; 0: in all.
        vlan: u16,
    },
    /// The multicast database was full, and snooping has been switched off.
    SnoopingOff,
    /// A port has another state.
    PortState {
        /// Port.
        port: u16,
        /// State.
        state: PortState,
    },
    /// The topology changes.
    TopologyChange,
    /// BPDU guard has disabled a port.
    GuardDisabled {
        /// Port.
        port: u16,
    },
    /// Root guard holds a port back, or does no more.
    RootInconsistent {
        /// Port.
        port: u16,
        /// Held back.
        inconsistent: bool,
    },
}

impl Event {
    pub(crate) fn fdb(record: Record, deleted: bool) -> Self {
        Self::Fdb {
            deleted,
            mac: record.key.address(),
            vlan: record.key.vid(),
            port: record.target.port,
            flags: record.target.flags,
        }
    }
}

#[derive(Default)]
struct Waiting {
    events: VecDeque<Event>,
    lost: bool,
}

/// Somebody who listens, until it is dropped.
#[derive(Default)]
pub struct Listener {
    waiting: Mutex<Waiting>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Queues are whole after any panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Listener {
    /// What has come, and whether something was lost: then look at everything anew.
    pub fn take(&self) -> (Vec<Event>, bool) {
        let mut waiting = lock(&self.waiting);
        let lost = std::mem::take(&mut waiting.lost);
        (waiting.events.drain(..).collect(), lost)
    }
}

/// The listeners of one bridge.
#[derive(Default)]
pub(crate) struct Events {
    heard: AtomicBool,
    listeners: Mutex<Vec<Arc<Listener>>>,
}

impl Events {
    pub(crate) fn listen(&self) -> Arc<Listener> {
        let listener = Arc::new(Listener::default());
        lock(&self.listeners).push(listener.clone());
        self.heard.store(true, Relaxed);
        listener
    }

    pub(crate) fn push(&self, event: impl FnOnce() -> Event) {
        if !self.heard.load(Relaxed) {
            return;
        }
        let mut listeners = lock(&self.listeners);
        // One that only this list holds has nobody to read it.
        listeners.retain(|l| Arc::strong_count(l) > 1);
        self.heard.store(!listeners.is_empty(), Relaxed);
        if listeners.is_empty() {
            return;
        }
        let event = event();
        for listener in listeners.iter() {
            let mut waiting = lock(&listener.waiting);
            if waiting.events.len() >= LISTENER_LEN {
                waiting.lost = true;
            } else {
                waiting.events.push_back(event.clone());
            }
        }
    }
}
