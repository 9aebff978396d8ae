//! Frames through the switch: up through rx handlers, down through the card, more than one bridge.

use serde_json::json;
use smartnic_driver::device::MacAddr;
use smartnic_driver::device::fdb::FdbKey;
use smartnic_regs::port;
use smartnic_regs::values::reason;

use crate::fake::{Fake, Shape};
use crate::switch::{base, demo_switch, field, switch};

#[test]
fn frames_find_their_device() {
    let (fake, mut switch) = demo_switch();
    let br0 = switch.model().device("br0").unwrap().ifindex;
    let port1 = switch.model().device("port1").unwrap().ifindex;
    for (source, why, to) in [
        (0, reason::LOCAL, br0),
        (3, reason::FLOOD, br0),
        (0, reason::RESERVED + 14, port1),
    ] {
        fake.state().deliver(&[1; 64], source, why, 1);
        let polled = switch.poll().unwrap();
        assert_eq!(
            polled.frames,
            [(to, vec![1; 64])],
            "source {source} reason {why}"
        );
    }
    // A source that does not exist, and a frame shorter than a header.
    fake.state().deliver(&[1; 64], 200, reason::LOCAL, 1);
    fake.state().deliver(&[1; 9], 0, reason::LOCAL, 1);
    assert!(switch.poll().unwrap().frames.is_empty());
    let stats = switch.link_stats(br0);
    assert_eq!(
        (stats.rx_packets, stats.rx_bytes, stats.multicast),
        (2, 128, 2)
    );
    // From the bridge through the switch; from a port as it stands.
    assert!(switch.xmit(br0, &[2; 60]).unwrap() && switch.xmit(port1, &[3; 60]).unwrap());
    switch.flush_tx().unwrap();
    assert_eq!(
        fake.state()
            .sent
            .iter()
            .map(|s| s.direct)
            .collect::<Vec<_>>(),
        [None, Some(0)]
    );
    // Too long for the MTU: dropped and counted.
    assert!(switch.xmit(br0, &[2; 1600]).unwrap());
    assert_eq!(switch.link_stats(br0).tx_dropped, 1);
}

#[test]
fn a_second_bridge_is_forwarded_by_the_driver() {
    let fake = Fake::new(Shape::default());
    let mut switch = switch(&fake);
    let (br0, br1) = switch
        .change(|m| {
            let (br0, br1) = (
                m.add("br%d", "bridge", base())?,
                m.add("br%d", "bridge", base())?,
            );
            for (p, b) in [
                ("port1", "br0"),
                ("port2", "br0"),
                ("port3", "br1"),
                ("port4", "br1"),
            ] {
                m.enslave(p, b)?;
                m.set_up(p, true)?;
            }
            m.set_up("br0", true)?;
            m.set_up("br1", true)?;
            m.set_option("br1", "ageing_time", "1000")?;
            Ok((br0, br1))
        })
        .unwrap();
    switch.settle_links().unwrap();
    assert_eq!(
        [0, 2].map(|p| fake.state().get(port::FORWARD_MASK, p)),
        [0b1_0011, 0b1_1100]
    );
    assert_eq!([0, 2].map(|p| field(&fake, p, port::CONFIG::FID)), [1, 2]);
    // One ageing clock for both.
    assert_eq!(
        switch
            .model()
            .master("br0")
            .unwrap()
            .info(switch.model().view())["ageing_time"],
        json!(1000)
    );
    let mac = MacAddr([2, 1, 1, 1, 1, 1]);
    fake.state().learn(FdbKey { fid: 2, mac }, 3);
    let mut unicast = vec![0; 60];
    unicast[..6].copy_from_slice(&mac.0);
    for (dev, frame) in [(br0, &unicast), (br1, &unicast), (br1, &vec![0xff; 60])] {
        assert!(switch.xmit(dev, frame).unwrap());
    }
    switch.flush_tx().unwrap();
    let sent: Vec<_> = fake.state().sent.iter().map(|s| s.direct).collect();
    assert_eq!(sent, [None, Some(3), Some(2), Some(3)]);
}
