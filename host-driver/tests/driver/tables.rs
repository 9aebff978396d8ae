//! Probe, FDB, LAG, ports, counters.

use std::collections::BTreeMap;

use rand::Rng;
use smartnic_driver::device::fdb::{FdbData, FdbKey, FlushFilter, age_period};
use smartnic_driver::device::fill::{BUCKETS, Fill};
use smartnic_driver::device::lag::GroupConfig;
use smartnic_driver::device::port::{MacConfig, PortConfig};
use smartnic_driver::device::{Device, DeviceError, MacAddr};
use smartnic_regs::values::{counter, kind, learn, state};
use smartnic_regs::{fdb, global, lag, port};

use crate::fake::{Fake, Shape};

fn key(n: u32) -> FdbKey {
    FdbKey {
        fid: 1,
        mac: MacAddr([2, 0, 0, 0, 0, 0]).plus(n),
    }
}

#[test]
fn probe_tells_what_is_wrong() {
    let probe = |spoil: &dyn Fn(&Fake)| {
        let fake = Fake::new(Shape::default());
        spoil(&fake);
        Device::probe(fake.transport())
            .err()
            .map(|e| e.to_string())
            .unwrap_or_default()
    };
    assert_eq!(probe(&|_| ()), "");
    assert!(probe(&|f| f.state().all_ones = true).contains("card is gone"));
    assert!(probe(&|f| f.state().unplugged = true).contains("card is gone"));
    assert!(probe(&|f| f.state().set(global::MAGIC, 0, 0x1234)).contains("not a smartnic"));
    assert!(probe(&|f| f.state().set(global::VERSION, 0, 0x0007_0000)).contains("version 7.0"));
    assert!(probe(&|f| f.state().set(global::CAPS0, 0, 0)).contains("capability PORTS reads 0"));
    let fake = Fake::new(Shape::default());
    assert_eq!(fake.device().caps().fdb_capacity(), 36);
    // Memory space and bus master are on.
    assert_eq!(fake.state().config[&4], 6);
}

#[test]
fn all_ones_is_gone_but_a_value_of_all_ones_is_not() {
    let fake = Fake::new(Shape::default());
    let mut device = fake.device();
    fake.state().set(fdb::LEARNED, 0, u32::MAX);
    assert_eq!(device.fdb().counters().unwrap().learned, u32::MAX);
    fake.state().all_ones = true;
    assert!(device.fdb().counters().unwrap_err().is_gone());
    assert!(device.check_alive().unwrap_err().is_gone());
}

#[test]
fn fdb_agrees_with_a_map_until_it_is_full() {
    let fake = Fake::new(Shape::default());
    let mut device = fake.device();
    let mut rng = crate::rng("fdb");
    let mut model = BTreeMap::new();
    for _ in 0..400 {
        let key = key(rng.random_range(0..48));
        match rng.random_range(0..4) {
            0 | 1 => {
                let data = FdbData::new(rng.random_range(0..4), kind::STATIC);
                match device.fdb().add(key, data) {
                    Ok(before) => assert_eq!(before, model.insert(key, data).is_some()),
                    Err(DeviceError::FdbFull { used, capacity, .. }) => {
                        assert_eq!((used, capacity), (36, 36))
                    }
                    Err(e) => panic!("{e}"),
                }
                assert!(model.len() <= 36);
            }
            2 => assert_eq!(
                device.fdb().delete(key).unwrap(),
                model.remove(&key).is_some()
            ),
            _ => assert_eq!(device.fdb().lookup(key).unwrap(), model.get(&key).copied()),
        }
    }
    assert_eq!(
        device.fdb().dump().unwrap(),
        model.into_iter().collect::<Vec<_>>()
    );
}

#[test]
fn flush_and_keys_and_ranges() {
    let fake = Fake::new(Shape::default());
    let mut device = fake.device();
    let mut rng = crate::rng("keys");
    device.fdb().randomise_keys(&mut rng).unwrap();
    let before: Vec<u32> = (0..8).map(|i| fake.state().get(fdb::HASH_KEY, i)).collect();
    assert!([0, 1, 2, 4, 5, 6].iter().all(|&i| before[i] != 0));
    for (n, (dest, bits)) in [(1, 0), (1, kind::STATIC), (2, 0), (1, kind::EXTERN)]
        .into_iter()
        .enumerate()
    {
        device
            .fdb()
            .add(key(n as u32), FdbData::new(dest, bits))
            .unwrap();
    }
    let error = device.fdb().randomise_keys(&mut rng).unwrap_err();
    assert!(matches!(error, DeviceError::FdbNotEmpty { used: 4 }));
    device
        .fdb()
        .flush(FlushFilter {
            dest: Some(1),
            dynamic: true,
            ..Default::default()
        })
        .unwrap();
    let left: Vec<_> = device
        .fdb()
        .dump()
        .unwrap()
        .into_iter()
        .map(|(k, _)| k)
        .collect();
    assert_eq!(left, [key(1), key(2), key(3)]);
    device
        .fdb()
        .flush(FlushFilter {
            external: true,
            ..Default::default()
        })
        .unwrap();
    device
        .fdb()
        .flush(FlushFilter {
            fid: Some(2),
            ..Default::default()
        })
        .unwrap();
    assert_eq!(device.fdb().counters().unwrap().used, 2);
    device.fdb().flush(FlushFilter::default()).unwrap();
    assert_eq!(device.fdb().counters().unwrap().used, 0);
    assert!(device.fdb().read(36).is_err());
    assert!(
        device
            .fdb()
            .add(
                FdbKey {
                    fid: 4096,
                    mac: MacAddr::default()
                },
                FdbData::new(0, 0)
            )
            .is_err()
    );
    // An entry lives 3 to 4 periods: never shorter than asked for.
    assert_eq!(
        [age_period(300_000), age_period(1), age_period(0)],
        [100_000, 1, 0]
    );
}

