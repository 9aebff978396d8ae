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
            "self" => {
                return Err(CliError::Usage(
                    "argument \"self\" is wrong: entries belong to the bridge: use master".into(),
                ));
            }
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

/// `[ dev NAME ] [ dynamic | extern_learn | all ]`
pub fn flush(words: &[String]) -> Result<FlushFdb, CliError> {
    let mut words = Words::new(words);
    let (mut dev, mut what) = (None, None);
    while let Some(word) = words.take() {
        match word {
            "dev" | "br" | "brport" => once(&mut dev, word, words.value(word)?.into())?,
            "dynamic" | "extern_learn" | "all" => once(&mut what, word, word.into())?,
            other => return Err(unexpected(other)),
        }
    }
    Ok(FlushFdb {
        dev,
        what: what.unwrap_or_else(|| "dynamic".into()),
    })
}
