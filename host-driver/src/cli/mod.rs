//! `smartnic-ctl`: the command line, with iproute2's words, keys and look.
//!
//! Each command is one call of the daemon and one text; text and JSON are made by functions without side effects
//! ([`text`]), which the golden tests of `tests/driver/cli.rs` hold to their form.

pub mod args;
pub mod fdb;
pub mod ioctl;
pub mod link;
pub mod mdb;
pub mod netconsole;
pub mod text;
pub mod vlan;
pub mod words;

use std::io::Write;
use std::path::Path;

use clap::{CommandFactory, Parser};
use serde_json::{Value, json};
use thiserror::Error;

use crate::control::api::{ByName, FdbEventInfo, Named, Nothing, SetDevice, SetLink};
use crate::control::client::{Client, ClientError};
use crate::netdev::NetError;
use crate::pci::DeviceSpec;
use crate::pci::serial::Serial;
use args::{
    Cli, Command, DevCommand, FdbCommand, LagCommand, LinkCommand, MdbCommand, PortCommand,
    ShowName,
};

/// Why a command failed; each has its exit code.
#[derive(Debug, Error)]
pub enum CliError {
    /// The command makes no sense: exit code 1.
    #[error("{0}")]
    Usage(String),
    /// The daemon refused, or could not be reached: exit code 2 or 3.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A line of a batch: the exit code is that of its error.
    #[error("{file}:{number}: {error}")]
    Line {
        /// The file.
        file: String,
        /// The line, from 1.
        number: u32,
        /// What was wrong.
        error: Box<CliError>,
    },
    /// The output could not be written: exit code 4.
    #[error("cannot write the output: {0}")]
    Output(#[from] std::io::Error),
}

impl CliError {
    /// The exit code.
    pub fn code(&self) -> u8 {
        match self {
            CliError::Usage(_) => 1,
            CliError::Line { error, .. } => error.code(),
            CliError::Client(ClientError::Refused { .. }) => 2,
            CliError::Client(_) => 3,
            CliError::Output(_) => 4,
        }
    }
}

/// How output looks.
#[derive(Clone, Copy, Default)]
pub struct Look {
    /// JSON instead of text.
    pub json: bool,
    /// JSON with line breaks.
    pub pretty: bool,
    /// With statistics.
    pub stats: bool,
    /// With details.
    pub details: bool,
}

impl Look {
    /// A value as JSON, or `text` of it.
    pub fn show(&self, value: &Value, text: impl FnOnce(&Value, &Look) -> String) -> String {
        match (self.json, self.pretty) {
            (false, _) => text(value, self),
            (true, true) => format!("{value:#}\n"),
            (true, false) => format!("{value}\n"),
        }
    }
}

/// Runs a command, with its output to `out`.
pub fn run(cli: &Cli, out: &mut dyn Write) -> Result<(), CliError> {
    if let Command::Completion { shell } = cli.command {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "smartnic-ctl", &mut script);
        return Ok(out.write_all(&script)?);
    }
    let look = Look {
        json: cli.json,
        pretty: cli.pretty,
        stats: cli.statistics,
        details: cli.details,
    };
    if let Command::Version = cli.command {
        return version(cli, look, out);
    }
    let serial = cli.serial.clone().map(DeviceSpec::Serial);
    let mut client = match cli.card.as_ref().or(serial.as_ref()) {
        Some(card) => Client::open(card)?,
        None => Client::connect(&cli.socket)?,
    };
    if let Command::Batch { file } = &cli.command {
        return batch(&mut client, file, look, out);
    }
    match cli.command {
        Command::Fdb {
            command: Some(FdbCommand::Monitor),
        } => {
            return monitor(&mut client, "MonitorFdb", out, |reply| {
                fdb_event(reply, look)
            });
        }
        Command::Mdb {
            command: Some(MdbCommand::Monitor),
        } => {
            return monitor(&mut client, "MonitorMdb", out, |reply| {
                mdb::event(reply, look)
            });
        }
        Command::Link {
            command: Some(LinkCommand::Monitor),
        } => {
            return monitor(&mut client, "MonitorLinks", out, |reply| {
                link_event(reply, look)
            });
        }
        _ => {}
    }
    let output = execute(&mut client, &cli.command, look)?;
    Ok(out.write_all(output.as_bytes())?)
}

