//! What the card is, its registers, and what each reset clears and keeps.

use crate::setup::{Bench, Way, base, host_config, params};
use smartnic_driver::device::DeviceError;
use smartnic_driver::device::fdb::{FdbData, FdbKey};
use smartnic_driver::device::port::PortConfig;
use smartnic_regs::values::{kind, state};
use smartnic_regs::{global, host, port};

both_ways!(
    capabilities_are_the_parameters,
    resets_clear_what_they_should
);

fn capabilities_are_the_parameters(way: Way) {
    let bench = Bench::new(way);
    let mut device = bench.probe();
    let (caps, params) = (device.caps().clone(), params());
    assert_eq!(
        (caps.ports, caps.lag_groups, caps.queues, caps.classes),
        (
            params.ports,
            params.lag_groups,
            params.queues,
            params.classes
        )
    );
    assert_eq!(
        (caps.fdb_entries, caps.cam, caps.cells, caps.beat_bytes),
        (
            params.fdb_entries,
            params.cam,
            params.cells,
            params.width / 8
        )
    );
    let (from, to) = (device.cycles().unwrap(), device.cycles().unwrap());
    assert!(to > from, "{from} {to}");
    for value in [0, 1, 0x8000_0000, u32::MAX - 1] {
        device.mmio().write(global::SCRATCH, value).unwrap();
        assert_eq!(device.mmio().read(global::SCRATCH).unwrap(), value);
    }
    let error = device.mmio().read_at(port::CONFIG, port::CONFIG.count);
    assert!(matches!(error, Err(DeviceError::Range { .. })));
    let buffer = device.stats().buffer().unwrap();
    assert_eq!((buffer.free, buffer.fault), (params.cells, 0));
    // The links are those of the cables.
    for n in 0..4 {
        bench.cables[n as usize].set_link(n % 2 == 0);
    }
    bench.settle();
    for n in 0..4 {
        assert_eq!(device.ports().link(n).unwrap().up, n % 2 == 0, "port {n}");
    }
}

fn resets_clear_what_they_should(way: Way) {
    let bench = Bench::new(way);
    let mut device = bench.probe();
    device.reset_switch().unwrap();
    let config = PortConfig {
        state: state::FORWARDING,
        fid: 7,
        ..PortConfig::default()
    };
    let key = FdbKey {
        fid: 7,
        mac: base(),
    };
    for reset in ["function", "host", "switch"] {
        device.ports().configure(1, &config).unwrap();
        device
            .fdb()
            .add(key, FdbData::new(2, kind::STATIC))
            .unwrap();
        let _port = device.start_host(&host_config()).unwrap();
        assert_eq!(ring(&mut device), 1);
        match reset {
            "function" => device.mmio().transport().reset().unwrap(),
            "host" => device.reset_host().unwrap(),
            _ => device.reset_switch().unwrap(),
        }
        let kept = reset != "switch";
        assert_eq!(ring(&mut device), u32::from(!kept), "{reset}: rings");
        let word = device.mmio().read_at(port::CONFIG, 1).unwrap();
        let want = if kept { 7 } else { 0 };
        assert_eq!(port::CONFIG::FID.get(word), want, "{reset}: ports");
        let found = device.fdb().lookup(key).unwrap();
        assert_eq!(found.is_some(), kept, "{reset}: FDB");
        device.check_alive().unwrap();
    }
}

/// Whether receive ring 0 is enabled.
fn ring(device: &mut smartnic_driver::device::Device) -> u32 {
    host::CONTROL::ENABLE.get(device.mmio().read_at(host::CONTROL, 0).unwrap())
}
