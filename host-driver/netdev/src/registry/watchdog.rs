//! The passing of time: transmit timeouts and link changes. The clock is the caller's.

use std::time::Duration;

use super::Core;
use super::notify::Event;
use crate::device::queue::FROZEN;
use crate::device::{Dev, Flags};

impl Core {
    /// It is `now` (since a start that the caller chose; never earlier than before): link changes take effect, stopped queues that are overdue
    /// are reported to their drivers. Call it a few times a second, and when [`Core::set_waker`]'s waker ran.
    pub fn tick(&mut self, now: Duration) {
        self.shared.set_now(now.as_nanos() as u64);
        self.run_link_events();
        self.run_watchdogs();
    }

    /// What follows from carriers that came and went: operational state, CHANGE, the filter.
    pub fn run_link_events(&mut self) {
        for ifindex in self.shared.take_links() {
            let Some(dev) = self.devices.get(&ifindex).cloned() else {
                continue;
            };
            dev.take_link_event();
            self.link_changed(&dev);
        }
    }

    fn link_changed(&mut self, dev: &Dev) {
        let changed = self.update_operstate(dev);
        if !dev.carrier_ok() {
            // What waits would be sent to nobody, late.
            self.purge_queues(dev);
        }
        if dev.is_up() {
            self.announce(dev, &Event::Change(Flags::RUNNING | Flags::LOWER_UP));
        } else if changed {
            self.link_message(dev, None);
        }
    }

    /// When the first stopped queue will be overdue, as far as is known now: [`Core::tick`] is to come then.
    pub fn next_watchdog(&self) -> Option<Duration> {
        let watched = |dev: &&Dev| dev.is_running() && dev.is_present() && dev.carrier_ok();
        let due = |dev: &Dev| {
            let limit = dev.watchdog()?;
            let stopped = dev.queues().iter().filter(|q| q.is_off());
            stopped.map(|q| q.trans_start() + limit).min()
        };
        let devices = self.devices.values().filter(watched);
        devices.filter_map(due).min()
    }

    /// A queue is overdue when it is stopped (by its driver or by the byte limit) and took no frame since the device's watchdog time, with the device up and the carrier on: one
    /// without carrier has nothing to send, and is not to blame.
    fn run_watchdogs(&mut self) {
        let now = self.now();
        let devices: Vec<Dev> = self.devices.values().cloned().collect();
        let mut net = None;
        for dev in devices {
            let Some(limit) = dev.watchdog() else {
                continue;
            };
            if !dev.is_running() || !dev.is_present() || !dev.carrier_ok() {
                continue;
            }
            for number in 0..dev.queue_count() {
                let queue = dev.queue(number);
                if !queue.is_off() || now.saturating_sub(queue.trans_start()) < limit {
                    continue;
                }
                tracing::warn!(
                    device = dev.name(),
                    queue = number,
                    "transmit queue timed out"
                );
                queue.count_timeout();
                let net = net.get_or_insert_with(|| self.softnet());
                net.enter();
                // Nobody sends by this queue while the driver sets it right.
                queue.set(FROZEN);
                let guard = queue.lock();
                dev.ops().tx_timeout(net, &dev, number);
                drop(guard);
                queue.clear(FROZEN);
                net.exit();
                queue.touch(self.shared.now_nanos());
                if !queue.is_off() {
                    self.shared.schedule_output(dev.ifindex(), number, queue);
                }
            }
        }
        // Frames that the timeouts completed are received now.
        if let Some(mut net) = net {
            net.run_all(16);
        }
    }
}
