//! Frames to and from the host: reasons, interrupts, through the switch and to a port or lag.

use crate::setup::{Bench, Way, demo, demo_switch, host_config, none, station, udp};
use smartnic_driver::device::error::status_name;
use smartnic_driver::device::host::HostPort;
use smartnic_driver::device::port::PortConfig;
use smartnic_driver::device::ring::{RxFrame, TxTarget};
use smartnic_driver::device::{Device, MacAddr};
use smartnic_regs::ring::completion;
use smartnic_regs::values::{action, counter, reason, state};

both_ways!(
    frames_reach_the_host_with_reason_and_interrupt,
    frames_leave_the_host_to_port_lag_and_switch,
    frames_pass_between_the_bridge_and_its_stack,
    no_interrupt_is_lost_under_load
);

/// Every port and the host flood and forward to each other; no masters.
fn flat(device: &mut Device) {
    device.reset_switch().unwrap();
    device.share_buffer().unwrap();
    let config = PortConfig {
        state: state::FORWARDING,
        flood_uc: true,
        flood_mc: true,
        flood_bc: true,
        ..PortConfig::default()
    };
    for source in 0..5 {
        device.ports().configure(source, &config).unwrap();
        device.ports().set_forward_mask(source, 0x1f).unwrap();
    }
}

fn receive(device: &mut Device, port: &mut HostPort) -> Vec<RxFrame> {
    let mut frames = vec![];
    port.receive(device.mmio(), 64, &mut frames).unwrap();
    device.check_alive().unwrap();
    frames
}

/// Interrupts of receive, transmit, events and errors since the last look.
fn interrupts(port: &HostPort) -> [bool; 4] {
    port.vectors().map(|v| v.read().is_ok_and(|n| n > 0))
}

fn frames_reach_the_host_with_reason_and_interrupt(way: Way) {
    let bench = Bench::new(way);
    let mut device = bench.probe();
    flat(&mut device);
    device.set_reserved(0, action::TRAP).unwrap();
    let mut port = device.start_host(&host_config()).unwrap();
    device.check_alive().unwrap();
    bench.settle();
    assert_eq!(interrupts(&port), [false; 4]);
    let bpdu = MacAddr([1, 0x80, 0xc2, 0, 0, 0]);
    for (number, (to, why)) in [
        (MacAddr::BROADCAST, reason::FLOOD),
        (bpdu, reason::RESERVED),
        (station(9, 9), reason::FLOOD),
    ]
    .into_iter()
    .enumerate()
    {
        let cable = number % 4 + 1;
        let frame = udp(to, station(cable as u8, 1), 1, 2);
        bench.queue(&[(cable, frame.clone())]);
        bench.settle();
        assert!(interrupts(&port)[0], "{to}: the receive vector");
        let frames = receive(&mut device, &mut port);
        assert_eq!(frames.len(), 1, "{to}");
        let got = &frames[0];
        assert_eq!((&got.data, got.truncated), (&frame, false));
        assert_eq!((got.source as usize, got.reason), (cable - 1, why), "{to}");
        let want = smartnic_refswitch::Flow::of(&frame).hash(smartnic_refswitch::Policy::Layer34);
        assert_eq!(got.hash, want, "{to}");
        bench.settle();
        assert_eq!(interrupts(&port), [false; 4], "one frame, one interrupt");
    }
    // Every length comes whole, more than the ring holds, in order.
    let frames: Vec<_> = (0..100usize)
        .map(|n| {
            let mut frame = udp(MacAddr::BROADCAST, station(1, 1), 1, n as u16);
            frame.resize(60 + 14 * n, n as u8);
            frame
        })
        .collect();
    let mut got = vec![];
    for part in frames.chunks(25) {
        bench.queue(&part.iter().map(|f| (1, f.clone())).collect::<Vec<_>>());
        bench.settle();
        got.extend(receive(&mut device, &mut port).into_iter().map(|f| f.data));
    }
    assert_eq!(got, frames);
    assert_eq!(port.restarts(), [0; 3]);
    assert_eq!(port.check(device.mmio()).unwrap(), 0, "DMA errors");
}

/// Sends frames and gives their completions' status in words.
fn send(
    bench: &Bench,
    device: &mut Device,
    port: &mut HostPort,
    frame: &[u8],
    target: TxTarget,
) -> &'static str {
    assert!(port.send(frame, target, 0).unwrap());
    port.flush(device.mmio()).unwrap();
    device.check_alive().unwrap();
    bench.settle();
    assert!(interrupts(port)[1], "the transmit vector");
    let mut done = vec![];
    port.reap(device.mmio(), 8, &mut done).unwrap();
    assert_eq!((done.len(), done[0].bytes), (1, frame.len()));
    status_name(done[0].status)
}

