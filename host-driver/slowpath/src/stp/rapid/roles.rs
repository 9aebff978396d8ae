//! Port role selection (17.28).

use super::information::{InfoIs, one_hop_older};
use super::{Rapid, Role, Shared, Times, Vector};

impl Rapid {
    /// 17.28: roles are selected for all ports as soon as one asks for it.
    pub(super) fn port_role_selection(&mut self, sh: &mut Shared) -> bool {
        let asked = self.ports.values().any(|p| p.reselect);
        if asked || self.ports.is_empty() {
            // clearReselectTree; setSelectedTree finds nobody who has asked in between.
            for p in self.ports.values_mut() {
                (p.reselect, p.selected) = (false, true);
            }
            self.updt_roles_tree(sh);
        }
        asked
    }

    /// updtRolesTree (17.21.25).
    fn updt_roles_tree(&mut self, sh: &mut Shared) {
        let own = sh.bridge_id();
        // a), b): the best way to a root, or to be the root oneself. A port under root guard is no way (802.1Q: restrictedRole).
        let bridge_vector = Vector {
            root: own,
            cost: 0,
            bridge: own,
            port: 0,
        };
        let ways: Vec<_> = self
            .ports
            .keys()
            .filter_map(|&n| Some((self.root_path(sh, n)?, n)))
            .collect();
        let best = ways
            .iter()
            .filter(|(_, n)| !sh.ports[n].settings.root_block)
            .min()
            .filter(|((way, _), _)| *way < bridge_vector);
        self.root_port = best.map(|(_, n)| *n);
        self.root_priority = best.map_or(bridge_vector, |((way, _), _)| *way);
        // c): its times, one hop older.
        self.root_times = match self.root_port {
            None => Times::of_bridge(&sh.settings.times),
            Some(n) => {
                let times = self.ports[&n].port_times;
                Times {
                    message_age: one_hop_older(times.message_age),
                    ..times
                }
            }
        };
        for n in sh.numbers() {
            let held_back = sh.ports[&n].settings.root_block
                && ways
                    .iter()
                    .any(|(way, m)| *m == n && way.0 < self.root_priority && way.0 < bridge_vector);
            self.select_role(sh, n);
            sh.set_root_inconsistent(n, held_back);
        }
    }

    /// d) to l): a port's designated vector and times, and from them its role.
    fn select_role(&mut self, sh: &Shared, n: u16) {
        let own = sh.bridge_id();
        let port_id = sh.port_id(n);
        let root_port = self.root_port == Some(n);
        let (root_priority, mut times) = (self.root_priority, self.root_times);
        times.hello_time = sh.settings.times.hello_time;
        let p = self.vars(n);
        p.designated_priority = Vector {
            root: root_priority.root,
            cost: root_priority.cost,
            bridge: own,
            port: port_id,
        };
        p.designated_times = times;
        (p.selected_role, p.updt_info) = match p.info_is {
            InfoIs::Disabled => (Role::Disabled, false),
            InfoIs::Aged => (Role::Designated, true),
            InfoIs::Mine => {
                let same = p.port_priority == p.designated_priority && p.port_times == times;
                (Role::Designated, !same)
            }
            InfoIs::Received if root_port => (Role::Root, false),
            InfoIs::Received if p.designated_priority < p.port_priority => (Role::Designated, true),
            InfoIs::Received if p.port_priority.bridge == own => (Role::Backup, false),
            InfoIs::Received => (Role::Alternate, false),
        };
    }
}
