//! The device's running state: flags, carrier, queues stopped and woken, NAPI.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::flags::{Flags, OperState, PrivFlags};
use super::queue::{DRIVER_OFF, TxQueue};
use super::{Dev, NetDevice, state};

impl NetDevice {
    /// Flags as stored: without those that follow from the state.
    pub(crate) fn raw_flags(&self) -> Flags {
        Flags::from_bits_retain(self.flags.load(Ordering::Relaxed))
    }
    pub(crate) fn set_flag(&self, flag: Flags, on: bool) {
        if on {
            self.flags.fetch_or(flag.bits(), Ordering::SeqCst);
        } else {
            self.flags.fetch_and(!flag.bits(), Ordering::SeqCst);
        }
    }

    /// Flags as users see them (`dev_get_flags`).
    pub fn flags(&self) -> Flags {
        let mut flags = self.raw_flags() - (Flags::RUNNING | Flags::LOWER_UP | Flags::DORMANT);
        let (user, oper) = {
            let config = self.config();
            (config.user_flags, config.operstate)
        };
        // The counters have users of their own; what a user set is what a user sees.
        flags.remove(Flags::PROMISC | Flags::ALLMULTI);
        flags |= user & (Flags::PROMISC | Flags::ALLMULTI);
        if self.is_running() {
            if matches!(oper, OperState::Up | OperState::Unknown) {
                flags |= Flags::RUNNING;
            }
            if self.carrier_ok() {
                flags |= Flags::LOWER_UP;
            }
            if self.state.load(Ordering::Relaxed) & state::DORMANT != 0 {
                flags |= Flags::DORMANT;
            }
        }
        flags
    }

    /// What the stack has to know.
    pub fn priv_flags(&self) -> PrivFlags {
        PrivFlags::from_bits_retain(self.priv_flags.load(Ordering::Relaxed))
    }
    /// Sets or clears private flags: a master that marks its ports.
    pub fn set_priv_flags(&self, flags: PrivFlags, on: bool) {
        if on {
            self.priv_flags.fetch_or(flags.bits(), Ordering::SeqCst);
        } else {
            self.priv_flags.fetch_and(!flags.bits(), Ordering::SeqCst);
        }
    }

    /// Administratively up.
    pub fn is_up(&self) -> bool {
        self.raw_flags().contains(Flags::UP)
    }
    /// Takes every frame.
    pub fn is_promiscuous(&self) -> bool {
        self.raw_flags().contains(Flags::PROMISC)
    }
    /// The driver's `open` succeeded and `stop` has not been called (`netif_running`).
    pub fn is_running(&self) -> bool {
        self.state.load(Ordering::SeqCst) & state::RUNNING != 0
    }
    pub(crate) fn set_running(&self, on: bool) {
        self.set_state(state::RUNNING, on);
    }
    fn set_state(&self, bit: u8, on: bool) -> bool {
        let before = if on {
            self.state.fetch_or(bit, Ordering::SeqCst)
        } else {
            self.state.fetch_and(!bit, Ordering::SeqCst)
        };
        (before & bit != 0) != on
    }

    /// The hardware is there.
    pub fn is_present(&self) -> bool {
        self.state.load(Ordering::Relaxed) & state::PRESENT != 0
    }
    /// The hardware went away (`netif_device_detach`): nothing more is sent, queues stop.
    pub fn detach(&self) {
        if self.set_state(state::PRESENT, false) && self.is_running() {
            self.stop_all_queues();
        }
        self.link_event();
    }
    /// The hardware came back: queues go on, the watchdog starts anew.
    pub fn attach(&self) {
        if self.set_state(state::PRESENT, true) && self.is_running() {
            self.wake_all_queues();
        }
        self.link_event();
    }

    /// There is a carrier.
    pub fn carrier_ok(&self) -> bool {
        self.state.load(Ordering::Relaxed) & state::NO_CARRIER == 0
    }
    /// The driver sees a carrier; from any thread. What follows from it happens at the next [`crate::registry::Core::tick`].
    pub fn carrier_on(&self) {
        if self.set_state(state::NO_CARRIER, false) {
            self.carrier_changes.fetch_add(1, Ordering::Relaxed);
            self.link_event();
            // Frames may have waited long: that was no fault of the transmitter.
            self.queues
                .iter()
                .for_each(|q| q.touch(self.shared.now_nanos()));
        }
    }
    /// The driver sees no carrier any more.
    pub fn carrier_off(&self) {
        if self.set_state(state::NO_CARRIER, true) {
            self.carrier_changes.fetch_add(1, Ordering::Relaxed);
            self.link_event();
        }
    }
    /// Times that the carrier came or went.
    pub fn carrier_changes(&self) -> u32 {
        self.carrier_changes.load(Ordering::Relaxed)
    }
    /// Waits for something outside, or does not any more.
    pub fn set_dormant(&self, on: bool) {
        if self.set_state(state::DORMANT, on) {
            self.link_event();
        }
    }

