//! Netconsoles by their words.

use std::net::SocketAddr;

use smartnic_netdev::netpoll::console::Format;
use smartnic_netdev::netpoll::udp::Endpoint;

use super::api::Netconsole;
use super::service::mac;
use crate::device::MacAddr;
use crate::master::options;
use crate::netdev::NetError;
use crate::switch::Switch;
use crate::switch::netconsole::ConsoleRequest;

const FORMATS: [(&str, Format); 2] = [("basic", Format::Basic), ("extended", Format::Extended)];
/// Info: what the daemon logs unless asked for more.
const LEVEL: u8 = 6;

fn socket(argument: &str, text: &str) -> Result<SocketAddr, NetError> {
    let reason = "an address and a port are wanted: 10.0.0.1:6665 or [fd00::1]:6665";
    text.parse()
        .map_err(|_| NetError::invalid(argument, text, reason))
}

/// Sets up what is asked for.
pub fn add(switch: &mut Switch, add: Netconsole) -> Result<(), NetError> {
    let (local, remote) = (socket("local", &add.local)?, socket("remote", &add.remote)?);
    if local.is_ipv4() != remote.is_ipv4() {
        let reason = "local and remote are both of IPv4, or both of IPv6";
        return Err(NetError::invalid("remote", remote, reason));
    }
    let remote_mac = match &add.mac {
        Some(text) => mac("mac", text)?,
        None => MacAddr::BROADCAST,
    };
    let level = add.level.unwrap_or(LEVEL);
    if level > 7 {
        return Err(NetError::invalid("level", level, "a level is 0 to 7"));
    }
    let words = FORMATS.map(|(word, _)| word);
    let format = add.format.as_deref().unwrap_or(words[0]);
    let format = FORMATS[options::word("format", format, &words)?].1;
    switch.add_console(ConsoleRequest {
        dev: add.dev,
        endpoint: Endpoint {
            local,
            remote,
            remote_mac,
        },
        level,
        format,
        secret: add.secret,
    })
}

/// All of them, without their secrets.
pub fn list(switch: &mut Switch) -> Vec<Netconsole> {
    let shown = |c: ConsoleRequest| {
        let format = FORMATS.iter().find(|(_, f)| *f == c.format);
        Netconsole {
            dev: c.dev,
            local: c.endpoint.local.to_string(),
            remote: c.endpoint.remote.to_string(),
            mac: Some(c.endpoint.remote_mac.to_string()),
            level: Some(c.level),
            format: format.map(|(word, _)| (*word).to_owned()),
            secret: None,
        }
    };
    switch.consoles().into_iter().map(shown).collect()
}
