//! Entries of the hardware's forwarding database as calls have them.

use smartnic_regs::values::kind;

use super::api::AddFdb;
use crate::netdev::NetError;
use crate::switch::fdb::FdbRequest;

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
            "master" | "self" => 0,
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
