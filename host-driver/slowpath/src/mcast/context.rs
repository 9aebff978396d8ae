//! Contexts: the bridge's, and with `mcast_vlan_snooping` one for each VLAN, each with a part for every port; what happens to them as
//! the bridge, its ports and VLANs come, go, start and stop.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::settings::{RouterMode, Settings};
use super::types::{Family, McastStats, PortId, PortState};
use super::{Snooping, Timer};

/// One for IPv4 and one for IPv6.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PerFamily<T>([T; 2]);

impl<T> std::ops::Index<Family> for PerFamily<T> {
    type Output = T;
    fn index(&self, family: Family) -> &T {
        &self.0[family as usize]
    }
}

impl<T> std::ops::IndexMut<Family> for PerFamily<T> {
    fn index_mut(&mut self, family: Family) -> &mut T {
        &mut self.0[family as usize]
    }
}

/// Who is the querier.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Querier {
    /// None before the first query.
    pub address: Option<IpAddr>,
    /// None if it is the bridge or behind it.
    pub port: Option<PortId>,
}

#[derive(Debug)]
pub(super) struct Context {
    pub settings: Settings,
    /// Queries sent since the start, to the startup query count.
    pub startup_sent: PerFamily<u32>,
    pub querier: PerFamily<Querier>,
    /// `mcast_snooping` of the VLAN.
    pub wanted: bool,
    /// Whether the bridge itself is in the VLAN.
    pub bridge_in: bool,
    /// Whether the bridge's side of a VLAN's context works.
    pub active: bool,
}

impl Default for Context {
    fn default() -> Self {
        Self {
            settings: Settings::default(),
            startup_sent: PerFamily::default(),
            querier: PerFamily::default(),
            wanted: true,
            bridge_in: true,
            active: false,
        }
    }
}

/// A port's part of a context.
#[derive(Debug)]
pub(super) struct PortContext {
    pub router_mode: RouterMode,
    /// Whether the port is taken for a router's.
    pub is_router: PerFamily<bool>,
    pub startup_sent: PerFamily<u32>,
    pub groups: u32,
    pub max_groups: u32,
    /// Whether a VLAN's context works on this port.
    pub active: bool,
    /// State of the VLAN on the port.
    pub state: PortState,
}

impl Default for PortContext {
    fn default() -> Self {
        Self {
            router_mode: RouterMode::ByQuery,
            is_router: PerFamily::default(),
            startup_sent: PerFamily::default(),
            groups: 0,
            max_groups: 0,
            active: false,
            state: PortState::Forwarding,
        }
    }
}

#[derive(Debug)]
pub(super) struct Port {
    pub state: PortState,
    pub fast_leave: bool,
    pub to_unicast: bool,
    pub hosts: u32,
    pub hosts_limit: u32,
    /// The port's own under 0, and one for each VLAN that it is in.
    pub contexts: BTreeMap<u16, PortContext>,
    pub stats: McastStats,
}

impl Snooping {
    /// Takes a port into the bridge, disabled. One that is there stays as it is.
    pub fn add_port(&mut self, now: Duration, port: PortId) {
        self.advance(now);
        self.ports.entry(port).or_insert_with(|| Port {
            state: PortState::Disabled,
            fast_leave: false,
            to_unicast: false,
            hosts: 0,
            hosts_limit: 512,
            contexts: BTreeMap::from([(0, PortContext::default())]),
            stats: McastStats::default(),
        });
    }

    /// Takes a port out, with all its memberships.
    pub fn remove_port(&mut self, now: Duration, port: PortId) {
        self.advance(now);
        self.delete_members(|key, _| key.port == port, true);
        let vids: Option<Vec<_>> = self
            .ports
            .get(&port)
            .map(|p| p.contexts.keys().copied().collect());
        for vid in vids.unwrap_or_default() {
            self.drop_port_context(vid, port);
        }
        self.ports.remove(&port);
    }

    /// The port's state has changed, by the spanning tree, the link or the user. Queries start as it leaves disabled or blocking;
    /// memberships end as it is disabled, but not as it is blocked: they expire.
    pub fn set_port_state(&mut self, now: Duration, port: PortId, state: PortState) {
        use PortState::{Blocking, Disabled};
        self.advance(now);
        let Some(old) = self.ports.get_mut(&port) else {
            return;
        };
        let old = std::mem::replace(&mut old.state, state);
        if matches!(old, Disabled | Blocking) && !matches!(state, Disabled | Blocking) {
            self.each_port_context(port, Self::start_port);
        } else if state == Disabled && old != Disabled {
            self.each_port_context(port, Self::stop_port);
        }
    }

    /// The state of a VLAN on a port (`bridge vlan set ... state`) has changed.
    pub fn set_port_vlan_state(&mut self, now: Duration, port: PortId, vid: u16, state: PortState) {
        self.advance(now);
        if let Some(context) = self.port_context_mut(vid, port) {
            context.state = state;
            let starts = matches!(state, PortState::Learning | PortState::Forwarding);
            if starts && self.vlan_snooping && self.port_active(vid, port) {
                self.start_port(vid, port);
            }
        }
    }

    /// The bridge goes up or down.
    pub fn set_running(&mut self, now: Duration, running: bool) {
        self.advance(now);
        if self.running == running {
            return;
        }
        let ports: Vec<_> = self.ports.keys().copied().collect();
        if running {
            self.running = true;
            self.open();
            ports
                .into_iter()
                .for_each(|port| self.start_enabled_port(port));
        } else {
            for port in ports {
                self.each_port_context(port, Self::stop_port);
            }
            let vids: Vec<_> = self.contexts.keys().copied().collect();
            vids.into_iter().for_each(|vid| self.close_context(vid));
            self.running = false;
        }
    }

