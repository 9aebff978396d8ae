//! Devices below and above a bridge, and ports that come and go under traffic.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use smartnic_bridge::FdbFilter;
use smartnic_netdev::Packet;
use smartnic_netdev::packet::eth;
use smartnic_netdev::vlan::{self, VlanConfig};
use smartnic_slowpath::MacAddr;
use std::time::Duration;

use super::common::{Rig, device, frame, mac, tagged};

#[test]
fn a_vlan_device_is_a_port_and_sits_on_a_bridge() {
    let mut rig = Rig::new(2);
    let (lower, wire) = device(&mut rig.core, "eth0", mac(1));
    let vlan = vlan::create(&mut rig.core, &lower, &VlanConfig::new("eth0.5", 5)).unwrap();
    rig.core.open(&vlan).unwrap();
    let br = rig.dev.clone();
    rig.core.set_master(&vlan, Some(&br)).unwrap();
    let above = vlan::create(&mut rig.core, &br, &VlanConfig::new("br0.7", 7)).unwrap();
    rig.core.open(&above).unwrap();
    rig.advance(Duration::ZERO);
    rig.input(0, &frame(MacAddr::BROADCAST, mac(2), 0x9000, &[]));
    assert_eq!(wire.sent.lock().unwrap()[0][12..16], [0x81, 0, 0, 5]);
    rig.take();
    // What the device on the bridge sends leaves with its tag, and comes up to it.
    let bytes = frame(MacAddr::BROADCAST, br.address(), 0x9000, &[]);
    rig.net.xmit(&above, Packet::from_bytes(&bytes));
    let (sent, _) = rig.take();
    assert_eq!(sent[0], [tagged(&bytes, 0x8100, 7)]);
    let bytes = tagged(&frame(br.address(), mac(2), 0x9000, &[]), 0x8100, 7);
    rig.input(1, &bytes);
    assert_eq!(above.stats64().rx_packets, 1);
    // The device below goes, and the port with it.
    rig.core.unregister(&lower);
    assert_eq!(br.lowers().len(), 2);
}

#[test]
fn ports_come_and_go_while_frames_pass() {
    let mut rig = Rig::new(3);
    let (mut net, stop) = (rig.core.softnet(), Arc::new(AtomicBool::new(false)));
    let from = rig.ports[0].clone();
    let stopped = stop.clone();
    let thread = std::thread::spawn(move || {
        let mut n = 0u32;
        // One at least, however busy the machine is.
        while n == 0 || !stopped.load(Relaxed) {
            n += 1;
            let bytes = frame(mac((n % 7) as u8 | 1), mac((n % 5) as u8), 0x9000, &[]);
            let mut packet = Packet::from_bytes(&bytes);
            eth::type_trans(&mut packet, from.ifindex(), from.address()).unwrap();
            net.receive(packet);
        }
        n
    });
    let (br, moving) = (rig.dev.clone(), rig.ports[2].clone());
    for _ in 0..50 {
        rig.core.set_master(&moving, None).unwrap();
        let fixed = FdbFilter {
            ifindex: Some(moving.ifindex()),
            ..FdbFilter::default()
        };
        assert!(rig.bridge.fdb_show(&rig.core, &fixed).is_empty());
        rig.core.set_master(&moving, Some(&br)).unwrap();
    }
    stop.store(true, Relaxed);
    assert!(thread.join().unwrap() > 0);
    let c = rig.bridge.port_counters(&rig.ports[0]).unwrap();
    let ends = c.forwarded + c.local + c.control + c.drop_source + c.drop_nowhere + c.drop_state;
    assert_eq!(c.rx, ends, "each frame ended once: {c:?}");
}
