//! What `smartnicd --device` names: a card, or the teaching pair.

use std::str::FromStr;
use std::time::Duration;

use smartnic_netdev::snull::{Config, Mode};

use crate::pci::DeviceSpec;

/// What the daemon runs on.
#[derive(Clone, Debug)]
pub enum Target {
    /// A card.
    Card(DeviceSpec),
    /// No card: sn0 and sn1.
    Snull(Config),
}

impl FromStr for Target {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let mut words = text.split(',');
        if words.next() != Some("snull") {
            return text.parse().map(Target::Card);
        }
        let mut config = Config::default();
        for word in words {
            set(&mut config, word)?;
        }
        Ok(Target::Snull(config))
    }
}

fn set(config: &mut Config, word: &str) -> Result<(), String> {
    let (option, value) = word.split_once('=').unwrap_or((word, ""));
    let number = || {
        let wrong = |_| format!("snull: {option}: \"{value}\" is no number");
        value.parse::<u32>().map_err(wrong)
    };
    match option {
        "lockup" => config.lockup = number()?,
        "timeout" => config.timeout = Duration::from_millis(number()?.into()),
        "pool_size" => config.pool_size = number()? as usize,
        "poll" if value.is_empty() => config.mode = Mode::Polled,
        _ => {
            let known = "lockup=N, timeout=MILLISECONDS, pool_size=N, poll";
            return Err(format!("snull has no \"{word}\"; it has: {known}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_teaching_pair() {
        let text = "snull,lockup=5,timeout=100,pool_size=3,poll";
        let Ok(Target::Snull(c)) = text.parse() else {
            panic!("it is snull");
        };
        assert_eq!((c.lockup, c.timeout.as_millis(), c.pool_size), (5, 100, 3));
        assert_eq!(c.mode, Mode::Polled);
        for wrong in [
            "snull,lockup",
            "snull,x=1",
            "snull,poll=1",
            "snully",
            "snull,lockup=-1",
        ] {
            assert!(wrong.parse::<Target>().is_err(), "{wrong}");
        }
        let card = "vfio-user:/run/x.sock".parse::<Target>();
        assert!(matches!(card, Ok(Target::Card(_))));
    }
}
