//! Netpoll: with interrupts off, over masters, from inside of the receive path, from several threads; netconsole.

mod log;
mod send;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use etherparse::{NetSlice, PacketBuilder, SlicedPacket, TransportSlice};
use smartnic_netdev::device::PrivFlags;
use smartnic_netdev::netpoll::udp::{Endpoint, Hook, Netpoll, Sender};
use smartnic_netdev::netpoll::{self, TRIES};
use smartnic_netdev::packet::eth;
use smartnic_netdev::softnet::rx::{RxHandler, RxResult};
use smartnic_netdev::softnet::tx::TxOutcome;
use smartnic_netdev::vlan::{self, VlanConfig};
use smartnic_netdev::{Core, Dev, NetDeviceOps, Packet, Result, Setup, Softnet, Xmit};

use crate::common::{Log, Recorder, errno, frame, mac, ms, received, setup, take, up};

pub fn endpoint() -> Endpoint {
    Endpoint {
        local: "10.0.0.1:6665".parse().unwrap(),
        remote: "10.0.0.2:6666".parse().unwrap(),
        remote_mac: mac(2),
    }
}

pub fn datagram(to: &str, payload: &[u8]) -> Vec<u8> {
    let to: SocketAddr = to.parse().unwrap();
    let std::net::IpAddr::V4(ip) = to.ip() else {
        unreachable!()
    };
    let builder = PacketBuilder::ethernet2(mac(2).0, mac(1).0)
        .ipv4([10, 0, 0, 2], ip.octets(), 9)
        .udp(6666, to.port());
    let mut bytes = Vec::new();
    builder.write(&mut bytes, payload).unwrap();
    bytes[..6].copy_from_slice(&mac(1).0);
    bytes[6..12].copy_from_slice(&mac(2).0);
    bytes
}

pub fn payload(bytes: &[u8]) -> Vec<u8> {
    let sliced = SlicedPacket::from_ethernet(bytes).unwrap();
    match (sliced.net, sliced.transport) {
        (Some(NetSlice::Ipv4(_) | NetSlice::Ipv6(_)), Some(TransportSlice::Udp(udp))) => {
            udp.payload().to_vec()
        }
        other => panic!("{other:?}"),
    }
}

/// Answers each datagram with PONG.
#[derive(Default)]
pub struct Pong {
    pub seen: Mutex<Vec<Vec<u8>>>,
    pub outcomes: Mutex<Vec<TxOutcome>>,
}

impl Hook for Pong {
    fn receive(&self, net: &mut Softnet, netpoll: &Netpoll, from: Sender, payload: &[u8]) {
        self.seen.lock().unwrap().push(payload.to_vec());
        let outcome = netpoll.send_to(net, from, b"PONG").unwrap();
        self.outcomes.lock().unwrap().push(outcome);
    }
}

/// A master that sends by its first slave that can, and whose received frames are those of all.
struct Bond {
    log: Log,
    sent: AtomicUsize,
}

struct ToMaster(u32);

impl RxHandler for ToMaster {
    fn handle(&self, _: &mut Softnet, _: &Dev, mut packet: Packet) -> RxResult {
        packet.dev = self.0;
        RxResult::Another(packet)
    }
}

impl NetDeviceOps for Bond {
    fn kind(&self) -> Option<&'static str> {
        Some("testbond")
    }
    fn start_xmit(&self, net: &mut Softnet, _: &Dev, _: u16, packet: Packet) -> Xmit {
        let lowers = net_lowers(&packet, net);
        self.sent.fetch_add(1, Ordering::Relaxed);
        if let Some(slave) = lowers.iter().find(|d| d.carrier_ok()) {
            net.xmit(slave, packet);
        }
        Xmit::Ok
    }
    fn supports_netpoll(&self) -> bool {
        true
    }
    fn netpoll_setup(&self, _: &mut Core, _: &Dev) -> Result<()> {
        self.log.lock().unwrap().push("bond.netpoll_setup".into());
        Ok(())
    }
    fn netpoll_cleanup(&self, _: &mut Core, _: &Dev) {
        self.log.lock().unwrap().push("bond.netpoll_cleanup".into());
    }
    fn add_slave(&self, core: &mut Core, dev: &Dev, slave: &Dev) -> Result<()> {
        core.rx_handler_register(slave, Box::new(ToMaster(dev.ifindex())))?;
        let result = core.master_upper_link(slave, dev);
        if result.is_err() {
            core.rx_handler_unregister(slave)?;
        }
        result
    }
    fn del_slave(&self, core: &mut Core, dev: &Dev, slave: &Dev) -> Result<()> {
        core.rx_handler_unregister(slave)?;
        core.upper_unlink(slave, dev);
        Ok(())
    }
}

fn net_lowers(packet: &Packet, net: &Softnet) -> Arc<Vec<Dev>> {
    net.device(packet.dev)
        .map(|d| d.lowers())
        .unwrap_or_default()
}

pub struct Bed {
    pub core: Core,
    pub bond: Dev,
    pub slaves: [Dev; 2],
    pub ops: [Arc<Recorder>; 2],
    pub log: Log,
}

pub fn bonded() -> Bed {
    let log = Log::default();
    let mut core = Core::new();
    let ops = [Recorder::new("s0", &log), Recorder::new("s1", &log)];
    let slaves = [0, 1].map(|n| up(&mut core, setup(["s0", "s1"][n], 1), &ops[n]));
    let bond = Arc::new(Bond {
        log: log.clone(),
        sent: AtomicUsize::new(0),
    });
    let bond = core
        .add(
            Setup {
                address: mac(1),
                ..Setup::virtual_ether("bond0")
            },
            bond,
        )
        .unwrap();
    core.open(&bond).unwrap();
    slaves
        .iter()
        .for_each(|s| core.set_master(s, Some(&bond)).unwrap());
    take(&log);
    Bed {
        core,
        bond,
        slaves,
        ops,
        log,
    }
}
