//! A bridge over devices that record what they are given to send.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use smartnic_bridge::{Bridge, Bridges};
use smartnic_netdev::device::Features;
use smartnic_netdev::packet::{PacketType, eth};
use smartnic_netdev::softnet::rx::ProtocolHandler;
use smartnic_netdev::{Core, Dev, NetDeviceOps, Packet, Result, Setup, Softnet, Xmit};
use smartnic_slowpath::MacAddr;

/// A generator from the printed seed, or from `SEED`.
pub fn rng(test: &str) -> ChaCha8Rng {
    let seed = std::env::var("SEED").ok().and_then(|s| s.parse().ok());
    let seed = seed.unwrap_or_else(rand::random);
    println!("{test}: SEED={seed}");
    ChaCha8Rng::seed_from_u64(seed)
}

pub fn mac(last: u8) -> MacAddr {
    MacAddr([2, 0, 0, 0, 0, last])
}

/// Address of the device of port `n`, counted from 0.
pub fn port_mac(n: usize) -> MacAddr {
    MacAddr([2, 0, 0, 0, 1, n as u8])
}

/// A frame with its Ethernet header, padded to the shortest.
pub fn frame(to: MacAddr, from: MacAddr, protocol: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = [&to.0[..], &from.0, &protocol.to_be_bytes(), payload].concat();
    bytes.resize(bytes.len().max(eth::ZLEN), 0);
    bytes
}

/// The same with a tag.
pub fn tagged(frame: &[u8], protocol: u16, tci: u16) -> Vec<u8> {
    let tag = [protocol.to_be_bytes(), tci.to_be_bytes()].concat();
    [&frame[..12], &tag, &frame[12..]].concat()
}

/// A device that keeps what it sends.
#[derive(Default)]
pub struct Wire {
    pub sent: Mutex<Vec<Vec<u8>>>,
}

impl NetDeviceOps for Wire {
    fn start_xmit(&self, net: &mut Softnet, dev: &Dev, _: u16, packet: Packet) -> Xmit {
        dev.stats().tx(net.stripe(), 1, packet.len() as u64);
        self.sent.lock().unwrap().push(packet.bytes().to_vec());
        Xmit::Ok
    }
}

/// Sees what comes in on the bridge's device: the tag beside it is written in again.
#[derive(Default)]
pub struct Tap {
    pub seen: Mutex<Vec<Vec<u8>>>,
}

impl ProtocolHandler for Tap {
    fn receive(&self, _: &mut Softnet, _: &Dev, packet: Packet) {
        if packet.packet_type == PacketType::Outgoing {
            return;
        }
        let bytes = packet.mac_bytes();
        let bytes = match packet.vlan_tag() {
            Some(tag) => tagged(bytes, tag.protocol, tag.tci),
            None => bytes.to_vec(),
        };
        self.seen.lock().unwrap().push(bytes);
    }
}

pub struct Rig {
    pub core: Core,
    pub net: Softnet,
    pub bridges: Arc<Bridges>,
    pub dev: Dev,
    pub bridge: Arc<Bridge>,
    pub ports: Vec<Dev>,
    pub wires: Vec<Arc<Wire>>,
    pub tap: Arc<Tap>,
    pub now: Duration,
}

pub fn device(core: &mut Core, name: &str, address: MacAddr) -> (Dev, Arc<Wire>) {
    let wire = Arc::new(Wire::default());
    let setup = Setup {
        tx_queue_len: 0,
        features: Features::GRO,
        ..Setup::ether(name).with_address(address)
    };
    let dev = core.add(setup, wire.clone()).unwrap();
    core.open(&dev).unwrap();
    (dev, wire)
}

impl Rig {
    /// A bridge that is up, with so many ports that are.
    pub fn new(ports: usize) -> Self {
        let mut core = Core::new();
        let bridges = Bridges::install(&mut core).unwrap();
        let dev = bridges.create(&mut core, "br%d", None).unwrap();
        let bridge = bridges.get(&dev).unwrap();
        let tap = Arc::new(Tap::default());
        core.add_protocol(eth::P_ALL, Some(&dev), tap.clone());
        let net = core.softnet();
        let now = Duration::ZERO;
        let (wires, list) = (Vec::new(), Vec::new());
        let mut rig = Self {
            core,
            net,
            bridges,
            dev,
            bridge,
            ports: list,
            wires,
            tap,
            now,
        };
        let dev = rig.dev.clone();
        rig.core.open(&dev).unwrap();
        for n in 0..ports {
            let (port, wire) = device(&mut rig.core, &format!("p{n}"), port_mac(n));
            rig.core.set_master(&port, Some(&dev)).unwrap();
            rig.ports.push(port);
            rig.wires.push(wire);
        }
        rig.advance(Duration::ZERO);
        rig
    }

    pub fn advance(&mut self, by: Duration) {
        self.now += by;
        self.core.tick(self.now);
        self.bridges.tick(&mut self.core, &mut self.net);
    }

    /// A frame comes in by a port; one that is too short for a header does not get as far as that.
    pub fn input(&mut self, port: usize, bytes: &[u8]) {
        let dev = &self.ports[port];
        let mut packet = Packet::from_bytes(bytes);
        if eth::type_trans(&mut packet, dev.ifindex(), dev.address()).is_ok() {
            self.net.receive(packet);
        }
        while self.net.run() {}
    }

    /// The bridge's device sends a frame.
    pub fn output(&mut self, bytes: &[u8]) {
        let dev = self.dev.clone();
        self.net.xmit(&dev, Packet::from_bytes(bytes));
        while self.net.run() {}
    }

    /// What every port has sent since the last call, and what came up.
    pub fn take(&mut self) -> (Vec<Vec<Vec<u8>>>, Vec<Vec<u8>>) {
        let take = |w: &Arc<Wire>| std::mem::take(&mut *w.sent.lock().unwrap());
        let sent = self.wires.iter().map(take).collect();
        (sent, std::mem::take(&mut *self.tap.seen.lock().unwrap()))
    }

    pub fn set(&mut self, option: &str, value: &str) -> Result<()> {
        self.bridge.set(&mut self.core, option, value)
    }
    pub fn set_port(&mut self, port: usize, options: &[(&str, &str)]) -> Result<()> {
        let dev = self.ports[port].clone();
        self.bridge.set_port(&mut self.core, &dev, options)
    }
}

pub fn errno<T: std::fmt::Debug>(result: Result<T>) -> &'static str {
    let error = result.expect_err("should be refused");
    assert!(!error.argument().is_empty() && !error.reason().is_empty());
    error.code().name()
}
