//! The FDB by hand and by time: added, deleted, flushed, dumped, aged.

use crate::bridge::notices;
use crate::setup::{Bench, Way, base, demo_switch, station, udp};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use smartnic_driver::device::MacAddr;
use smartnic_driver::device::fdb::{FdbData, FdbKey, FlushFilter};
use smartnic_driver::netdev::NetError;
use smartnic_driver::switch::fdb::{FdbRequest, FlushWhat};
use smartnic_driver::switch::{NoticeKind, Switch};
use smartnic_regs::global;
use smartnic_regs::values::kind;
use std::collections::BTreeMap;

both_ways!(
    commands_agree_with_a_map,
    entries_by_hand_lead_the_frames,
    entries_age_by_ticks_and_use_keeps_them
);

/// Random commands: the table holds what a map holds, by lookup and by dump.
fn commands_agree_with_a_map(way: Way) {
    let seed = std::env::var("SEED").ok().and_then(|s| s.parse().ok());
    let seed = seed.unwrap_or(1);
    println!("SEED={seed}");
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let bench = Bench::new(way);
    let mut device = bench.probe();
    device.reset_switch().unwrap();
    device.fdb().randomise_keys(&mut rng).unwrap();
    let mut map = BTreeMap::new();
    let keys: Vec<FdbKey> = (0..40)
        .map(|_| FdbKey {
            fid: rng.random_range(0..4),
            mac: MacAddr::random(&mut rng),
        })
        .collect();
    for step in 0..300 {
        let key = *keys.choose(&mut rng).unwrap();
        // A flush sweeps the whole table: few of them.
        let what = if step % 50 == 49 {
            5
        } else {
            rng.random_range(0..5)
        };
        match what {
            0..3 => {
                let to = rng.random_range(0..4);
                let what = *[kind::DYNAMIC, kind::STATIC, kind::EXTERN, kind::STICKY]
                    .choose(&mut rng)
                    .unwrap();
                let data = FdbData::new(to, what);
                let replaced = device.fdb().add(key, data).unwrap();
                assert_eq!(replaced, map.insert(key, data).is_some(), "{step}: {key:?}");
            }
            3..5 => {
                let there = device.fdb().delete(key).unwrap();
                assert_eq!(there, map.remove(&key).is_some(), "{step}: {key:?}");
            }
            _ => {
                let filter = FlushFilter {
                    dest: rng.random_bool(0.5).then(|| rng.random_range(0..4)),
                    fid: rng.random_bool(0.5).then(|| rng.random_range(0..4)),
                    dynamic: rng.random_bool(0.5),
                    external: false,
                };
                device.fdb().flush(filter).unwrap();
                map.retain(|key, data| {
                    let hit = filter.dest.is_none_or(|d| d == u32::from(data.dest))
                        && filter.fid.is_none_or(|f| f == key.fid)
                        && (!filter.dynamic || data.is_dynamic());
                    !hit
                });
            }
        }
        let key = *keys.choose(&mut rng).unwrap();
        let found = device.fdb().lookup(key).unwrap();
        assert_eq!(found, map.get(&key).copied(), "{step}: {key:?}");
    }
    let counters = device.fdb().counters().unwrap();
    assert_eq!((counters.used as usize, counters.refused), (map.len(), 0));
    let mut dump = device.fdb().dump().unwrap();
    dump.sort_by_key(|(key, _)| *key);
    assert_eq!(dump, map.into_iter().collect::<Vec<_>>());
    assert!(device.fdb().randomise_keys(&mut rng).is_err(), "not empty");
}

fn add(switch: &mut Switch, dev: &str, mac: MacAddr, kind: u32) -> Result<(), NetError> {
    let request = FdbRequest {
        kind,
        ..FdbRequest::default()
    };
    switch.fdb_add(dev, mac, request)
}

/// The addresses in the table that are not the bridge's own, and their kinds.
fn shown(switch: &mut Switch) -> Vec<(MacAddr, u8)> {
    let own = |mac| (0..4).any(|n| mac == base().plus(n));
    let all = switch.fdb_show().expect("a card").into_iter();
    let all = all.map(|e| (e.key.mac, e.data.kind));
    all.filter(|(mac, _)| !own(*mac)).collect()
}

