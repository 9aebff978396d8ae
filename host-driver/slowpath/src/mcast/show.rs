//! What there is to see: the database as `bridge mdb show` prints it, the querier, the routers; and the messages when they change.

use std::fmt::{self, Write as _};
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::settings::{RouterMode, to_centis};
use super::types::{Family, FilterMode, Flags, GroupKey, Member, PortId, Protocol};
use super::{Output, Snooping, Timer};
use crate::MacAddr;

/// A source in a member's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceEntry {
    /// Its address.
    pub address: IpAddr,
    /// What is left of its timer, in hundredths of a second; 0 for one that is blocked.
    pub timer: u64,
}

/// One member of one entry of the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MdbEntry {
    /// The entry.
    #[serde(flatten)]
    pub key: GroupKey,
    /// The port; none: the bridge itself.
    pub port: Option<PortId>,
    /// The host behind it, where each gets a copy of its own.
    pub host: Option<MacAddr>,
    /// Flags.
    pub flags: Flags,
    /// What is left of the group timer, in hundredths of a second; 0 without one.
    pub timer: u64,
    /// Who made it; none for the bridge itself.
    pub protocol: Option<Protocol>,
    /// Where sources count (IGMPv3, MLDv2): how the list is meant.
    pub filter_mode: Option<FilterMode>,
    /// And the list.
    pub sources: Vec<SourceEntry>,
}

/// A router's port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouterPort {
    /// The port.
    pub port: PortId,
    /// The VLAN, 0 for all.
    pub vid: u16,
    /// As `mcast_router` says.
    pub mode: u64,
    /// What is left for IPv4, in hundredths of a second; none where it is no router's of IPv4.
    pub ipv4_timer: Option<u64>,
    /// The same for IPv6.
    pub ipv6_timer: Option<u64>,
}

/// Who is the querier of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuerierState {
    /// Which family.
    pub family: Family,
    /// Its address; unspecified for the bridge without one.
    pub address: IpAddr,
    /// Behind which port, unless it is the bridge.
    pub port: Option<PortId>,
    /// How long the other querier is still believed in, in hundredths of a second; none if the bridge itself queries.
    pub other_timer: Option<u64>,
}

/// How much to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Detail {
    /// `-d`: filter mode, sources, protocol.
    pub details: bool,
    /// `-s`: timers.
    pub statistics: bool,
}

/// A time as iproute2 prints it: seconds with two digits, right-aligned in seven.
struct Time(u64);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:4}.{:02}", self.0 / 100, self.0 % 100)
    }
}

impl MdbEntry {
    /// The line of `bridge mdb show`, with the names of the bridge and of the port.
    pub fn line(&self, bridge: &str, port: &str, detail: Detail) -> String {
        let mut line = format!("dev {bridge} port {port} grp {}", self.key.group);
        let mut add = |text: fmt::Arguments| {
            // Writing to a string does not fail.
            let _ = line.write_fmt(text);
        };
        if let Some(source) = self.key.source {
            add(format_args!(" src {source}"));
        }
        add(format_args!(
            " {}",
            if self.flags.permanent {
                "permanent"
            } else {
                "temp"
            }
        ));
        if detail.details {
            if let Some(mode) = self.filter_mode {
                add(format_args!(" filter_mode {mode}"));
            }
            for (at, source) in self.sources.iter().enumerate() {
                let word = if at == 0 { " source_list " } else { "," };
                add(format_args!(
                    "{word}{}/{}",
                    source.address,
                    Time(source.timer)
                ));
            }
            if let Some(protocol) = self.protocol {
                add(format_args!(" proto {protocol}"));
            }
        }
        for (set, name) in [
            (self.flags.offload, "offload"),
            (self.flags.fast_leave, "fast_leave"),
            (self.flags.added_by_star_ex, "added_by_star_ex"),
            (self.flags.blocked, "blocked"),
        ] {
            if set {
                add(format_args!(" {name}"));
            }
        }
        if self.key.vid != 0 {
            add(format_args!(" vid {}", self.key.vid));
        }
        if detail.statistics {
            add(format_args!(" {}", Time(self.timer)));
        }
        line
    }
}

impl RouterPort {
    /// The port as the line `router ports on br0:` of `bridge mdb show` names it.
    pub fn text(&self, port: &str, detail: Detail) -> String {
        let mut text = port.to_owned();
        if detail.statistics {
            let timer = self.ipv4_timer.max(self.ipv6_timer).unwrap_or(0);
            text += &format!(" {}", Time(timer));
            text += match self.mode {
                2 => " permanent",
                3 => " temp",
                _ => "",
            };
        }
        text
    }
}

