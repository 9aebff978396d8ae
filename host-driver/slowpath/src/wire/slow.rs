//! Slow Protocols (IEEE 802.3 annex 57A): what LACPDUs and marker PDUs have in common, and how they are told apart.

use super::lacp::LacpPdu;
use super::marker::MarkerPdu;
use crate::mac::MacAddr;

/// The address that every slow protocol is sent to; no bridge forwards it (802.3 annex 57A.4).
pub const MULTICAST: MacAddr = MacAddr([0x01, 0x80, 0xc2, 0, 0, 2]);
/// The EtherType of the slow protocols (802.3 annex 57A.4).
pub const ETHERTYPE: u16 = 0x8809;
/// Bytes of a LACPDU or marker PDU, from its subtype on: both have the one fixed size.
pub const PDU_LEN: usize = 110;
/// Bytes of an Ethernet header without a tag.
pub const HEADER_LEN: usize = 14;

/// Subtype of LACP.
pub const SUBTYPE_LACP: u8 = 1;
/// Subtype of the marker protocol.
pub const SUBTYPE_MARKER: u8 = 2;
/// Highest subtype that the annex gives away; higher ones, and 0, are illegal.
pub const SUBTYPE_LAST: u8 = 10;

/// Why a slow protocol frame was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SlowError {
    /// Less than the PDU's fixed size.
    #[error("{len} bytes where a slow protocol PDU has {need}")]
    Short {
        /// Bytes that there are.
        len: usize,
        /// Bytes that there must be.
        need: usize,
    },
    /// Another EtherType.
    #[error("EtherType {0:#06x} is not that of the slow protocols, 0x8809")]
    EtherType(u16),
    /// A subtype that the annex gives to another protocol (OAM, OSSP, ...): well formed, but not for this parser.
    #[error("slow protocol subtype {0} is neither LACP (1) nor the marker protocol (2)")]
    Unknown(u8),
    /// A subtype that nothing may use.
    #[error("slow protocol subtype {0} is illegal")]
    Illegal(u8),
    /// A TLV of another type, or of another length, than its place demands.
    #[error(
        "TLV {what} has type {kind} and length {len}, not type {want_kind} and length {want_len}"
    )]
    Tlv {
        /// The TLV's name in the standard.
        what: &'static str,
        /// The type found.
        kind: u8,
        /// The length found.
        len: u8,
        /// The type that belongs there.
        want_kind: u8,
        /// The length that belongs there.
        want_len: u8,
    },
}

impl SlowError {
    /// The frame belongs to another protocol: 802.1AX 7.3.3.1.5 counts it as unknown, not as illegal.
    pub fn is_unknown(&self) -> bool {
        matches!(self, SlowError::Unknown(_) | SlowError::EtherType(_))
    }
}

/// A slow protocol PDU of a kind that link aggregation uses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SlowPdu {
    /// 802.1AX 6.4.2.
    Lacp(LacpPdu),
    /// 802.1AX 6.5.3.
    Marker(MarkerPdu),
}

impl SlowPdu {
    /// Reads a PDU from its subtype on; what follows the PDU's fixed size is ignored.
    pub fn parse(pdu: &[u8]) -> Result<Self, SlowError> {
        match pdu.first() {
            Some(&SUBTYPE_LACP) => LacpPdu::parse(pdu).map(SlowPdu::Lacp),
            Some(&SUBTYPE_MARKER) => MarkerPdu::parse(pdu).map(SlowPdu::Marker),
            Some(&other) if other == 0 || other > SUBTYPE_LAST => Err(SlowError::Illegal(other)),
            Some(&other) => Err(SlowError::Unknown(other)),
            None => Err(short(pdu)),
        }
    }

    /// Reads an untagged frame from its destination address on. The address is not looked at: the port that took the
    /// frame has done that.
    pub fn parse_frame(frame: &[u8]) -> Result<Self, SlowError> {
        let header = frame.first_chunk::<HEADER_LEN>().ok_or(SlowError::Short {
            len: frame.len(),
            need: HEADER_LEN + PDU_LEN,
        })?;
        match u16::from_be_bytes([header[12], header[13]]) {
            ETHERTYPE => Self::parse(&frame[HEADER_LEN..]),
            other => Err(SlowError::EtherType(other)),
        }
    }

    /// The PDU's bytes, from its subtype on.
    pub fn emit(&self) -> [u8; PDU_LEN] {
        match self {
            SlowPdu::Lacp(pdu) => pdu.emit(),
            SlowPdu::Marker(pdu) => pdu.emit(),
        }
    }

    /// The whole frame, without FCS, as the port with address `source` sends it.
    pub fn emit_frame(&self, source: MacAddr) -> Vec<u8> {
        let mut frame = Vec::with_capacity(HEADER_LEN + PDU_LEN);
        frame.extend(MULTICAST.0);
        frame.extend(source.0);
        frame.extend(ETHERTYPE.to_be_bytes());
        frame.extend(self.emit());
        frame
    }
}

/// The error about a PDU that is too short.
pub(super) fn short(pdu: &[u8]) -> SlowError {
    SlowError::Short {
        len: pdu.len(),
        need: PDU_LEN,
    }
}

/// Checks the type and length of the TLV that starts at `at`.
pub(super) fn tlv(
    pdu: &[u8; PDU_LEN],
    at: usize,
    what: &'static str,
    want_kind: u8,
    want_len: u8,
) -> Result<(), SlowError> {
    let (kind, len) = (pdu[at], pdu[at + 1]);
    if (kind, len) == (want_kind, want_len) {
        return Ok(());
    }
    Err(SlowError::Tlv {
        what,
        kind,
        len,
        want_kind,
        want_len,
    })
}

/// Two bytes in the order of the wire.
pub(super) fn be16(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// An address.
pub(super) fn mac(bytes: &[u8], at: usize) -> MacAddr {
    let mut address = [0; 6];
    address.copy_from_slice(&bytes[at..at + 6]);
    MacAddr(address)
}