fn entries_by_hand_lead_the_frames(way: Way) {
    let (bench, mut switch) = demo_switch(way);
    let (there, bad, seen) = (station(2, 7), station(2, 8), station(2, 9));
    let from = station(1, 1);
    add(&mut switch, "port2", there, kind::STATIC).unwrap();
    add(&mut switch, "port2", bad, kind::BLACKHOLE).unwrap();
    add(&mut switch, "port2", seen, kind::EXTERN).unwrap();
    let error = add(&mut switch, "port1", there, kind::STATIC).unwrap_err();
    assert!(matches!(error, NetError::Exists { .. }), "{error}");
    let frames = [there, bad, seen].map(|to| (1, udp(to, from, 1, 2)));
    let out = bench.exchange(&mut switch, &frames);
    let want = vec![frames[0].1.clone(), frames[2].1.clone()];
    assert_eq!(out, [vec![], want, vec![], vec![]]);
    // A static entry does not move; an external one does.
    let moved = [there, seen].map(|mac| (1, udp(MacAddr::BROADCAST, mac, 1, 2)));
    bench.exchange(&mut switch, &moved);
    let news = notices(&mut switch);
    let of = |mac| {
        news.iter()
            .filter(move |n| n.1 == mac)
            .map(|n| (n.0, n.2.as_str()))
    };
    assert!(of(there).eq([(NoticeKind::Added, "port2")]), "{news:?}");
    let both = [(NoticeKind::Added, "port2"), (NoticeKind::Moved, "port1")];
    assert!(of(seen).eq(both), "{news:?}");
    let kinds = [
        (from, kind::DYNAMIC),
        (there, kind::STATIC),
        (bad, kind::BLACKHOLE),
    ];
    for (mac, kind) in kinds {
        let all = shown(&mut switch);
        let found = all.iter().find(|e| e.0 == mac).map(|e| u32::from(e.1));
        assert_eq!(found, Some(kind), "{mac}");
    }
    switch.fdb_delete("port2", bad).unwrap();
    assert!(switch.fdb_delete("port2", bad).is_err());
    let out = bench.exchange(&mut switch, &[(1, frames[1].1.clone())]);
    assert_eq!(out[1].len(), 1, "flooded now");
    switch.fdb_flush(Some("port1"), FlushWhat::Dynamic).unwrap();
    assert!(!shown(&mut switch).iter().any(|e| e.0 == from));
    assert!(shown(&mut switch).iter().any(|e| e.0 == there));
    switch.fdb_flush(None, FlushWhat::All).unwrap();
    assert_eq!(shown(&mut switch), []);
    // The bridge's own addresses stay: those of its ports; its own is that of the first.
    assert_eq!(switch.fdb_show().unwrap().len(), 3);
}

fn entries_age_by_ticks_and_use_keeps_them(way: Way) {
    let (bench, mut switch) = demo_switch(way);
    // 0.6 s: the hardware's period is 200 ticks of a millisecond, and an entry lives 3 to 4 of them.
    switch
        .change(|m| m.set_option("br0", "ageing_time", "60"))
        .unwrap();
    let (idle, busy, fixed) = (station(1, 1), station(1, 2), station(2, 3));
    add(&mut switch, "port2", fixed, kind::STATIC).unwrap();
    let hello = |mac| udp(MacAddr::BROADCAST, mac, 1, 2);
    bench.exchange(&mut switch, &[(1, hello(idle)), (1, hello(busy))]);
    notices(&mut switch);
    let mut aged_after = None;
    for period in 1..=5 {
        switch
            .device(|d| d.mmio().write(global::TICK_ADD, 200))
            .unwrap();
        bench.exchange(&mut switch, &[(1, hello(busy))]);
        let news = notices(&mut switch);
        let aged: Vec<_> = news
            .iter()
            .filter(|n| n.0 == NoticeKind::Aged)
            .map(|n| (n.1, n.2.as_str()))
            .collect();
        if !aged.is_empty() {
            assert_eq!(aged, [(idle, "port1")]);
            assert_eq!(aged_after.replace(period), None);
        }
        let known = switch
            .device(|d| d.fdb().lookup(FdbKey { fid: 1, mac: idle }))
            .unwrap();
        assert_eq!(
            known.is_none(),
            aged_after.is_some(),
            "after {period} periods"
        );
    }
    assert!(matches!(aged_after, Some(3..=4)), "{aged_after:?}");
    let left: Vec<_> = shown(&mut switch).into_iter().map(|e| e.0).collect();
    assert_eq!(left, [busy, fixed]);
    assert_eq!(switch.fdb_counters().unwrap().aged, 1);
    // Without ageing nothing goes.
    switch
        .change(|m| m.set_option("br0", "ageing_time", "0"))
        .unwrap();
    switch
        .device(|d| d.mmio().write(global::TICK_ADD, 1000))
        .unwrap();
    bench.exchange(&mut switch, &[]);
    assert_eq!(shown(&mut switch).len(), 2);
}
