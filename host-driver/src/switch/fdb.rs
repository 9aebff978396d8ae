//! The forwarding database as users see it: entries with devices' names, add, delete, flush, show, events; slow-path
//! learning.

use smartnic_regs::ring::event;
use smartnic_regs::values::{dest, kind, state};

use super::Switch;
use crate::device::fdb::{FdbData, FdbKey, FlushFilter};
use crate::device::ring::Event;
use crate::device::{DeviceError, MacAddr};
use crate::master::bridge::{Bridge, Learning};
use crate::netdev::{IfIndex, NetError};

/// An entry with the devices that it belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FdbEntry {
    /// Address and FID.
    pub key: FdbKey,
    /// What the hardware holds.
    pub data: FdbData,
    /// The device that it leads to: the bridge itself for the host.
    pub dev: Option<IfIndex>,
    /// The bridge.
    pub master: Option<IfIndex>,
}

/// What happened to an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoticeKind {
    /// New, or changed.
    Added,
    /// The station moved.
    Moved,
    /// Deleted.
    Deleted,
    /// Aged out.
    Aged,
    /// Could not be learned: no room.
    Refused,
}

/// A change of the FDB.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FdbNotice {
    /// What happened.
    pub kind: NoticeKind,
    /// To which entry.
    pub entry: FdbEntry,
}

/// An entry that a user wants.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct FdbRequest {
    /// `values::kind` bits.
    pub kind: u32,
    /// To the host.
    pub local: bool,
    /// Replaces what is there.
    pub replace: bool,
}

/// What a user wants flushed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FlushWhat {
    /// Entries that age.
    Dynamic,
    /// Externally learned ones.
    External,
    /// Those, and the static ones that users added. Local ones stay.
    All,
}

impl Switch {
    /// The devices of an entry.
    pub(super) fn entry(&self, key: FdbKey, data: FdbData) -> FdbEntry {
        let master = self.model.by_fid(key.fid).map(|m| m.ifindex());
        let to = u32::from(data.dest);
        let view = self.model.view();
        let dev = if to == dest::HOST {
            // An address of a port is shown on the port, as the kernel does.
            let own = |d: &&crate::netdev::NetDevice| {
                d.address == key.mac && d.master == master && master.is_some()
            };
            self.model
                .registry
                .iter()
                .find(own)
                .map(|d| d.ifindex)
                .or(master)
                .or_else(|| self.model.owner_of(key.fid))
        } else {
            self.model
                .registry
                .iter()
                .map(|d| d.ifindex)
                .find(|i| view.destination(*i) == Some(to))
        };
        FdbEntry {
            key,
            data,
            dev,
            master,
        }
    }

    fn notice(&mut self, kind: NoticeKind, key: FdbKey, data: FdbData) {
        let entry = self.entry(key, data);
        self.notices.push(FdbNotice { kind, entry });
    }

    /// The key and destination of an entry for `mac` on device `name`, which must be a bridge port or a bridge.
    pub(super) fn target(&self, name: &str, mac: MacAddr) -> Result<(FdbKey, u32), NetError> {
        if !mac.is_unicast() {
            return Err(NetError::invalid(
                "lladdr",
                mac,
                "an FDB entry is for a unicast address",
            ));
        }
        let device = self.model.device(name)?;
        let Some(bridge) = self.model.bridge_of(device) else {
            return Err(NetError::invalid(
                "dev",
                name,
                "it is no bridge and in none: set its master first",
            ));
        };
        let fid = bridge.fid().unwrap_or_default();
        let to = if bridge.ifindex() == device.ifindex {
            dest::HOST
        } else {
            let none = || NetError::invalid("dev", name, "it cannot be a destination");
            self.model
                .view()
                .destination(device.ifindex)
                .ok_or_else(none)?
        };
        Ok((FdbKey { fid, mac }, to))
    }

    /// Adds an entry for `mac` on device `name`. Static ones belong to the configuration and outlive the card.
    pub fn fdb_add(
        &mut self,
        name: &str,
        mac: MacAddr,
        request: FdbRequest,
    ) -> Result<(), NetError> {
        let (key, port) = self.target(name, mac)?;
        let to = if request.local { dest::HOST } else { port };
        let ifindex = self.model.device(name)?.ifindex;
        let bits = if request.local || to == dest::HOST {
            kind::LOCAL
        } else {
            request.kind
        };
        let data = FdbData::new(to, bits);
        let known = self.with_card(|card| card.device.fdb().lookup(key))?;
        if !request.replace && known.is_some() {
            return Err(NetError::Exists {
                name: format!("{mac} in the FDB of {name}; use replace"),
            });
        }
        if self.is_own(key) {
            return Err(NetError::Busy {
                name: mac.to_string(),
                reason: "it is an address of the bridge or of a port".into(),
            });
        }
        if data.is_dynamic() || bits & kind::EXTERN != 0 {
            self.change(|model| Ok(model.statics.remove(&key)))?;
            self.with_card(|card| card.device.fdb().add(key, data))?;
        } else {
            // A static entry takes the place of what was learned.
            self.change(|model| Ok(model.statics.insert(key, (data, ifindex))))?;
        }
        self.with_card(|card| Ok(card.mirror.insert(key, data)))?;
        self.notice(NoticeKind::Added, key, data);
        Ok(())
    }

    /// The key is a local entry that the bridge keeps by itself.
    pub(super) fn is_own(&self, key: FdbKey) -> bool {
        !self.model.statics.contains_key(&key)
            && self
                .card
                .as_ref()
                .is_some_and(|c| c.applied.fdb.contains_key(&key))
    }

