//! Formats on the wire: one file a protocol, with a parser that believes nothing, and a writer.

pub mod arp;
pub mod bpdu;
pub mod igmp;
pub mod ip;
pub mod lacp;
pub mod marker;
pub mod membership;
pub mod mld;
pub mod ndp;
pub mod slow;
