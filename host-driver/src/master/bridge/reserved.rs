//! The reserved addresses 01:80:C2:00:00:00 to 0F: which of them a bridge forwards (`group_fwd_mask`), and which one is its own.
//!
//! The card has one action for each address, for all bridges: it forwards what every bridge forwards from every port, drops pause frames, and
//! gives everything else to the host, where the bridge's `rx` goes on.

use smartnic_regs::values::action;
use smartnic_slowpath::MacAddr;

use crate::netdev::NetError;

/// 01:80:C2:00:00:01: pause frames, which are never forwarded (802.1D-2004 clause 7.12.6).
pub const PAUSE: usize = 1;

/// Reads a mask as iproute2 writes it, `0x4000` or `16384`.
pub(super) fn mask(option: &str, value: &str, restricted: u16) -> Result<u16, NetError> {
    let number = match value.strip_prefix("0x").or(value.strip_prefix("0X")) {
        Some(hex) => u16::from_str_radix(hex, 16),
        None => value.parse(),
    };
    let reason = |text: String| NetError::invalid(option, value, text);
    let mask = number.map_err(|_| reason("a mask of 16 bits is wanted, 0x4000 say".into()))?;
    if mask & restricted != 0 {
        let text = format!("bits {restricted:#x} cannot be forwarded: use others");
        return Err(reason(text));
    }
    Ok(mask)
}

/// A mask as iproute2's JSON has it.
pub(super) fn show(mask: u16) -> String {
    match mask {
        0 => "0".into(),
        _ => format!("{mask:#x}"),
    }
}

/// A group address that a bridge may have: reserved, but none of pause, slow protocols and port access (Linux's EINVAL).
pub(super) fn group_address(option: &str, value: &str) -> Result<MacAddr, NetError> {
    let reason = "use 01:80:c2:00:00:0n, n other than 1, 2 and 3";
    let bad = || NetError::invalid(option, value, reason);
    let address: MacAddr = value.parse().map_err(|_| bad())?;
    match smartnic_bridge::reserved(address) {
        Some(n) if !(1..=3).contains(&n) => Ok(address),
        _ => Err(bad()),
    }
}

/// Which addresses every bridge forwards from every port.
pub struct Actions {
    forwarded: u16,
    bridges: bool,
}

impl Default for Actions {
    fn default() -> Self {
        Self {
            forwarded: u16::MAX,
            bridges: false,
        }
    }
}

impl Actions {
    /// Adds what one port of one bridge forwards.
    pub fn add(&mut self, forwarded: u16) {
        self.forwarded &= forwarded;
        self.bridges = true;
    }

    /// An address that must come to the host, whatever bridges want.
    pub fn trap(&mut self, n: usize) {
        self.forwarded &= !(1 << n);
        self.bridges = true;
    }

    /// The card's action for each address. Without bridges nobody wants them but for BPDUs, which nobody keeps.
    pub fn reserved(&self) -> [u32; 16] {
        let forwarded = if self.bridges { self.forwarded } else { 1 };
        std::array::from_fn(|n| match n {
            PAUSE => action::DROP,
            _ if forwarded >> n & 1 == 1 => action::FORWARD,
            _ => action::TRAP,
        })
    }
}