impl QuerierState {
    /// The words of `ip -d link show`, with the name of the port that it is behind.
    pub fn text(&self, port: Option<&str>) -> String {
        let name = match self.family {
            Family::V4 => "mcast_querier_ipv4",
            Family::V6 => "mcast_querier_ipv6",
        };
        let mut text = format!("{name}_addr {}", self.address);
        if let Some(port) = port {
            text += &format!(" {name}_port {port}");
        }
        if let Some(timer) = self.other_timer {
            text += &format!(" {name}_other_timer {}", Time(timer).to_string().trim());
        }
        text
    }
}

impl Snooping {
    fn left(&self, timer: Timer) -> u64 {
        let deadline = self.timers.deadline(timer).unwrap_or(Duration::ZERO);
        to_centis(deadline.saturating_sub(self.now))
    }

    /// A member (none: the bridge itself) of an entry as it is shown.
    pub(super) fn entry(&self, key: GroupKey, member: Option<Member>) -> Option<MdbEntry> {
        let group = self.groups.get(&key)?;
        let Some(member) = member else {
            return group.host.then(|| MdbEntry {
                key,
                port: None,
                host: None,
                flags: Flags {
                    permanent: key.group.family().is_none(),
                    ..Flags::default()
                },
                timer: self.left(Timer::Host(key)),
                protocol: None,
                filter_mode: None,
                sources: Vec::new(),
            });
        };
        let membership = group.members.get(&member)?;
        // As Linux: by the bridge's own version, whatever the VLAN's is.
        let with_sources = key
            .group
            .family()
            .is_some_and(|family| self.settings(0).with_sources(family));
        let sources = membership.sources.keys().map(|address| SourceEntry {
            address: *address,
            timer: self.left(Timer::Source(key, member, *address)),
        });
        Some(MdbEntry {
            key,
            port: Some(member.port),
            host: member.host.is_unicast().then_some(member.host),
            flags: membership.flags,
            timer: self.left(Timer::Member(key, member)),
            protocol: Some(membership.protocol),
            filter_mode: with_sources.then_some(membership.mode),
            sources: match with_sources {
                true => sources.collect(),
                false => Vec::new(),
            },
        })
    }

    /// Tells of an entry that is new, has changed, or is about to go.
    pub(super) fn notify(&mut self, deleted: bool, key: GroupKey, member: Option<Member>) {
        if let Some(entry) = self.entry(key, member) {
            self.outputs.push(Output::Mdb { deleted, entry });
        }
    }

    /// The whole database, in order of VLANs, groups and ports; empty while snooping is off, as in Linux. Times are as of the last
    /// call with a `now`.
    pub fn mdb(&self) -> Vec<MdbEntry> {
        if !self.enabled {
            return Vec::new();
        }
        let all = self.groups.iter().flat_map(|(key, group)| {
            let members = group.members.keys().map(|member| Some(*member));
            let all = std::iter::once(None).chain(members);
            all.filter_map(|member| self.entry(*key, member))
        });
        all.collect()
    }

    /// The ports that are taken for routers'.
    pub fn routers_shown(&self) -> Vec<RouterPort> {
        let mut all = Vec::new();
        for (port, entry) in &self.ports {
            for (vid, context) in &entry.contexts {
                let timer = |family| {
                    let timer = Timer::PortRouter(*vid, *port, family);
                    context.is_router[family].then(|| self.left(timer))
                };
                let (ipv4_timer, ipv6_timer) = (timer(Family::V4), timer(Family::V6));
                // A bridge that is never a router's shows none, as in Linux.
                let shown = self.settings(*vid).router != RouterMode::Never;
                if shown && (ipv4_timer.is_some() || ipv6_timer.is_some()) {
                    all.push(RouterPort {
                        port: *port,
                        vid: *vid,
                        mode: context.router_mode.number(),
                        ipv4_timer,
                        ipv6_timer,
                    });
                }
            }
        }
        all
    }

    /// Who queries in a VLAN (0: on the bridge), as `ip -d link` has it: nothing of a family where nobody does.
    pub fn querier_state(&self, vid: u16) -> Vec<QuerierState> {
        let Some(context) = self.contexts.get(&vid).filter(|_| self.enabled) else {
            return Vec::new();
        };
        let of = |family| {
            let other = Timer::OtherQuerier(vid, family);
            let pending = self.timers.pending(other);
            (context.settings.querier || pending).then(|| {
                let querier = context.querier[family];
                QuerierState {
                    family,
                    address: querier.address.unwrap_or(family.unspecified()),
                    port: querier.port.filter(|_| pending),
                    other_timer: pending.then(|| self.left(other)),
                }
            })
        };
        Family::ALL.into_iter().filter_map(of).collect()
    }
}
