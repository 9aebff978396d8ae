//! Registration, step by step, each undone in reverse when a later one fails; and its end, with traffic running.

use std::sync::Arc;

use super::Core;
use super::notify::Event;
use crate::device::{Dev, OperState, Registration};
use crate::error::{Errno, NetdevError, Result};
use crate::softnet::shared::IFINDEX_MAX;

impl Core {
    /// Registers a device: name (EINVAL, EEXIST, ENOSPC), the driver's `init` (its error, EIO say), POST_INIT (a subscriber's
    /// refusal), index (EBUSY, EINVAL), features, the list, REGISTER (a subscriber's refusal). After an error nothing is left of it.
    pub fn register(&mut self, dev: &Dev) -> Result<()> {
        let state = dev.registration();
        if !Arc::ptr_eq(&dev.shared, &self.shared)
            || matches!(
                state,
                Registration::Registered | Registration::Unregistering
            )
        {
            let reason = "it is registered already, or belongs to another core";
            return Err(NetdevError::new(Errno::Busy, "device", dev.name(), reason));
        }
        let wish = dev.name();
        let name = self.allocate_name(&wish)?;
        dev.config().name = name;
        let result = self.register_named(dev);
        if result.is_err() {
            dev.config().name = wish;
        }
        result
    }

    fn register_named(&mut self, dev: &Dev) -> Result<()> {
        dev.ops().init(self, dev)?;
        let result = self.register_initialised(dev);
        if result.is_err() {
            dev.ops().uninit(self, dev);
        }
        result
    }

    fn register_initialised(&mut self, dev: &Dev) -> Result<()> {
        self.notify(dev, &Event::PostInit)?;
        let mut wish = dev.ifindex();
        if dev.registration() == Registration::Unregistered && self.devices.contains_key(&wish) {
            // It was here before, and another device has its index now.
            wish = 0;
        }
        let ifindex = self.allocate_ifindex(wish)?;
        dev.set_ifindex(ifindex);
        // The first of its name may have come while subscribers were told.
        let name = dev.name();
        if self.by_name(&name).is_ok() {
            dev.set_ifindex(wish);
            let reason = "a device of this name came while this one was initialised";
            return Err(NetdevError::new(Errno::Exists, "name", name, reason));
        }
        self.list(dev);
        if let Err(error) = self
            .update_features_quietly(dev)
            .and_then(|()| self.notify(dev, &Event::Register))
        {
            // Those who have heard of it hear that it goes.
            let _ = self.notify(dev, &Event::Unregister);
            self.unlist(dev);
            dev.config().registration = Registration::None;
            self.shared.synchronize();
            dev.set_ifindex(wish);
            return Err(error);
        }
        // A link that is down from the start is told; one that is up stays unknown until somebody says something.
        if !dev.carrier_ok() {
            dev.config().operstate = dev.default_operstate();
        }
        self.link_message(dev, None);
        Ok(())
    }

    fn list(&mut self, dev: &Dev) {
        let ifindex = dev.ifindex();
        dev.config().registration = Registration::Registered;
        self.devices.insert(ifindex, dev.clone());
        self.shared
            .change_table(|t| t.set(ifindex, Some(dev.clone())));
    }

    fn unlist(&mut self, dev: &Dev) {
        let ifindex = dev.ifindex();
        self.devices.remove(&ifindex);
        self.shared.change_table(|t| {
            t.set(ifindex, None);
            t.protocols.remove(|p| p.ifindex == Some(ifindex));
        });
    }

    fn allocate_ifindex(&mut self, wish: u32) -> Result<u32> {
        if wish > IFINDEX_MAX {
            let reason = format!("an index is at most {IFINDEX_MAX}");
            return Err(NetdevError::new(Errno::Invalid, "ifindex", wish, reason));
        }
        if wish != 0 {
            if self.devices.contains_key(&wish) {
                let reason = "another device has this index";
                return Err(NetdevError::new(Errno::Busy, "ifindex", wish, reason));
            }
            // Whoever asked what is next has taken it.
            if wish == self.next_ifindex() {
                self.last_ifindex = wish;
            }
            return Ok(wish);
        }
        // Counted up, so that an index that was just in use does not mean another device at once.
        let next = self.next_ifindex();
        if self.devices.contains_key(&next) {
            let reason = "all indices are in use";
            return Err(NetdevError::new(Errno::NoSpace, "ifindex", "any", reason));
        }
        self.last_ifindex = next;
        Ok(next)
    }

    /// Takes a device away: it goes down, nobody finds it any more, every thread has left it, subscribers let go of it (masters release it,
    /// devices on top go too), its links, handler, addresses and queues are cleared, the driver's `uninit` is called.
    pub fn unregister(&mut self, dev: &Dev) {
        if self.must_have(dev).is_err() || dev.registration() != Registration::Registered {
            return;
        }
        dev.config().registration = Registration::Unregistering;
        self.close(dev);
        self.announce(dev, &Event::Unregister);
        // What subscribers did not undo is undone here: a driver that forgets must not leave a dangling link.
        if let Some(master) = dev.master() {
            let _ = self.leave_master(dev, &master);
        }
        for upper in dev.uppers() {
            self.upper_unlink(dev, &upper);
        }
        for lower in dev.lowers().iter() {
            self.upper_unlink(lower, dev);
        }
        let _ = self.rx_handler_unregister(dev);
        crate::netpoll::forget(self, dev);
        self.del_link_message(dev);
        self.unlist(dev);
        dev.taps.store(Arc::default());
        self.shared.synchronize();
        self.purge_queues(dev);
        {
            let mut config = dev.config();
            config.unicast.clear();
            config.multicast.clear();
            config.operstate = OperState::NotPresent;
        }
        dev.ops().uninit(self, dev);
        dev.config().registration = Registration::Unregistered;
    }
}
