//! Routers: the ports that get all multicast. A port is one by the user's word, by queries, by PIM hellos (RFC 7761, 4.9) or by
//! multicast router advertisements (RFC 4286).

use super::settings::RouterMode;
use super::types::{Family, PortId};
use super::{Output, Snooping, Timer};

impl Snooping {
    /// A router has been heard on a port, or from the bridge itself.
    pub(super) fn mark_router(&mut self, vid: u16, port: Option<PortId>, family: Family) {
        if !self.in_use(vid, port) {
            return;
        }
        let until = self.now + self.settings(vid).querier_interval;
        let Some(port) = port else {
            if self.settings(vid).router == RouterMode::ByQuery {
                self.timers.arm(Timer::BridgeRouter(vid, family), until);
            }
            return;
        };
        let mode = self
            .port_context(vid, port)
            .map(|context| context.router_mode);
        if let Some(RouterMode::ByQuery | RouterMode::Temporary) = mode {
            self.add_router(vid, port, family);
            self.timers.arm(Timer::PortRouter(vid, port, family), until);
        }
    }

    /// Takes a port for a router's.
    pub(super) fn add_router(&mut self, vid: u16, port: PortId, family: Family) {
        let Some(context) = self.port_context_mut(vid, port) else {
            return;
        };
        let any = Family::ALL.iter().any(|family| context.is_router[*family]);
        context.is_router[family] = true;
        if !any {
            self.outputs.push(Output::Router {
                deleted: false,
                port,
                vid,
            });
        }
    }

    /// Takes a port no longer for a router's, in these families.
    fn remove_router(&mut self, vid: u16, port: PortId, families: &[Family]) {
        let Some(context) = self.port_context_mut(vid, port) else {
            return;
        };
        let mut removed = false;
        for family in families {
            removed |= std::mem::replace(&mut context.is_router[*family], false);
        }
        if removed && !Family::ALL.iter().any(|family| context.is_router[*family]) {
            // A temporary router's port falls back to what queries say.
            if context.router_mode == RouterMode::Temporary {
                context.router_mode = RouterMode::ByQuery;
            }
            self.outputs.push(Output::Router {
                deleted: true,
                port,
                vid,
            });
        }
    }

    /// Forgets that a port is a router's, timers and all.
    pub(super) fn forget_router(&mut self, vid: u16, port: PortId) {
        self.cancel_port_router(vid, port);
        self.remove_router(vid, port, &Family::ALL);
    }

    fn cancel_port_router(&mut self, vid: u16, port: PortId) {
        for family in Family::ALL {
            self.timers.cancel(Timer::PortRouter(vid, port, family));
        }
    }

    /// No router has been heard on a port for long.
    pub(super) fn port_router_expired(&mut self, vid: u16, port: PortId, family: Family) {
        let mode = self
            .port_context(vid, port)
            .map(|context| context.router_mode);
        if let Some(RouterMode::ByQuery | RouterMode::Temporary) = mode {
            self.remove_router(vid, port, &[family]);
        }
    }

    /// Whether the bridge itself takes all multicast of a family (none: of either).
    pub(super) fn bridge_is_router(&self, vid: u16, family: Option<Family>) -> bool {
        let heard = |family| self.timers.pending(Timer::BridgeRouter(vid, family));
        match self.settings(vid).router {
            RouterMode::Always => true,
            RouterMode::ByQuery => family.map_or_else(|| Family::ALL.into_iter().any(heard), heard),
            _ => false,
        }
    }

    /// The ports that are taken for routers'. What is not IP goes to IPv4's, as in Linux.
    pub(super) fn router_ports(
        &self,
        vid: u16,
        family: Option<Family>,
    ) -> impl Iterator<Item = PortId> {
        let family = family.unwrap_or(Family::V4);
        self.ports.iter().filter_map(move |(port, entry)| {
            let context = entry.contexts.get(&vid)?;
            context.is_router[family].then_some(*port)
        })
    }

    /// `mcast_router` of the bridge or a VLAN.
    pub(super) fn set_bridge_router(&mut self, vid: u16, mode: RouterMode) {
        if let Some(context) = self.contexts.get_mut(&vid) {
            context.settings.router = mode;
            if mode != RouterMode::ByQuery {
                for family in Family::ALL {
                    self.timers.cancel(Timer::BridgeRouter(vid, family));
                }
            }
        }
    }

    /// `mcast_router` of a port, or of a VLAN on it.
    pub(super) fn set_port_router(&mut self, vid: u16, port: PortId, mode: RouterMode) {
        let Some(context) = self.port_context_mut(vid, port) else {
            return;
        };
        let same = std::mem::replace(&mut context.router_mode, mode) == mode;
        match mode {
            // Said again, it lasts for another querier interval.
            RouterMode::Temporary => {
                for family in Family::ALL {
                    self.mark_router(vid, Some(port), family);
                }
            }
            _ if same => {}
            RouterMode::Never => self.forget_router(vid, port),
            RouterMode::ByQuery => self.remove_router(vid, port, &Family::ALL),
            RouterMode::Always => {
                self.cancel_port_router(vid, port);
                for family in Family::ALL {
                    self.add_router(vid, port, family);
                }
            }
        }
    }
}
