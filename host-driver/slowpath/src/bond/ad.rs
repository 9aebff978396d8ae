//! Mode 802.3ad: LACP is told what the monitors found, and what it says is done.

use std::time::Duration;

use super::slave::LinkState;
use super::{Bond, Mode};
use crate::lacp::{Config, Link, Output};
use crate::mac::MacAddr;

/// Linux's port priority.
const PORT_PRIORITY: u16 = 255;

impl Bond {
    fn lacp_config(&self) -> Config {
        let o = &self.options;
        Config {
            system: if o.ad_actor_system == MacAddr::default() {
                self.address
            } else {
                o.ad_actor_system
            },
            system_priority: o.ad_actor_sys_prio,
            active: o.lacp_active,
            fast: o.lacp_fast,
            user_key: o.ad_user_port_key,
            ad_select: o.ad_select,
            coupled: o.coupled_control,
        }
    }

    /// Settings, members and links, as they are now.
    pub(super) fn sync_lacp(&mut self, now: Duration) {
        let config = self.lacp_config();
        if *self.lacp.config() != config {
            self.lacp.set_config(now, config);
        }
        let ad = self.options.mode == Mode::Ad;
        for slave in &self.slaves {
            let known = self.lacp.port(slave.id).is_some();
            let alive = matches!(slave.state, LinkState::Up | LinkState::Fail);
            // A link whose speed nobody knows cannot be given a key: Linux takes it for down.
            let usable = |l: &Link| alive && self.up && l.speed > 0;
            let link = slave.last_link.filter(usable);
            match (ad, known) {
                (true, false) => {
                    self.lacp
                        .add_port(now, slave.id, slave.number, PORT_PRIORITY, link);
                }
                (true, true) => self.lacp.set_link(now, slave.id, link),
                (false, true) => self.lacp.remove_port(now, slave.id),
                (false, false) => {}
            }
        }
    }

    /// Does what LACP says.
    pub(super) fn drain_lacp(&mut self) {
        while let Some(output) = self.lacp.poll() {
            match output {
                Output::Send { port, pdu } => {
                    if let Some(source) = self.slave(port).map(|s| s.address) {
                        self.send(port, pdu.emit_frame(source));
                    }
                }
                Output::Collecting { port, on } => {
                    let all = self.options.all_slaves_active;
                    if let Some(slave) = self.slave_mut(port) {
                        slave.inactive = !on && !all;
                    }
                }
                Output::Distributing { port, on } => {
                    if let Some(slave) = self.slave_mut(port) {
                        slave.active = on;
                    }
                }
                Output::ActiveAggregator { .. } | Output::MarkerResponse { .. } => {}
            }
        }
    }
}
