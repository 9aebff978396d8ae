//! Where a multicast frame goes.

use std::collections::BTreeSet;

use super::receive::{Frame, Seen};
use super::types::{Family, FilterMode, GroupKey, Member, Pdu, PortId};
use super::{Snooping, group::Group};
use crate::MacAddr;

/// A copy of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Delivery {
    /// To this port.
    pub port: PortId,
    /// With this destination address instead of the group's (multicast_to_unicast).
    pub unicast: Option<MacAddr>,
}

/// The ports that a frame goes to; the bridge leaves out the port that it came from (hairpin aside) and what isolation, VLANs and
/// port states forbid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// To none: it is malformed, or a report without room.
    Drop,
    /// To all ports that flood (`mcast_flood`; `bcast_flood` for a broadcast).
    Flood,
    /// To these, in order of ports.
    Ports(Vec<Delivery>),
}

/// What becomes of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Where it goes.
    pub route: Route,
    /// Whether the bridge's own stack gets it too.
    pub local: bool,
    /// What message it is: [`Snooping::count_sent`] counts it for each port that it is put out on.
    pub pdu: Option<Pdu>,
}

impl Verdict {
    pub(super) fn flood() -> Self {
        Self {
            route: Route::Flood,
            local: true,
            pdu: None,
        }
    }

    pub(super) fn drop() -> Self {
        Self {
            route: Route::Drop,
            local: false,
            pdu: None,
        }
    }
}

/// Whether a (*, G) member is forwarded to by (*, G): where sources count, one in mode INCLUDE is in the (S, G) entries only.
pub(super) fn takes(key: &GroupKey, with_sources: bool, mode: FilterMode, blocked: bool) -> bool {
    let by_source_only = with_sources && key.is_star() && mode == FilterMode::Include;
    !blocked && !by_source_only
}

impl Snooping {
    /// The entry that a packet or frame is forwarded by: (S, G) before (*, G).
    fn entry_of(&self, context: u16, frame: &Frame, seen: &Seen) -> Option<(GroupKey, &Group)> {
        let find = |key| {
            self.groups
                .get_key_value(&key)
                .map(|(key, group)| (*key, group))
        };
        match seen.packet {
            None => find(GroupKey {
                vid: frame.vid,
                group: frame.ethernet_group(),
                source: None,
            }),
            Some((group, source)) => {
                let star = GroupKey::star(frame.vid, group);
                let specific = self.settings(context).with_sources(Family::of(group));
                let specific = specific.then(|| find(star.with_source(source))).flatten();
                specific.or_else(|| find(star))
            }
        }
    }

    /// Where a frame goes that says this.
    pub(super) fn decide(&self, frame: &Frame, seen: &Seen) -> Verdict {
        let verdict = Verdict {
            pdu: seen.pdu,
            ..Verdict::flood()
        };
        // A report may have switched snooping off.
        let Some(context) = self.context_of(frame.vid) else {
            return verdict;
        };
        if frame.destination == MacAddr::BROADCAST {
            return verdict;
        }
        let entry = match seen.pdu {
            Some(_) => None,
            None => self.entry_of(context, frame, seen),
        };
        let family = seen.packet.map(|(group, _)| Family::of(group));
        let known = match family {
            Some(family) => self.querier_exists(context, family),
            None => entry.is_some(),
        };
        if !known || (entry.is_none() && !seen.routers_only) {
            return verdict;
        }
        let routers = self.router_ports(context, family).map(|port| Delivery {
            port,
            unicast: None,
        });
        let mut ports: BTreeSet<_> = routers.collect();
        if let Some((key, group)) = entry {
            let with_sources = family.is_some_and(|f| self.settings(context).with_sources(f));
            for (member, membership) in &group.members {
                let whole = Delivery {
                    port: member.port,
                    unicast: None,
                };
                let takes = takes(
                    &key,
                    with_sources,
                    membership.mode,
                    membership.flags.blocked,
                );
                // What a router gets, the hosts beside it get too.
                if takes && !ports.contains(&whole) {
                    ports.insert(self.delivery(*member));
                }
            }
        }
        let host = entry.is_some_and(|(_, group)| group.host);
        Verdict {
            route: Route::Ports(ports.into_iter().collect()),
            local: host || self.bridge_is_router(context, family),
            pdu: seen.pdu,
        }
    }

    fn delivery(&self, member: Member) -> Delivery {
        let to_unicast = self
            .ports
            .get(&member.port)
            .is_some_and(|port| port.to_unicast);
        Delivery {
            port: member.port,
            unicast: (to_unicast && member.host.is_unicast()).then_some(member.host),
        }
    }
}
