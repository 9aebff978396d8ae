//! The FDB through the switch: by hand, full, flushed, learned by the slow path.

use smartnic_driver::device::fdb::{FdbData, FdbKey};
use smartnic_driver::device::{DeviceError, MacAddr};
use smartnic_driver::netdev::NetError;
use smartnic_driver::switch::fdb::{FdbRequest, FlushWhat};
use smartnic_driver::switch::{NoticeKind, Switch};
use smartnic_regs::port;
use smartnic_regs::ring::event;
use smartnic_regs::values::{kind, learn};

use crate::switch::{base, demo_switch, field, local};

#[test]
fn a_full_fdb_refuses_and_keeps_what_it_has() {
    let (fake, mut switch) = demo_switch();
    let mac = MacAddr([2, 1, 1, 1, 1, 0]);
    let add = |switch: &mut Switch, n| {
        switch.fdb_add(
            "port1",
            mac.plus(n),
            FdbRequest {
                kind: kind::STATIC,
                ..Default::default()
            },
        )
    };
    let full = (0..100)
        .find_map(|n| add(&mut switch, n).err().map(|e| (n, e)))
        .unwrap();
    assert_eq!(full.0, 33);
    assert!(
        matches!(
            full.1,
            NetError::Device(DeviceError::FdbFull {
                used: 36,
                capacity: 36,
                ..
            })
        ),
        "{}",
        full.1
    );
    assert_eq!(switch.fdb_show().unwrap().len(), 36);
    // A bridge whose local address finds no room is refused, and nothing of it stays.
    let error = switch
        .change(|m| m.add("br1", "bridge", MacAddr([2, 9, 9, 9, 9, 7])))
        .unwrap_err();
    assert!(error.to_string().contains("the FDB is full"), "{error}");
    assert!(switch.model().device("br1").is_err());
    switch.fdb_delete("port1", mac).unwrap();
    add(&mut switch, 90).unwrap();
    assert_eq!(fake.state().table.iter().flatten().count(), 36);
    // Learning by the slow path is refused as well, and said.
    switch
        .change(|m| m.set_member_option("port2", "learning", "slow-path"))
        .unwrap();
    fake.state().event(
        event::UNKNOWN_SOURCE,
        FdbKey {
            fid: 1,
            mac: mac.plus(99),
        },
        1,
        0,
    );
    switch.poll().unwrap();
    assert_eq!(
        switch.take_notices().last().map(|n| n.kind),
        Some(NoticeKind::Refused)
    );
}

#[test]
fn entries_by_hand() {
    let (fake, mut switch) = demo_switch();
    let mac = MacAddr([2, 1, 1, 1, 1, 1]);
    let stat = FdbRequest {
        kind: kind::STATIC,
        ..Default::default()
    };
    switch.fdb_add("lag0", mac, stat).unwrap();
    assert!(matches!(
        switch.fdb_add("port1", mac, stat),
        Err(NetError::Exists { .. })
    ));
    switch
        .fdb_add(
            "port1",
            mac,
            FdbRequest {
                kind: kind::DYNAMIC,
                replace: true,
                ..Default::default()
            },
        )
        .unwrap();
    switch
        .fdb_add(
            "port2",
            mac.plus(1),
            FdbRequest {
                kind: kind::EXTERN,
                ..Default::default()
            },
        )
        .unwrap();
    switch.fdb_add("br0", mac.plus(2), stat).unwrap();
    switch
        .fdb_add(
            "port1",
            mac.plus(3),
            FdbRequest {
                kind: kind::BLACKHOLE,
                ..Default::default()
            },
        )
        .unwrap();
    let kinds: Vec<_> = switch
        .fdb_show()
        .unwrap()
        .into_iter()
        .filter(|e| !local(e.key.mac))
        .map(|e| (e.data.dest, e.data.kind))
        .collect();
    assert_eq!(kinds, [(0, 0), (1, 4), (15, 3), (0, 8)]);
    for (name, mac) in [("port9", mac), ("port1", MacAddr::BROADCAST)] {
        assert!(switch.fdb_add(name, mac, stat).is_err());
    }
    // Our own addresses stay; an entry of another device is not found.
    assert!(matches!(
        switch.fdb_delete("br0", base()),
        Err(NetError::Busy { .. })
    ));
    assert!(matches!(
        switch.fdb_add(
            "port1",
            base(),
            FdbRequest {
                replace: true,
                ..stat
            }
        ),
        Err(NetError::Busy { .. })
    ));
    assert!(matches!(
        switch.fdb_delete("port2", mac),
        Err(NetError::NotFound { .. })
    ));
    switch.fdb_flush(Some("port1"), FlushWhat::Dynamic).unwrap();
    switch.fdb_flush(None, FlushWhat::External).unwrap();
    assert_eq!(switch.fdb_show().unwrap().len(), 5);
    switch.fdb_flush(None, FlushWhat::All).unwrap();
    assert!(switch.fdb_show().unwrap().iter().all(|e| local(e.key.mac)));
    // What nobody told us of is found by reading the whole table.
    let stranger = FdbKey {
        fid: 1,
        mac: mac.plus(7),
    };
    fake.state().table[20] = Some((stranger, FdbData::new(1, 0)));
    assert!(switch.fdb_show().unwrap().iter().any(|e| e.key == stranger));
}

#[test]
fn slow_path_learning_decides() {
    let (fake, mut switch) = demo_switch();
    switch
        .change(|m| m.set_member_option("port1", "learning", "slow-path"))
        .unwrap();
    assert_eq!(field(&fake, 0, port::CONFIG::LEARN), learn::SLOW_PATH);
    let mac = MacAddr([2, 1, 1, 1, 1, 1]);
    let unknown = |mac, dest| {
        fake.state()
            .event(event::UNKNOWN_SOURCE, FdbKey { fid: 1, mac }, dest, 0)
    };
    unknown(mac, 0);
    // Known elsewhere: an externally learned station moves, a static one does not.
    let request = |kind| FdbRequest {
        kind,
        ..Default::default()
    };
    switch
        .fdb_add("port2", mac.plus(3), request(kind::EXTERN))
        .unwrap();
    switch
        .fdb_add("port2", mac.plus(4), request(kind::STATIC))
        .unwrap();
    switch.take_notices();
    unknown(mac.plus(3), 0);
    unknown(mac.plus(4), 0);
    unknown(MacAddr::BROADCAST, 0);
    unknown(base(), 0);
    // Port2 learns by hardware: a stray event of it counts for nothing. Nor does one of another FID.
    unknown(mac.plus(1), 1);
    fake.state().event(
        event::UNKNOWN_SOURCE,
        FdbKey {
            fid: 77,
            mac: mac.plus(2),
        },
        0,
        0,
    );
    switch.poll().unwrap();
    let learned: Vec<_> = switch
        .fdb_show()
        .unwrap()
        .into_iter()
        .filter(|e| !local(e.key.mac))
        .collect();
    assert_eq!(
        learned
            .iter()
            .map(|e| (e.key.mac, e.data.dest))
            .collect::<Vec<_>>(),
        [(mac, 0), (mac.plus(3), 0), (mac.plus(4), 1)]
    );
    assert_eq!(
        switch
            .take_notices()
            .iter()
            .map(|n| n.kind)
            .collect::<Vec<_>>(),
        [NoticeKind::Added, NoticeKind::Moved]
    );
}
