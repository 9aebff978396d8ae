//! `mdb`: from words to calls, and the lines of bridge(8).

use std::fmt::Write;

use serde_json::Value;

use super::args::MdbCommand;
use super::words::{Words, missing, once, unexpected};
use super::{CliError, Look};
use crate::control::api::{ChangeMdb, FlushMdb, ListMdb};
use crate::control::client::Client;

/// `[ dev BRIDGE ] [ vid VID ]`.
fn show(words: &[String]) -> Result<ListMdb, CliError> {
    let mut words = Words::new(words);
    let mut list = ListMdb::default();
    while let Some(word) = words.take() {
        match word {
            "dev" => once(&mut list.dev, word, words.value(word)?.to_owned())?,
            "vid" => once(&mut list.vid, word, small(&mut words, word)?)?,
            other => return Err(unexpected(other)),
        }
    }
    Ok(list)
}

/// A number that fits.
fn small<T: TryFrom<u64>>(words: &mut Words<'_>, word: &str) -> Result<T, CliError> {
    let number = words.number(word)?;
    T::try_from(number).map_err(|_| {
        CliError::Usage(format!(
            "argument \"{number}\" is wrong: {word}: it is too large"
        ))
    })
}

/// A routing protocol by its number, or by a name that ip-route(8) has.
fn protocol(words: &mut Words<'_>) -> Result<u8, CliError> {
    let value = words.value("proto")?;
    match value {
        "kernel" => Ok(2),
        "boot" => Ok(3),
        "static" => Ok(4),
        _ => value.parse().map_err(|_| {
            CliError::Usage(format!(
                "argument \"{value}\" is wrong: proto: use a number, kernel, boot or static"
            ))
        }),
    }
}

/// `dev BRIDGE port PORT grp GROUP [ src SOURCE ] [ permanent | temp ] [ vid VID ] [ filter_mode MODE ] [ source_list SOURCES ] [ proto PROTOCOL ]`.
fn change(words: &[String]) -> Result<ChangeMdb, CliError> {
    let mut words = Words::new(words);
    let (mut dev, mut port, mut grp, mut permanent) = (None, None, None, None);
    let mut entry = ChangeMdb::default();
    while let Some(word) = words.take() {
        match word {
            "dev" => once(&mut dev, word, words.value(word)?)?,
            "port" => once(&mut port, word, words.value(word)?)?,
            "grp" => once(&mut grp, word, words.value(word)?)?,
            "src" => once(&mut entry.src, word, words.value(word)?.to_owned())?,
            "vid" => once(&mut entry.vid, word, small(&mut words, word)?)?,
            "filter_mode" => once(&mut entry.filter_mode, word, words.value(word)?.to_owned())?,
            "source_list" => {
                let list = words.value(word)?.split(',');
                // A timer behind a slash is what show has, and is not set.
                entry.source_list = list
                    .map(|s| s.split('/').next().unwrap_or(s).to_owned())
                    .collect();
            }
            "proto" => once(&mut entry.proto, word, protocol(&mut words)?)?,
            "permanent" | "temp" => once(&mut permanent, word, word == "permanent")?,
            other => return Err(unexpected(other)),
        }
    }
    entry.dev = dev.ok_or_else(|| missing("dev"))?.into();
    entry.port = port.ok_or_else(|| missing("port"))?.into();
    entry.grp = grp.ok_or_else(|| missing("grp"))?.into();
    entry.permanent = permanent;
    Ok(entry)
}

