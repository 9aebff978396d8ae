//! Netpoll: frames sent and received with interrupts off and without a queue discipline, from any thread, even one that is in the middle of something.
//!
//! A send goes straight to the driver if its queue's lock is free and the queue runs. Otherwise the device is polled with interrupts off, so that it
//! reaps what it has sent, and the send is tried again, [`TRIES`] times. What still cannot go (or would go by the interface whose receive path is
//! running on this thread, which may hold locks that a transmit needs) is queued and sent later, from [`Softnet::run`] or after the next tick.
//!
//! A master that gets a netpoll has it set up on every device below; one that joins later is set up when it joins and cleaned up when it
//! leaves; one that refuses ([`PrivFlags::DISABLE_NETPOLL`], or no poll controller) refuses the set-up, or cannot join. A master's `start_xmit` needs nothing special:
//! with interrupts off [`Softnet::xmit`] to a slave comes back here.
//!
//! Covered by `tests/netdev/netpoll.rs`.

pub mod console;
pub mod sysrq;
pub mod udp;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

use crate::device::{Dev, PrivFlags, Xmit};
use crate::error::{Errno, NetdevError, Result};
use crate::packet::Packet;
use crate::registry::{Core, set_extra};
use crate::softnet::Softnet;
use crate::softnet::rx::NETPOLL;
use crate::softnet::tx::{TxOutcome, pick_queue};
use udp::{Endpoint, Netpoll};

/// Times that a send is tried, the device being polled in between.
pub const TRIES: usize = 64;
/// Frames that may wait to be sent later, for each device.
pub const MAX_DEFERRED: usize = 1024;
/// Devices that a poll walks downwards.
const MAX_WALK: usize = 8;

/// What netpoll keeps for a device.
#[derive(Default)]
pub struct NetpollInfo {
    /// Set-ups: of this device itself, and of those above it.
    users: AtomicUsize,
    /// Those with a receive hook.
    pub(crate) hooks: ArcSwap<Vec<Arc<Netpoll>>>,
    deferred: Mutex<VecDeque<Packet>>,
    late: AtomicU64,
}

impl NetpollInfo {
    fn deferred(&self) -> MutexGuard<'_, VecDeque<Packet>> {
        self.deferred.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Set-ups that use the device.
    pub fn users(&self) -> usize {
        self.users.load(Ordering::Relaxed)
    }
    /// Frames that were put off.
    pub fn late(&self) -> u64 {
        self.late.load(Ordering::Relaxed)
    }
    /// Frames that wait.
    pub fn waiting(&self) -> usize {
        self.deferred().len()
    }
}

/// Netpoll's record of a device, if it is set up there.
pub fn info(dev: &Dev) -> Option<Arc<NetpollInfo>> {
    dev.netpoll.load_full()
}

/// Sets netpoll up on a device: EBUSY for a slave (set it up on the master), EOPNOTSUPP if the device or one below refuses, ENETDOWN if it is down; then all that
/// was done is undone.
pub fn setup(
    core: &mut Core,
    dev: &Dev,
    endpoint: Endpoint,
    hook: Option<Arc<dyn udp::Hook>>,
) -> Result<Arc<Netpoll>> {
    core.must_have(dev)?;
    let refuse = |errno, reason: String| Err(NetdevError::new(errno, "device", dev.name(), reason));
    if let Some(master) = dev.master() {
        return refuse(
            Errno::Busy,
            format!("it is a slave: use its master {}", master.name()),
        );
    }
    if !dev.is_up() {
        return refuse(Errno::NetDown, "it is down: take it up first".into());
    }
    attach(core, dev)?;
    let netpoll = Arc::new(Netpoll::new(dev.clone(), endpoint, hook));
    if netpoll.has_hook()
        && let Some(info) = dev.netpoll.load_full()
    {
        let mut hooks = info.hooks.load().to_vec();
        hooks.push(netpoll.clone());
        info.hooks.store(Arc::new(hooks));
        set_extra(dev, NETPOLL, true);
    }
    Ok(netpoll)
}

