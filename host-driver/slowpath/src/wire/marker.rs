//! Marker PDU and marker response PDU, IEEE 802.1AX-2014 clause 6.5.3.
//!
//! Version, pad and reserved fields are not looked at (6.5.4.2.1).

use super::slow::{PDU_LEN, SUBTYPE_MARKER, SlowError, be16, mac, short, tlv};
use crate::mac::MacAddr;

const VERSION: u8 = 1;
const INFORMATION: usize = 2;
const TERMINATOR: usize = 18;

/// Whether the PDU asks or answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MarkerKind {
    /// "Send this back once everything before it has arrived."
    Marker = 1,
    /// The answer.
    Response = 2,
}

/// A marker PDU.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MarkerPdu {
    /// Asks or answers.
    pub kind: MarkerKind,
    /// Port that asks.
    pub requester_port: u16,
    /// System that asks.
    pub requester_system: MacAddr,
    /// Number of the question.
    pub transaction: u32,
}

impl MarkerPdu {
    /// Reads a marker PDU from its subtype on.
    pub fn parse(pdu: &[u8]) -> Result<Self, SlowError> {
        let fixed = pdu.first_chunk::<PDU_LEN>().ok_or_else(|| short(pdu))?;
        if fixed[0] != SUBTYPE_MARKER {
            return Err(SlowError::Unknown(fixed[0]));
        }
        let kind = match fixed[INFORMATION] {
            2 => MarkerKind::Response,
            _ => MarkerKind::Marker,
        };
        tlv(fixed, INFORMATION, "Marker_Information", kind as u8, 16)?;
        tlv(fixed, TERMINATOR, "Terminator", 0, 0)?;
        Ok(Self {
            kind,
            requester_port: be16(fixed, INFORMATION + 2),
            requester_system: mac(fixed, INFORMATION + 4),
            transaction: u32::from(be16(fixed, INFORMATION + 10)) << 16
                | u32::from(be16(fixed, INFORMATION + 12)),
        })
    }

    /// Its bytes, from the subtype on; pad and reserved fields are zero.
    pub fn emit(&self) -> [u8; PDU_LEN] {
        let mut pdu = [0; PDU_LEN];
        pdu[0] = SUBTYPE_MARKER;
        pdu[1] = VERSION;
        pdu[2] = self.kind as u8;
        pdu[3] = 16;
        pdu[4..6].copy_from_slice(&self.requester_port.to_be_bytes());
        pdu[6..12].copy_from_slice(&self.requester_system.0);
        pdu[12..16].copy_from_slice(&self.transaction.to_be_bytes());
        pdu
    }

    /// The response to it: the same with the other type (6.5.4.2.1).
    pub fn response(&self) -> Self {
        Self {
            kind: MarkerKind::Response,
            ..*self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_of_clause_6_5_3() {
        let marker = MarkerPdu {
            kind: MarkerKind::Marker,
            requester_port: 0x0102,
            requester_system: MacAddr([2, 0, 0, 0, 0, 9]),
            transaction: 0x0a0b_0c0d,
        };
        let pdu = marker.emit();
        assert_eq!(
            pdu[..20],
            [
                2, 1, 1, 16, 1, 2, 2, 0, 0, 0, 0, 9, 0x0a, 0x0b, 0x0c, 0x0d, 0, 0, 0, 0
            ]
        );
        assert_eq!(MarkerPdu::parse(&pdu), Ok(marker));
        let response = marker.response().emit();
        assert_eq!(MarkerPdu::parse(&response), Ok(marker.response()));
        assert_eq!(response[3..], pdu[3..]);
        for at in [2, 3, 18, 19] {
            let mut bad = pdu;
            bad[at] = 7;
            assert!(MarkerPdu::parse(&bad).is_err(), "{at}");
        }
        assert!(MarkerPdu::parse(&pdu[..109]).is_err());
    }
}
