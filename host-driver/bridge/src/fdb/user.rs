//! Entries that users and control planes make: `bridge fdb add`, `append`, `replace`, `del`, with the checks and codes of Linux.

use smartnic_netdev::{Errno, NetdevError, Result};
use smartnic_slowpath::MacAddr;

use super::{Edit, FdbFlags, Full, Key, Record, Target};

/// How an entry that a user makes stays.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FdbWay {
    /// `permanent`: an address of the bridge itself.
    Permanent,
    /// `static`: does not age.
    Static,
    /// `dynamic`: ages.
    Dynamic,
}

/// An entry that is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FdbRequest {
    /// Address.
    pub mac: MacAddr,
    /// VLAN; none: VLAN 0 and all that the port is in.
    pub vlan: Option<u16>,
    /// How it stays.
    pub way: FdbWay,
    /// Does not move.
    pub sticky: bool,
    /// `use`: as if a frame had come from there.
    pub by_use: bool,
    /// A control plane learned it.
    pub extern_learn: bool,
    /// On a locked port with MAB, by that control plane.
    pub locked: bool,
    /// Make it if it is not there (`add`, `append`, `replace`).
    pub create: bool,
    /// Refuse if it is there (`add`).
    pub exclusive: bool,
}

impl FdbRequest {
    /// `bridge fdb add`.
    pub fn add(mac: MacAddr, way: FdbWay) -> Self {
        Self {
            mac,
            vlan: None,
            way,
            sticky: false,
            by_use: false,
            extern_learn: false,
            locked: false,
            create: true,
            exclusive: true,
        }
    }
    /// `bridge fdb append` and `replace`: changes one that is there.
    pub fn replace(mac: MacAddr, way: FdbWay) -> Self {
        Self {
            exclusive: false,
            ..Self::add(mac, way)
        }
    }
    /// In this VLAN only.
    pub fn in_vlan(mut self, vlan: u16) -> Self {
        self.vlan = Some(vlan);
        self
    }
}

pub(crate) fn refuse<T>(
    errno: Errno,
    argument: &'static str,
    value: impl ToString,
    reason: &'static str,
) -> Result<T> {
    Err(NetdevError::new(errno, argument, value, reason))
}

fn no_room<T>(_: Full, mac: MacAddr) -> Result<T> {
    let reason = "the database has 1,048,576 entries: take others away first";
    refuse(Errno::NoMemory, "mac", mac, reason)
}

impl Edit<'_> {
    /// Makes or changes an entry for port `port` (0: the bridge itself). `learning`: the port is in a state in which addresses are learned.
    pub(crate) fn user_add(
        &mut self,
        request: &FdbRequest,
        vid: u16,
        port: u16,
        learning: bool,
        now: u64,
    ) -> Result<()> {
        let mac = request.mac;
        if port != 0 && request.way == FdbWay::Dynamic && !learning {
            let reason = "the port's state is neither learning nor forwarding: only permanent and static entries";
            return refuse(Errno::Perm, "mac", mac, reason);
        }
        if port == 0 && request.way != FdbWay::Permanent {
            return refuse(
                Errno::Invalid,
                "mac",
                mac,
                "an entry of the bridge itself is permanent",
            );
        }
        if request.sticky && request.way == FdbWay::Permanent {
            return refuse(
                Errno::Invalid,
                "sticky",
                mac,
                "a permanent entry cannot be sticky",
            );
        }
        let key = Key::new(vid, mac);
        let old = self.get(key);
        match &old {
            None if !request.create => {
                return refuse(Errno::NoEntry, "mac", mac, "there is no such entry");
            }
            Some(_) if request.exclusive => {
                return refuse(Errno::Exists, "mac", mac, "the entry is there already");
            }
            _ => {}
        }
        let mut flags = old.map_or(FdbFlags::empty(), |r| r.target.flags);
        flags.remove(FdbFlags::LEARNED | FdbFlags::LOCKED);
        flags.insert(FdbFlags::ADDED_BY_USER);
        flags.set(FdbFlags::LOCAL, request.way == FdbWay::Permanent);
        flags.set(FdbFlags::STATIC, request.way != FdbWay::Dynamic);
        flags.set(FdbFlags::STICKY, request.sticky);
        let target = Target { port, flags };
        let changed = old.is_none_or(|r| {
            let shown = !FdbFlags::LEARNED & !FdbFlags::ADDED_BY_USER;
            r.target.port != port || (r.target.flags ^ flags).intersects(shown)
        });
        let new = Record {
            key,
            target,
            updated: if changed {
                now
            } else {
                old.map_or(now, |r| r.updated)
            },
            used: now,
        };
        let result = match changed {
            true => self.put(&new),
            false => self.put_quietly(&new),
        };
        result.or_else(|full| no_room(full, mac))
    }

    /// Makes or refreshes an entry that a control plane learned, or, with `by_user` false, hardware did.
    pub(crate) fn extern_learn(
        &mut self,
        request: &FdbRequest,
        vid: u16,
        port: u16,
        by_user: bool,
        now: u64,
    ) -> Result<()> {
        let (mac, locked) = (request.mac, request.locked);
        let key = Key::new(vid, mac);
        let old = self.get(key);
        if let Some(old) = old.filter(|_| locked) {
            let same = old.target.port == port && old.target.flags.contains(FdbFlags::LOCKED);
            if !same {
                let reason = "there is an entry that is not locked, or is at another port";
                return refuse(Errno::Invalid, "locked", mac, reason);
            }
        }
        let mut flags = old.map_or(FdbFlags::empty(), |r| r.target.flags);
        flags.insert(FdbFlags::EXT_LEARN);
        flags.set(FdbFlags::LOCKED, locked);
        if by_user {
            flags.insert(FdbFlags::ADDED_BY_USER);
        }
        if port == 0 {
            flags.insert(FdbFlags::LOCAL);
        }
        if by_user || port == 0 {
            flags.remove(FdbFlags::LEARNED);
        }
        let new = Record {
            key,
            target: Target { port, flags },
            updated: now,
            // In Linux: a refreshed entry counts as used, one that was the bridge's own learning does not.
            used: match old {
                Some(old) if !old.target.flags.contains(FdbFlags::EXT_LEARN) => old.used,
                _ => now,
            },
        };
        let changed = old.is_none_or(|r| r.target != new.target);
        let result = match changed {
            true => self.put(&new),
            false => self.put_quietly(&new),
        };
        result.or_else(|full| no_room(full, mac))
    }

    /// Takes an entry of this port away; false: there is none.
    pub(crate) fn user_remove(&mut self, mac: MacAddr, vid: u16, port: u16) -> bool {
        match self.get(Key::new(vid, mac)) {
            Some(record) if record.target.port == port => {
                self.remove(&record);
                true
            }
            _ => false,
        }
    }
}
