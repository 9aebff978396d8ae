//! `bridge mdb`.

use std::time::Duration;

use smartnic_netdev::{Core, Result};
use smartnic_slowpath::mcast::{MdbEntry, MdbFilter, MdbRequest, Refused, RouterPort, Snooping};

use crate::bridge::Bridge;
use crate::snoop::mcast_refused;

impl Bridge {
    /// Makes an entry of the multicast database; its port is a number of the bridge's ([`Bridge::port_number`]).
    pub fn mdb_add(&self, core: &Core, request: &MdbRequest) -> Result<()> {
        self.mdb_change(core.now(), request, Snooping::mdb_add)
    }
    /// Takes one away.
    pub fn mdb_del(&self, core: &Core, request: &MdbRequest) -> Result<()> {
        self.mdb_change(core.now(), request, Snooping::mdb_del)
    }

    fn mdb_change(
        &self,
        now: Duration,
        request: &MdbRequest,
        change: impl FnOnce(&mut Snooping, Duration, &MdbRequest) -> Result<(), Refused>,
    ) -> Result<()> {
        let (result, outputs) = {
            let mut mcast = self.mcast();
            let result = change(&mut mcast, now, request);
            (result, mcast.take_outputs())
        };
        self.carry_out_mcast(outputs);
        result.map_err(|e| mcast_refused(e, "grp", request.key.group))
    }

    /// Takes those away that match.
    pub fn mdb_flush(&self, core: &Core, filter: &MdbFilter) {
        let outputs = {
            let mut mcast = self.mcast();
            mcast.mdb_flush(core.now(), filter);
            mcast.take_outputs()
        };
        self.carry_out_mcast(outputs);
    }

    /// The routers' ports.
    pub fn mdb_routers(&self) -> Vec<RouterPort> {
        self.mcast().routers_shown()
    }

    /// The multicast database.
    pub fn mdb_show(&self) -> Vec<MdbEntry> {
        self.mcast().mdb()
    }
}
