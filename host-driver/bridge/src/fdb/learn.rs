//! Learning from frames: new addresses, moves, the limit.
//!
//! An entry that is where it was is refreshed with one store and no lock. Everything else takes the writer's lock and looks again.

use std::sync::atomic::Ordering::*;

use super::{Fdb, FdbFlags, Key, Record, Target};
use crate::events::Events;

/// What became of a source address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Learned {
    /// It is there, where it was.
    Known,
    /// A new entry.
    New,
    /// It was at another port.
    Moved,
    /// It is there, at another port, from where it does not move.
    Stays,
    /// It is an address of the bridge itself: nothing changes.
    Own,
    /// There is no room.
    Full,
}

impl Fdb {
    /// The address `key` was seen on `port`; `extra` is [`FdbFlags::LOCKED`] on a port that only notes it, or [`FdbFlags::ADDED_BY_USER`].
    pub(crate) fn learn(
        &self,
        events: &Events,
        key: Key,
        port: u16,
        extra: FdbFlags,
        now: u64,
    ) -> Learned {
        {
            let table = self.table.load();
            if let Some((slot, word)) = table.find(key) {
                let known = Target::of(word);
                if known.flags.contains(FdbFlags::LOCAL) {
                    return Learned::Own;
                }
                let by_user = extra & FdbFlags::ADDED_BY_USER;
                let stays = known.port != port && known.flags.contains(FdbFlags::STICKY);
                if (known.port == port || stays) && known.flags.contains(by_user) {
                    if slot.updated.load(Relaxed) != now {
                        slot.updated.store(now, Relaxed);
                    }
                    return if stays {
                        Learned::Stays
                    } else {
                        Learned::Known
                    };
                }
            }
        }
        self.learn_anew(events, key, port, extra, now)
    }

    fn learn_anew(
        &self,
        events: &Events,
        key: Key,
        port: u16,
        extra: FdbFlags,
        now: u64,
    ) -> Learned {
        let mut edit = self.edit(events);
        let Some(mut record) = edit.get(key) else {
            let max = self.max_learned();
            let flags = extra | FdbFlags::LEARNED;
            let new = Record {
                key,
                target: Target { port, flags },
                updated: now,
                used: now,
            };
            if (max > 0 && self.learned() >= max) || edit.put(&new).is_err() {
                self.refused.fetch_add(1, Relaxed);
                return Learned::Full;
            }
            return Learned::New;
        };
        let flags = &mut record.target.flags;
        if flags.contains(FdbFlags::LOCAL) {
            return Learned::Own;
        }
        record.updated = now;
        *flags |= extra & FdbFlags::ADDED_BY_USER;
        let elsewhere = record.target.port != port;
        let moves = elsewhere && !flags.contains(FdbFlags::STICKY);
        if moves {
            // What another control plane learned, or was waiting for authorisation, is an ordinary entry once it moved.
            flags.remove(FdbFlags::EXT_LEARN | FdbFlags::LOCKED);
            record.target.port = port;
        }
        // It is there, so there is room.
        let _ = match moves {
            true => edit.put(&record),
            false => edit.put_quietly(&record),
        };
        match (elsewhere, moves) {
            (false, _) => Learned::Known,
            (true, true) => Learned::Moved,
            (true, false) => Learned::Stays,
        }
    }
}