/// Takes a netpoll away: its hook is not called any more when this returns.
pub fn cleanup(core: &mut Core, netpoll: &Arc<Netpoll>) {
    let dev = netpoll.dev();
    if !netpoll.end() {
        return;
    }
    if let Some(info) = dev.netpoll.load_full() {
        let left: Vec<_> = info
            .hooks
            .load()
            .iter()
            .filter(|n| !Arc::ptr_eq(n, netpoll))
            .cloned()
            .collect();
        set_extra(dev, NETPOLL, !left.is_empty());
        info.hooks.store(Arc::new(left));
        core.synchronize();
        detach(core, dev);
    }
}

fn attach(core: &mut Core, dev: &Dev) -> Result<()> {
    if let Some(info) = &*dev.netpoll.load() {
        info.users.fetch_add(1, Ordering::Relaxed);
        return Ok(());
    }
    if dev.priv_flags().contains(PrivFlags::DISABLE_NETPOLL) || !dev.ops().supports_netpoll() {
        let reason = "it cannot be polled with interrupts off";
        return Err(NetdevError::new(
            Errno::NotSupported,
            "device",
            dev.name(),
            reason,
        ));
    }
    dev.ops().netpoll_setup(core, dev)?;
    let lowers = dev.lowers();
    for (done, lower) in lowers.iter().enumerate() {
        if let Err(error) = attach(core, lower) {
            lowers[..done].iter().rev().for_each(|l| detach(core, l));
            dev.ops().netpoll_cleanup(core, dev);
            return Err(error);
        }
    }
    let info = NetpollInfo::default();
    info.users.store(1, Ordering::Relaxed);
    dev.netpoll.store(Some(Arc::new(info)));
    Ok(())
}

fn detach(core: &mut Core, dev: &Dev) {
    let Some(info) = dev.netpoll.load_full() else {
        return;
    };
    if info.users.fetch_sub(1, Ordering::Relaxed) == 1 {
        release(core, dev, &info);
    }
}

fn release(core: &mut Core, dev: &Dev, info: &NetpollInfo) {
    set_extra(dev, NETPOLL, false);
    dev.netpoll.store(None);
    core.synchronize();
    let mut deferred = info.deferred();
    dev.stats()
        .add(crate::device::Counter::tx_dropped, deferred.len() as u64);
    deferred.clear();
    drop(deferred);
    dev.ops().netpoll_cleanup(core, dev);
    for lower in dev.lowers().iter() {
        detach(core, lower);
    }
}

/// A device is about to be linked below one that may have netpoll.
pub(crate) fn lower_joins(core: &mut Core, upper: &Dev, lower: &Dev) -> Result<()> {
    match upper.netpoll.load_full() {
        Some(_) => attach(core, lower),
        None => Ok(()),
    }
}

/// A device is not below any more.
pub(crate) fn lower_leaves(core: &mut Core, upper: &Dev, lower: &Dev) {
    if upper.netpoll.load().is_some() {
        detach(core, lower);
    }
}

/// The device goes: whoever uses netpoll on it has lost it.
pub(crate) fn forget(core: &mut Core, dev: &Dev) {
    if let Some(info) = dev.netpoll.load_full() {
        info.hooks.load().iter().for_each(|n| {
            n.end();
        });
        release(core, dev, &info);
    }
}

/// Sends a frame that begins at its link header, with interrupts off.
pub(crate) fn send_packet(net: &mut Softnet, dev: &Dev, packet: Packet) -> TxOutcome {
    let Some(info) = dev.netpoll.load_full() else {
        return net.drop_frames(dev, 1);
    };
    if !net.may_send(dev) {
        return net.drop_frames(dev, 1);
    }
    let Some(mut packet) = net.validate(dev, packet) else {
        return TxOutcome::Dropped;
    };
    if !net.receiving.contains(&dev.ifindex()) && info.deferred().is_empty() {
        for _ in 0..TRIES {
            match try_send(net, dev, packet) {
                Ok(()) => return TxOutcome::Sent,
                Err(back) => packet = back,
            }
            poll_device(net, dev, 0);
            std::hint::spin_loop();
        }
    }
    let mut deferred = info.deferred();
    if deferred.len() >= MAX_DEFERRED {
        return net.drop_frames(dev, 1);
    }
    deferred.push_back(packet);
    info.late.fetch_add(1, Ordering::Relaxed);
    net.shared.schedule_netpoll(dev.ifindex());
    TxOutcome::Queued
}

