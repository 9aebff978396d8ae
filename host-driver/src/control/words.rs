//! Entries of the databases as calls have them.

use std::net::IpAddr;

use smartnic_regs::values::kind;

use super::api::{AddFdb, ChangeMdb};
use crate::netdev::NetError;
use crate::switch::fdb::FdbRequest;
use crate::switch::snooping::MdbUser;

fn ip(argument: &str, text: &str) -> Result<IpAddr, NetError> {
    let reason = "an address of IPv4 or IPv6 is wanted";
    text.parse()
        .map_err(|_| NetError::invalid(argument, text, reason))
}

/// An entry of the multicast database.
pub(super) fn mdb_entry(change: &ChangeMdb) -> Result<MdbUser, NetError> {
    Ok(MdbUser {
        group: ip("grp", &change.grp)?,
        source: change.src.as_deref().map(|s| ip("src", s)).transpose()?,
        permanent: change.permanent == Some(true),
    })
}

/// An entry of the FDB.
pub(super) fn fdb_request(add: &AddFdb) -> Result<FdbRequest, NetError> {
    let (mut bits, local) = match add.state.as_str() {
        "permanent" | "local" => (kind::STATIC, true),
        "static" => (kind::STATIC, false),
        "dynamic" => (kind::DYNAMIC, false),
        other => {
            return Err(NetError::invalid(
                "state",
                other,
                "use permanent, static or dynamic",
            ));
        }
    };
    for flag in &add.flags {
        bits |= match flag.as_str() {
            "sticky" => kind::STICKY,
            "extern_learn" => kind::EXTERN,
            "blackhole" => kind::BLACKHOLE,
            other => {
                return Err(NetError::invalid(
                    "flags",
                    other,
                    "use sticky, extern_learn or blackhole",
                ));
            }
        };
    }
    if bits & kind::STATIC != 0 && bits & kind::STICKY != 0 {
        return Err(NetError::invalid(
            "flags",
            "sticky",
            "a static entry does not move anyway: use it with dynamic",
        ));
    }
    Ok(FdbRequest {
        kind: bits,
        local,
        replace: add.replace == Some(true),
    })
}
