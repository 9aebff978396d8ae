//! Which ports take every frame.
//!
//! A port that learns or floods ("automatic") has to see what is for unknown stations, so the others must take every frame that is for it. With VLAN filtering on and at most one automatic
//! port, that port alone needs no more than the static addresses of the database in its filter, and so do, without any automatic port, all of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use smartnic_netdev::device::PrivFlags;
use smartnic_netdev::registry::ListKind;
use smartnic_netdev::{Core, Result};
use smartnic_slowpath::MacAddr;

use super::{Port, PortFlags};
use crate::bridge::Bridge;
use crate::fdb::FdbFlags;
use crate::flags::BridgeFlags;

impl Bridge {
    /// Ports came or went, or learn and flood or do no more.
    pub(crate) fn update_port_count(&self, core: &mut Core) {
        let auto = |p: &&Arc<Port>| p.flags().intersects(PortFlags::AUTO);
        let count = self.ports.load().list.iter().filter(auto).count();
        self.config().auto_ports = count;
        self.manage_promisc(core);
    }

    /// Makes ports promiscuous, or lets them filter.
    pub(crate) fn manage_promisc(&self, core: &mut Core) {
        let promiscuous = self.device().is_some_and(|d| d.is_promiscuous());
        let all = promiscuous || !self.flags().contains(BridgeFlags::VLAN_FILTERING);
        let auto = self.config().auto_ports;
        for port in &self.ports.load_full().list {
            let automatic = port.flags().intersects(PortFlags::AUTO);
            let has_filter = port.dev.priv_flags().contains(PrivFlags::UNICAST_FLT);
            if all || !has_filter || !(auto == 0 || (auto == 1 && automatic)) {
                let _ = self.set_promisc(core, port);
            } else {
                self.clear_promisc(core, port);
            }
        }
        self.sync_filters(core);
    }

    fn set_promisc(&self, core: &mut Core, port: &Port) -> Result<()> {
        let flags = port.flags();
        if flags.contains(PortFlags::PROMISC) {
            return Ok(());
        }
        core.set_promiscuity(&port.dev, 1)?;
        port.store_flags(flags | PortFlags::PROMISC);
        Ok(())
    }

    pub(crate) fn clear_promisc(&self, core: &mut Core, port: &Port) {
        let flags = port.flags();
        if flags.contains(PortFlags::PROMISC) {
            port.store_flags(flags - PortFlags::PROMISC);
            let _ = core.set_promiscuity(&port.dev, -1);
        }
        let gone = !self
            .ports
            .load()
            .list
            .iter()
            .any(|p| p.number == port.number);
        if gone {
            self.sync_filter(core, port, &[]);
        }
    }

    /// Puts the database's static addresses into the filters of the ports that are not promiscuous.
    pub(crate) fn sync_filters(&self, core: &mut Core) {
        let ports = self.ports.load_full();
        let filtering = |p: &Port| !p.flags().contains(PortFlags::PROMISC);
        let needed = |p: &Port| filtering(p) || p.synced.load().is_some();
        if !ports.list.iter().any(|p| needed(p)) {
            return;
        }
        let fixed: BTreeSet<MacAddr> = {
            let records = self.fdb.edit(&self.events).records();
            let fixed = records
                .iter()
                .filter(|r| r.target.flags.contains(FdbFlags::STATIC));
            fixed.map(|r| r.key.address()).collect()
        };
        for port in &ports.list {
            let wanted: Vec<MacAddr> = match filtering(port) {
                true => fixed.iter().copied().filter(MacAddr::is_unicast).collect(),
                false => Vec::new(),
            };
            self.sync_filter(core, port, &wanted);
        }
    }

    fn sync_filter(&self, core: &mut Core, port: &Port, wanted: &[MacAddr]) {
        let before = port.synced.load_full().unwrap_or_default();
        if *before == wanted {
            return;
        }
        let now = core.address_sync(&port.dev, ListKind::Unicast, &before, wanted);
        port.synced.store((!now.is_empty()).then(|| Arc::new(now)));
    }
}
