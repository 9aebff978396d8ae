//! A device that records what is asked of it and fails where it is told to, and other helpers of the tests.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use smartnic_netdev::device::{Counter, Features, LinkStats64, NetDevice, RxMode};
use smartnic_netdev::packet::eth;
use smartnic_netdev::registry::notify::{Event, Subscriber};
use smartnic_netdev::softnet::rx::ProtocolHandler;
use smartnic_netdev::{
    Batch, Core, Dev, Errno, NetDeviceOps, NetdevError, Packet, Result, Setup, Softnet, Xmit,
};
use smartnic_slowpath::MacAddr;

/// What happened, in order, by whom.
pub type Log = Arc<Mutex<Vec<String>>>;

/// A generator from the printed seed, or from `SEED`.
pub fn rng(test: &str) -> ChaCha8Rng {
    let seed = std::env::var("SEED")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or_else(rand::random);
    println!("{test}: SEED={seed}");
    ChaCha8Rng::seed_from_u64(seed)
}

pub fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub fn mac(last: u8) -> MacAddr {
    MacAddr([2, 0, 0, 0, 0, last])
}

/// A frame with its Ethernet header.
pub fn frame(to: MacAddr, from: MacAddr, protocol: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = [&to.0[..], &from.0, &protocol.to_be_bytes(), payload].concat();
    bytes.resize(bytes.len().max(eth::ZLEN), 0);
    bytes
}

/// A frame as a driver passes it up.
pub fn received(dev: &Dev, bytes: &[u8]) -> Packet {
    let mut packet = Packet::from_bytes(bytes);
    eth::type_trans(&mut packet, dev.ifindex(), dev.address()).unwrap();
    packet
}

#[derive(Default)]
pub struct State {
    /// Calls that fail, by name.
    pub failing: BTreeSet<&'static str>,
    pub sent: Vec<Vec<u8>>,
    /// Frames that the hardware holds; with `room` the queue stops.
    pub held: usize,
    pub room: Option<usize>,
    /// Answers Busy without having stopped the queue, so many times.
    pub busy: usize,
    pub modes: Vec<RxMode>,
    /// Frames that the next polls find.
    pub incoming: Batch,
    pub slaves: Vec<Dev>,
    pub polled: usize,
}

/// A device that records.
pub struct Recorder {
    pub name: &'static str,
    pub log: Log,
    pub state: Mutex<State>,
    pub netpoll: bool,
    pub user_made: bool,
}

impl Recorder {
    pub fn new(name: &'static str, log: &Log) -> Arc<Self> {
        Arc::new(Self {
            name,
            log: log.clone(),
            state: Mutex::default(),
            netpoll: true,
            user_made: false,
        })
    }
    pub fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
    pub fn sent(&self) -> Vec<Vec<u8>> {
        self.state().sent.clone()
    }
    fn call(&self, what: &'static str) -> Result<()> {
        self.log
            .lock()
            .unwrap()
            .push(format!("{}.{what}", self.name));
        match self.state().failing.contains(what) {
            true => Err(NetdevError::new(
                Errno::Io,
                "device",
                self.name,
                format!("{what} fails"),
            )),
            false => Ok(()),
        }
    }
    /// The hardware has sent everything.
    pub fn complete(&self, dev: &Dev) {
        self.state().held = 0;
        dev.wake_queue(0);
    }
}

