//! What users call the settings, by the words and units of ip-link(8), bridge(8) and mstpctl: one table for every bridge that runs this tree.

use std::time::Duration;

use super::{PointToPoint, PortState, Protocol};

/// Longest ageing time that can be asked for, in 1/100 s (802.1Q: 1,000,000 s).
pub const AGEING_MAX: u64 = 100_000_000;
/// Longest time of the tree that can be asked for, in 1/100 s; what fits is for [`super::BridgeTimes::check`].
pub const TIME_MAX: u64 = 10_000;
/// Greatest path cost, RSTP's (802.1D-2004 clause 17.14); STP's is less.
pub const COST_MAX: u64 = 200_000_000;
/// Greatest priority of a port (Linux: BR_MAX_PORT_PRIORITY).
pub const PORT_PRIORITY_MAX: u64 = 63;

/// A time in Linux's unit of 1/100 s.
pub fn centiseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis() / 10).unwrap_or(u64::MAX)
}

fn word_of<T: PartialEq>(words: &[(&'static str, T)], value: &T) -> &'static str {
    let found = words.iter().find(|(_, v)| v == value);
    found.map_or("", |(word, _)| word)
}

fn by_word<T: Copy>(words: &[(&'static str, T)], word: &str) -> Option<T> {
    words.iter().find(|(w, _)| *w == word).map(|(_, v)| *v)
}

impl Protocol {
    /// Its words (`forcevers` of mstpctl).
    pub const WORDS: [(&'static str, Self); 2] = [("stp", Self::Stp), ("rstp", Self::Rstp)];

    /// Its word.
    pub fn word(self) -> &'static str {
        word_of(&Self::WORDS, &self)
    }
    /// By its word.
    pub fn from_word(word: &str) -> Option<Self> {
        by_word(&Self::WORDS, word)
    }
}

impl PointToPoint {
    /// Its words (`setportp2p` of mstpctl).
    pub const WORDS: [(&'static str, Self); 3] =
        [("auto", Self::Auto), ("yes", Self::Yes), ("no", Self::No)];

    /// Its word.
    pub fn word(self) -> &'static str {
        word_of(&Self::WORDS, &self)
    }
    /// By its word.
    pub fn from_word(word: &str) -> Option<Self> {
        by_word(&Self::WORDS, word)
    }
}

impl PortState {
    /// Its words, each under its number.
    pub const WORDS: [(&'static str, Self); 5] = [
        ("disabled", Self::Disabled),
        ("listening", Self::Listening),
        ("learning", Self::Learning),
        ("forwarding", Self::Forwarding),
        ("blocking", Self::Blocking),
    ];

    /// Its word.
    pub fn word(self) -> &'static str {
        Self::WORDS[self as usize].0
    }
    /// By its number.
    pub fn from_number(number: u64) -> Option<Self> {
        let number = usize::try_from(number).ok()?;
        Self::WORDS.get(number).map(|(_, state)| *state)
    }
    /// By its word or number, as bridge(8) takes it.
    pub fn from_word(word: &str) -> Option<Self> {
        match word.parse() {
            Ok(number) => Self::from_number(number),
            Err(_) => by_word(&Self::WORDS, word),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_numbers_go_both_ways() {
        for (n, (word, state)) in (0..).zip(PortState::WORDS) {
            assert_eq!((state as u64, state.word()), (n, word));
            assert_eq!(PortState::from_word(word), Some(state));
            assert_eq!(PortState::from_word(&n.to_string()), Some(state));
        }
        assert_eq!(PortState::from_word("5"), None);
        assert_eq!(PortState::from_word("-1"), None);
        assert_eq!(PortState::from_word("Forwarding"), None);
        for (word, protocol) in Protocol::WORDS {
            assert_eq!(Protocol::from_word(word), Some(protocol));
            assert_eq!(protocol.word(), word);
        }
        for (word, how) in PointToPoint::WORDS {
            assert_eq!(PointToPoint::from_word(word), Some(how));
            assert_eq!(how.word(), word);
        }
        assert_eq!(centiseconds(Duration::from_millis(15_009)), 1500);
    }
}
