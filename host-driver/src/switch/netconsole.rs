//! The log over the network, and commands from there: consoles on any device or master, past its queues, by `smartnic_netdev::netpoll`.
//!
//! Each console has one peer, to which records of its level and worse go as UDP datagrams ([`console`]). What comes back to its address and port is
//! answered with PONG, and read for the magic sequence (`netpoll::sysrq`), whose commands wait until the round is over. A console whose device goes is gone too.
//!
//! Covered by `tests/driver/netconsole.rs`.

use std::sync::{Arc, Mutex, PoisonError};

use smartnic_netdev::netpoll::console::{self, Format, Record};
use smartnic_netdev::netpoll::sysrq::{Command, HELP, Parser};
use smartnic_netdev::netpoll::udp::{Endpoint, Hook, Netpoll, Sender};
use smartnic_netdev::{Softnet, netpoll};

use super::Switch;
use crate::device::port::MacConfig;
use crate::netdev::NetError;

/// What each datagram is answered with.
const PONG: &[u8] = b"PONG";

/// A console as a user wants it.
#[derive(Clone, Debug)]
pub struct ConsoleRequest {
    /// The device.
    pub dev: String,
    /// Both ends.
    pub endpoint: Endpoint,
    /// The mildest level that is sent, 0 (emergency) to 7 (debug).
    pub level: u8,
    /// Whether each datagram says what it is part of.
    pub format: Format,
    /// What the magic sequence has to have in it.
    pub secret: Option<String>,
}

/// Reads what comes back.
struct Listener {
    parser: Mutex<Parser>,
    commands: Arc<Mutex<Vec<Command>>>,
}

impl Hook for Listener {
    fn receive(&self, net: &mut Softnet, netpoll: &Netpoll, from: Sender, payload: &[u8]) {
        let mut parser = self.parser.lock().unwrap_or_else(PoisonError::into_inner);
        let found = parser.feed(payload);
        drop(parser);
        let mut commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        commands.extend(found);
        drop(commands);
        if let Err(error) = netpoll.send_to(net, from, PONG) {
            tracing::debug!(%error, "a datagram was not answered");
        }
    }
}

struct Console {
    request: ConsoleRequest,
    netpoll: Arc<Netpoll>,
}

/// All consoles.
#[derive(Default)]
pub(super) struct Consoles {
    all: Vec<Console>,
    commands: Arc<Mutex<Vec<Command>>>,
}

impl Switch {
    /// Sets a console up: EEXIST for one to the same peer on the same device, and what netpoll refuses (EBUSY for a slave, EOPNOTSUPP, ENETDOWN).
    pub fn add_console(&mut self, request: ConsoleRequest) -> Result<(), NetError> {
        self.forget_consoles();
        let dev = self.devices.core.by_name(&request.dev)?.clone();
        let consoles = &mut self.consoles;
        let same = |c: &Console| {
            *c.netpoll.dev() == dev && c.request.endpoint.remote == request.endpoint.remote
        };
        if consoles.all.iter().any(same) {
            let reason = "the log goes there already (EEXIST)";
            let remote = request.endpoint.remote;
            return Err(NetError::invalid("remote", remote, reason));
        }
        let hook = Arc::new(Listener {
            parser: Mutex::new(Parser::new(request.secret.as_deref())),
            commands: consoles.commands.clone(),
        });
        let core = &mut self.devices.core;
        let netpoll = netpoll::setup(core, &dev, request.endpoint, Some(hook))?;
        consoles.all.push(Console { request, netpoll });
        Ok(())
    }

    /// Takes a device's consoles away; ENOENT if there is none.
    pub fn delete_console(&mut self, dev: &str) -> Result<(), NetError> {
        let dev = self.devices.core.by_name(dev)?.clone();
        let all = std::mem::take(&mut self.consoles.all);
        let (gone, left): (Vec<_>, Vec<_>) = all.into_iter().partition(|c| *c.netpoll.dev() == dev);
        self.consoles.all = left;
        if gone.is_empty() {
            let reason = "there is no netconsole on it (ENOENT)";
            return Err(NetError::invalid("dev", dev.name(), reason));
        }
        for console in gone {
            netpoll::cleanup(&mut self.devices.core, &console.netpoll);
        }
        Ok(())
    }

    /// All consoles; the device by its name as it is now.
    pub fn consoles(&mut self) -> Vec<ConsoleRequest> {
        self.forget_consoles();
        let shown = |c: &Console| ConsoleRequest {
            dev: c.netpoll.dev().name(),
            ..c.request.clone()
        };
        self.consoles.all.iter().map(shown).collect()
    }

    fn forget_consoles(&mut self) {
        self.consoles.all.retain(|c| !c.netpoll.has_ended());
    }

    /// Sends records of the log to the consoles that want them.
    pub fn log(&mut self, records: &[Record<'_>]) {
        self.forget_consoles();
        if records.is_empty() || self.consoles.all.is_empty() {
            return;
        }
        let all = std::mem::take(&mut self.consoles.all);
        self.moving(|_, net| {
            for console in &all {
                for record in records.iter().filter(|r| r.level <= console.request.level) {
                    // What a console cannot send is not worth a record, which could not be sent either.
                    let _ = console::write(&console.netpoll, net, record, console.request.format);
                }
            }
        });
        self.consoles.all = all;
        // A card that is gone has been given up with a message.
        let _ = self.flush_tx();
    }

    /// Does what the magic sequence asked for.
    pub fn obey(&mut self) {
        let commands = {
            let mut commands = self.consoles.commands.lock();
            let commands = commands.as_deref_mut();
            commands.map(std::mem::take).unwrap_or_default()
        };
        for command in commands {
            tracing::info!(?command, "sysrq");
            let done = match command {
                Command::Help => {
                    tracing::info!("{HELP}");
                    Ok(())
                }
                Command::DumpState => {
                    self.dump();
                    Ok(())
                }
                Command::ResyncTables if self.has_hardware() => self.restart(),
                Command::ResetPort(number) => self.reset_port(number),
                _ => self.needs_rings(),
            };
            if let Err(error) = done {
                tracing::warn!(?command, %error, "sysrq: not done");
            }
        }
    }

    /// The state of everything into the log.
    fn dump(&mut self) {
        let gone = self.gone().map(str::to_owned);
        tracing::info!(device = self.name(), gone, "state");
        let devices: Vec<_> = self.model.registry.iter().cloned().collect();
        for device in devices {
            let stats = self.link_stats(device.ifindex);
            tracing::info!(
                name = device.name,
                up = device.up,
                carrier = device.carrier,
                mtu = device.mtu,
                address = %device.address,
                master = device.master.map(|m| self.model.registry.name(m)),
                rx = stats.rx_packets,
                tx = stats.tx_packets,
                rx_errors = stats.rx_errors,
                tx_errors = stats.tx_errors,
                "link"
            );
        }
        if let Ok(c) = self.fdb_counters() {
            tracing::info!(used = c.used, learned = c.learned, aged = c.aged, "fdb");
        }
    }

    /// Turns a port's MAC off and on; `number` is that of its name.
    fn reset_port(&mut self, number: u16) -> Result<(), NetError> {
        let port = u32::from(number).wrapping_sub(1);
        if self.model.registry.port(port).is_none() {
            let reason = "the card has no such port (ENODEV)";
            return Err(NetError::invalid("port", number, reason));
        }
        self.with_card(|card| {
            if let Some(mac) = card.applied.macs[port as usize].take() {
                let off = MacConfig {
                    enable: false,
                    ..mac
                };
                card.device.ports().configure_mac(port, &off)?;
            }
            Ok(())
        })?;
        self.apply()
    }
}
