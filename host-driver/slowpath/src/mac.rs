//! Ethernet addresses.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An Ethernet address, in the order of the wire.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MacAddr(pub [u8; 6]);

impl MacAddr {
    /// ff:ff:ff:ff:ff:ff.
    pub const BROADCAST: MacAddr = MacAddr([0xff; 6]);

    /// Group bit set: multicast or broadcast.
    pub fn is_multicast(&self) -> bool {
        self.0[0] & 1 != 0
    }
    /// 00:00:00:00:00:00.
    pub fn is_zero(&self) -> bool {
        self.0 == [0; 6]
    }
    /// May be the address of a station: neither multicast nor zero.
    pub fn is_unicast(&self) -> bool {
        !self.is_multicast() && !self.is_zero()
    }
    /// Low 32 bits as registers and rings hold them: first byte on the wire in bits 7:0.
    pub fn low(&self) -> u32 {
        u32::from_le_bytes([self.0[0], self.0[1], self.0[2], self.0[3]])
    }
    /// High 16 bits as registers and rings hold them.
    pub fn high(&self) -> u32 {
        u16::from_le_bytes([self.0[4], self.0[5]]).into()
    }
    /// From the two halves of a register pair; bits above 15 of `high` do not count.
    pub fn from_halves(low: u32, high: u32) -> Self {
        let (l, h) = (low.to_le_bytes(), high.to_le_bytes());
        MacAddr([l[0], l[1], l[2], l[3], h[0], h[1]])
    }
    /// A random, locally administered unicast address.
    pub fn random(rng: &mut impl rand::Rng) -> Self {
        let mut bytes: [u8; 6] = rng.random();
        bytes[0] = (bytes[0] & !1) | 2;
        MacAddr(bytes)
    }
    /// The link-local IPv6 address that a host forms of it (RFC 4291, 2.5.1 and appendix A).
    pub fn link_local(&self) -> Ipv6Addr {
        let [a, b, c, d, e, f] = self.0;
        let word = |high: u8, low: u8| u16::from_be_bytes([high, low]);
        Ipv6Addr::new(
            0xfe80,
            0,
            0,
            0,
            word(a ^ 2, b),
            word(c, 0xff),
            word(0xfe, d),
            word(e, f),
        )
    }
    /// The address `n` after this one (the last three bytes count, wrapping).
    pub fn plus(&self, n: u32) -> Self {
        let mut bytes = self.0;
        let low = u32::from_be_bytes([0, bytes[3], bytes[4], bytes[5]])
            .wrapping_add(n)
            .to_be_bytes();
        bytes[3..].copy_from_slice(&low[1..]);
        MacAddr(bytes)
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for MacAddr {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("\"{text}\" is no Ethernet address: write it as 02:00:00:00:00:01");
        let mut bytes = [0; 6];
        let mut parts = text.split([':', '-']);
        for byte in &mut bytes {
            let part = parts
                .next()
                .filter(|p| (1..=2).contains(&p.len()))
                .ok_or_else(wrong)?;
            if !part.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(wrong());
            }
            *byte = u8::from_str_radix(part, 16).map_err(|_| wrong())?;
        }
        if parts.next().is_some() {
            Err(wrong())
        } else {
            Ok(MacAddr(bytes))
        }
    }
}

impl TryFrom<String> for MacAddr {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<MacAddr> for String {
    fn from(mac: MacAddr) -> String {
        mac.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_register_halves() {
        let mac: MacAddr = "02:00:5e:10:00:01".parse().unwrap();
        assert_eq!(mac.low(), 0x105e_0002);
        assert_eq!(mac.high(), 0x0100);
        assert_eq!(
            MacAddr::from_halves(mac.low(), mac.high() | 0xabcd_0000),
            mac
        );
        assert_eq!(mac.to_string(), "02:00:5e:10:00:01");
        assert_eq!(mac.plus(0xff).to_string(), "02:00:5e:10:01:00");
        for bad in [
            "",
            "1:2:3:4:5",
            "1:2:3:4:5:6:7",
            "+1:2:3:4:5:6",
            "100:2:3:4:5:6",
            "g:2:3:4:5:6",
            "::::::",
        ] {
            assert!(bad.parse::<MacAddr>().is_err(), "{bad}");
        }
    }
}
