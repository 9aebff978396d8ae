//! Reading iproute2's way of writing commands: words, each perhaps with a value behind it.

use super::CliError;

/// The words of a command that are still to be read.
pub struct Words<'a> {
    words: std::slice::Iter<'a, String>,
}

impl<'a> Words<'a> {
    /// All of `words`.
    pub fn new(words: &'a [String]) -> Self {
        Self {
            words: words.iter(),
        }
    }

    /// The next word.
    pub fn take(&mut self) -> Option<&'a str> {
        self.words.next().map(String::as_str)
    }

    /// The value behind `word`.
    pub fn value(&mut self, word: &str) -> Result<&'a str, CliError> {
        self.take()
            .ok_or_else(|| CliError::Usage(format!("argument \"{word}\" needs a value behind it")))
    }

    /// The number behind `word`.
    pub fn number(&mut self, word: &str) -> Result<u64, CliError> {
        let value = self.value(word)?;
        value.parse().map_err(|_| {
            CliError::Usage(format!("argument \"{value}\" is wrong: {word} is a number"))
        })
    }

    /// Nothing may follow.
    pub fn end(&mut self) -> Result<(), CliError> {
        self.take().map_or(Ok(()), |word| Err(unexpected(word)))
    }
}

/// A word that does not belong here.
pub fn unexpected(word: &str) -> CliError {
    CliError::Usage(format!(
        "either \"{word}\" is duplicate, or it is no word of this command; see --help"
    ))
}

/// A word that has to be there.
pub fn missing(word: &str) -> CliError {
    CliError::Usage(format!("\"{word}\" is missing; see --help"))
}

/// Stores a value that may be given once.
pub fn once<T>(slot: &mut Option<T>, word: &str, value: T) -> Result<(), CliError> {
    if slot.replace(value).is_some() {
        Err(unexpected(word))
    } else {
        Ok(())
    }
}
