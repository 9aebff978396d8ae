//! A bond over devices that keep what they are given to send.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use smartnic_bond::{Bond, Bonds};
use smartnic_netdev::device::{Features, NetDevice};
use smartnic_netdev::packet::{PacketType, eth};
use smartnic_netdev::softnet::rx::ProtocolHandler;
use smartnic_netdev::{
    Core, Dev, Errno, NetDeviceOps, NetdevError, Packet, Result, Setup, Softnet, Xmit,
};
use smartnic_slowpath::MacAddr;

pub const SECOND: Duration = Duration::from_secs(1);

/// Address of the device `s0`, `s1`, ...
pub fn slave_mac(n: usize) -> MacAddr {
    MacAddr([2, 0, 0, 0, 1, n as u8])
}

pub fn mac(last: u8) -> MacAddr {
    MacAddr([2, 0, 0, 0, 0, last])
}

/// A frame with its Ethernet header, padded to the shortest.
pub fn frame(to: MacAddr, from: MacAddr, protocol: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = [&to.0[..], &from.0, &protocol.to_be_bytes(), payload].concat();
    bytes.resize(bytes.len().max(eth::ZLEN), 0);
    bytes
}

/// A device that keeps what it sends.
#[derive(Default)]
pub struct Wire {
    pub sent: Mutex<Vec<Vec<u8>>>,
    /// It does not go up.
    pub broken: bool,
}

impl Wire {
    pub fn take(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut *self.sent.lock().unwrap())
    }
}

impl NetDeviceOps for Wire {
    fn open(&self, _: &mut Core, dev: &Dev) -> Result<()> {
        match self.broken {
            true => Err(NetdevError::new(
                Errno::Io,
                "device",
                dev.name(),
                "it is broken",
            )),
            false => Ok(()),
        }
    }
    fn start_xmit(&self, net: &mut Softnet, dev: &Dev, _: u16, packet: Packet) -> Xmit {
        dev.stats().tx(net.stripe(), 1, packet.len() as u64);
        self.sent.lock().unwrap().push(packet.bytes().to_vec());
        Xmit::Ok
    }
    fn link_speed(&self, _: &NetDevice) -> u32 {
        1000
    }
}

/// Sees what comes in on a device, with the name of the device at which it came to the top.
#[derive(Default)]
pub struct Tap(pub Mutex<Vec<Vec<u8>>>);

impl ProtocolHandler for Tap {
    fn receive(&self, _: &mut Softnet, _: &Dev, packet: Packet) {
        if packet.packet_type != PacketType::Outgoing {
            self.0.lock().unwrap().push(packet.mac_bytes().to_vec());
        }
    }
}

pub struct Rig {
    pub core: Core,
    pub net: Softnet,
    pub bonds: Arc<Bonds>,
    pub dev: Dev,
    pub bond: Arc<Bond>,
    pub slaves: Vec<Dev>,
    pub wires: Vec<Arc<Wire>>,
    pub tap: Arc<Tap>,
    pub now: Duration,
}

pub fn device(core: &mut Core, setup: Setup, broken: bool) -> (Dev, Arc<Wire>) {
    let wire = Arc::new(Wire {
        broken,
        ..Wire::default()
    });
    let setup = Setup {
        tx_queue_len: 0,
        features: Features::GRO,
        priv_flags: setup.priv_flags | smartnic_netdev::device::PrivFlags::LIVE_ADDR_CHANGE,
        ..setup
    };
    (core.add(setup, wire.clone()).unwrap(), wire)
}

impl Rig {
    /// A bond with these options that is up, with so many slaves.
    pub fn new(options: &[(&str, &str)], slaves: usize) -> Self {
        let mut core = Core::new();
        let bonds = Bonds::install(&mut core).unwrap();
        let dev = bonds.create(&mut core, "bond%d", None).unwrap();
        let bond = bonds.get(&dev).unwrap();
        bond.set(&mut core, options).unwrap();
        let tap = Arc::new(Tap::default());
        core.add_protocol(eth::P_ALL, Some(&dev), tap.clone());
        let net = core.softnet();
        let mut rig = Self {
            core,
            net,
            bonds,
            dev,
            bond,
            slaves: Vec::new(),
            wires: Vec::new(),
            tap,
            now: Duration::ZERO,
        };
        for n in 0..slaves {
            let setup = Setup::ether(format!("s{n}")).with_address(slave_mac(n));
            let (slave, wire) = device(&mut rig.core, setup, false);
            rig.core.set_master(&slave, Some(&rig.dev)).unwrap();
            rig.slaves.push(slave);
            rig.wires.push(wire);
        }
        rig.core.open(&rig.dev).unwrap();
        rig.advance(Duration::ZERO);
        rig.advance(SECOND);
        rig.take();
        rig
    }

    pub fn advance(&mut self, by: Duration) {
        let end = self.now + by;
        loop {
            let next = self.bonds.next_deadline().unwrap_or(end);
            self.now = next.clamp(self.now, end);
            self.core.tick(self.now);
            self.bonds.tick(&mut self.core, &mut self.net);
            let quiet = self.bonds.next_deadline().is_none_or(|at| at > self.now);
            if self.now == end && quiet {
                return;
            }
        }
    }

    /// A frame comes in by a slave.
    pub fn input(&mut self, slave: usize, bytes: &[u8]) {
        let dev = self.slaves[slave].clone();
        let mut packet = Packet::from_bytes(bytes);
        eth::type_trans(&mut packet, dev.ifindex(), dev.address()).unwrap();
        self.net.receive(packet);
        while self.net.run() {}
        self.advance(Duration::ZERO);
    }

    /// The bond sends a frame; gives by which slaves it left.
    pub fn output(&mut self, bytes: &[u8]) -> Vec<(usize, Vec<u8>)> {
        self.net.xmit(&self.dev, Packet::from_bytes(bytes));
        while self.net.run() {}
        self.take()
    }

    /// What every slave has sent since the last call.
    pub fn take(&mut self) -> Vec<(usize, Vec<u8>)> {
        let sent = self.wires.iter().enumerate();
        sent.flat_map(|(n, w)| w.take().into_iter().map(move |f| (n, f)))
            .collect()
    }

    pub fn seen(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut *self.tap.0.lock().unwrap())
    }

    pub fn link(&mut self, slave: usize, up: bool) {
        match up {
            true => self.slaves[slave].carrier_on(),
            false => self.slaves[slave].carrier_off(),
        }
        self.advance(Duration::ZERO);
    }
}

pub fn errno<T: std::fmt::Debug>(result: Result<T>) -> &'static str {
    let error = result.expect_err("should be refused");
    assert!(!error.argument().is_empty() && !error.reason().is_empty());
    error.code().name()
}