/// One try: nothing is waited for.
fn try_send(net: &mut Softnet, dev: &Dev, packet: Packet) -> std::result::Result<(), Packet> {
    let number = pick_queue(dev, &packet);
    let queue = dev.queue(number);
    let locked = !dev.priv_flags().contains(PrivFlags::LLTX);
    let guard = match locked {
        true => match queue.try_lock() {
            None => return Err(packet),
            guard => guard,
        },
        false => None,
    };
    // Under the lock: whoever held it may have filled the device.
    if queue.is_off() {
        return Err(packet);
    }
    if net.tx_depth >= crate::softnet::MAX_DEPTH {
        net.drop_frames(dev, 1);
        return Ok(());
    }
    if locked {
        queue.owner.store(net.id, Ordering::Relaxed);
    }
    net.tx_depth += 1;
    let result = dev.ops().start_xmit(net, dev, number, packet);
    net.tx_depth -= 1;
    if locked {
        queue.owner.store(0, Ordering::Relaxed);
        queue.touch(net.shared.now_nanos());
    }
    drop(guard);
    match result {
        Xmit::Ok => Ok(()),
        Xmit::Busy(packet) => Err(packet),
    }
}

/// Polls a device and those below it with interrupts off: transmit only, so that nothing is received in the middle of whatever is going on.
fn poll_device(net: &mut Softnet, dev: &Dev, depth: usize) {
    if depth >= MAX_WALK || !dev.is_running() || net.receiving.contains(&dev.ifindex()) {
        return;
    }
    dev.ops().poll_controller(net, dev);
    for (number, napi) in dev.napis.iter().enumerate() {
        if let Some(_owner) = napi.own()
            && napi.is_scheduled()
        {
            net.receiving.push(dev.ifindex());
            // A budget of 0 receives nothing: sent frames are reaped, and the poll stays scheduled.
            dev.ops().poll(net, dev, number as u16, 0);
            net.receiving.pop();
        }
    }
    for lower in dev.lowers().iter() {
        poll_device(net, lower, depth + 1);
    }
}

/// Polls a device with interrupts off, and those below it: what a program does that waits for room.
pub fn poll(net: &mut Softnet, dev: &Dev) {
    net.enter();
    net.irqs_off += 1;
    poll_device(net, dev, 0);
    net.irqs_off -= 1;
    net.exit();
}

/// Sends what was put off.
pub(crate) fn run_deferred(net: &mut Softnet, ifindex: u32) {
    let table = net.shared.table.load_full();
    let Some((dev, info)) = table
        .get(ifindex)
        .and_then(|d| Some((d, d.netpoll.load_full()?)))
    else {
        return;
    };
    net.irqs_off += 1;
    loop {
        // The lock is not held while the driver runs, which may put off more.
        let Some(packet) = info.deferred().pop_front() else {
            break;
        };
        if !net.may_send(dev) {
            net.drop_frames(dev, 1);
            continue;
        }
        if let Err(packet) = try_send(net, dev, packet) {
            info.deferred().push_front(packet);
            poll_device(net, dev, 0);
            net.shared.schedule_netpoll_later(ifindex);
            break;
        }
    }
    net.irqs_off -= 1;
}

/// Offers a received frame to the hooks; `None` if one took it.
pub(crate) fn receive(net: &mut Softnet, dev: &Dev, packet: Packet) -> Option<Packet> {
    let Some(info) = dev.netpoll.load_full() else {
        return Some(packet);
    };
    for netpoll in info.hooks.load().iter() {
        if netpoll.take(net, &packet) {
            return None;
        }
    }
    Some(packet)
}
