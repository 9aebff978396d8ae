//! VLANs: they come and go on the bridge and on its ports, and with `mcast_vlan_snooping` each is a context of its own.

use std::time::Duration;

use super::Snooping;
use super::context::PortContext;
use super::types::PortId;

impl Snooping {
    /// The bridge filters VLANs or does not.
    pub fn set_vlan_filtering(&mut self, now: Duration, on: bool) {
        self.advance(now);
        if !on {
            self.toggle_vlan_snooping(false);
        }
        self.vlan_filtering = on;
    }

    /// A VLAN is there; `bridge_in`: the bridge itself is in it.
    pub fn add_vlan(&mut self, now: Duration, vid: u16, bridge_in: bool) {
        self.advance(now);
        if vid != 0 {
            self.contexts.entry(vid).or_default().bridge_in = bridge_in;
            self.toggle_vlan(vid);
        }
    }

    /// A VLAN is there no longer.
    pub fn remove_vlan(&mut self, now: Duration, vid: u16) {
        self.advance(now);
        if vid != 0 {
            let ports: Vec<_> = self.ports.keys().copied().collect();
            ports
                .into_iter()
                .for_each(|port| self.remove_port_vlan(now, port, vid));
            self.close_context(vid);
            self.contexts.remove(&vid);
        }
    }

    /// A port is in a VLAN.
    pub fn add_port_vlan(&mut self, now: Duration, port: PortId, vid: u16) {
        self.advance(now);
        let members = self.groups.iter().filter(|(key, _)| key.vid == vid);
        let members = members.flat_map(|(_, group)| group.members.keys());
        let groups = members.filter(|member| member.port == port).count() as u32;
        if let Some(entry) = self.ports.get_mut(&port).filter(|_| vid != 0) {
            entry.contexts.entry(vid).or_insert(PortContext {
                groups,
                ..PortContext::default()
            });
            self.toggle_vlan(vid);
        }
    }

    /// A port is in a VLAN no longer; its memberships there end.
    pub fn remove_port_vlan(&mut self, now: Duration, port: PortId, vid: u16) {
        self.advance(now);
        if vid != 0 && self.port_context(vid, port).is_some() {
            self.delete_members(|member, key| member.port == port && key.vid == vid, true);
            self.drop_port_context(vid, port);
        }
    }

    /// Contexts change from the bridge's to the VLANs', or back.
    pub(super) fn toggle_vlan_snooping(&mut self, on: bool) {
        if self.vlan_snooping == on {
            return;
        }
        self.vlan_snooping = on;
        let ports: Vec<_> = self.ports.keys().copied().collect();
        if on {
            self.close_context(0);
            ports.into_iter().for_each(|port| self.stop_port(0, port));
        } else {
            if self.running {
                self.open_context(0);
            }
            ports
                .into_iter()
                .filter(|port| self.may_query(0, *port))
                .collect::<Vec<_>>()
                .into_iter()
                .for_each(|port| self.start_port(0, port));
        }
        let vids: Vec<_> = self
            .contexts
            .keys()
            .copied()
            .filter(|vid| *vid != 0)
            .collect();
        vids.into_iter().for_each(|vid| self.toggle_vlan(vid));
    }

    /// Brings a VLAN's context, and its ports', to what is set.
    pub(super) fn toggle_vlan(&mut self, vid: u16) {
        let Some(context) = self.contexts.get_mut(&vid) else {
            return;
        };
        let on = self.vlan_snooping && context.wanted;
        let bridge = on && context.bridge_in;
        if std::mem::replace(&mut context.active, bridge) != bridge {
            if !bridge {
                self.close_context(vid);
            } else if self.running {
                self.open_context(vid);
            }
        }
        let ports: Vec<_> = self.ports.keys().copied().collect();
        for port in ports {
            let Some(part) = self.port_context_mut(vid, port) else {
                continue;
            };
            if std::mem::replace(&mut part.active, on) != on {
                if on {
                    self.start_port(vid, port);
                } else {
                    self.stop_port(vid, port);
                }
            }
        }
    }
}
