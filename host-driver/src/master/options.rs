//! Reading option values as iproute2 writes them.

use serde_json::Value;

use crate::device::fill::Fill;
use crate::netdev::NetError;

/// `on`, `off`, `1`, `0`, `true`, `false`.
pub fn on_off(option: &str, value: &str) -> Result<bool, NetError> {
    match value {
        "on" | "1" | "true" => Ok(true),
        "off" | "0" | "false" => Ok(false),
        _ => Err(NetError::invalid(option, value, "use on or off")),
    }
}

/// A number within a range.
pub fn number(
    option: &str,
    value: &str,
    range: std::ops::RangeInclusive<u64>,
) -> Result<u64, NetError> {
    let reason = || {
        format!(
            "a number from {} to {} is wanted",
            range.start(),
            range.end()
        )
    };
    match value.parse::<u64>() {
        Ok(n) if range.contains(&n) => Ok(n),
        _ => Err(NetError::invalid(option, value, reason())),
    }
}

/// One of some words; gives its place.
pub fn word(option: &str, value: &str, words: &[&str]) -> Result<usize, NetError> {
    words.iter().position(|w| *w == value).ok_or_else(|| {
        NetError::invalid(option, value, format!("use one of: {}", words.join(", ")))
    })
}

/// `lb_fill`: how buckets change with the members.
pub fn lb_fill(value: &str) -> Result<Fill, NetError> {
    Ok([Fill::Linux, Fill::Resilient][word("lb_fill", value, &["linux", "resilient"])?])
}

/// An option that this kind of device does not have.
pub fn unknown(option: &str, value: &str, kind: &str, known: &[&str]) -> NetError {
    NetError::invalid(
        option,
        value,
        format!("{kind} has no such option; it has: {}", known.join(", ")),
    )
}

/// Which of a device's settings the hardware has (`true`), and which the driver alone.
pub fn offload(all: &[&str], in_hardware: &[&str]) -> Value {
    let pairs = all
        .iter()
        .map(|word| ((*word).to_owned(), in_hardware.contains(word).into()));
    Value::Object(pairs.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_their_errors() {
        assert!(on_off("x", "on").unwrap() && !on_off("x", "0").unwrap());
        assert_eq!(number("x", "7", 1..=7).unwrap(), 7);
        for bad in ["8", "-1", "", "x", "99999999999999999999"] {
            assert!(number("x", bad, 1..=7).is_err());
        }
        assert_eq!(word("x", "b", &["a", "b"]).unwrap(), 1);
        let error = word("mode", "q", &["a", "b"]).unwrap_err().to_string();
        assert_eq!(error, "argument mode: \"q\" is wrong: use one of: a, b");
    }
}