/// This program's version always, the daemon's when it can be reached; or that of the firmware behind a serial line.
fn version(cli: &Cli, look: Look, out: &mut dyn Write) -> Result<(), CliError> {
    if let Some(port) = &cli.serial {
        let board =
            Serial::open(port).map_err(|e| ClientError::Board(NetError::Device(e.into())))?;
        let firmware = board.firmware();
        let value = json!({ "smartnic-ctl": env!("CARGO_PKG_VERSION"), "firmware": firmware });
        return Ok(out.write_all(look.show(&value, text::version).as_bytes())?);
    }
    let daemon = Client::connect(&cli.socket)
        .ok()
        .and_then(|mut c| c.call::<Value>("GetVersion", &Nothing {}).ok());
    let value = json!({ "smartnic-ctl": env!("CARGO_PKG_VERSION"), "smartnicd": daemon });
    Ok(out.write_all(look.show(&value, text::version).as_bytes())?)
}

/// Commands of a file, one after the other over one connection; the first that fails ends it.
fn batch(
    client: &mut Client,
    file: &Path,
    look: Look,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let text = if file == Path::new("-") {
        std::io::read_to_string(std::io::stdin())
    } else {
        std::fs::read_to_string(file)
    };
    let shown = file.display();
    let text = text.map_err(|e| CliError::Usage(format!("cannot read {shown}: {e}")))?;
    for (number, line) in (1..).zip(text.lines()) {
        let words = line.split('#').next().unwrap_or_default();
        if words.trim().is_empty() {
            continue;
        }
        let at = |error: CliError| CliError::Line {
            file: shown.to_string(),
            number,
            error: Box::new(error),
        };
        let args = ["smartnic-ctl"].into_iter().chain(words.split_whitespace());
        let cli = Cli::try_parse_from(args)
            .map_err(|e| at(CliError::Usage(e.to_string().trim_end().to_owned())))?;
        if matches!(
            cli.command,
            Command::Batch { .. } | Command::Version | Command::Completion { .. }
        ) {
            let reason = "this command has no place in a batch".to_owned();
            return Err(at(CliError::Usage(reason)));
        }
        let output = execute(client, &cli.command, look).map_err(at)?;
        out.write_all(output.as_bytes())?;
    }
    Ok(())
}

/// Shows replies as they come, each as `line` has it.
fn monitor(
    client: &mut Client,
    method: &str,
    out: &mut dyn Write,
    line: impl Fn(&Value) -> String,
) -> Result<(), CliError> {
    let mut failed = None;
    client.more(method, &Nothing {}, |reply: Value| {
        let written = out.write_all(line(&reply).as_bytes());
        failed = written.and_then(|()| out.flush()).err();
        failed.is_none()
    })?;
    failed.map_or(Ok(()), |e| Err(e.into()))
}

fn fdb_event(reply: &Value, look: Look) -> String {
    let event: Option<FdbEventInfo> = serde_json::from_value(reply["event"].clone()).ok();
    look.show(&text::monitor_json(event.as_ref(), &look), |_, look| {
        text::monitor(event.as_ref(), look)
    })
}

fn link_event(reply: &Value, look: Look) -> String {
    look.show(reply, |reply, look| {
        let deleted = if reply["deleted"] == true {
            "Deleted "
        } else {
            ""
        };
        let links = Value::Array(vec![reply["link"].clone()]);
        format!("{deleted}{}", text::links(&links, look))
    })
}

/// Does one command and gives its output.
pub fn execute(client: &mut Client, command: &Command, look: Look) -> Result<String, CliError> {
    match command {
        Command::Dev { command } => match command.as_ref().unwrap_or(&DevCommand::Show) {
            DevCommand::Show => {
                let reply: Value = client.call("GetDevice", &Nothing {})?;
                Ok(look.show(&reply["device"], text::device))
            }
            DevCommand::Set { words } => {
                let forward = link::dev_set(words)?;
                none(client.call::<Value>("SetDevice", &SetDevice { forward })?)
            }
        },
        Command::Port { command } => match command {
            None => show(client, "ListPorts", "ports", None, look, text::ports),
            Some(PortCommand::Show(ShowName { name })) => show(
                client,
                "ListPorts",
                "ports",
                name.clone(),
                look,
                text::ports,
            ),
            Some(PortCommand::Set { name, words }) => {
                none(client.call::<Value>("SetLink", &link::port_set(name, words)?)?)
            }
        },
        Command::Link { command } => link_command(client, command.as_ref(), look),
        Command::Lag { command } => match command {
            None => show(client, "ListLags", "lags", None, look, text::lags),
            Some(LagCommand::Show(ShowName { name })) => {
                show(client, "ListLags", "lags", name.clone(), look, text::lags)
            }
            Some(LagCommand::Buckets { name }) => {
                let reply: Value = client.call("ListBuckets", &Named { name: name.clone() })?;
                Ok(look.show(&reply["buckets"], text::buckets))
            }
        },
        Command::Fdb { command } => fdb_command(client, command.as_ref(), look),
        Command::Vlan { command } => vlan::run(client, command.as_ref(), look),
        Command::Mst { command } => vlan::mst(client, command.as_ref(), look),
        Command::Mdb { command } => mdb::run(client, command.as_ref(), look),
        Command::Netconsole { command } => netconsole::run(client, command.as_ref(), look),
        Command::Br { command } => ioctl::bridge(client, command, look),
        Command::Bond { command } => ioctl::bond(client, command),
        Command::Stats { name, nonzero } => {
            let reply: Value = client.call("GetStats", &ByName { name: name.clone() })?;
            let nonzero = *nonzero;
            Ok(look.show(&reply["stats"], |value, _| text::stats(value, nonzero)))
        }
        // Served before a connection was made.
        Command::Version | Command::Completion { .. } | Command::Batch { .. } => Ok(String::new()),
    }
}

