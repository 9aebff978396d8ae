//! Link messages: what `ip monitor link` would see (RTM_NEWLINK, RTM_DELLINK), as typed values.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use smartnic_slowpath::MacAddr;

use super::Core;
use super::notify::Event;
use crate::device::{Dev, Flags, LinkStats64, NetDevice, OperState};

/// Messages that wait for a listener; with more it has to look at everything anew.
pub const LISTENER_LEN: usize = 1024;

/// New or changed, or gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub enum LinkMessageKind {
    /// RTM_NEWLINK.
    NewLink,
    /// RTM_DELLINK.
    DelLink,
}

/// A device as it was when something happened to it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct LinkMessage {
    /// New or changed, or gone.
    pub kind: LinkMessageKind,
    /// What happened, by its word; none for a plain change.
    pub event: Option<&'static str>,
    /// Index.
    pub ifindex: u32,
    /// Name.
    pub ifname: String,
    /// Hardware type (`ARPHRD_*`).
    pub link_type: u16,
    /// Flags (`IFF_*`).
    pub flags: u32,
    /// Flags that changed.
    pub change: u32,
    /// Address.
    pub address: MacAddr,
    /// Broadcast address.
    pub broadcast: MacAddr,
    /// Address that the device came with.
    pub permanent_address: MacAddr,
    /// MTU.
    pub mtu: u32,
    /// Least MTU.
    pub min_mtu: u32,
    /// Largest MTU.
    pub max_mtu: u32,
    /// Frames that may wait in each queue.
    pub txqlen: u32,
    /// Operational state.
    pub operstate: OperState,
    /// There is a carrier.
    pub carrier: bool,
    /// Times that it came or went.
    pub carrier_changes: u32,
    /// Users of promiscuous reception.
    pub promiscuity: u32,
    /// Users of every multicast.
    pub allmulti: u32,
    /// Transmit queues.
    pub num_tx_queues: u16,
    /// Index of the master.
    pub master: Option<u32>,
    /// Index of the device below, for one that has exactly one.
    pub link: Option<u32>,
    /// The word after `type`.
    pub info_kind: Option<&'static str>,
    /// Counters.
    pub stats: LinkStats64,
}

impl LinkMessage {
    /// The device as it is.
    pub fn of(dev: &NetDevice) -> Self {
        let (min_mtu, max_mtu) = dev.mtu_limits();
        let (promiscuity, allmulti) = dev.rx_counts();
        let lowers = dev.lowers();
        Self {
            kind: LinkMessageKind::NewLink,
            event: None,
            ifindex: dev.ifindex(),
            ifname: dev.name(),
            link_type: dev.link_type() as u16,
            flags: dev.flags().bits(),
            change: 0,
            address: dev.address(),
            broadcast: dev.broadcast(),
            permanent_address: dev.permanent_address(),
            mtu: dev.mtu(),
            min_mtu,
            max_mtu,
            txqlen: dev.tx_queue_len(),
            operstate: dev.operstate(),
            carrier: dev.carrier_ok(),
            carrier_changes: dev.carrier_changes(),
            promiscuity,
            allmulti,
            num_tx_queues: dev.queue_count(),
            master: dev.master().map(|m| m.ifindex()),
            link: (lowers.len() == 1).then(|| lowers[0].ifindex()),
            info_kind: dev.ops().kind(),
            stats: dev.stats64(),
        }
    }
}

#[derive(Default)]
struct Waiting {
    messages: VecDeque<LinkMessage>,
    lost: bool,
}

/// Somebody who reads link messages, from any thread.
#[derive(Default)]
pub struct LinkListener {
    waiting: Mutex<Waiting>,
}

impl LinkListener {
    fn push(&self, message: &LinkMessage) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.messages.len() >= LISTENER_LEN {
            waiting.lost = true;
        } else {
            waiting.messages.push_back(message.clone());
        }
    }

    /// What has come, and whether something was lost before it (ENOBUFS of netlink): then ask for all links anew.
    pub fn take(&self) -> (Vec<LinkMessage>, bool) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let lost = std::mem::take(&mut waiting.lost);
        (waiting.messages.drain(..).collect(), lost)
    }
}

impl Core {
    /// Listens to link messages until the answer is dropped.
    pub fn listen(&mut self) -> Arc<LinkListener> {
        let listener = Arc::new(LinkListener::default());
        self.listeners.push(listener.clone());
        listener
    }

    /// Tells listeners about a device as it is now.
    pub(crate) fn link_message(&mut self, dev: &Dev, event: Option<&Event>) {
        // Names for those who need not hear of it twice: they are announced and followed by a message with more to say.
        if matches!(
            event,
            Some(Event::Unregister | Event::GoingDown | Event::PreUp | Event::PostInit)
        ) {
            return;
        }
        self.send(dev, |message| {
            message.event = event.map(Event::word);
            message.change = match event {
                Some(Event::Up | Event::Down) => Flags::UP.bits(),
                Some(Event::Change(flags)) => flags.bits(),
                None => u32::MAX,
                _ => 0,
            };
        });
    }

    pub(super) fn del_link_message(&mut self, dev: &Dev) {
        self.send(dev, |message| {
            message.kind = LinkMessageKind::DelLink;
            message.change = u32::MAX;
        });
    }

    fn send(&mut self, dev: &Dev, finish: impl FnOnce(&mut LinkMessage)) {
        // One that only this list holds has nobody to read it.
        self.listeners.retain(|l| Arc::strong_count(l) > 1);
        if self.listeners.is_empty() {
            return;
        }
        let mut message = LinkMessage::of(dev);
        finish(&mut message);
        self.listeners.iter().for_each(|l| l.push(&message));
    }
}