fn frames_leave_the_host_to_port_lag_and_switch(way: Way) {
    let (bench, mut switch) = demo_switch(way);
    let before = switch.counters(4).unwrap();
    let a = station(1, 1);
    bench.exchange(&mut switch, &[(1, udp(MacAddr::BROADCAST, a, 1, 2))]);
    switch.poll().unwrap();
    let id = |switch: &smartnic_driver::switch::Switch, name: &str| {
        switch.model().device(name).unwrap().ifindex
    };
    let (bridge, port2, lag) = (
        id(&switch, "br0"),
        id(&switch, "port2"),
        id(&switch, "lag0"),
    );
    let mac = switch.model().device("br0").unwrap().address;
    let known = udp(a, mac, 3, 4);
    let shout = udp(MacAddr::BROADCAST, mac, 5, 6);
    let out = |switch: &mut smartnic_driver::switch::Switch, dev, frame: &[u8]| {
        assert!(switch.xmit(dev, frame).unwrap());
        switch.flush_tx().unwrap();
        bench.exchange(switch, &[])
    };
    // Through the switch: to its port alone; a broadcast to all, once for the lag.
    let got = out(&mut switch, bridge, &known);
    assert_eq!(got, [vec![known.clone()], vec![], vec![], vec![]]);
    let got = out(&mut switch, bridge, &shout);
    assert_eq!(
        (&got[0], &got[1]),
        (&vec![shout.clone()], &vec![shout.clone()])
    );
    assert_eq!(got[2].len() + got[3].len(), 1);
    // As it stands: to the port, and to one member of the lag, whatever the FDB says.
    let got = out(&mut switch, port2, &known);
    assert_eq!(got, [vec![], vec![known.clone()], vec![], vec![]]);
    let got = out(&mut switch, lag, &known);
    assert_eq!(
        [got[0].len(), got[1].len(), got[2].len() + got[3].len()],
        [0, 0, 1]
    );
    let since = switch.counters(4).unwrap().since(&before);
    assert_eq!(since.get(counter::RX_FRAMES), 4, "frames from the host");
    drop(switch);
    // A destination that there is not is told, and the ring goes on.
    let mut device = bench.probe();
    let mut port = device.start_host(&host_config()).unwrap();
    let mut go = |target| send(&bench, &mut device, &mut port, &known, target);
    let nowhere = go(TxTarget::Direct(0x13));
    assert_eq!(nowhere, status_name(completion::BAD_DEST));
    assert_eq!(bench.take(), none());
    assert_eq!(go(TxTarget::Direct(1)), status_name(completion::OK));
    assert_eq!(bench.take(), [vec![], vec![known.clone()], vec![], vec![]]);
}

fn frames_pass_between_the_bridge_and_its_stack(way: Way) {
    let (bench, mut switch) = demo_switch(way);
    let bridge = switch.model().device("br0").unwrap().clone();
    let frames = [
        (2, udp(bridge.address, station(2, 1), 1, 2)),
        (4, udp(MacAddr::BROADCAST, station(3, 1), 3, 4)),
    ];
    bench.exchange(&mut switch, &frames);
    let fds = switch.host().unwrap().vectors().map(|v| v.read().is_ok());
    assert_eq!(fds, [true, false, true, false], "frames and learned events");
    let got = switch.poll().unwrap().frames;
    let want = frames.map(|(_, frame)| (bridge.ifindex, frame));
    assert_eq!(got, want);
    // Unknown unicast is not for the host.
    bench.exchange(&mut switch, &[(1, udp(station(2, 2), station(1, 1), 1, 2))]);
    assert_eq!(switch.poll().unwrap().frames, []);
    // A change of a link is an interrupt of its own.
    switch.host().unwrap().clear_vectors();
    bench.cables[0].set_link(false);
    bench.exchange(&mut switch, &[]);
    let fds = switch.host().unwrap().vectors().map(|v| v.read().is_ok());
    assert_eq!(fds, [false, false, true, false], "the link change");
    switch.check_links().unwrap();
    assert!(!switch.model().device("port1").unwrap().carrier);
    switch.change(|m| m.delete("br0")).unwrap();
    switch.change(|m| m.delete("lag0")).unwrap();
    switch.change(demo).unwrap();
}

/// The driver looks only when an eventfd says so: nothing may wait for ever.
fn no_interrupt_is_lost_under_load(way: Way) {
    let bench = Bench::new(way);
    let mut device = bench.probe();
    flat(&mut device);
    let config = smartnic_driver::device::host::HostConfig {
        moderation_count: 4,
        moderation_us: 20,
        ..host_config()
    };
    let mut port = device.start_host(&config).unwrap();
    device.check_alive().unwrap();
    let frames: Vec<_> = (0..200)
        .map(|n| (1, udp(MacAddr::BROADCAST, station(1, 1), 1, n)))
        .collect();
    let (mut sent, mut got) = (0, vec![]);
    while got.len() < frames.len() {
        // Never more in flight than the ring and its guarantee hold.
        let more = frames.len().min(got.len() + 24);
        bench.queue(&frames[sent.min(more)..more]);
        sent = sent.max(more);
        bench.run(2_000);
        if interrupts(&port)[0] {
            got.extend(receive(&mut device, &mut port).into_iter().map(|f| f.data));
        } else {
            bench.settle();
            let waiting = interrupts(&port)[0];
            let frames = receive(&mut device, &mut port);
            assert_eq!(waiting, !frames.is_empty(), "frames wait without interrupt");
            got.extend(frames.into_iter().map(|f| f.data));
        }
    }
    assert!(got.iter().eq(frames.iter().map(|(_, f)| f)));
}
