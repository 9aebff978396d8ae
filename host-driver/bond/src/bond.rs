//! One bond: the machine behind one short lock, and what is read without waiting.
//!
//! No lock is held while a driver or the core is called: a thread of the data path that waits for the machine must not keep a configuration waiting that waits for
//! that thread to leave its round.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use serde_json::{Map, Value, json};
use smartnic_netdev::device::{AddressOrigin, LinkStats64, NetDevice};
use smartnic_netdev::{Core, Dev, Result};
use smartnic_slowpath::bond::{Action, Bond as Machine, PlanMember, SlaveId, Way};

use crate::filter::Handed;
use crate::{refused, show};

/// A device of the bond's.
pub(crate) struct Slave {
    pub(crate) dev: Dev,
    pub(crate) way: Way,
    /// Where its address came from.
    pub(crate) origin: AddressOrigin,
    /// What it had counted when it came.
    pub(crate) before: LinkStats64,
    pub(crate) handed: Mutex<Handed>,
}

/// A bond.
pub struct Bond {
    dev: OnceLock<Weak<NetDevice>>,
    machine: Mutex<Machine>,
    /// In the order of joining.
    pub(crate) slaves: ArcSwap<Vec<Arc<Slave>>>,
    /// What the data path leaves to the configuration.
    todo: Mutex<Vec<Action>>,
    /// Frames of the bond's own that wait for somebody with a data path.
    pub(crate) outbox: Mutex<Vec<(SlaveId, Vec<u8>)>>,
    /// What slaves counted that have left.
    pub(crate) gone: Mutex<LinkStats64>,
    /// The slaves as they were last told of.
    pub(crate) told: Mutex<Vec<PlanMember>>,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is inside is whole after every statement.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Bond {
    pub(crate) fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self {
            dev: OnceLock::new(),
            machine: Mutex::new(Machine::new(seed)),
            slaves: ArcSwap::default(),
            todo: Mutex::default(),
            outbox: Mutex::default(),
            gone: Mutex::default(),
            told: Mutex::default(),
        })
    }

    pub(crate) fn attach(&self, dev: &Dev) {
        // A device is created once for a bond.
        let _ = self.dev.set(Arc::downgrade(dev));
    }
    /// Its device, while there is one.
    pub fn device(&self) -> Option<Dev> {
        self.dev.get()?.upgrade()
    }

    pub(crate) fn machine(&self) -> MutexGuard<'_, Machine> {
        lock(&self.machine)
    }

    /// Asks the machine, or tells it something; gives what it wants done, too.
    pub(crate) fn ask<T>(&self, ask: impl FnOnce(&mut Machine) -> T) -> (T, Vec<Action>) {
        let mut machine = self.machine();
        let answer = ask(&mut machine);
        // Nothing is allocated for the frame that nothing follows from.
        let actions = std::iter::from_fn(|| machine.poll()).collect();
        (answer, actions)
    }

    /// Leaves something to the configuration.
    pub(crate) fn leave(&self, actions: impl Iterator<Item = Action>) {
        lock(&self.todo).extend(actions);
    }
    pub(crate) fn take_todo(&self) -> Vec<Action> {
        std::mem::take(&mut *lock(&self.todo))
    }

    /// When there is something to do next.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        if !lock(&self.todo).is_empty() || !lock(&self.outbox).is_empty() {
            return Some(Duration::ZERO);
        }
        self.machine().next_deadline()
    }

    pub(crate) fn slave(&self, id: SlaveId) -> Option<Arc<Slave>> {
        let slaves = self.slaves.load();
        slaves.iter().find(|s| s.dev.ifindex() == id).cloned()
    }
    pub(crate) fn slave_of(&self, dev: &Dev) -> Option<Arc<Slave>> {
        self.slave(dev.ifindex()).filter(|s| s.dev == *dev)
    }

    /// Sets options as one link message does (`ip link set bond0 type bond ...`): in the kernel's order, the first refusal ends it.
    pub fn set(&self, core: &mut Core, options: &[(&str, &str)]) -> Result<()> {
        let now = core.now();
        let named = options.iter().map(|(word, v)| (show::option(word), *v));
        let named: Vec<_> = named.collect();
        let (result, actions) = self.ask(|m| m.set_all(now, &named));
        self.done(core, actions);
        core.run_link_events();
        result.map_err(refused)
    }

    /// Sets an option of a slave (`ip link set eth0 type bond_slave ...`): `queue_id`, `prio`. EINVAL for a device that is no slave of this bond.
    pub fn set_slave(&self, core: &mut Core, dev: &Dev, option: &str, value: &str) -> Result<()> {
        let now = core.now();
        let (result, actions) = self.ask(|m| m.set_slave(now, dev.ifindex(), option, value));
        self.done(core, actions);
        core.run_link_events();
        result.map_err(refused)
    }

    /// What `ip -d -j link show` has of it, by its keys; nothing is in hardware.
    pub fn info(&self) -> Map<String, Value> {
        let mut info = show::bond(&self.machine());
        let offload = show::options().map(|option| (option.to_owned(), json!(false)));
        info.insert("offload".into(), Value::Object(offload.collect()));
        info
    }

    /// The same of a slave; empty for a device that is none.
    pub fn slave_info(&self, dev: &Dev) -> Map<String, Value> {
        show::slave(&self.machine(), dev.ifindex())
    }
}
