//! What the reference says, in the numbers of the register map and the rings.

use smartnic_refswitch::{
    Dest, Endpoint, Entry, Event, EventKind, Group, Key, Kind, Learn, Mode, Policy, Port,
};
use smartnic_regs::lag;
use smartnic_regs::ring::event;
use smartnic_regs::values::{dest, kind, lag_mode, learn};
use smartnic_tests::rig::events::FdbEvent;
use smartnic_tests::rig::fdb::FdbEntry;

/// Kind bits.
pub fn entry_kind(k: Kind) -> u32 {
    [
        (k.fixed, kind::STATIC),
        (k.sticky, kind::STICKY),
        (k.external, kind::EXTERN),
        (k.blackhole, kind::BLACKHOLE),
    ]
    .iter()
    .map(|(set, bit)| if *set { *bit } else { 0 })
    .sum()
}

/// `values::dest`.
pub fn dest_number(d: Dest) -> u32 {
    match d {
        Dest::To(Endpoint::Host) => dest::HOST,
        Dest::To(Endpoint::Port(i)) => dest::PORT + i as u32,
        Dest::Lag(g) => dest::LAG + g as u32,
        Dest::Set(n) => dest::MULTICAST + n as u32,
    }
}

/// `values::hash_policy`.
pub fn policy_number(p: Policy) -> u32 {
    match p {
        Policy::Layer2 => 0,
        Policy::Layer34 => 1,
        Policy::Layer23 => 2,
        Policy::Encap23 => 3,
        Policy::Encap34 => 4,
        Policy::VlanSrcmac => 5,
    }
}

/// An entry as the registers tell it.
pub fn told(key: Key, entry: Entry) -> FdbEntry {
    FdbEntry {
        fid: key.fid.into(),
        mac: key.mac,
        dest: dest_number(entry.dest),
        kind: entry_kind(entry.kind),
        age: entry.age.into(),
    }
}

/// The age of an entry that does not age says nothing.
pub fn settled(e: FdbEntry) -> FdbEntry {
    let fixed = e.kind & (kind::STATIC | kind::EXTERN | kind::BLACKHOLE) != 0;
    FdbEntry {
        age: if fixed { 0 } else { e.age },
        ..e
    }
}

/// An event as the ring tells it.
pub fn event_told(e: Event) -> FdbEvent {
    let (kind, old) = match e.kind {
        EventKind::Learned => (event::LEARNED, None),
        EventKind::Moved { from } => (event::MOVED, Some(from)),
        EventKind::Aged => (event::AGED, None),
        EventKind::UnknownSource => (event::UNKNOWN_SOURCE, None),
    };
    FdbEvent {
        kind,
        mac: e.key.mac,
        fid: e.key.fid.into(),
        dest: dest_number(e.dest),
        old_dest: old.map_or(0, dest_number),
    }
}

/// `port::CONFIG`.
pub fn port_config(p: &Port) -> u32 {
    use smartnic_regs::port::CONFIG as C;
    let learns = match p.learn {
        Learn::Off => learn::OFF,
        Learn::Hardware => learn::HARDWARE,
        Learn::SlowPath => learn::SLOW_PATH,
    };
    C::STATE.put(p.state as u32)
        | C::LEARN.put(learns)
        | C::FLOOD_UC.put(p.flood_unicast.into())
        | C::FLOOD_MC.put(p.flood_multicast.into())
        | C::FLOOD_BC.put(p.flood_broadcast.into())
        | C::HAIRPIN.put(p.hairpin.into())
        | C::ISOLATED.put(p.isolated.into())
        | C::CLASS.put(p.class.into())
        | C::LAG_VALID.put(p.lag.is_some().into())
        | C::LAG.put(p.lag.unwrap_or(0) as u32)
        | C::FID.put(p.fid.into())
}

/// `lag::GROUP`.
pub fn group_config(group: &Group) -> u32 {
    let (mode, active) = match group.mode {
        Mode::Hash => (lag_mode::HASH, 0),
        Mode::ActiveBackup { active } => (lag_mode::ACTIVE_BACKUP, active as u32),
    };
    lag::GROUP::POLICY.put(policy_number(group.policy))
        | lag::GROUP::ENABLE.put(group.enabled.into())
        | lag::GROUP::MODE.put(mode)
        | lag::GROUP::ACTIVE.put(active)
}
