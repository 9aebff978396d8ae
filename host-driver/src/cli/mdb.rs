//! `mdb`: from words to calls, and the lines of bridge(8).

use std::fmt::Write;

use serde_json::Value;

use super::args::MdbCommand;
use super::words::{Words, missing, once, unexpected};
use super::{CliError, Look};
use crate::control::api::{ChangeMdb, ListMdb};
use crate::control::client::Client;

/// `[ dev BRIDGE ]`.
fn show(words: &[String]) -> Result<ListMdb, CliError> {
    let mut words = Words::new(words);
    let mut list = ListMdb::default();
    while let Some(word) = words.take() {
        match word {
            "dev" => once(&mut list.dev, word, words.value(word)?.to_owned())?,
            other => return Err(unexpected(other)),
        }
    }
    Ok(list)
}

/// `dev BRIDGE port PORT grp GROUP [ src SOURCE ] [ permanent | temp ]`.
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

/// Does one command and gives its output.
pub fn run(
    client: &mut Client,
    command: Option<&MdbCommand>,
    look: Look,
) -> Result<String, CliError> {
    let (method, words) = match command {
        None => return list(client, &[], look),
        Some(MdbCommand::Show { words }) => return list(client, words, look),
        Some(MdbCommand::Add { words }) => ("AddMdb", words),
        Some(MdbCommand::Delete { words }) => ("DeleteMdb", words),
    };
    client.call::<Value>(method, &change(words)?)?;
    Ok(String::new())
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
