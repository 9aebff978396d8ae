//! `fdb`: from words to calls.

use super::CliError;
use super::words::{Words, missing, once, unexpected};
use crate::control::api::{AddFdb, DeleteFdb, FlushFdb, GetFdb, ListFdb};

/// `[ br BRIDGE ] [ brport | dev NAME ] [ vlan VID ] [ state STATE ] [ dynamic ]`
pub fn show(words: &[String]) -> Result<ListFdb, CliError> {
    let mut words = Words::new(words);
    let mut list = ListFdb::default();
    while let Some(word) = words.take() {
        match word {
            "br" => once(&mut list.br, word, words.value(word)?.into())?,
            "dev" | "brport" => once(&mut list.dev, word, words.value(word)?.into())?,
            "vlan" => once(&mut list.vlan, word, vlan(words.value(word)?)?)?,
            "state" => once(&mut list.state, word, words.value(word)?.into())?,
            "dynamic" => once(&mut list.dynamic, word, true)?,
            other => return Err(unexpected(other)),
        }
    }
    Ok(list)
}

fn vlan(value: &str) -> Result<u16, CliError> {
    value.parse().map_err(|_| {
        CliError::Usage(format!(
            "argument \"{value}\" is wrong: vlan: a VLAN's id is wanted"
        ))
    })
}

/// `MAC [ dev NAME ] [ br BRIDGE ] [ vlan VID ] [ self ] [ master ]`
pub fn get(words: &[String]) -> Result<GetFdb, CliError> {
    let mut words = Words::new(words);
    let (mut mac, mut get) = (None, GetFdb::default());
    while let Some(word) = words.take() {
        match word {
            "dev" | "brport" => once(&mut get.dev, word, words.value(word)?.into())?,
            "br" => once(&mut get.br, word, words.value(word)?.into())?,
            "vlan" => once(&mut get.vlan, word, vlan(words.value(word)?)?)?,
            "self" | "master" | "dynamic" => {}
            other => once(&mut mac, other, other.to_owned())?,
        }
    }
    get.mac = mac.ok_or_else(|| missing("MAC"))?;
    Ok(get)
}

/// `MAC dev NAME [ self ] [ master ] [ local | static | dynamic ] [ sticky ] [ extern_learn ] [ locked ] [ use ] [ blackhole ] [ vlan VID ]`
pub fn add(words: &[String], replace: bool) -> Result<AddFdb, CliError> {
    let mut words = Words::new(words);
    let (mut mac, mut dev, mut state, mut add) = (None, None, None, AddFdb::default());
    while let Some(word) = words.take() {
        match word {
            "dev" => once(&mut dev, word, words.value(word)?)?,
            "vlan" => once(&mut add.vlan, word, vlan(words.value(word)?)?)?,
            "local" | "permanent" => once(&mut state, word, "permanent")?,
            "static" | "dynamic" => once(&mut state, word, word)?,
            "self" | "master" | "sticky" | "extern_learn" | "locked" | "use" | "blackhole" => {
                add.flags.push(word.to_owned());
            }
            other => once(&mut mac, other, other)?,
        }
    }
    let has = |word: &str| add.flags.iter().any(|f| f == word);
    // Flags that static entries cannot have, or do not need, mean a dynamic one; a device's own list has permanent ones only.
    let default = match () {
        _ if has("sticky") || has("extern_learn") || has("use") => "dynamic",
        _ if has("self") => "permanent",
        _ => "static",
    };
    add.dev = dev.ok_or_else(|| missing("dev"))?.into();
    add.mac = mac.ok_or_else(|| missing("MAC"))?.into();
    add.state = state.unwrap_or(default).into();
    add.replace = replace.then_some(true);
    Ok(add)
}

/// `MAC dev NAME [ vlan VID ] [ self ] [ master ]`
pub fn delete(words: &[String]) -> Result<DeleteFdb, CliError> {
    let AddFdb {
        dev,
        mac,
        mut flags,
        vlan,
        ..
    } = add(words, false)?;
    flags.retain(|f| f == "self" || f == "master");
    Ok(DeleteFdb {
        dev,
        mac,
        flags,
        vlan,
    })
}

/// `[ dev NAME ] [ brport NAME ] [ vlan VID ] [ self ] [ master ] [ dynamic | extern_learn | all ] [ [no]CONDITION ]...`
pub fn flush(words: &[String]) -> Result<FlushFdb, CliError> {
    let mut words = Words::new(words);
    let (mut dev, mut port, mut flush) = (None, None, FlushFdb::default());
    let mut what = None;
    while let Some(word) = words.take() {
        match word {
            "dev" | "br" => once(&mut dev, word, words.value(word)?.into())?,
            "brport" => once(&mut port, word, words.value(word)?.into())?,
            "vlan" => once(&mut flush.vlan, word, vlan(words.value(word)?)?)?,
            "self" | "master" => {}
            "all" => once(&mut what, word, word)?,
            _ if CONDITIONS.contains(&word.strip_prefix("no").unwrap_or(word)) => {
                flush.flags.push(word.into());
            }
            other => return Err(unexpected(other)),
        }
    }
    // One word alone is quick: the hardware has a command for it.
    if let [word @ ("dynamic" | "extern_learn")] =
        flush.flags.iter().map(String::as_str).collect::<Vec<_>>()[..]
        && what.is_none()
        && flush.vlan.is_none()
    {
        flush.what = word.into();
        flush.flags.clear();
    } else {
        let default = if flush.vlan.is_some() {
            "all"
        } else {
            "dynamic"
        };
        flush.what = what.unwrap_or(default).into();
    }
    // `dev` is the bridge where there is a `brport`, as bridge(8) has it.
    (flush.dev, flush.br) = match port {
        Some(port) => (Some(port), dev),
        None => (dev, None),
    };
    Ok(flush)
}

/// What may be asked of the entries that go.
const CONDITIONS: [&str; 8] = [
    "permanent",
    "static",
    "dynamic",
    "added_by_user",
    "extern_learn",
    "sticky",
    "offloaded",
    "locked",
];