impl NetDeviceOps for Recorder {
    fn kind(&self) -> Option<&'static str> {
        self.user_made.then_some("recorder")
    }
    fn init(&self, _: &mut Core, _: &Dev) -> Result<()> {
        self.call("init")
    }
    fn uninit(&self, _: &mut Core, _: &Dev) {
        let _ = self.call("uninit");
    }
    fn open(&self, _: &mut Core, dev: &Dev) -> Result<()> {
        self.call("open")?;
        dev.napi_enable(0);
        dev.start_all_queues();
        Ok(())
    }
    fn stop(&self, _: &mut Core, dev: &Dev) -> Result<()> {
        dev.napi_disable(0);
        dev.stop_all_queues();
        self.call("stop")
    }
    fn start_xmit(&self, net: &mut Softnet, dev: &Dev, queue: u16, packet: Packet) -> Xmit {
        let mut state = self.state();
        if state.busy > 0 {
            state.busy -= 1;
            return Xmit::Busy(packet);
        }
        assert!(
            !dev.queue(queue).is_stopped(),
            "{} given a frame while stopped",
            self.name
        );
        state.held += 1;
        if state.room == Some(state.held) {
            dev.stop_queue(queue);
        }
        dev.stats().tx(net.stripe(), 1, packet.len() as u64);
        state.sent.push(packet.bytes().to_vec());
        Xmit::Ok
    }
    fn tx_timeout(&self, _: &mut Softnet, dev: &Dev, _: u16) {
        let _ = self.call("tx_timeout");
        dev.stats().count(Counter::tx_errors);
        self.complete(dev);
    }
    fn poll(&self, net: &mut Softnet, dev: &Dev, napi: u16, budget: usize) -> usize {
        let mut batch = {
            let mut state = self.state();
            state.polled += 1;
            if budget == 0 {
                state.held = 0;
            }
            let n = budget.min(state.incoming.len());
            state.incoming.drain(..n).collect::<Batch>()
        };
        if budget == 0 {
            dev.wake_queue(0);
            return 0;
        }
        let n = batch.len();
        let bytes: usize = batch.iter().map(Packet::len).sum();
        dev.stats().rx(net.stripe(), n as u64, bytes as u64, 0);
        net.receive_list(dev, &mut batch);
        if n < budget {
            dev.napi_complete(napi);
        }
        n
    }
    fn supports_netpoll(&self) -> bool {
        self.netpoll
    }
    fn poll_controller(&self, _: &mut Softnet, dev: &Dev) {
        self.complete(dev);
    }
    fn netpoll_setup(&self, _: &mut Core, _: &Dev) -> Result<()> {
        self.call("netpoll_setup")
    }
    fn netpoll_cleanup(&self, _: &mut Core, _: &Dev) {
        let _ = self.call("netpoll_cleanup");
    }
    fn set_rx_mode(&self, _: &mut Core, _: &Dev, mode: &RxMode) {
        self.state().modes.push(mode.clone());
    }
    fn set_mac_address(&self, _: &mut Core, _: &Dev, _: MacAddr) -> Result<()> {
        self.call("set_mac_address")
    }
    fn change_mtu(&self, _: &mut Core, _: &Dev, _: u32) -> Result<()> {
        self.call("change_mtu")
    }
    fn get_stats64(&self, _: &NetDevice, stats: &mut LinkStats64) {
        stats.rx_crc_errors += 7;
    }
    fn private_ioctl(&self, _: &mut Core, _: &Dev, command: u8, data: &mut Vec<u8>) -> Result<()> {
        match command {
            3 => {
                data.reverse();
                Ok(())
            }
            15 => {
                data.clear();
                self.call("ioctl15")
            }
            _ => Err(NetdevError::new(
                Errno::NotSupported,
                "command",
                command,
                "3 and 15 only",
            )),
        }
    }
    fn set_features(&self, _: &mut Core, _: &Dev, _: Features) -> Result<()> {
        self.call("set_features")
    }
    fn vlan_add(&self, _: &mut Core, _: &Dev, _: u16, vid: u16) -> Result<()> {
        self.log
            .lock()
            .unwrap()
            .push(format!("{}.vlan_add({vid})", self.name));
        self.call("vlan_add")
    }
    fn vlan_remove(&self, _: &mut Core, _: &Dev, _: u16, vid: u16) {
        self.log
            .lock()
            .unwrap()
            .push(format!("{}.vlan_remove({vid})", self.name));
    }
    fn add_slave(&self, core: &mut Core, dev: &Dev, slave: &Dev) -> Result<()> {
        if !self.user_made {
            return Err(NetdevError::new(
                Errno::NotSupported,
                "master",
                self.name,
                "no master",
            ));
        }
        self.call("add_slave")?;
        core.master_upper_link(slave, dev)?;
        self.state().slaves.push(slave.clone());
        Ok(())
    }
    fn del_slave(&self, core: &mut Core, dev: &Dev, slave: &Dev) -> Result<()> {
        self.call("del_slave")?;
        self.state().slaves.retain(|s| s != slave);
        core.upper_unlink(slave, dev);
        Ok(())
    }
}

/// A subscriber that records, and refuses what it is told to.
pub struct Watcher {
    pub name: &'static str,
    pub log: Log,
    pub refuses: Mutex<BTreeSet<&'static str>>,
}

impl Watcher {
    pub fn new(name: &'static str, log: &Log) -> Arc<Self> {
        Arc::new(Self {
            name,
            log: log.clone(),
            refuses: Mutex::default(),
        })
    }
}

impl Subscriber for Watcher {
    fn notify(&self, _: &mut Core, dev: &Dev, event: &Event) -> Result<()> {
        self.log
            .lock()
            .unwrap()
            .push(format!("{}:{} {}", self.name, dev.name(), event.word()));
        match self.refuses.lock().unwrap().contains(event.word()) {
            true => Err(NetdevError::new(
                Errno::Perm,
                "event",
                event.word(),
                format!("{} refuses", self.name),
            )),
            false => Ok(()),
        }
    }
}

/// Takes frames at the top.
#[derive(Default)]
pub struct Sink {
    pub frames: Mutex<Vec<(String, Packet)>>,
}

impl Sink {
    pub fn len(&self) -> usize {
        self.frames.lock().unwrap().len()
    }
    pub fn take(&self) -> Vec<(String, Packet)> {
        std::mem::take(&mut self.frames.lock().unwrap())
    }
}

impl ProtocolHandler for Sink {
    fn receive(&self, _: &mut Softnet, dev: &Dev, packet: Packet) {
        self.frames.lock().unwrap().push((dev.name(), packet));
    }
}

pub fn take(log: &Log) -> Vec<String> {
    std::mem::take(&mut log.lock().unwrap())
}

/// An Ethernet device with a fixed address.
pub fn setup(name: &str, last: u8) -> Setup {
    Setup {
        // Consistent from the start, so that no test hears of features that it did not ask for.
        features: Features::GRO,
        ..Setup::ether(name).with_address(mac(last))
    }
}

/// Registered, and up.
pub fn up(core: &mut Core, setup: Setup, ops: &Arc<Recorder>) -> Dev {
    let dev = core.add(setup, ops.clone()).unwrap();
    core.open(&dev).unwrap();
    dev
}

pub fn errno<T: std::fmt::Debug>(result: Result<T>) -> &'static str {
    let error = result.expect_err("should be refused");
    assert!(!error.argument().is_empty() && !error.reason().is_empty());
    error.code().name()
}
