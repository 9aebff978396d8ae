//! Registers, and what holds when everything has come to rest.

use super::{Bench, Record};
use smartnic_regs::queue;

impl Bench {
    /// Reads or writes a register of the page.
    pub fn register(&mut self, write: bool, addr: u32, value: u32) -> u32 {
        self.dut.poke("reg_valid", 1);
        self.dut.poke("reg_write", write as u64);
        self.dut.poke("reg_addr", addr as u64);
        self.dut.poke("reg_wdata", value as u64);
        self.step();
        self.dut.poke("reg_valid", 0);
        for _ in 0..32 {
            if self.dut.peek("reg_ack") == 1 {
                return self.dut.peek("reg_rdata") as u32;
            }
            self.step();
        }
        panic!("no answer from register {addr:#x}");
    }
    pub fn read(&mut self, addr: u32) -> u32 {
        self.register(false, addr, 0)
    }
    pub fn write(&mut self, addr: u32, value: u32) {
        self.register(true, addr, value);
        for _ in 0..4 {
            self.step();
        }
    }

    /// Runs until nothing is left in bench and hardware; `decide` gives destinations and class of a record.
    pub fn drain(&mut self, mut decide: impl FnMut(&mut Bench, &Record) -> (u64, u64)) {
        let mut quiet = 0;
        for _ in 0..2_000_000 {
            self.step();
            while let Some(r) = self.records.pop_front() {
                let (dest, class) = decide(self, &r);
                self.forward(r, dest, class);
            }
            let left = self
                .sources
                .iter()
                .any(|s| !s.frames.is_empty() || !s.unrecorded.is_empty())
                || !self.enqueue.is_empty()
                || !self.fates.is_empty()
                || (0..self.sinks.len()).any(|d| self.sinks[d].in_frame || self.expected(d) > 0);
            let busy = left || self.dut.get(self.ids.idle) == 0;
            quiet = if busy { 0 } else { quiet + 1 };
            if quiet > 20 {
                return;
            }
        }
        panic!("never drained: {:?}", self.totals);
    }

    /// All cells are back, nothing is wrong, every copy is accounted for.
    pub fn check_empty(&mut self) {
        let t = self.totals.clone();
        let lost: u64 = t.queue_full.iter().sum::<u64>() + t.flushed.iter().sum::<u64>();
        assert_eq!(t.copies, t.delivered + lost, "{t:?}");
        assert_eq!(self.read(queue::FREE.addr), self.params.cells, "FREE");
        assert_eq!(self.read(queue::FAULT.addr), 0, "FAULT");
        for s in 0..self.params.sources() {
            assert_eq!(self.read(queue::USED.at(s)), 0, "USED {s}");
            assert_eq!(self.dut.peek(&format!("used{s}")), 0, "used{s}");
            assert_eq!(self.read(queue::WAITING.at(s)), 0, "WAITING {s}");
        }
    }
}