#[test]
fn lag_groups_and_buckets() {
    let fake = Fake::new(Shape::default());
    let mut device = fake.device();
    let buckets = Fill::Linux.fill(&[3, 1, 2], &[]);
    device.lag().write_buckets(2, &buckets, &[]).unwrap();
    assert_eq!(device.lag().read_buckets(2).unwrap(), buckets);
    let writes = fake.state().writes.len();
    let changed = Fill::Resilient.fill(&[3, 1], &buckets);
    device.lag().write_buckets(2, &changed, &buckets).unwrap();
    assert_eq!(fake.state().writes.len() - writes, 2 * BUCKETS / 3);
    let config = GroupConfig {
        enable: true,
        policy: 1,
        mode: 1,
        active: 3,
        distributing: 0b1010,
        collecting: 0b1110,
    };
    device.lag().configure(2, &config).unwrap();
    {
        let state = fake.state();
        assert_eq!(state.get(lag::GROUP, 2), 1 | 1 << 4 | 1 << 5 | 3 << 8);
        assert_eq!(
            (
                state.get(lag::DISTRIBUTING, 2),
                state.get(lag::COLLECTING, 2)
            ),
            (0b1010, 0b1110)
        );
    }
    assert!(device.lag().configure(4, &config).is_err());
}

#[test]
fn ports_and_counters() {
    let fake = Fake::new(Shape::default());
    let mut device = fake.device();
    let config = PortConfig {
        state: state::FORWARDING,
        learn: learn::SLOW_PATH,
        flood_mc: true,
        lag: Some(2),
        fid: 0xabc,
        ..Default::default()
    };
    device.ports().configure(4, &config).unwrap();
    assert_eq!(
        fake.state().get(port::CONFIG, 4),
        3 | 2 << 3 | 1 << 6 | 1 << 16 | 2 << 17 | 0xabc << 20
    );
    assert!(device.ports().configure(5, &config).is_err());
    let mac = MacConfig {
        max_frame: 1518,
        enable: true,
        pause_rx: true,
        pause_tx: false,
        address: key(7).mac,
    };
    device.ports().configure_mac(1, &mac).unwrap();
    assert_eq!(
        fake.state().get(port::MAC, 1),
        1518 | 1 << 21 | 1 << 22 | 1 << 23
    );
    assert_eq!(fake.state().get(port::ADDR_HI, 1), 0x0700);
    assert!(
        device
            .ports()
            .configure_mac(
                1,
                &MacConfig {
                    max_frame: 2001,
                    ..mac
                }
            )
            .is_err()
    );
    assert_eq!(device.ports().link(1).unwrap().speed, 1000);
    fake.state().set_link(1, false);
    assert!(!device.ports().link(1).unwrap().up);
    assert_eq!(device.ports().take_link_changes().unwrap(), 2);
    assert_eq!(device.ports().take_link_changes().unwrap(), 0);
    for &(number, _) in counter::NAMES {
        fake.state()
            .counters
            .insert((3, number), u64::from(number) << 32 | 7);
    }
    let counters = device.stats().port(3).unwrap();
    assert!(
        counter::NAMES
            .iter()
            .all(|&(n, _)| counters.get(n) == u64::from(n) << 32 | 7)
    );
    assert_eq!(counters.named().count(), counter::NAMES.len());
    assert!(device.stats().read(5, 0).is_err() && device.stats().read(0, 64).is_err());
    assert_eq!(device.stats().buffer().unwrap().free, 512);
    fake.state().set(global::CYCLES_HI, 0, 2);
    assert_eq!(device.cycles().unwrap(), 2 << 32);
}

#[test]
fn resets_have_two_domains() {
    let fake = Fake::new(Shape::default());
    let mut device = fake.device();
    device.fdb().add(key(1), FdbData::new(1, 0)).unwrap();
    device.reset_host().unwrap();
    assert_eq!(device.fdb().counters().unwrap().used, 1);
    device.reset_switch().unwrap();
    assert_eq!(device.fdb().counters().unwrap().used, 0);
    assert_eq!(fake.state().switch_resets, 1);
}
