//! A whole driver in 40 lines: a pipe whose two ends are network devices. What one sends, the other receives.
//!
//! `cargo run -p smartnic-netdev --example pipe`; the tests run it as well.

use std::sync::{Arc, OnceLock, Weak};

use smartnic_netdev::packet::eth;
use smartnic_netdev::softnet::rx::ProtocolHandler;
use smartnic_netdev::{Core, Dev, NetDevice, NetDeviceOps, Packet, Setup, Softnet, Xmit};

/// One end; it knows the other one.
#[derive(Default)]
struct Pipe(OnceLock<Weak<NetDevice>>);

impl NetDeviceOps for Pipe {
    fn start_xmit(&self, net: &mut Softnet, dev: &Dev, _queue: u16, mut packet: Packet) -> Xmit {
        dev.stats().tx(net.stripe(), 1, packet.len() as u64);
        let other = self
            .0
            .get()
            .and_then(Weak::upgrade)
            .filter(|other| other.is_up());
        if let Some(other) = other
            && eth::type_trans(&mut packet, other.ifindex(), other.address()).is_ok()
        {
            other.stats().rx(net.stripe(), 1, packet.len() as u64, 0);
            net.netif_rx(&other, packet);
        }
        Xmit::Ok
    }
}

/// Prints what arrives at the top.
struct Print;

impl ProtocolHandler for Print {
    fn receive(&self, _net: &mut Softnet, dev: &Dev, packet: Packet) {
        println!(
            "{} received {} bytes of type {:#06x}",
            dev.name(),
            packet.len(),
            packet.protocol
        );
    }
}

/// Makes a pipe, sends one frame into it, and shows both ends' counters.
pub fn main() {
    let mut core = Core::new();
    let ends = [Arc::new(Pipe::default()), Arc::new(Pipe::default())];
    let devs = [0, 1].map(|n| {
        core.add(Setup::ether("pipe%d"), ends[n].clone())
            .expect("a free name")
    });
    for n in 0..2 {
        ends[n]
            .0
            .set(Arc::downgrade(&devs[1 - n]))
            .expect("set once");
        core.open(&devs[n]).expect("a pipe goes up");
    }
    core.add_protocol(eth::P_IPV6, None, Arc::new(Print));

    let mut net = core.softnet();
    let mut packet = devs[0].alloc_packet(46);
    packet
        .pad_to(46)
        .expect("there is room for what was asked for");
    let to = Some(devs[1].address());
    let header = devs[0].header();
    header
        .create(&mut packet, &devs[0], eth::P_IPV6, to, None, 46)
        .expect("headroom was reserved");
    net.xmit(&devs[0], packet);
    net.run_all(2);
    assert_eq!(
        (devs[0].stats64().tx_packets, devs[1].stats64().rx_packets),
        (1, 1)
    );
}