fn none(_: Value) -> Result<String, CliError> {
    Ok(String::new())
}

fn show(
    client: &mut Client,
    method: &str,
    key: &str,
    name: Option<String>,
    look: Look,
    text: impl FnOnce(&Value, &Look) -> String,
) -> Result<String, CliError> {
    let reply: Value = client.call(method, &ByName { name })?;
    Ok(look.show(&reply[key], text))
}

fn link_command(
    client: &mut Client,
    command: Option<&LinkCommand>,
    look: Look,
) -> Result<String, CliError> {
    let links = |client: &mut Client, name: Option<String>| -> Result<String, CliError> {
        let mut reply: Value = client.call("ListLinks", &ByName { name })?;
        text::trim_links(&mut reply["links"], &look);
        Ok(look.show(&reply["links"], text::links))
    };
    match command {
        None => links(client, None),
        Some(LinkCommand::Show { words }) => links(client, link::show_name(words)?),
        Some(LinkCommand::Add { words }) => {
            none(client.call::<Value>("AddLink", &link::add(words)?)?)
        }
        Some(LinkCommand::Delete { words }) => none(client.call::<Value>(
            "DeleteLink",
            &Named {
                name: link::delete(words)?,
            },
        )?),
        Some(LinkCommand::Set { words }) => {
            let (set, kind): (SetLink, _) = link::set(words)?;
            if let Some(kind) = kind {
                let reply: Value = client.call(
                    "ListLinks",
                    &ByName {
                        name: Some(set.name.clone()),
                    },
                )?;
                link::check_kind(&reply["links"][0], &set.name, &kind)?;
            }
            none(client.call::<Value>("SetLink", &set)?)
        }
        // Served before.
        Some(LinkCommand::Monitor) => Ok(String::new()),
    }
}

fn fdb_command(
    client: &mut Client,
    command: Option<&FdbCommand>,
    look: Look,
) -> Result<String, CliError> {
    match command {
        None => fdb_show(client, &[], look),
        Some(FdbCommand::Show { words }) => fdb_show(client, words, look),
        Some(FdbCommand::Add { words }) => {
            none(client.call::<Value>("AddFdb", &fdb::add(words, false)?)?)
        }
        Some(FdbCommand::Get { words }) => {
            let mut reply: Value = client.call("GetFdb", &fdb::get(words)?)?;
            let mut entries = Value::Array(vec![reply["entry"].take()]);
            text::trim_fdb(&mut entries, &look);
            Ok(look.show(&entries, text::fdb))
        }
        Some(FdbCommand::Append { words } | FdbCommand::Replace { words }) => {
            none(client.call::<Value>("AddFdb", &fdb::add(words, true)?)?)
        }
        Some(FdbCommand::Delete { words }) => {
            none(client.call::<Value>("DeleteFdb", &fdb::delete(words)?)?)
        }
        Some(FdbCommand::Flush { words }) => {
            none(client.call::<Value>("FlushFdb", &fdb::flush(words)?)?)
        }
        // Served before.
        Some(FdbCommand::Monitor) => Ok(String::new()),
    }
}

fn fdb_show(client: &mut Client, words: &[String], look: Look) -> Result<String, CliError> {
    let mut reply: Value = client.call("ListFdb", &fdb::show(words)?)?;
    text::trim_fdb(&mut reply["entries"], &look);
    Ok(look.show(&reply["entries"], text::fdb))
}
