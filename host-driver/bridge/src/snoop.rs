//! Multicast snooping: the machine of `smartnic-slowpath`, and what it wants done. Its ports are the bridge's numbers.

use std::sync::atomic::Ordering::Relaxed;

use smartnic_netdev::packet::eth;
use smartnic_netdev::{Errno, NetdevError};
use smartnic_slowpath::mcast::{self, Output, Refused};

use crate::bridge::Bridge;
use crate::events::Event;
use crate::flags::BridgeFlags;

/// A refusal of snooping, with its code.
pub(crate) fn mcast_refused(
    error: Refused,
    argument: &'static str,
    value: impl ToString,
) -> NetdevError {
    let errno = match error.errno {
        mcast::Errno::EINVAL => Errno::Invalid,
        mcast::Errno::EEXIST => Errno::Exists,
        mcast::Errno::ENOENT => Errno::NoEntry,
        mcast::Errno::ENOMEM => Errno::NoMemory,
        mcast::Errno::ENOSPC => Errno::NoSpace,
        mcast::Errno::E2BIG => Errno::TooBig,
    };
    NetdevError::new(errno, argument, value, error.message)
}

impl Bridge {
    /// Tells who listens, and posts queries.
    pub(crate) fn carry_out_mcast(&self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Send { port, vid, frame } => self.post_query(port, vid, frame),
                Output::Mdb { deleted, entry } => {
                    self.events.push(|| Event::Mdb { deleted, entry });
                }
                Output::Router { deleted, port, vid } => self.events.push(|| Event::Router {
                    deleted,
                    port: port as u16,
                    vlan: vid,
                }),
                Output::SwitchedOff => {
                    self.set_flag(BridgeFlags::MCAST_SNOOPING, false);
                    self.events.push(|| Event::SnoopingOff);
                }
            }
        }
    }

    /// A query, with a tag where its VLAN is not untagged. Without a port it is for the bridge's own stack.
    fn post_query(&self, port: Option<u32>, vid: u16, mut frame: Vec<u8>) {
        let ports = self.ports.load();
        let number = port.map_or(0, |p| p as u16);
        let group = match ports.get(number) {
            Some(port) => port.vlans.load_full(),
            None if number == 0 => self.vlans.load_full(),
            None => return,
        };
        let tagged = vid != 0 && group.find(vid).is_none_or(|v| !v.untagged.load(Relaxed));
        if tagged && frame.len() >= eth::HLEN {
            let tag = [self.vlan_protocol().to_be_bytes(), vid.to_be_bytes()].concat();
            frame.splice(12..12, tag);
        }
        self.post(number, frame);
    }
}
