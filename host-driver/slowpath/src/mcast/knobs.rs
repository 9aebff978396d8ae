//! Setting and reading knobs.

use super::settings::{Knob, PortKnob, RouterMode};
use super::types::{Family, PortId, PortState};
use super::user::{Errno, Refused, refuse};
use super::{Snooping, Timer};
use std::time::Duration;

fn no_vlan<T>(vid: u16) -> Result<T, Refused> {
    refuse(Errno::ENOENT, format!("VLAN {vid} is not there"))
}

fn no_vlan_knob<T>(name: &str) -> Result<T, Refused> {
    refuse(
        Errno::EINVAL,
        format!("{name} is the whole bridge's or port's, not a VLAN's"),
    )
}

fn range<T>(name: &str, value: u64, allowed: &str) -> Result<T, Refused> {
    refuse(
        Errno::EINVAL,
        format!("{name} {value}: it can be {allowed}"),
    )
}

impl Snooping {
    /// A knob of the bridge (`vid` 0) or of a VLAN, in the units of `ip link`.
    pub fn knob(&self, vid: u16, knob: Knob) -> Result<u64, Refused> {
        let Some(context) = self.contexts.get(&vid) else {
            return no_vlan(vid);
        };
        if vid != 0 && !knob.per_vlan() {
            return no_vlan_knob(knob.name());
        }
        Ok(match knob {
            Knob::Snooping if vid != 0 => context.wanted.into(),
            Knob::Snooping => self.enabled.into(),
            Knob::VlanSnooping => self.vlan_snooping.into(),
            Knob::QueryUseIfaddr => self.query_use_ifaddr.into(),
            Knob::HashElasticity => 16,
            Knob::HashMax => self.hash_max.into(),
            Knob::StatsEnabled => self.stats_enabled.into(),
            _ => context.settings.get(knob).unwrap_or(0),
        })
    }

    /// Sets a knob of the bridge (`vid` 0) or of a VLAN, in the units of `ip link`.
    pub fn set_knob(
        &mut self,
        now: Duration,
        vid: u16,
        knob: Knob,
        value: u64,
    ) -> Result<(), Refused> {
        self.advance(now);
        // What cannot be read there cannot be set there.
        self.knob(vid, knob)?;
        let on = value != 0;
        match knob {
            Knob::Snooping if vid != 0 => {
                if let Some(context) = self.contexts.get_mut(&vid) {
                    context.wanted = on;
                }
                self.toggle_vlan(vid);
            }
            Knob::Snooping => self.toggle(on),
            Knob::VlanSnooping if on && !self.vlan_filtering => {
                let why = "Cannot enable multicast vlan snooping with vlan filtering disabled";
                return refuse(Errno::EINVAL, why);
            }
            Knob::VlanSnooping => self.toggle_vlan_snooping(on),
            Knob::QueryUseIfaddr => self.query_use_ifaddr = on,
            Knob::HashElasticity => {}
            Knob::HashMax => self.hash_max = u32::try_from(value).unwrap_or(u32::MAX),
            Knob::StatsEnabled => self.stats_enabled = on,
            Knob::Router => match RouterMode::from_number(value, false) {
                Some(mode) => self.set_bridge_router(vid, mode),
                None => return range(knob.name(), value, "0, 1 or 2"),
            },
            Knob::Querier => self.set_querier(vid, on),
            Knob::IgmpVersion if !matches!(value, 2 | 3) => {
                return range(knob.name(), value, "2 or 3");
            }
            Knob::MldVersion if !matches!(value, 1 | 2) => {
                return range(knob.name(), value, "1 or 2");
            }
            _ => {
                let context = self.contexts.get_mut(&vid);
                let set = context.is_some_and(|context| context.settings.set(knob, value));
                debug_assert!(set, "{} of VLAN {vid} is not set", knob.name());
            }
        }
        Ok(())
    }

    fn toggle(&mut self, on: bool) {
        if std::mem::replace(&mut self.enabled, on) == on || !on || !self.running {
            return;
        }
        self.open();
        let ports: Vec<_> = self.ports.keys().copied().collect();
        for port in ports {
            self.start_enabled_port(port);
        }
    }

    fn set_querier(&mut self, vid: u16, on: bool) {
        let Some(context) = self.contexts.get_mut(&vid) else {
            return;
        };
        if std::mem::replace(&mut context.settings.querier, on) == on || !on {
            return;
        }
        let answered = self.now + context.settings.query_response_interval;
        for family in Family::ALL {
            if !self.timers.pending(Timer::OtherQuerier(vid, family)) {
                self.timers.arm(Timer::QueryDelay(vid, family), answered);
            }
            self.start_querier(vid, family);
        }
    }

    /// A knob of a port (`vid` 0), or of a VLAN on it.
    pub fn port_knob(&self, port: PortId, vid: u16, knob: PortKnob) -> Result<u64, Refused> {
        let Some(entry) = self.ports.get(&port) else {
            return refuse(Errno::EINVAL, "Net device is not a bridge port");
        };
        let Some(context) = entry.contexts.get(&vid) else {
            return no_vlan(vid);
        };
        if vid != 0 && !knob.per_vlan() {
            return no_vlan_knob(knob.name());
        }
        Ok(match knob {
            PortKnob::Router => context.router_mode.number(),
            PortKnob::FastLeave => entry.fast_leave.into(),
            PortKnob::ToUnicast => entry.to_unicast.into(),
            PortKnob::MaxGroups => context.max_groups.into(),
            PortKnob::EhtHostsLimit => entry.hosts_limit.into(),
        })
    }

    /// Sets a knob of a port (`vid` 0), or of a VLAN on it.
    pub fn set_port_knob(
        &mut self,
        now: Duration,
        port: PortId,
        vid: u16,
        knob: PortKnob,
        value: u64,
    ) -> Result<(), Refused> {
        self.advance(now);
        self.port_knob(port, vid, knob)?;
        let on = value != 0;
        let count = u32::try_from(value).unwrap_or(u32::MAX);
        if knob == PortKnob::Router {
            return match RouterMode::from_number(value, true) {
                Some(mode) => {
                    self.set_port_router(vid, port, mode);
                    Ok(())
                }
                None => range(knob.name(), value, "0, 1, 2 or 3"),
            };
        }
        if knob == PortKnob::EhtHostsLimit && count == 0 {
            return range(knob.name(), value, "1 or more");
        }
        if let Some(entry) = self.ports.get_mut(&port) {
            match knob {
                PortKnob::Router => {}
                PortKnob::FastLeave => entry.fast_leave = on,
                PortKnob::ToUnicast => entry.to_unicast = on,
                PortKnob::EhtHostsLimit => entry.hosts_limit = count,
                PortKnob::MaxGroups => {
                    if let Some(context) = entry.contexts.get_mut(&vid) {
                        context.max_groups = count;
                    }
                }
            }
        }
        Ok(())
    }

    /// `mcast_n_groups`: of how many entries a port (`vid` 0), or a VLAN on it, is a member.
    pub fn groups_of(&self, port: PortId, vid: u16) -> Option<u32> {
        self.port_context(vid, port).map(|context| context.groups)
    }

    /// The state of a port.
    pub fn port_state(&self, port: PortId) -> Option<PortState> {
        self.ports.get(&port).map(|port| port.state)
    }
}
