//! A device's addresses: its own, the further ones, groups; promiscuous reception and its users.

use smartnic_slowpath::MacAddr;

use super::Core;
use super::notify::Event;
use crate::device::{AddressList, AddressOrigin, Dev, Flags, LinkType, PrivFlags, RxMode};
use crate::error::{Errno, NetdevError, Result};

/// Which list of addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ListKind {
    /// Further unicast addresses.
    Unicast,
    /// Groups.
    Multicast,
}

impl Core {
    /// Sets the address: EADDRNOTAVAIL for one that no station may have, EBUSY while running (unless the device changes it live), ENODEV for hardware
    /// that is away, the driver's and subscribers' refusals.
    pub fn set_address(&mut self, dev: &Dev, address: MacAddr) -> Result<()> {
        self.set_address_from(dev, address, AddressOrigin::Set)
    }

    /// The same for a master that gives its slaves an address.
    pub fn set_address_from(
        &mut self,
        dev: &Dev,
        address: MacAddr,
        origin: AddressOrigin,
    ) -> Result<()> {
        self.must_have(dev)?;
        let refuse =
            |errno, reason: &'static str| Err(NetdevError::new(errno, "address", address, reason));
        if dev.link_type() == LinkType::Ether && !address.is_unicast() {
            return refuse(
                Errno::AddressNotAvailable,
                "a device's address is neither multicast nor zero",
            );
        }
        if !dev.is_present() {
            return refuse(Errno::NoDevice, "the device's hardware is away");
        }
        if dev.is_running() && !dev.priv_flags().contains(PrivFlags::LIVE_ADDR_CHANGE) {
            return refuse(
                Errno::Busy,
                "the device runs and cannot change its address live: take it down first",
            );
        }
        self.notify(dev, &Event::PreChangeAddress(address))?;
        dev.ops().set_mac_address(self, dev, address)?;
        let permanent = dev.permanent_address();
        dev.assign_address(address, origin);
        dev.config().permanent = permanent;
        self.announce(dev, &Event::ChangeAddress);
        Ok(())
    }

    /// One more user of an address on a list. EINVAL for a group on the unicast list or the other way round.
    pub fn address_add(&mut self, dev: &Dev, kind: ListKind, address: MacAddr) -> Result<()> {
        check_kind(kind, address)?;
        with_list(dev, kind, |l| Ok(l.add(address)))?;
        self.set_rx_mode(dev);
        Ok(())
    }

    /// The first user of an address, or EEXIST (`bridge fdb add` to a device itself).
    pub fn address_add_exclusive(
        &mut self,
        dev: &Dev,
        kind: ListKind,
        address: MacAddr,
    ) -> Result<()> {
        check_kind(kind, address)?;
        with_list(dev, kind, |l| l.add_exclusive(address).map(|()| true))?;
        self.set_rx_mode(dev);
        Ok(())
    }

    /// One user of an address less; ENOENT if there was none.
    pub fn address_remove(&mut self, dev: &Dev, kind: ListKind, address: MacAddr) -> Result<()> {
        with_list(dev, kind, |l| l.remove(address))?;
        self.set_rx_mode(dev);
        Ok(())
    }

    /// Hands a device's lists down to one below it: `before` is what it had when this was called last, and the answer is what to give next time
    /// (`dev_uc_sync`, `dev_mc_sync`).
    pub fn address_sync(
        &mut self,
        lower: &Dev,
        kind: ListKind,
        before: &[MacAddr],
        now: &[MacAddr],
    ) -> Vec<MacAddr> {
        for address in now.iter().filter(|a| !before.contains(a)) {
            let _ = self.address_add(lower, kind, *address);
        }
        for address in before.iter().filter(|a| !now.contains(a)) {
            let _ = self.address_remove(lower, kind, *address);
        }
        now.to_vec()
    }

    /// Adds users of promiscuous reception (or takes them away, by a negative number). ERANGE if there are too many or none to take away.
    pub fn set_promiscuity(&mut self, dev: &Dev, by: i32) -> Result<()> {
        let (before, after) = counted(dev, "promiscuity", by)?;
        if (before > 0) != (after > 0) {
            dev.set_flag(Flags::PROMISC, after > 0);
            tracing::info!(device = dev.name(), on = after > 0, "promiscuous");
            dev.ops().change_rx_flags(self, dev, Flags::PROMISC);
            self.push_rx_mode(dev);
        }
        Ok(())
    }

    /// The same for every multicast.
    pub fn set_allmulti(&mut self, dev: &Dev, by: i32) -> Result<()> {
        let (before, after) = counted(dev, "allmulti", by)?;
        if (before > 0) != (after > 0) {
            dev.set_flag(Flags::ALLMULTI, after > 0);
            dev.ops().change_rx_flags(self, dev, Flags::ALLMULTI);
            self.push_rx_mode(dev);
        }
        Ok(())
    }

    /// What the filter has to let in now.
    pub fn rx_mode(dev: &Dev) -> RxMode {
        let config = dev.config();
        RxMode {
            promiscuous: config.promiscuity > 0,
            all_multicast: config.allmulti > 0,
            unicast: config.unicast.iter().collect(),
            multicast: config.multicast.iter().collect(),
        }
    }

    /// Lists or flags changed: tells the driver, if the device is up. Without a unicast filter a second address makes it promiscuous.
    pub fn set_rx_mode(&mut self, dev: &Dev) {
        if !dev.is_up() || !dev.is_present() {
            return;
        }
        if !dev.priv_flags().contains(PrivFlags::UNICAST_FLT) {
            let wanted = !dev.config().unicast.is_empty();
            if wanted != dev.config().unicast_promisc {
                dev.config().unicast_promisc = wanted;
                let _ = self.set_promiscuity(dev, if wanted { 1 } else { -1 });
                return;
            }
        }
        self.push_rx_mode(dev);
    }

    fn push_rx_mode(&mut self, dev: &Dev) {
        if dev.is_up() {
            let mode = Self::rx_mode(dev);
            dev.ops().set_rx_mode(self, dev, &mode);
        }
    }
}

fn with_list(
    dev: &Dev,
    kind: ListKind,
    change: impl FnOnce(&mut AddressList) -> Result<bool>,
) -> Result<bool> {
    let mut config = dev.config();
    change(match kind {
        ListKind::Unicast => &mut config.unicast,
        ListKind::Multicast => &mut config.multicast,
    })
}

fn check_kind(kind: ListKind, address: MacAddr) -> Result<()> {
    let right = match kind {
        ListKind::Unicast => address.is_unicast(),
        ListKind::Multicast => address.is_multicast(),
    };
    match right {
        true => Ok(()),
        false => {
            let reason = "a unicast address is wanted on one list and a group on the other";
            Err(NetdevError::new(Errno::Invalid, "address", address, reason))
        }
    }
}

fn counted(dev: &Dev, what: &'static str, by: i32) -> Result<(u32, u32)> {
    let mut config = dev.config();
    let count = match what {
        "promiscuity" => &mut config.promiscuity,
        _ => &mut config.allmulti,
    };
    let before = *count;
    match before.checked_add_signed(by) {
        Some(after) => {
            *count = after;
            Ok((before, after))
        }
        None => {
            let reason = format!("there are {before} users");
            Err(NetdevError::new(Errno::Range, what, by, reason))
        }
    }
}