/// `dev BRIDGE [ port PORT ] [ vid VID ] [ permanent | nopermanent ] [ proto PROTOCOL ]`.
fn flush(words: &[String]) -> Result<FlushMdb, CliError> {
    let mut words = Words::new(words);
    let (mut dev, mut flush) = (None, FlushMdb::default());
    while let Some(word) = words.take() {
        match word {
            "dev" => once(&mut dev, word, words.value(word)?)?,
            "port" => once(&mut flush.port, word, words.value(word)?.to_owned())?,
            "vid" => once(&mut flush.vid, word, small(&mut words, word)?)?,
            "permanent" | "nopermanent" => {
                once(&mut flush.permanent, word, word == "permanent")?;
            }
            "proto" => once(&mut flush.proto, word, protocol(&mut words)?)?,
            other => return Err(unexpected(other)),
        }
    }
    flush.dev = dev.ok_or_else(|| missing("dev"))?.into();
    Ok(flush)
}

/// Does one command and gives its output.
pub fn run(
    client: &mut Client,
    command: Option<&MdbCommand>,
    look: Look,
) -> Result<String, CliError> {
    match command {
        None => return list(client, &[], look),
        Some(MdbCommand::Show { words }) => return list(client, words, look),
        Some(MdbCommand::Add { words }) => client.call::<Value>("AddMdb", &change(words)?)?,
        Some(MdbCommand::Replace { words }) => {
            let mut change = change(words)?;
            change.replace = Some(true);
            client.call::<Value>("AddMdb", &change)?
        }
        Some(MdbCommand::Delete { words }) => client.call::<Value>("DeleteMdb", &change(words)?)?,
        Some(MdbCommand::Flush { words }) => client.call::<Value>("FlushMdb", &flush(words)?)?,
        // Served before.
        Some(MdbCommand::Monitor) => Value::Null,
    };
    Ok(String::new())
}

/// A change as `bridge monitor mdb` has it.
pub fn event(reply: &Value, look: Look) -> String {
    look.show(reply, |reply, look| {
        let deleted = if reply["deleted"] == true {
            "Deleted "
        } else {
            ""
        };
        let entries = serde_json::json!([{ "mdb": [reply["entry"]] }]);
        format!("{deleted}{}", text(&entries, look))
    })
}

fn list(client: &mut Client, words: &[String], look: Look) -> Result<String, CliError> {
    let reply: Value = client.call("ListMdb", &show(words)?)?;
    Ok(look.show(&reply["mdb"], text))
}

/// As `bridge mdb show` has it.
fn text(value: &Value, look: &Look) -> String {
    let mut out = String::new();
    let rows = |v: &Value| v.as_array().cloned().unwrap_or_default();
    for entry in rows(&value[0]["mdb"]) {
        let t = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        let _ = write!(out, "dev {} port {} grp {}", t("dev"), t("port"), t("grp"));
        if entry["src"].is_string() {
            let _ = write!(out, " src {}", t("src"));
        }
        let _ = write!(out, " {}", t("state"));
        if !entry["vid"].is_null() {
            let _ = write!(out, " vid {}", entry["vid"]);
        }
        if look.details {
            if entry["filter_mode"].is_string() {
                let _ = write!(out, " filter_mode {}", t("filter_mode"));
            }
            for (at, source) in rows(&entry["source_list"]).iter().enumerate() {
                let word = if at == 0 { " source_list " } else { "," };
                let [address, timer] =
                    ["address", "timer"].map(|k| source[k].as_str().unwrap_or_default());
                let _ = write!(out, "{word}{address}/{timer}");
            }
            if entry["protocol"].is_string() {
                let _ = write!(out, " proto {}", t("protocol"));
            }
        }
        for flag in rows(&entry["flags"]) {
            let _ = write!(out, " {}", flag.as_str().unwrap_or_default());
        }
        if look.stats {
            let _ = write!(out, " {}", t("timer"));
        }
        out.push('\n');
    }
    for (bridge, ports) in value[0]["router"].as_object().into_iter().flatten() {
        let _ = write!(out, "router ports on {bridge}:");
        for port in rows(ports) {
            let _ = write!(out, " {}", port["port"].as_str().unwrap_or_default());
            if look.stats {
                let _ = write!(out, " {}", port["timer"].as_str().unwrap_or_default());
            }
        }
        out.push('\n');
    }
    out
}
