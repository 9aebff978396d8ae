//! `link`, `port set` and `dev set`: from words to calls.

use serde_json::Value;

use super::CliError;
use super::words::{Words, missing, once, unexpected};
use crate::control::api::{AddLink, Options, SetLink};
use crate::master::bridge::multicast::PortKnobs;
use crate::master::bridge::port::PORT_OPTIONS;

/// `[ dev ] NAME`, or nothing.
pub fn show_name(words: &[String]) -> Result<Option<String>, CliError> {
    let mut words = Words::new(words);
    let name = match words.take() {
        Some("dev") => Some(words.value("dev")?),
        other => other,
    };
    words.end()?;
    Ok(name.map(str::to_owned))
}

/// `[ dev ] NAME`.
pub fn delete(words: &[String]) -> Result<String, CliError> {
    show_name(words)?.ok_or_else(|| missing("NAME"))
}

fn options(words: &mut Words<'_>) -> Result<Options, CliError> {
    let mut options = Options::new();
    while let Some(option) = words.take() {
        let value = words.value(option)?;
        if options.insert(option.into(), value.into()).is_some() {
            return Err(unexpected(option));
        }
    }
    Ok(options)
}

/// `[ link DEV ] [ name ] NAME [ up ] [ mtu N ] [ address MAC ] type KIND [ OPTION VALUE ]...`
pub fn add(words: &[String]) -> Result<AddLink, CliError> {
    let mut words = Words::new(words);
    let mut name = None;
    let mut link = AddLink::default();
    while let Some(word) = words.take() {
        match word {
            "name" | "dev" => once(&mut name, word, words.value(word)?)?,
            "link" => once(&mut link.link, word, words.value(word)?.into())?,
            "up" => once(&mut link.up, word, true)?,
            "mtu" => once(&mut link.mtu, word, words.number(word)?)?,
            "address" => once(&mut link.address, word, words.value(word)?.into())?,
            "type" => {
                link.kind = words.value(word)?.into();
                link.options = Some(options(&mut words)?).filter(|o| !o.is_empty());
            }
            other => once(&mut name, other, other)?,
        }
    }
    link.name = name.ok_or_else(|| missing("NAME"))?.into();
    if link.kind.is_empty() {
        return Err(missing("type"));
    }
    Ok(link)
}

/// A word of `link set` for what every device has, as the daemon calls it.
fn device_word(word: &str) -> Option<&str> {
    match word {
        "txqueuelen" | "txqlen" | "qlen" => Some("txqueuelen"),
        "name" | "promisc" | "allmulticast" | "multicast" | "arp" | "dynamic" | "carrier" => {
            Some(word)
        }
        _ => None,
    }
}

/// `[ dev ] NAME [ up | down ] [ master NAME | nomaster ] ... [ type KIND [ OPTION VALUE ]... ]`; the kind too.
pub fn set(words: &[String]) -> Result<(SetLink, Option<String>), CliError> {
    let mut words = Words::new(words);
    let mut name = None;
    let mut kind = None;
    let mut link = SetLink::default();
    let mut device = Options::new();
    while let Some(word) = words.take() {
        match word {
            "dev" => once(&mut name, word, words.value(word)?)?,
            "up" | "down" => once(&mut link.up, word, word == "up")?,
            "master" => once(&mut link.master, word, words.value(word)?.into())?,
            "nomaster" => once(&mut link.master, word, String::new())?,
            "mtu" => once(&mut link.mtu, word, words.number(word)?)?,
            "address" => once(&mut link.address, word, words.value(word)?.into())?,
            "type" => {
                let word = words.value(word)?;
                let given = Some(options(&mut words)?).filter(|o| !o.is_empty());
                match word {
                    "bridge_slave" | "bond_slave" => link.member_options = given,
                    kind_word => {
                        link.options = given;
                        kind = Some(kind_word.to_owned());
                    }
                }
            }
            other => match device_word(other) {
                Some(setting) => {
                    let value = words.value(other)?.to_owned();
                    if device.insert(setting.to_owned(), value).is_some() {
                        return Err(unexpected(other));
                    }
                }
                None => once(&mut name, other, other)?,
            },
        }
    }
    link.name = name.ok_or_else(|| missing("NAME"))?.into();
    link.device = Some(device).filter(|d| !d.is_empty());
    Ok((link, kind))
}

/// `type KIND` must name what the link is.
pub fn check_kind(link: &Value, name: &str, kind: &str) -> Result<(), CliError> {
    match link["linkinfo"]["info_kind"].as_str() {
        Some(is) if is == kind => Ok(()),
        is => Err(CliError::Usage(format!(
            "argument \"{kind}\" is wrong: type: {name} is a {}",
            is.unwrap_or("port")
        ))),
    }
}

/// An option of a bridge's port: the card's bridge's, or the one's in software.
fn is_port_option(word: &str) -> bool {
    let all = PORT_OPTIONS.iter().chain(&smartnic_bridge::PORT_OPTIONS);
    all.copied().chain(PortKnobs::words()).any(|w| w == word)
}

/// `PORT WORD VALUE ...`
pub fn port_set(name: &str, words: &[String]) -> Result<SetLink, CliError> {
    let mut words = Words::new(words);
    let mut link = SetLink {
        name: name.into(),
        ..Default::default()
    };
    let mut members = Options::new();
    while let Some(word) = words.take() {
        match word {
            "up" | "down" => once(&mut link.up, word, word == "up")?,
            "mtu" => once(&mut link.mtu, word, words.number(word)?)?,
            "address" => once(&mut link.address, word, words.value(word)?.into())?,
            word if is_port_option(word) => {
                if members
                    .insert(word.into(), words.value(word)?.into())
                    .is_some()
                {
                    return Err(unexpected(word));
                }
            }
            other => return Err(unexpected(other)),
        }
    }
    link.member_options = Some(members).filter(|m| !m.is_empty());
    Ok(link)
}

/// `forward on|off`.
pub fn dev_set(words: &[String]) -> Result<bool, CliError> {
    let mut words = Words::new(words);
    let forward = match words.take() {
        Some("forward") => match words.value("forward")? {
            "on" => true,
            "off" => false,
            other => {
                return Err(CliError::Usage(format!(
                    "argument \"{other}\" is wrong: forward: use on or off"
                )));
            }
        },
        Some(other) => return Err(unexpected(other)),
        None => return Err(missing("forward")),
    };
    words.end()?;
    Ok(forward)
}
