//! Up and down, flags, MTU, queue length, name.

use std::sync::atomic::Ordering;

use super::Core;
use super::notify::Event;
use crate::device::{Counter, Dev, Flags, Registration};
use crate::error::{Errno, NetdevError, Result};

impl Core {
    /// Takes a device up: PRE_UP (may be refused), the driver's `open`, its filter, UP. Nothing if it is up. ENODEV for hardware that is away.
    pub fn open(&mut self, dev: &Dev) -> Result<()> {
        if dev.is_up() {
            return Ok(());
        }
        self.must_have(dev)?;
        present(dev)?;
        self.notify(dev, &Event::PreUp)?;
        // Running before `open`, which starts queues and may be interrupted at once.
        dev.set_running(true);
        if let Err(error) = dev.ops().open(self, dev) {
            dev.set_running(false);
            return Err(error);
        }
        dev.set_flag(Flags::UP, true);
        self.set_rx_mode(dev);
        dev.queues()
            .iter()
            .for_each(|q| q.touch(self.shared.now_nanos()));
        self.update_operstate(dev);
        self.announce(dev, &Event::Up);
        Ok(())
    }

    /// Takes a device down: GOING_DOWN, no thread inside, the driver's `stop`, frames that waited dropped and counted, DOWN. Counters stay.
    pub fn close(&mut self, dev: &Dev) {
        if !dev.is_up() {
            return;
        }
        if let Err(error) = self.notify(dev, &Event::GoingDown) {
            tracing::warn!(device = dev.name(), %error, "a refusal without effect");
        }
        dev.set_running(false);
        // Threads that saw it running have gone when this returns: `stop` has the device for itself.
        self.shared.synchronize();
        if let Err(error) = dev.ops().stop(self, dev) {
            tracing::warn!(device = dev.name(), %error, "stop failed; the device is down all the same");
        }
        dev.set_flag(Flags::UP, false);
        self.purge_queues(dev);
        self.update_operstate(dev);
        self.announce(dev, &Event::Down);
    }

    pub(super) fn purge_queues(&mut self, dev: &Dev) {
        for queue in dev.queues() {
            let mut backlog = queue.lock();
            dev.stats().add(Counter::tx_dropped, backlog.len() as u64);
            backlog.clear();
            queue.waiting.store(0, Ordering::Relaxed);
            drop(backlog);
            queue.reset_limit();
        }
    }

    /// Sets flags to what a user wants (`dev_change_flags`): only those in [`Flags::CHANGEABLE`] change. PROMISC and ALLMULTI of a user count as one
    /// user of the counters.
    pub fn change_flags(&mut self, dev: &Dev, flags: Flags) -> Result<()> {
        self.must_have(dev)?;
        let before = dev.flags();
        let plain = Flags::CHANGEABLE - (Flags::UP | Flags::PROMISC | Flags::ALLMULTI);
        for flag in plain.iter() {
            dev.set_flag(flag, flags.contains(flag));
        }
        if (before ^ flags).intersects(Flags::MULTICAST) {
            dev.ops().change_rx_flags(self, dev, Flags::MULTICAST);
        }
        self.set_rx_mode(dev);
        let mut result = Ok(());
        if flags.contains(Flags::UP) != before.contains(Flags::UP) {
            result = match flags.contains(Flags::UP) {
                true => self.open(dev),
                false => {
                    self.close(dev);
                    Ok(())
                }
            };
        }
        for (flag, promiscuity) in [(Flags::PROMISC, true), (Flags::ALLMULTI, false)] {
            if flags.contains(flag) != dev.config().user_flags.contains(flag) {
                let by = if flags.contains(flag) { 1 } else { -1 };
                dev.config().user_flags.toggle(flag);
                match promiscuity {
                    true => self.set_promiscuity(dev, by)?,
                    false => self.set_allmulti(dev, by)?,
                }
            }
        }
        let changed = (before ^ dev.flags()) & (Flags::CHANGEABLE - Flags::UP);
        if dev.is_up() && !changed.is_empty() {
            self.announce(dev, &Event::Change(changed));
        } else if !changed.is_empty() {
            self.link_message(dev, None);
        }
        result
    }

    /// Sets the MTU: EINVAL outside of the device's limits, the driver's and subscribers' refusals; a refusal afterwards puts the old one back.
    pub fn set_mtu(&mut self, dev: &Dev, mtu: u32) -> Result<()> {
        self.must_have(dev)?;
        let old = dev.mtu();
        if mtu == old {
            return Ok(());
        }
        let (min, max) = dev.mtu_limits();
        if !(min..=max).contains(&mtu) {
            let reason = format!("{} takes {min} to {max}", dev.name());
            return Err(NetdevError::new(Errno::Invalid, "mtu", mtu, reason));
        }
        present(dev)?;
        self.notify(dev, &Event::PreChangeMtu(mtu))?;
        self.store_mtu(dev, mtu)?;
        if let Err(error) = self.notify(dev, &Event::ChangeMtu) {
            if let Err(again) = self.store_mtu(dev, old) {
                tracing::error!(device = dev.name(), error = %again, "the MTU could not be put back");
            }
            let _ = self.notify(dev, &Event::ChangeMtu);
            return Err(error);
        }
        self.link_message(dev, Some(&Event::ChangeMtu));
        Ok(())
    }

    fn store_mtu(&mut self, dev: &Dev, mtu: u32) -> Result<()> {
        dev.ops().change_mtu(self, dev, mtu)?;
        dev.store_mtu(mtu);
        Ok(())
    }

    /// Sets how many frames may wait in each queue; what waits stays. A subscriber may refuse.
    pub fn set_tx_queue_len(&mut self, dev: &Dev, len: u32) -> Result<()> {
        self.must_have(dev)?;
        let old = dev.tx_queue_len();
        if len == old {
            return Ok(());
        }
        dev.store_tx_queue_len(len);
        if let Err(error) = self.notify(dev, &Event::ChangeTxQueueLen) {
            dev.store_tx_queue_len(old);
            return Err(error);
        }
        self.link_message(dev, Some(&Event::ChangeTxQueueLen));
        Ok(())
    }

    /// Gives a device another name, up or down; one `%d` as in registration.
    pub fn set_name(&mut self, dev: &Dev, name: &str) -> Result<()> {
        self.must_have(dev)?;
        let old = dev.name();
        if old == name {
            return Ok(());
        }
        let name = self.allocate_name(name)?;
        dev.config().name = name;
        let event = Event::ChangeName(old.clone());
        if let Err(error) = self.notify(dev, &event) {
            dev.config().name = old;
            let _ = self.notify(dev, &event);
            return Err(error);
        }
        self.link_message(dev, Some(&event));
        Ok(())
    }

    /// Works the operational state out again; true if it changed.
    pub(crate) fn update_operstate(&mut self, dev: &Dev) -> bool {
        let state = dev.default_operstate();
        let mut config = dev.config();
        let registered = config.registration == Registration::Registered;
        let changed = registered && config.operstate != state;
        if registered {
            config.operstate = state;
        }
        changed
    }
}

/// ENODEV while the device's hardware is away.
pub(super) fn present(dev: &Dev) -> Result<()> {
    match dev.is_present() {
        true => Ok(()),
        false => Err(NetdevError::new(
            Errno::NoDevice,
            "device",
            dev.name(),
            "its hardware is away",
        )),
    }
}
