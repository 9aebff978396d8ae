//! The switch is reset while frames are on their way; the host's rings, and the links, go on.
//!
//! What was on its way may come out whole or not at all, never spoilt. Then both begin anew: all tables clear, and what counters have
//! already counted of the frames that were still coming in is where they begin.

use super::pair::{Pair, Tally};
use smartnic_refswitch::{Counter, Switch};
use smartnic_regs::values::counter;
use smartnic_regs::{fdb, global, lag, queue};
use smartnic_sim::gmii::Transmission;
use smartnic_sim::ports::acceptable;

impl Pair {
    /// Resets the switch `cycles` after these frames began to come in.
    pub fn reset(&mut self, frames: Vec<(usize, Transmission)>, cycles: u32, hash_seed: u64) {
        println!("reset {cycles} cycles after {frames:x?}");
        for (port, t) in frames {
            self.plugs[port].send(t);
        }
        self.rig.card.wake();
        (0..cycles).for_each(|_| self.rig.card.step());
        self.write(&global::RESET, 0, global::RESET::SWITCH.put(1));
        self.rig.wait_ready().expect("ready again");
        self.rest();
        for (i, plug) in self.plugs.iter().enumerate() {
            while let Some(frame) = plug.receive() {
                // What the reset cut off is no frame to anybody.
                let cut = !frame.fcs_ok || frame.error;
                assert!(cut || acceptable(&frame), "out of port {i}: {frame:x?}");
            }
        }
        self.receive.poll(&mut self.rig).expect("polled");
        self.events.poll(&mut self.rig).expect("polled");
        self.met_before = self.met();
        self.switch = Switch::new(self.plugs.len(), self.switch.groups.len());
        self.tally = Tally::default();
        for reg in [
            fdb::USED,
            fdb::LEARNED,
            fdb::MOVED,
            fdb::AGED,
            fdb::REFUSED,
            fdb::LEARNS_LOST,
            fdb::EVENTS_LOST,
            lag::PRUNED,
            queue::FAULT,
        ] {
            assert_eq!(self.read(&reg, 0), 0, "{} after reset", reg.name);
        }
        assert_eq!(
            self.read(&queue::FREE, 0),
            self.rig.params.cells,
            "cells are free after reset"
        );
        for e in self.switch.endpoints() {
            let n = self.number(e);
            for c in Counter::ALL {
                let of = |x: &&(u32, &str)| x.1 == c.name();
                let (number, _) = *counter::NAMES.iter().find(of).expect("a counter");
                let value = self.rig.counter(n, number).expect("read");
                self.before.insert((n, number), value);
            }
        }
        self.begin(hash_seed);
    }
}
