//! How entries of forwarding databases, and their changes, are shown: the keys of `bridge -j fdb`.

use smartnic_bridge::FdbFlags;
use smartnic_regs::values::{dest, kind};

use super::api::{FdbEventInfo, FdbInfo};
use crate::switch::{FdbChange, FdbEntry, FdbNotice, NoticeKind, Switch};

/// A destination that no interface here stands for.
fn nameless(to: u32) -> String {
    match to {
        dest::HOST => "host".into(),
        dest::LAG..dest::MULTICAST => format!("lag-group{}", to - dest::LAG),
        _ => format!("dest{to}"),
    }
}

/// An FDB entry by the keys of `bridge -j fdb show`.
pub fn fdb(switch: &Switch, entry: &FdbEntry) -> FdbInfo {
    let registry = &switch.model().registry;
    let bits = u32::from(entry.data.kind);
    let local = bits & kind::LOCAL == kind::LOCAL && u32::from(entry.data.dest) == dest::HOST;
    let mut flags = Vec::new();
    if !local {
        let names = [
            (kind::EXTERN, "extern_learn"),
            (kind::STICKY, "sticky"),
            (kind::BLACKHOLE, "blackhole"),
        ];
        flags.extend(
            names
                .iter()
                .filter(|(bit, _)| bits & bit != 0)
                .map(|(_, name)| (*name).to_owned()),
        );
        flags.push("offload".into());
    }
    let state = match () {
        _ if local => "permanent",
        _ if bits & (kind::STATIC | kind::BLACKHOLE) != 0 => "static",
        _ => "",
    };
    FdbInfo {
        mac: entry.key.mac.to_string(),
        ifname: entry
            .dev
            .map_or_else(|| nameless(entry.data.dest.into()), |d| registry.name(d)),
        master: entry.master.map(|m| registry.name(m)),
        flags,
        state: state.into(),
        fid: Some(entry.key.fid),
        age: Some(entry.data.age),
        ..FdbInfo::default()
    }
}

/// A change of the FDB.
pub fn fdb_event(switch: &Switch, notice: &FdbNotice) -> FdbEventInfo {
    let event = match notice.kind {
        NoticeKind::Added => "added",
        NoticeKind::Moved => "moved",
        NoticeKind::Deleted => "deleted",
        NoticeKind::Aged => "aged",
        NoticeKind::Refused => "refused",
    };
    let deleted = matches!(notice.kind, NoticeKind::Deleted | NoticeKind::Aged);
    FdbEventInfo {
        event: event.into(),
        deleted,
        entry: fdb(switch, &notice.entry),
    }
}

/// A change in a bridge in software.
pub fn fdb_change(change: &FdbChange) -> FdbEventInfo {
    let words = [
        (FdbFlags::ADDED_BY_USER, "added_by_user"),
        (FdbFlags::EXT_LEARN, "extern_learn"),
        (FdbFlags::OFFLOAD, "offload"),
        (FdbFlags::STICKY, "sticky"),
        (FdbFlags::LOCKED, "locked"),
    ];
    let has = |flag| change.flags.contains(flag);
    FdbEventInfo {
        event: if change.deleted { "deleted" } else { "added" }.into(),
        deleted: change.deleted,
        entry: FdbInfo {
            mac: change.mac.to_string(),
            ifname: change.ifname.clone(),
            vlan: Some(change.vlan).filter(|v| *v != 0),
            master: Some(change.master.clone()),
            flags: words
                .iter()
                .filter(|(flag, _)| has(*flag))
                .map(|(_, word)| (*word).to_owned())
                .collect(),
            state: match () {
                _ if has(FdbFlags::LOCAL) => "permanent",
                _ if has(FdbFlags::STATIC) => "static",
                _ => "",
            }
            .into(),
            ..FdbInfo::default()
        },
    }
}
