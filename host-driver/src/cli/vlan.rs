//! `vlan` and `mst`: from words to calls, and the lines of bridge(8).

use std::fmt::Write;

use serde_json::Value;

use super::args::{MstCommand, VlanCommand, VlanGlobalCommand};
use super::words::{Words, missing, once, unexpected};
use super::{CliError, Look};
use crate::control::api::{ChangeVlan, ListMst, ListVlans, Options, SetMst, SetVlan};
use crate::control::client::Client;

/// `VID` or `VID-VID`.
fn range(text: &str) -> Result<(u16, Option<u16>), CliError> {
    let bad = || {
        let text = format!(
            "argument \"{text}\" is wrong: vid: a VLAN's id, or two with a - between, is wanted"
        );
        CliError::Usage(text)
    };
    let id = |text: &str| text.parse::<u16>().map_err(|_| bad());
    match text.split_once('-') {
        Some((from, to)) => Ok((id(from)?, Some(id(to)?))),
        None => Ok((id(text)?, None)),
    }
}

/// `[ dev DEV ] [ vid VID ]`
fn show(words: &[String]) -> Result<ListVlans, CliError> {
    let mut words = Words::new(words);
    let mut list = ListVlans::default();
    while let Some(word) = words.take() {
        match word {
            "dev" => once(&mut list.dev, word, words.value(word)?.to_owned())?,
            "vid" => once(&mut list.vid, word, range(words.value(word)?)?.0)?,
            other => return Err(unexpected(other)),
        }
    }
    Ok(list)
}

/// `dev DEV vid VID[-VID] [ pvid ] [ untagged ] [ self ] [ master ]`
fn change(words: &[String]) -> Result<ChangeVlan, CliError> {
    let mut words = Words::new(words);
    let (mut dev, mut vid) = (None, None);
    let mut flags = Vec::new();
    while let Some(word) = words.take() {
        match word {
            "dev" => once(&mut dev, word, words.value(word)?)?,
            "vid" => once(&mut vid, word, range(words.value(word)?)?)?,
            "pvid" | "untagged" | "self" | "master" => flags.push(word.to_owned()),
            other => return Err(unexpected(other)),
        }
    }
    let (vid, vid_end) = vid.ok_or_else(|| missing("vid"))?;
    let dev = dev.ok_or_else(|| missing("dev"))?.into();
    Ok(ChangeVlan {
        dev,
        vid,
        vid_end,
        flags,
    })
}

/// `dev DEV vid VID[-VID] OPTION VALUE ...`
fn set(words: &[String]) -> Result<SetVlan, CliError> {
    let mut words = Words::new(words);
    let (mut dev, mut vid) = (None, None);
    let mut options = Options::new();
    while let Some(word) = words.take() {
        let value = words.value(word)?;
        match word {
            "dev" => once(&mut dev, word, value)?,
            "vid" => once(&mut vid, word, range(value)?)?,
            option => {
                if options.insert(option.into(), value.into()).is_some() {
                    return Err(unexpected(option));
                }
            }
        }
    }
    let (vid, vid_end) = vid.ok_or_else(|| missing("vid"))?;
    let dev = dev.ok_or_else(|| missing("dev"))?.into();
    Ok(SetVlan {
        dev,
        vid,
        vid_end,
        options,
    })
}

/// `dev DEV msti MSTI state STATE`
fn set_mst(words: &[String]) -> Result<SetMst, CliError> {
    let mut words = Words::new(words);
    let (mut dev, mut msti, mut state) = (None, None, None);
    while let Some(word) = words.take() {
        match word {
            "dev" => once(&mut dev, word, words.value(word)?)?,
            "msti" => once(&mut msti, word, words.number(word)?)?,
            "state" => once(&mut state, word, words.value(word)?)?,
            other => return Err(unexpected(other)),
        }
    }
    let msti = msti.ok_or_else(|| missing("msti"))?;
    Ok(SetMst {
        dev: dev.ok_or_else(|| missing("dev"))?.into(),
        msti: u16::try_from(msti).unwrap_or(u16::MAX),
        state: state.ok_or_else(|| missing("state"))?.into(),
    })
}

