//! Resets in traffic, a card that goes away and comes back, and the daemon through all of it.

use crate::bridge::notices;
use crate::setup::{Bench, Way, base, demo_switch, host_config, station, udp};
use nix::sys::eventfd::EventFd;
use smartnic_driver::clock::Clock;
use smartnic_driver::control::client::Client;
use smartnic_driver::daemon::{Config, Daemon};
use smartnic_driver::device::ring::TxTarget;
use smartnic_driver::device::{Device, MacAddr};
use smartnic_driver::netdev::NetError;
use smartnic_driver::switch::fdb::FdbRequest;
use smartnic_regs::values::{kind, reason};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

both_ways!(
    the_function_resets_in_traffic_and_the_switch_goes_on,
    a_card_that_went_away_is_set_up_again
);

fn the_function_resets_in_traffic_and_the_switch_goes_on(way: Way) {
    let (bench, mut switch) = demo_switch(way);
    let (a, b) = (station(1, 1), station(2, 1));
    bench.exchange(&mut switch, &[(2, udp(a, b, 1, 2))]);
    let address = switch.model().device("br0").unwrap().address;
    // The rings alone go with their owner, not what the switch does.
    drop(switch);
    let mut device = bench.probe();
    let frames: Vec<_> = (0..600).map(|n| (1, udp(b, a, n, 2))).collect();
    let to_host: Vec<_> = (0..600).map(|n| (3, udp(address, a, n, 3))).collect();
    bench.queue(&frames);
    bench.queue(&to_host);
    for round in 0..6 {
        let mut port = device.start_host(&host_config()).unwrap();
        // Frames both ways are under way when the reset comes.
        for n in 0..8 {
            let frame = udp(b, address, n, round);
            assert!(port.send(&frame, TxTarget::Switch, 0).unwrap());
        }
        port.flush(device.mmio()).unwrap();
        device.check_alive().unwrap();
        bench.run(2_000 + 331 * u64::from(round));
        if round % 2 == 0 {
            device.mmio().transport().reset().unwrap();
        } else {
            device.reset_host().unwrap();
        }
        device.check_alive().unwrap();
    }
    bench.settle();
    let out = bench.take();
    let through: Vec<_> = out[1].iter().filter(|f| f[6..12] == a.0).collect();
    assert!(
        through.iter().copied().eq(frames.iter().map(|(_, f)| f)),
        "{}",
        through.len()
    );
    // After it the host has its part again: interrupts, frames in, frames out.
    let mut port = device.start_host(&host_config()).unwrap();
    device.check_alive().unwrap();
    let hello = udp(address, b, 7, 7);
    bench.queue(&[(2, hello.clone())]);
    assert!(
        port.send(&udp(b, address, 8, 8), TxTarget::Switch, 0)
            .unwrap()
    );
    port.flush(device.mmio()).unwrap();
    device.check_alive().unwrap();
    bench.settle();
    let raised = port.vectors().map(|v| v.read().is_ok());
    assert_eq!((raised[0], raised[1]), (true, true), "interrupts");
    let mut got = vec![];
    port.receive(device.mmio(), 8, &mut got).unwrap();
    let got: Vec<_> = got.into_iter().map(|f| (f.data, f.reason)).collect();
    assert_eq!(got, [(hello, reason::LOCAL)]);
    assert_eq!(bench.take()[1], [udp(b, address, 8, 8)]);
    let buffer = device.stats().buffer().unwrap();
    assert_eq!((buffer.free, buffer.fault), (buffer.cells, 0));
}

fn a_card_that_went_away_is_set_up_again(way: Way) {
    let (mut bench, mut switch) = demo_switch(way);
    let fixed = station(2, 1);
    let request = FdbRequest {
        kind: kind::STATIC,
        ..FdbRequest::default()
    };
    switch.fdb_add("port2", fixed, request).unwrap();
    let frame = udp(fixed, station(1, 1), 1, 2);
    for round in 0..2 {
        let out = bench.exchange(&mut switch, &[(1, frame.clone())]);
        assert_eq!(out, [vec![], vec![frame.clone()], vec![], vec![]]);
        assert_eq!(notices(&mut switch).len(), if round == 0 { 2 } else { 1 });
        bench.kill();
        let error = switch.check().unwrap_err();
        assert!(error.is_gone(), "{error}");
        assert!(switch.gone().is_some());
        // Everything that needs the card is refused with the reason, and nothing else changes.
        let refused = switch.fdb_show().unwrap_err();
        assert!(matches!(refused, NetError::DeviceGone { .. }), "{refused}");
        assert!(!switch.model().device("port1").unwrap().carrier);
        bench.revive();
        switch.attach(Device::probe(bench.open()).unwrap()).unwrap();
        assert_eq!(switch.gone(), None);
        bench.links(&mut switch);
        assert!(switch.model().device("port1").unwrap().carrier);
    }
}

/// Waits until it holds.
fn eventually(what: &str, mut is: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !is() {
        assert!(Instant::now() < end, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// smartnicd itself over the socket: set up by its control socket, woken by interrupts, there again after the card.
#[test]
fn the_daemon_serves_and_survives_its_card() {
    let mut bench = Bench::new(Way::VfioUser);
    let control = bench.spec().to_string().replace("vfio-user:", "") + ".ctl";
    let spec = bench.spec();
    let config = Config {
        socket: control.clone().into(),
        host_devices: None,
        base_address: base(),
        host: host_config(),
        clock: Clock::default(),
    };
    let mut daemon = Daemon::new(config, Box::new(move || spec.open())).unwrap();
    let stop = Arc::new(EventFd::new().unwrap());
    let end = stop.clone();
    let thread = std::thread::spawn(move || daemon.run(end.as_fd()));
    let ctl = |line: &str| {
        use clap::Parser;
        let args = ["smartnic-ctl", "--socket", &control];
        let args = args.into_iter().chain(line.split_whitespace());
        let cli = smartnic_driver::cli::args::Cli::try_parse_from(args).expect("a command");
        let mut out = vec![];
        smartnic_driver::cli::run(&cli, &mut out)
            .map(|()| String::from_utf8(out).expect("text"))
            .map_err(|e| e.to_string())
    };
    for line in [
        "link add br0 type bridge",
        "link add lag0 type lag xmit_hash_policy layer3+4",
        "link set port3 master lag0",
        "link set port4 master lag0",
        "link set port1 master br0 up",
        "link set port2 master br0 up",
        "link set lag0 master br0",
        "link set lag0 up",
        "link set br0 up",
    ] {
        ctl(line).unwrap_or_else(|e| panic!("{line}: {e}"));
    }
    Client::connect(control.as_ref()).expect("a second client");
    for round in 1..=2u8 {
        let who = station(1, round);
        let hello = udp(MacAddr::BROADCAST, who, 1, 2);
        eventually("frames are flooded", || {
            bench.queue(&[(1, hello.clone())]);
            bench.settle();
            let out = bench.take();
            out[1].contains(&hello) && out[2].len() + out[3].len() == out[1].len()
        });
        eventually("the station is shown", || {
            ctl("fdb show").is_ok_and(|out| {
                let mut lines = out.lines();
                lines.any(|l| l.contains(&who.to_string()) && l.contains("port1"))
            })
        });
        if round == 1 {
            bench.kill();
            eventually("the daemon notices", || ctl("fdb show").is_err());
            bench.revive();
        }
    }
    stop.write(1).unwrap();
    thread.join().expect("no panic").expect("a clean end");
}