    fn link_event(&self) {
        if self.ifindex() != 0 && self.set_state(state::LINK_PENDING, true) {
            self.shared.link_event(self.ifindex());
        }
    }
    pub(crate) fn take_link_event(&self) {
        self.set_state(state::LINK_PENDING, false);
    }

    /// Operational state as last worked out.
    pub fn operstate(&self) -> OperState {
        self.config().operstate
    }
    /// Operational state as it follows from carrier and running (RFC 2863, Linux's policy).
    pub(crate) fn default_operstate(&self) -> OperState {
        let bits = self.state.load(Ordering::SeqCst);
        if bits & state::PRESENT == 0 {
            OperState::NotPresent
        } else if !self.is_running() {
            OperState::Down
        } else if bits & state::NO_CARRIER != 0 {
            match self.priv_flags().contains(PrivFlags::STACKED) {
                true => OperState::LowerLayerDown,
                false => OperState::Down,
            }
        } else if bits & state::DORMANT != 0 {
            OperState::Dormant
        } else {
            OperState::Up
        }
    }

    /// A transmit queue; a number beyond the last is the last, so that no index from a frame can do harm.
    pub fn queue(&self, queue: u16) -> &TxQueue {
        &self.queues[usize::from(queue).min(self.queues.len() - 1)]
    }
    /// Number of transmit queues.
    pub fn queue_count(&self) -> u16 {
        self.queues.len() as u16
    }
    pub(crate) fn queues(&self) -> &[TxQueue] {
        &self.queues
    }
    /// The driver takes no further frames: there is no room for the largest one.
    pub fn stop_queue(&self, queue: u16) {
        self.queue(queue).set(DRIVER_OFF);
    }
    /// The driver takes frames, and nobody has to be told: in `open`.
    pub fn start_queue(&self, queue: u16) {
        self.queue(queue).clear(DRIVER_OFF);
    }
    /// Stops all.
    pub fn stop_all_queues(&self) {
        self.queues.iter().for_each(|q| q.set(DRIVER_OFF));
    }
    /// Starts all.
    pub fn start_all_queues(&self) {
        (0..self.queue_count()).for_each(|q| self.start_queue(q));
    }
    /// There is room again: frames that wait are offered by the next thread that runs the data path. From any thread.
    pub fn wake_queue(&self, queue: u16) {
        if self.queue(queue).clear(DRIVER_OFF) {
            self.shared
                .schedule_output(self.ifindex(), queue, self.queue(queue));
        }
    }
    /// Wakes all.
    pub fn wake_all_queues(&self) {
        (0..self.queue_count()).for_each(|q| self.wake_queue(q));
    }
    /// The hardware has sent `bytes`, given to it with [`TxQueue::sent`] (`netdev_tx_completed_queue`).
    pub fn tx_completed(&self, queue: u16, bytes: usize) {
        let now = Duration::from_nanos(self.shared.now_nanos());
        if self.queue(queue).completed(bytes, now) {
            self.shared
                .schedule_output(self.ifindex(), queue, self.queue(queue));
        }
    }

    /// Asks for a poll, from the interrupt, which the driver masks if this returns true. False: it is asked for already, or disabled.
    pub fn napi_schedule(self: &Dev, napi: u16) -> bool {
        let Some(state) = self.napis.get(usize::from(napi)) else {
            return false;
        };
        let first = state.schedule();
        if first {
            self.shared.schedule_poll(self.clone(), napi);
        }
        first
    }
    /// From `poll`, when there was less than the budget: the driver enables the interrupt if this returns true. False: an interrupt came meanwhile
    /// and the poll will run again, masked.
    pub fn napi_complete(self: &Dev, napi: u16) -> bool {
        self.napis
            .get(usize::from(napi))
            .is_some_and(|n| n.complete())
    }
    /// From `open`: polls may run.
    pub fn napi_enable(&self, napi: u16) {
        if let Some(napi) = self.napis.get(usize::from(napi)) {
            napi.enable();
        }
    }
    /// From `stop`: waits for a running poll and lets no further one begin. Not from inside of `poll`.
    pub fn napi_disable(&self, napi: u16) {
        if let Some(napi) = self.napis.get(usize::from(napi)) {
            napi.disable();
        }
    }
}
