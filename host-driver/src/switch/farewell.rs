//! Last words: what a protocol says on a port that is about to be turned off (LACP's goodbye, which spares the partner a timeout).

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

use smartnic_regs::values::{counter, dest};

use super::Switch;
use crate::netdev::{DeviceKind, IfIndex};

/// How long a frame may take from the ring to the wire. It is first in line: microseconds, unless the card is a simulation.
const LIMIT: Duration = Duration::from_secs(1);

/// How often the card is asked.
const LOOK: Duration = Duration::from_micros(50);

impl Switch {
    /// Sends frames, and waits until their ports have sent as many. On a port without a link they are lost, and where the card does not send them in time:
    /// the partner has its timeout. A frame that was being sent as this one came counts for it, which then follows at once.
    pub(super) fn say_farewell(&mut self, words: Vec<(IfIndex, Vec<u8>)>) {
        let mut wanted = BTreeMap::new();
        for (member, frame) in words {
            let device = self.model.registry.get(member);
            let Some(DeviceKind::Port(port)) = device.filter(|d| d.up && d.carrier).map(|d| d.kind)
            else {
                continue;
            };
            let Some(before) = self.frames_sent(port) else {
                return;
            };
            *wanted.entry(port).or_insert(before) += 1;
            self.send_control(dest::PORT + port, frame);
        }
        let end = Instant::now() + LIMIT;
        wanted.retain(|port, wanted| self.is_short_of(*port, *wanted));
        while !wanted.is_empty() {
            if Instant::now() > end {
                tracing::warn!(ports = ?wanted.keys(), "the last words of a port were not sent in time");
                return;
            }
            sleep(LOOK);
            wanted.retain(|port, wanted| self.is_short_of(*port, *wanted));
        }
    }

    fn is_short_of(&mut self, port: u32, wanted: u64) -> bool {
        self.frames_sent(port).is_some_and(|sent| sent < wanted)
    }

    /// What a port's MAC sent; `None`: the card is gone.
    fn frames_sent(&mut self, port: u32) -> Option<u64> {
        let sent = self.device(|d| d.stats().read(port, counter::TX_FRAMES));
        sent.ok()
    }
}