    /// Deletes the entry for `mac` on device `name`.
    pub fn fdb_delete(&mut self, name: &str, mac: MacAddr) -> Result<(), NetError> {
        let (key, to) = self.target(name, mac)?;
        let missing = || NetError::NotFound {
            what: format!("FDB entry {mac} dev {name}"),
        };
        let data = self
            .with_card(|card| card.device.fdb().lookup(key))?
            .ok_or_else(missing)?;
        if self.is_own(key) {
            let reason =
                "it is an address of the bridge or of a port and stays while the device does";
            return Err(NetError::Busy {
                name: mac.to_string(),
                reason: reason.into(),
            });
        }
        let local = self
            .model
            .statics
            .get(&key)
            .is_some_and(|(_, dev)| self.model.registry.name(*dev) == name);
        if u32::from(data.dest) != to && !local {
            return Err(missing());
        }
        self.fdb_forget(key, data)
    }

    /// Deletes an entry that is there.
    pub(super) fn fdb_forget(&mut self, key: FdbKey, data: FdbData) -> Result<(), NetError> {
        if self.model.statics.contains_key(&key) {
            self.change(|model| Ok(model.statics.remove(&key)))?;
        } else {
            self.with_card(|card| card.device.fdb().delete(key))?;
        }
        self.with_card(|card| Ok(card.mirror.remove(&key)))?;
        self.notice(NoticeKind::Deleted, key, data);
        Ok(())
    }

    /// Deletes entries of a bridge, of a bridge port, or of all.
    pub fn fdb_flush(&mut self, name: Option<&str>, what: FlushWhat) -> Result<(), NetError> {
        let (to, fid) = match name {
            None => (None, None),
            Some(name) => {
                let (key, to) = self.target(name, MacAddr([2, 0, 0, 0, 0, 0]))?;
                ((to != dest::HOST).then_some(to), Some(key.fid))
            }
        };
        let base = FlushFilter {
            dest: to,
            fid,
            ..Default::default()
        };
        let dynamic = FlushFilter {
            dynamic: true,
            ..base
        };
        let external = FlushFilter {
            external: true,
            ..base
        };
        if what == FlushWhat::All {
            self.change(|model| {
                model.statics.retain(|key, (data, _)| {
                    fid.is_some_and(|f| f != key.fid)
                        || to.is_some_and(|t| t != u32::from(data.dest))
                });
                Ok(())
            })?;
        }
        let filters: &[FlushFilter] = match what {
            FlushWhat::Dynamic => &[dynamic],
            FlushWhat::External => &[external],
            FlushWhat::All => &[dynamic, external],
        };
        for filter in filters {
            self.with_card(|card| {
                card.device.fdb().flush(*filter)?;
                card.mirror.retain(|key, data| {
                    let external = u32::from(data.kind) & kind::EXTERN != 0;
                    let hit = to.is_none_or(|t| t == u32::from(data.dest))
                        && fid.is_none_or(|f| f == key.fid)
                        && if filter.external {
                            external
                        } else {
                            data.is_dynamic()
                        };
                    !hit
                });
                Ok(())
            })?;
        }
        Ok(())
    }

    /// An event of the card.
    pub fn fdb_event(&mut self, event: Event) -> Result<(), NetError> {
        let data = FdbData::new(event.dest, kind::DYNAMIC);
        let Some(card) = &mut self.card else {
            return Ok(());
        };
        let what = match event.kind {
            event::LEARNED => NoticeKind::Added,
            event::MOVED => NoticeKind::Moved,
            event::AGED => NoticeKind::Aged,
            event::UNKNOWN_SOURCE => return self.learn(event),
            _ => NoticeKind::Refused,
        };
        match what {
            NoticeKind::Added | NoticeKind::Moved => drop(card.mirror.insert(event.key, data)),
            NoticeKind::Aged => drop(card.mirror.remove(&event.key)),
            _ => {
                tracing::warn!(mac = %event.key.mac, fid = event.key.fid, "the FDB is full: not learned")
            }
        }
        self.notice(what, event.key, data);
        Ok(())
    }

    /// Slow-path learning: inserts an unknown source, if its port still learns this way and the address may be one.
    fn learn(&mut self, event: Event) -> Result<(), NetError> {
        if !event.key.mac.is_unicast() {
            return Ok(());
        }
        let entry = self.entry(event.key, FdbData::new(event.dest, kind::DYNAMIC));
        let bridge = entry.master.and_then(|m| self.model.masters.get(&m));
        let bridge = bridge.and_then(|m| m.as_any().downcast_ref::<Bridge>());
        let port = bridge
            .zip(entry.dev)
            .and_then(|(bridge, dev)| bridge.port(dev));
        let learns = |s| matches!(s, state::LEARNING | state::FORWARDING);
        if !port.is_some_and(|p| p.learning == Learning::SlowPath && learns(p.state)) {
            return Ok(());
        }
        // Events queue up: the same source may be known by now, or be an address of ours.
        let known = self.with_card(|card| card.device.fdb().lookup(event.key))?;
        let stays = |d: FdbData| {
            u32::from(d.kind) & (kind::STATIC | kind::STICKY | kind::BLACKHOLE) != 0
                || u32::from(d.dest) == event.dest
        };
        if known.is_some_and(stays) {
            return Ok(());
        }
        match self.with_card(|card| card.device.fdb().add(event.key, entry.data)) {
            Ok(_) => {
                self.with_card(|card| Ok(card.mirror.insert(event.key, entry.data)))?;
                let what = if known.is_some() {
                    NoticeKind::Moved
                } else {
                    NoticeKind::Added
                };
                self.notice(what, event.key, entry.data);
                Ok(())
            }
            Err(NetError::Device(error @ DeviceError::FdbFull { .. })) => {
                tracing::warn!(%error, "slow path: not learned");
                self.notice(NoticeKind::Refused, event.key, entry.data);
                Ok(())
            }
            Err(other) => Err(other),
        }
    }
}
