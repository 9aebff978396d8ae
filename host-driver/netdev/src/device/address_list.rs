//! Lists of further addresses that a device listens to, counted by user: the kernel's `uc` and `mc`.

use std::collections::BTreeMap;

use smartnic_slowpath::MacAddr;

use crate::error::{Errno, NetdevError, Result};

/// Addresses with the number of users of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressList {
    users: BTreeMap<MacAddr, u32>,
}

impl AddressList {
    /// One more user; true if the address is new.
    pub fn add(&mut self, address: MacAddr) -> bool {
        let users = self.users.entry(address).or_default();
        *users += 1;
        *users == 1
    }

    /// A first user, or EEXIST.
    pub fn add_exclusive(&mut self, address: MacAddr) -> Result<()> {
        if self.users.contains_key(&address) {
            let reason = "the device listens to this address already";
            return Err(NetdevError::new(Errno::Exists, "address", address, reason));
        }
        self.add(address);
        Ok(())
    }

    /// One user less; true if it was the last. ENOENT if there is none.
    pub fn remove(&mut self, address: MacAddr) -> Result<bool> {
        let Some(users) = self.users.get_mut(&address) else {
            let reason = "the device does not listen to this address";
            return Err(NetdevError::new(Errno::NoEntry, "address", address, reason));
        };
        *users -= 1;
        let last = *users == 0;
        if last {
            self.users.remove(&address);
        }
        Ok(last)
    }

    /// Users of an address.
    pub fn users(&self, address: MacAddr) -> u32 {
        self.users.get(&address).copied().unwrap_or(0)
    }
    /// All addresses, each once.
    pub fn iter(&self) -> impl Iterator<Item = MacAddr> + '_ {
        self.users.keys().copied()
    }
    /// Number of different addresses.
    pub fn len(&self) -> usize {
        self.users.len()
    }
    /// No address.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }
    /// Forgets all.
    pub fn clear(&mut self) {
        self.users.clear();
    }
}

/// What a device's filter has to let in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RxMode {
    /// Everything.
    pub promiscuous: bool,
    /// Every multicast.
    pub all_multicast: bool,
    /// Unicast addresses beside the device's own.
    pub unicast: Vec<MacAddr>,
    /// Groups.
    pub multicast: Vec<MacAddr>,
}

impl RxMode {
    /// The same for a filter that holds `unicast` and `multicast` addresses: what does not fit opens it.
    pub fn fit(mut self, unicast: usize, multicast: usize) -> Self {
        if self.unicast.len() > unicast {
            self.promiscuous = true;
            self.unicast.clear();
        }
        if self.multicast.len() > multicast {
            self.all_multicast = true;
            self.multicast.clear();
        }
        self
    }

    /// Whether a frame to `destination` gets in, on a device with `own`.
    pub fn accepts(&self, destination: MacAddr, own: MacAddr) -> bool {
        self.promiscuous
            || destination == own
            || destination == MacAddr::BROADCAST
            || match destination.is_multicast() {
                true => self.all_multicast || self.multicast.contains(&destination),
                false => self.unicast.contains(&destination),
            }
    }
}