/// Does one command of `vlan` and gives its output.
pub fn run(
    client: &mut Client,
    command: Option<&VlanCommand>,
    look: Look,
) -> Result<String, CliError> {
    let none: &[String] = &[];
    let list = |client: &mut Client, method, words| -> Result<String, CliError> {
        let mut reply: Value = client.call(method, &show(words)?)?;
        trim(&mut reply["vlans"], look);
        Ok(look.show(&reply["vlans"], text))
    };
    match command {
        None => return list(client, "ListVlans", none),
        Some(VlanCommand::Show { words }) => return list(client, "ListVlans", words),
        Some(VlanCommand::Add { words }) => client.call::<Value>("AddVlan", &change(words)?)?,
        Some(VlanCommand::Delete { words }) => {
            client.call::<Value>("DeleteVlan", &change(words)?)?
        }
        Some(VlanCommand::Set { words }) => client.call::<Value>("SetVlan", &set(words)?)?,
        Some(VlanCommand::Global { command }) => match command {
            VlanGlobalCommand::Show { words } => return list(client, "ListVlanGlobals", words),
            VlanGlobalCommand::Set { words } => {
                client.call::<Value>("SetVlanGlobal", &set(words)?)?
            }
        },
    };
    Ok(String::new())
}

/// Does one command of `mst` and gives its output.
pub fn mst(
    client: &mut Client,
    command: Option<&MstCommand>,
    look: Look,
) -> Result<String, CliError> {
    let words: &[String] = match command {
        None => &[],
        Some(MstCommand::Show { words }) => words,
        Some(MstCommand::Set { words }) => {
            client.call::<Value>("SetMst", &set_mst(words)?)?;
            return Ok(String::new());
        }
    };
    let dev = show(words)?.dev;
    let reply: Value = client.call("ListMst", &ListMst { dev })?;
    Ok(look.show(&reply["mst"], mst_text))
}

/// What is a detail, or a statistic, is shown when it is asked for.
fn trim(vlans: &mut Value, look: Look) {
    for device in vlans.as_array_mut().into_iter().flatten() {
        for vlan in device["vlans"].as_array_mut().into_iter().flatten() {
            let Some(vlan) = vlan.as_object_mut() else {
                continue;
            };
            let counter = |key: &str| key.starts_with("rx_") || key.starts_with("tx_");
            vlan.retain(|key, value| match key.as_str() {
                "vlan" | "flags" => true,
                key if counter(key) => look.stats,
                _ => look.details && !value.is_null(),
            });
        }
    }
}

/// As `bridge vlan show` has it.
fn text(value: &Value, look: &Look) -> String {
    let mut out = String::from("port              vlan-id\n");
    for device in value.as_array().into_iter().flatten() {
        let mut name = device["ifname"].as_str().unwrap_or_default();
        for vlan in device["vlans"].as_array().into_iter().flatten() {
            let _ = write!(out, "{name:<16}  {}", vlan["vlan"]);
            name = "";
            for flag in vlan["flags"].as_array().into_iter().flatten() {
                let _ = write!(out, " {}", flag.as_str().unwrap_or_default());
            }
            out.push('\n');
            let pad = " ".repeat(18);
            if look.details {
                let details = vlan.as_object().into_iter().flatten();
                let shown = details
                    .filter(|(k, _)| !matches!(k.as_str(), "vlan" | "flags") && !k.contains("x_"));
                let shown = shown.map(|(k, v)| format!("{k} {}", word(v)));
                let shown: Vec<String> = shown.collect();
                let _ = writeln!(out, "{pad}  {}", shown.join(" "));
            }
            if look.stats && !vlan["rx_bytes"].is_null() {
                for way in ["rx", "tx"] {
                    let [bytes, packets] =
                        ["bytes", "packets"].map(|k| &vlan[format!("{way}_{k}")]);
                    let _ = writeln!(
                        out,
                        "{pad}  {}: {bytes} bytes {packets} packets",
                        way.to_uppercase()
                    );
                }
            }
        }
    }
    out
}

fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(on) => if *on { "on" } else { "off" }.into(),
        other => other.to_string(),
    }
}

/// As `bridge mst show` has it.
fn mst_text(value: &Value, _: &Look) -> String {
    let mut out = String::from("port              msti\n");
    for device in value.as_array().into_iter().flatten() {
        let mut name = device["ifname"].as_str().unwrap_or_default();
        for state in device["mst"].as_array().into_iter().flatten() {
            let _ = writeln!(out, "{name:<16}  {}", state["msti"]);
            let _ = writeln!(out, "{:18}  state {}", "", word(&state["state"]));
            name = "";
        }
    }
    out
}
