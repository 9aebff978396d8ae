//! Multicast groups that the host behind a bond is a member of, as its own reports tell them, and the reports that repeat them.
//!
//! Kept is what a querier would be told: filter mode and sources of each group (RFC 3376, 3.2), and the version in which the host spoke last, for that
//! is the one that its querier understands. Limits: [`MAX_GROUPS`] groups of a family, the one that was reported longest ago makes room.
//!
//! Covered by `tests/bond_announce.rs`.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::host::Tag;
use crate::wire::membership::{Record, RecordKind};
use crate::wire::{igmp, mld};

/// Groups of a family.
pub(super) const MAX_GROUPS: usize = 256;

/// A group of the host's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group<A> {
    /// The VLAN tag of its reports.
    pub tag: Tag,
    /// Where the host's reports came from.
    source: A,
    /// The protocol's version: of IGMP 1 to 3, of MLD 1 and 2.
    version: u8,
    group: A,
    exclude: bool,
    sources: Vec<A>,
}

/// The groups of a family, the one that was reported last at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Groups<A>(Vec<Group<A>>);

impl<A> Default for Groups<A> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<A: Copy + PartialEq> Groups<A> {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Group<A>> {
        self.0.iter()
    }

    /// A report of one group. What is left without a source that it wants is no membership.
    fn reported(&mut self, tag: Tag, source: A, version: u8, record: &Record<A>) {
        let old = self.left(tag, record.group);
        let (mut exclude, mut sources) =
            old.map_or((false, Vec::new()), |g| (g.exclude, g.sources));
        let named = &record.sources;
        let listed = |s: &A| named.contains(s);
        match (record.kind, exclude) {
            (RecordKind::IsInclude | RecordKind::ToInclude, _) => {
                (exclude, sources) = (false, named.clone());
            }
            (RecordKind::IsExclude | RecordKind::ToExclude, _) => {
                (exclude, sources) = (true, named.clone());
            }
            (RecordKind::Allow, true) | (RecordKind::Block, false) => {
                sources.retain(|s| !listed(s))
            }
            (RecordKind::Allow, false) | (RecordKind::Block, true) => {
                let new: Vec<A> = named
                    .iter()
                    .filter(|s| !sources.contains(s))
                    .copied()
                    .collect();
                sources.extend(new);
            }
            (RecordKind::Unknown(_), _) => {}
        }
        if !exclude && sources.is_empty() {
            return;
        }
        if self.0.len() == MAX_GROUPS {
            self.0.remove(0);
        }
        self.0.push(Group {
            tag,
            source,
            version,
            group: record.group,
            exclude,
            sources,
        });
    }

    /// The host is no member any more.
    fn left(&mut self, tag: Tag, group: A) -> Option<Group<A>> {
        let is_it = |g: &Group<A>| g.tag == tag && g.group == group;
        let at = self.0.iter().position(is_it)?;
        Some(self.0.remove(at))
    }
}

impl<A: Clone> Group<A> {
    /// What the group is, as a current-state record.
    fn record(&self) -> Record<A> {
        Record {
            kind: match self.exclude {
                true => RecordKind::IsExclude,
                false => RecordKind::IsInclude,
            },
            group: self.group.clone(),
            sources: self.sources.clone(),
        }
    }
}

/// A member without sources, as the versions before sources report it.
fn any_source<A>(group: A) -> Record<A> {
    Record {
        kind: RecordKind::IsExclude,
        group,
        sources: Vec::new(),
    }
}

impl Groups<Ipv4Addr> {
    /// The host sent this.
    pub(super) fn hear(&mut self, tag: Tag, igmp: &igmp::Igmp) {
        use igmp::Message;
        match &igmp.message {
            Message::ReportV1(group) => self.reported(tag, igmp.source, 1, &any_source(*group)),
            Message::ReportV2(group) => self.reported(tag, igmp.source, 2, &any_source(*group)),
            Message::ReportV3(records) => {
                for record in records {
                    self.reported(tag, igmp.source, 3, record);
                }
            }
            Message::Leave(group) => drop(self.left(tag, *group)),
            Message::Query(_) | Message::Other(_) => {}
        }
    }
}

impl Group<Ipv4Addr> {
    /// The report that repeats it.
    pub(super) fn report(&self) -> igmp::Igmp {
        use igmp::Message;
        let (destination, message) = match self.version {
            1 => (self.group, Message::ReportV1(self.group)),
            2 => (self.group, Message::ReportV2(self.group)),
            _ => (igmp::ALL_V3_ROUTERS, Message::ReportV3(vec![self.record()])),
        };
        igmp::Igmp {
            source: self.source,
            destination,
            message,
        }
    }
}

impl Groups<Ipv6Addr> {
    /// The host sent this.
    pub(super) fn hear(&mut self, tag: Tag, mld: &mld::Mld) {
        use mld::Message;
        match &mld.message {
            Message::ReportV1(group) => self.reported(tag, mld.source, 1, &any_source(*group)),
            Message::ReportV2(records) => {
                for record in records {
                    self.reported(tag, mld.source, 2, record);
                }
            }
            Message::Done(group) => drop(self.left(tag, *group)),
            Message::Query(_) | Message::Other(_) => {}
        }
    }
}

impl Group<Ipv6Addr> {
    /// The report that repeats it.
    pub(super) fn report(&self) -> mld::Mld {
        use mld::Message;
        let (destination, message) = match self.version {
            1 => (self.group, Message::ReportV1(self.group)),
            _ => (mld::ALL_V2_ROUTERS, Message::ReportV2(vec![self.record()])),
        };
        mld::Mld {
            source: self.source,
            destination,
            message,
        }
    }
}
