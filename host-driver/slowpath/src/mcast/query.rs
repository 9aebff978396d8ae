//! Queries as messages.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::settings::{Settings, to_centis};
use super::types::Family;
use crate::wire::membership::{QueryDetails, encode8, encode16};
use crate::wire::{igmp, mld};

/// What a query asks about: the group, sources of it, and whether others must leave their timers alone (the S flag).
pub(super) type Asked<'a> = (IpAddr, &'a [IpAddr], bool);

/// A query of somebody else.
pub(super) struct Heard<'a> {
    /// Who sent it.
    pub source: IpAddr,
    /// None: all groups.
    pub group: Option<IpAddr>,
    pub sources: &'a [IpAddr],
    pub suppress: bool,
    /// How long the hosts may take to answer.
    pub response: Duration,
}

impl Settings {
    fn response(&self, general: bool) -> Duration {
        match general {
            true => self.query_response_interval,
            false => self.last_member_interval,
        }
    }

    fn details<A>(&self, sources: Vec<A>, suppress: bool) -> QueryDetails<A> {
        QueryDetails {
            suppress,
            robustness: 2,
            interval_code: encode8(
                u32::try_from(self.query_interval.as_secs()).unwrap_or(u32::MAX),
            ),
            sources,
        }
    }

    pub fn igmp_query(&self, source: Ipv4Addr, asked: Option<Asked>) -> igmp::Igmp {
        let tenths = to_centis(self.response(asked.is_none())) / 10;
        let tenths = u32::try_from(tenths).unwrap_or(u32::MAX);
        let group = match asked {
            Some((IpAddr::V4(group), ..)) => group,
            _ => Ipv4Addr::UNSPECIFIED,
        };
        let (sources, suppress) = asked.map_or((&[][..], false), |(_, sources, s)| (sources, s));
        let sources = sources.iter().filter_map(|source| match source {
            IpAddr::V4(source) => Some(*source),
            IpAddr::V6(_) => None,
        });
        let with_sources = self.with_sources(Family::V4);
        igmp::Igmp {
            source,
            destination: match asked {
                Some(_) => group,
                None => igmp::ALL_SYSTEMS,
            },
            message: igmp::Message::Query(igmp::Query {
                group,
                response_code: match with_sources {
                    true => encode8(tenths),
                    // 0 would make it a query of version 1.
                    false => tenths.clamp(1, 255) as u8,
                },
                v3: with_sources.then(|| self.details(sources.collect(), suppress)),
            }),
        }
    }

    pub fn mld_query(&self, source: Ipv6Addr, asked: Option<Asked>) -> mld::Mld {
        let response = self.response(asked.is_none()).as_millis();
        let millis = u32::try_from(response).unwrap_or(u32::MAX);
        let group = match asked {
            Some((IpAddr::V6(group), ..)) => group,
            _ => Ipv6Addr::UNSPECIFIED,
        };
        let (sources, suppress) = asked.map_or((&[][..], false), |(_, sources, s)| (sources, s));
        let sources = sources.iter().filter_map(|source| match source {
            IpAddr::V6(source) => Some(*source),
            IpAddr::V4(_) => None,
        });
        let with_sources = self.with_sources(Family::V6);
        mld::Mld {
            source,
            destination: match asked {
                Some(_) => group,
                None => mld::ALL_NODES,
            },
            message: mld::Message::Query(mld::Query {
                group,
                response_code: match with_sources {
                    true => encode16(millis),
                    false => millis.min(0xffff) as u16,
                },
                v2: with_sources.then(|| self.details(sources.collect(), suppress)),
            }),
        }
    }
}
