//! Subscribers to what happens to devices; some events they may refuse.

use std::sync::Arc;

use smartnic_slowpath::MacAddr;

use super::Core;
use crate::device::{Dev, Features, Flags};
use crate::error::{Errno, NetdevError, Result};

/// Events that may be told inside of each other.
const MAX_DEPTH: u32 = 64;

/// What happens to a device (`NETDEV_*`).
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Event {
    /// It is being registered and complete. May be refused.
    Register,
    /// Its driver's `init` is done. May be refused.
    PostInit,
    /// It is about to go up. May be refused.
    PreUp,
    /// It is up.
    Up,
    /// It is about to go down.
    GoingDown,
    /// It is down.
    Down,
    /// Flags (these) or the operational state changed.
    Change(Flags),
    /// The MTU is about to become this. May be refused.
    PreChangeMtu(u32),
    /// The MTU changed. May be refused: it becomes what it was.
    ChangeMtu,
    /// The address is about to become this. May be refused.
    PreChangeAddress(MacAddr),
    /// The address changed.
    ChangeAddress,
    /// The name changed; this is the old one.
    ChangeName(String),
    /// The features changed; these were on before.
    FeatureChange(Features),
    /// The length of the transmit queues changed.
    ChangeTxQueueLen,
    /// It is about to be linked to (or unlinked from) this device above. May be refused when linking.
    PreChangeUpper {
        /// The device above.
        upper: Dev,
        /// As slave of a master.
        master: bool,
        /// Linked; else unlinked.
        linking: bool,
    },
    /// It was linked or unlinked.
    ChangeUpper {
        /// The device above.
        upper: Dev,
        /// As slave of a master.
        master: bool,
        /// Linked; else unlinked.
        linking: bool,
    },
    /// A slave's state within its master changed (active, usable).
    ChangeLowerState,
    /// It joins a master, which wants it untouched: netpoll and others let go.
    Join,
    /// It is about to be released by its master.
    Release,
    /// The active slave changed.
    BondingFailover,
    /// Tell the neighbours where we are.
    NotifyPeers,
    /// Join the groups again.
    ResendIgmp,
    /// It is about to leave: let go of it.
    Unregister,
}

impl Event {
    /// The word for it in messages: iproute2's where it has one.
    pub fn word(&self) -> &'static str {
        match self {
            Event::Register => "REGISTER",
            Event::PostInit => "POST_INIT",
            Event::PreUp => "PRE_UP",
            Event::Up => "UP",
            Event::GoingDown => "GOING_DOWN",
            Event::Down => "DOWN",
            Event::Change(_) => "CHANGE",
            Event::PreChangeMtu(_) => "PRE_CHANGE_MTU",
            Event::ChangeMtu => "CHANGE_MTU",
            Event::PreChangeAddress(_) => "PRE_CHANGE_ADDR",
            Event::ChangeAddress => "CHANGE_ADDR",
            Event::ChangeName(_) => "CHANGE_NAME",
            Event::FeatureChange(_) => "FEATURE_CHANGE",
            Event::ChangeTxQueueLen => "CHANGE_TX_QUEUE_LEN",
            Event::PreChangeUpper { .. } => "PRE_CHANGE_UPPER",
            Event::ChangeUpper { .. } => "CHANGE_UPPER",
            Event::ChangeLowerState => "CHANGE_LOWER_STATE",
            Event::Join => "JOIN",
            Event::Release => "RELEASE",
            Event::BondingFailover => "BONDING_FAILOVER",
            Event::NotifyPeers => "NOTIFY_PEERS",
            Event::ResendIgmp => "RESEND_IGMP",
            Event::Unregister => "UNREGISTER",
        }
    }
}

/// Somebody who wants to know.
pub trait Subscriber: Send + Sync {
    /// Something happens to `dev`. An error refuses the event where that is possible; elsewhere it is logged and has no effect.
    fn notify(&self, core: &mut Core, dev: &Dev, event: &Event) -> Result<()>;
}

/// A subscription, to end it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SubscriberId(u64);

pub(super) struct Subscription {
    id: u64,
    priority: i32,
    subscriber: Arc<dyn Subscriber>,
}

impl Core {
    /// Adds a subscriber; those of higher priority are told first. It is told of the devices that are there (REGISTER, and UP of those
    /// that are); if it refuses one, what it was told is taken back in reverse and it is not added.
    pub fn subscribe(
        &mut self,
        priority: i32,
        subscriber: Arc<dyn Subscriber>,
    ) -> Result<SubscriberId> {
        let devices: Vec<Dev> = self.devices.values().cloned().collect();
        for (done, dev) in devices.iter().enumerate() {
            if let Err(error) = subscriber.notify(self, dev, &Event::Register) {
                for dev in devices[..done].iter().rev() {
                    self.take_back(&*subscriber, dev);
                }
                return Err(error);
            }
            if dev.is_up() {
                let _ = subscriber.notify(self, dev, &Event::Up);
            }
        }
        let id = self.next_id();
        let at = self.subscribers.partition_point(|s| s.priority >= priority);
        let subscription = Subscription {
            id,
            priority,
            subscriber,
        };
        self.subscribers.insert(at, subscription);
        Ok(SubscriberId(id))
    }

    /// Ends a subscription: the subscriber sees the devices go.
    pub fn unsubscribe(&mut self, id: SubscriberId) {
        let Some(at) = self.subscribers.iter().position(|s| s.id == id.0) else {
            return;
        };
        let subscriber = self.subscribers.remove(at).subscriber;
        let devices: Vec<Dev> = self.devices.values().rev().cloned().collect();
        devices
            .iter()
            .for_each(|dev| self.take_back(&*subscriber, dev));
    }

    fn take_back(&mut self, subscriber: &dyn Subscriber, dev: &Dev) {
        let events = match dev.is_up() {
            true => &[Event::GoingDown, Event::Down, Event::Unregister][..],
            false => &[Event::Unregister],
        };
        for event in events {
            let _ = subscriber.notify(self, dev, event);
        }
    }

    /// Tells everybody, the first refusal ends it (`call_netdevice_notifiers`).
    pub fn notify(&mut self, dev: &Dev, event: &Event) -> Result<()> {
        if self.depth >= MAX_DEPTH {
            let reason = "events about this device go round in a circle";
            return Err(NetdevError::new(Errno::Loop, "device", dev.name(), reason));
        }
        // Subscribers come and go while they are told.
        let told: Vec<_> = self
            .subscribers
            .iter()
            .map(|s| (s.id, s.subscriber.clone()))
            .collect();
        self.depth += 1;
        let mut result = Ok(());
        for (id, subscriber) in told {
            if self.subscribers.iter().any(|s| s.id == id) {
                result = subscriber.notify(self, dev, event);
            }
            if result.is_err() {
                break;
            }
        }
        self.depth -= 1;
        result
    }

    /// Tells everybody of something that nobody can refuse.
    pub fn announce(&mut self, dev: &Dev, event: &Event) {
        if let Err(error) = self.notify(dev, event) {
            tracing::warn!(device = dev.name(), event = event.word(), %error, "a refusal without effect");
        }
        self.link_message(dev, Some(event));
    }
}
