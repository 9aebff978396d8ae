//! `fdb`: from words to calls.

use super::CliError;
use super::words::{Words, missing, once, unexpected};
use crate::control::api::{AddFdb, DeleteFdb, FlushFdb, ListFdb};

/// `[ br BRIDGE ] [ dev NAME ]`
pub fn show(words: &[String]) -> Result<ListFdb, CliError> {
    let mut words = Words::new(words);
    let mut list = ListFdb::default();
    while let Some(word) = words.take() {
        match word {
            "br" => once(&mut list.br, word, words.value(word)?.into())?,
            "dev" | "brport" => once(&mut list.dev, word, words.value(word)?.into())?,
            other => return Err(unexpected(other)),
        }
    }
    Ok(list)
}

/// `MAC dev NAME [ master ] [ local | static | dynamic ] [ sticky ] [ extern_learn ] [ blackhole ]`
pub fn add(words: &[String], replace: bool) -> Result<AddFdb, CliError> {
    let mut words = Words::new(words);
    let (mut mac, mut dev, mut state) = (None, None, None);
    let mut flags = Vec::new();
    while let Some(word) = words.take() {
        match word {
            "dev" => once(&mut dev, word, words.value(word)?)?,
            // All entries are the bridge's: the word is allowed because bridge(8) wants it.
            "master" => {}
            "local" | "permanent" => once(&mut state, word, "permanent")?,
            "static" | "dynamic" => once(&mut state, word, word)?,
            "sticky" | "extern_learn" | "blackhole" => flags.push(word.to_owned()),
            "self" => return Err(no_self()),
            other => once(&mut mac, other, other)?,
        }
    }
    // Flags that static entries cannot have, or do not need, mean a dynamic one.
    let ages = flags.iter().any(|f| f == "sticky" || f == "extern_learn");
    Ok(AddFdb {
        dev: dev.ok_or_else(|| missing("dev"))?.into(),
        mac: mac.ok_or_else(|| missing("MAC"))?.into(),
        state: state
            .unwrap_or(if ages { "dynamic" } else { "static" })
            .into(),
        flags,
        replace: replace.then_some(true),
    })
}

/// `MAC dev NAME`
pub fn delete(words: &[String]) -> Result<DeleteFdb, CliError> {
    let AddFdb { dev, mac, .. } = add(words, false)?;
    Ok(DeleteFdb { dev, mac })
}

/// `[ dev NAME ] [ brport NAME ] [ master ] [ dynamic | extern_learn | all ]`
pub fn flush(words: &[String]) -> Result<FlushFdb, CliError> {
    let mut words = Words::new(words);
    let (mut dev, mut port, mut what) = (None, None, None);
    while let Some(word) = words.take() {
        match word {
            "dev" | "br" => once(&mut dev, word, words.value(word)?.into())?,
            "brport" => once(&mut port, word, words.value(word)?.into())?,
            "master" => {}
            "self" => return Err(no_self()),
            "dynamic" | "extern_learn" | "all" => once(&mut what, word, word.into())?,
            other => return Err(unexpected(other)),
        }
    }
    // `dev` is the bridge where there is a `brport`, as bridge(8) has it.
    let (dev, br) = match port {
        Some(port) => (Some(port), dev),
        None => (dev, None),
    };
    Ok(FlushFdb {
        dev,
        br,
        what: what.unwrap_or_else(|| "dynamic".into()),
    })
}

/// There is no table but the bridge's.
fn no_self() -> CliError {
    CliError::Usage("argument \"self\" is wrong: entries belong to the bridge: use master".into())
}
