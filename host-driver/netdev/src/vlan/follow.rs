//! VLAN devices follow the device below: told by the notifier chain.

use std::sync::Arc;

use super::{Vlan, VlanFlags};
use crate::device::{AddressOrigin, Dev};
use crate::error::Result;
use crate::registry::Core;
use crate::registry::notify::{Event, Subscriber};

struct Follow;

/// Listens to all devices of this core, once.
pub(super) fn subscribe(core: &mut Core) -> Result<()> {
    if !core.vlans_follow {
        core.subscribe(0, Arc::new(Follow))?;
        core.vlans_follow = true;
    }
    Ok(())
}

/// The carrier of the device below becomes the VLAN device's.
pub(super) fn carrier(real: &Dev, dev: &Dev) {
    if real.carrier_ok() && real.is_running() {
        dev.carrier_on();
    } else {
        dev.carrier_off();
    }
}

impl Subscriber for Follow {
    fn notify(&self, core: &mut Core, real: &Dev, event: &Event) -> Result<()> {
        let vlans: Vec<(Dev, Arc<Vlan>)> = {
            let table = real.vlans.load();
            let found = table
                .entries()
                .filter_map(|(i, v)| Some((core.by_index(i).ok()?.clone(), v.clone())));
            found.collect()
        };
        for (dev, vlan) in vlans {
            self.follow(core, real, event, &dev, &vlan);
        }
        Ok(())
    }
}

impl Follow {
    fn follow(&self, core: &mut Core, real: &Dev, event: &Event, dev: &Dev, vlan: &Vlan) {
        let loose = vlan.flags().contains(VlanFlags::LOOSE_BINDING);
        match event {
            Event::Up => {
                carrier(real, dev);
                if !dev.is_up()
                    && !loose
                    && let Err(error) = core.open(dev)
                {
                    tracing::warn!(device = dev.name(), %error, "could not go up with the device below");
                }
                core.run_link_events();
            }
            Event::Down => {
                if dev.is_up() && !loose {
                    core.close(dev);
                }
                carrier(real, dev);
                core.run_link_events();
            }
            Event::Change(_) => {
                carrier(real, dev);
                core.run_link_events();
            }
            Event::ChangeAddress => {
                if dev.address_origin() == AddressOrigin::Stolen {
                    dev.assign_address(real.address(), AddressOrigin::Stolen);
                    core.announce(dev, &Event::ChangeAddress);
                } else if dev.is_up() {
                    vlan.sync_address(core, Some(dev.address()));
                }
            }
            Event::ChangeMtu if dev.mtu() > real.mtu() => {
                if let Err(error) = core.set_mtu(dev, real.mtu()) {
                    tracing::warn!(device = dev.name(), %error, "could not follow the MTU of the device below");
                }
            }
            Event::FeatureChange(_) => {
                let (_, _, granted) = real.feature_sets();
                if let Err(error) = core.set_feature_sets(dev, granted, granted) {
                    tracing::warn!(device = dev.name(), %error, "could not follow the features of the device below");
                }
            }
            Event::NotifyPeers | Event::BondingFailover | Event::ResendIgmp => {
                core.announce(dev, event)
            }
            Event::Unregister => core.unregister(dev),
            _ => {}
        }
    }
}
