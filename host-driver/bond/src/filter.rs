//! What the bond listens to, handed down: to the active slave in the modes that have one, else to all. In 802.3ad each slave hears LACP's group, too.

use smartnic_netdev::Core;
use smartnic_netdev::device::RxMode;
use smartnic_netdev::registry::ListKind;
use smartnic_slowpath::MacAddr;
use smartnic_slowpath::bond::Mode;
use smartnic_slowpath::wire::slow;

use crate::bond::{Bond, Slave, lock};

/// What a slave was given.
#[derive(Default)]
pub(crate) struct Handed {
    unicast: Vec<MacAddr>,
    multicast: Vec<MacAddr>,
    promiscuous: bool,
    all_multicast: bool,
}

impl Bond {
    /// Gives every slave what it is to listen to; nothing of the bond's while that is down.
    pub(crate) fn sync_filters(&self, core: &mut Core, up: bool) {
        let Some(master) = self.device() else {
            return;
        };
        let (mode, active) = {
            let machine = self.machine();
            (machine.options().mode, machine.active_slave())
        };
        let wanted = match up {
            true => Core::rx_mode(&master),
            false => RxMode::default(),
        };
        for slave in self.slaves.load_full().iter() {
            let listens = !mode.uses_primary() || active == Some(slave.dev.ifindex());
            let mut own = match listens {
                true => wanted.clone(),
                false => RxMode::default(),
            };
            if mode == Mode::Ad {
                own.multicast.push(slow::MULTICAST);
            }
            slave.listen(core, &own);
        }
    }
}

impl Slave {
    /// Changes what it listens to for the bond to this.
    pub(crate) fn listen(&self, core: &mut Core, wanted: &RxMode) {
        let before = std::mem::take(&mut *lock(&self.handed));
        let (unicast, multicast) = (ListKind::Unicast, ListKind::Multicast);
        let unicast = core.address_sync(&self.dev, unicast, &before.unicast, &wanted.unicast);
        let multicast =
            core.address_sync(&self.dev, multicast, &before.multicast, &wanted.multicast);
        let by = |before: bool, now: bool| i32::from(now) - i32::from(before);
        // One user more or less of what had one less or more: there are never too many.
        let _ = core.set_promiscuity(&self.dev, by(before.promiscuous, wanted.promiscuous));
        let _ = core.set_allmulti(&self.dev, by(before.all_multicast, wanted.all_multicast));
        *lock(&self.handed) = Handed {
            unicast,
            multicast,
            promiscuous: wanted.promiscuous,
            all_multicast: wanted.all_multicast,
        };
    }
}