    pub(super) fn drop_port_context(&mut self, vid: u16, port: PortId) {
        self.stop_port(vid, port);
        if let Some(port) = self.ports.get_mut(&port) {
            port.contexts.remove(&vid);
        }
    }

    /// Queries start on a port, if its state allows it.
    pub(super) fn start_enabled_port(&mut self, port: PortId) {
        let state = self.ports.get(&port).map(|port| port.state);
        if !matches!(
            state,
            None | Some(PortState::Disabled | PortState::Blocking)
        ) {
            self.each_port_context(port, Self::start_port);
        }
    }

    /// The contexts that are used: the bridge's, or the VLANs'.
    fn each_port_context(&mut self, port: PortId, act: fn(&mut Self, u16, PortId)) {
        let vids: Vec<_> = self.ports.get(&port).map_or(Vec::new(), |port| {
            let used = |vid: &u16| (*vid != 0) == self.vlan_snooping;
            port.contexts.keys().copied().filter(used).collect()
        });
        for vid in vids {
            if vid == 0 || self.port_active(vid, port) {
                act(self, vid, port);
            }
        }
    }

    pub(super) fn port_context(&self, vid: u16, port: PortId) -> Option<&PortContext> {
        self.ports.get(&port)?.contexts.get(&vid)
    }

    pub(super) fn port_context_mut(&mut self, vid: u16, port: PortId) -> Option<&mut PortContext> {
        self.ports.get_mut(&port)?.contexts.get_mut(&vid)
    }

    pub(super) fn port_active(&self, vid: u16, port: PortId) -> bool {
        self.port_context(vid, port)
            .is_some_and(|context| context.active)
    }

    pub(super) fn settings(&self, vid: u16) -> &Settings {
        let context = self.contexts.get(&vid).unwrap_or(&self.contexts[&0]);
        &context.settings
    }

    /// The context of frames of a VLAN; none if they are not snooped.
    pub(super) fn context_of(&self, vid: u16) -> Option<u16> {
        if !self.enabled {
            None
        } else if vid == 0 || !self.vlan_snooping {
            Some(0)
        } else {
            let context = self.contexts.get(&vid)?;
            context.wanted.then_some(vid)
        }
    }

    /// The context that an entry's port belongs to, if it works.
    pub(super) fn context_of_entry(&self, vid: u16, port: PortId) -> Option<u16> {
        if vid == 0 || !self.vlan_snooping {
            Some(0)
        } else {
            self.port_active(vid, port).then_some(vid)
        }
    }

    /// Whether the context does anything for the port, or the bridge itself.
    pub(super) fn in_use(&self, vid: u16, port: Option<PortId>) -> bool {
        self.running
            && match port {
                None => vid == 0 || self.contexts.get(&vid).is_some_and(|c| c.active),
                Some(port) => {
                    let state = self.ports.get(&port).map(|port| port.state);
                    let up = state.is_some_and(|state| state != PortState::Disabled);
                    up && (vid == 0 || self.vlan_open(vid, port))
                }
            }
    }

    fn vlan_open(&self, vid: u16, port: PortId) -> bool {
        self.port_context(vid, port)
            .is_some_and(|context| context.active && context.state != PortState::Blocking)
    }

    /// Whether the port sends queries.
    pub(super) fn may_query(&self, vid: u16, port: PortId) -> bool {
        let state = self.ports.get(&port).map(|port| port.state);
        state.is_some_and(|state| !matches!(state, PortState::Disabled | PortState::Blocking))
            && (vid == 0 || self.vlan_open(vid, port))
    }

    /// Queries start on a port.
    pub(super) fn start_port(&mut self, vid: u16, port: PortId) {
        if !self.enabled || !self.running {
            return;
        }
        for family in Family::ALL {
            self.start_port_queries(vid, port, family);
        }
        if self
            .port_context(vid, port)
            .is_some_and(|c| c.router_mode == RouterMode::Always)
        {
            for family in Family::ALL {
                self.add_router(vid, port, family);
            }
        }
    }

    /// What was learned on a port is forgotten.
    pub(super) fn stop_port(&mut self, vid: u16, port: PortId) {
        self.delete_members(
            |member, key| member.port == port && (vid == 0 || key.vid == vid),
            false,
        );
        self.forget_router(vid, port);
        for family in Family::ALL {
            self.timers.cancel(Timer::PortQuery(vid, port, family));
        }
    }

    /// The bridge's own queries start, in all contexts that are used.
    pub(super) fn open(&mut self) {
        let vids: Vec<_> = match self.vlan_snooping {
            false => vec![0],
            true => {
                let active = self.contexts.iter().filter(|(_, context)| context.active);
                active.map(|(vid, _)| *vid).collect()
            }
        };
        vids.into_iter().for_each(|vid| self.open_context(vid));
    }

    pub(super) fn open_context(&mut self, vid: u16) {
        for family in Family::ALL {
            self.open_query(vid, family);
        }
    }

    pub(super) fn close_context(&mut self, vid: u16) {
        for family in Family::ALL {
            for timer in [
                Timer::OwnQuery(vid, family),
                Timer::OtherQuerier(vid, family),
                Timer::QueryDelay(vid, family),
                Timer::BridgeRouter(vid, family),
            ] {
                self.timers.cancel(timer);
            }
        }
    }
}
