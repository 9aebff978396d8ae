//! `netconsole`: from words to calls, and how consoles are shown.

use std::fmt::Write;

use serde_json::Value;

use super::args::NetconsoleCommand;
use super::words::{Words, missing, once, unexpected};
use super::{CliError, Look};
use crate::control::api::{Named, Netconsole, Nothing};
use crate::control::client::Client;

/// Does a command and gives its output.
pub fn run(
    client: &mut Client,
    command: Option<&NetconsoleCommand>,
    look: Look,
) -> Result<String, CliError> {
    match command.unwrap_or(&NetconsoleCommand::Show) {
        NetconsoleCommand::Show => {
            let reply: Value = client.call("ListNetconsoles", &Nothing {})?;
            Ok(look.show(&reply["netconsoles"], |all, _| text(all)))
        }
        NetconsoleCommand::Add { words } => {
            client.call::<Value>("AddNetconsole", &add(words)?)?;
            Ok(String::new())
        }
        NetconsoleCommand::Delete { dev } => {
            client.call::<Value>("DeleteNetconsole", &Named { name: dev.clone() })?;
            Ok(String::new())
        }
    }
}

/// `[ dev ] DEV WORD VALUE ...`
fn add(words: &[String]) -> Result<Netconsole, CliError> {
    let mut words = Words::new(words);
    let (mut dev, mut local, mut remote) = (None, None, None);
    let (mut mac, mut level, mut format, mut secret) = (None, None, None, None);
    while let Some(word) = words.take() {
        match word {
            "dev" => once(&mut dev, word, words.value(word)?)?,
            "local" => once(&mut local, word, words.value(word)?)?,
            "remote" => once(&mut remote, word, words.value(word)?)?,
            "mac" => once(&mut mac, word, words.value(word)?.to_owned())?,
            "level" => once(&mut level, word, words.number(word)?)?,
            "format" => once(&mut format, word, words.value(word)?.to_owned())?,
            "secret" => once(&mut secret, word, words.value(word)?.to_owned())?,
            name if dev.is_none() => dev = Some(name),
            other => return Err(unexpected(other)),
        }
    }
    Ok(Netconsole {
        dev: dev.ok_or_else(|| missing("DEV"))?.into(),
        local: local.ok_or_else(|| missing("local"))?.into(),
        remote: remote.ok_or_else(|| missing("remote"))?.into(),
        mac,
        level: level.map(|n| u8::try_from(n).unwrap_or(u8::MAX)),
        format,
        secret,
    })
}

fn text(all: &Value) -> String {
    let mut out = String::new();
    for console in all.as_array().into_iter().flatten() {
        let word = |key: &str| super::text::text(&console[key]);
        // Writing to a string does not fail.
        let _ = writeln!(
            out,
            "{}: local {} remote {} mac {} level {} format {}",
            word("dev"),
            word("local"),
            word("remote"),
            word("mac"),
            word("level"),
            word("format")
        );
    }
    out
}
