//! The test bench: sources, a forwarder and sinks around a `switch_buffer`, and a plain model of what must come out.

mod check;
mod ends;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use smartnic_hdl::buffer::switch_buffer;
use smartnic_hdl::params::Params;
use smartnic_hdl::rtl::design;
use smartnic_verilated::{InputId, Model, Options, OutputId};
use std::collections::VecDeque;

/// A frame that a source sends.
#[derive(Clone, Debug)]
pub struct Sent {
    pub bytes: Vec<u8>,
    pub err: bool,
}

/// A `done` record, as the forwarder sees it.
#[derive(Clone, Debug)]
pub struct Record {
    pub source: usize,
    pub head: u64,
    pub cells: u64,
    pub length: u64,
    pub err: bool,
    pub nocell: bool,
    pub bytes: Vec<u8>,
}

/// A frame on its way into the queues.
#[derive(Clone, Debug)]
pub struct Enqueue {
    pub record: Record,
    pub dest: u64,
    pub class: u64,
    pub meta: Vec<u32>,
}

/// A copy that must come out.
#[derive(Clone, Debug)]
struct Copy {
    bytes: Vec<u8>,
    source: usize,
    meta: Vec<u32>,
}

#[derive(Default)]
struct Source {
    frames: VecDeque<Sent>,
    at: usize,
    offered: bool,
    unrecorded: VecDeque<Sent>,
}

#[derive(Default)]
struct Sink {
    expected: [VecDeque<Copy>; 2],
    bytes: Vec<u8>,
    header: Option<(Vec<u32>, u64, u64, u64)>,
    in_frame: bool,
    last_beat: u64,
    /// Copies among `expected` that were flushed.
    lost: u64,
    log: Vec<usize>,
}

struct Ids {
    source: Vec<[InputId; 6]>,
    ready: Vec<OutputId>,
    sink_ready: Vec<InputId>,
    sink: Vec<[OutputId; 5]>,
    done: Vec<OutputId>,
    done_ready: InputId,
    enq: Vec<InputId>,
    enq_ready: OutputId,
    host: Vec<OutputId>,
    full: OutputId,
    flushed: OutputId,
    idle: OutputId,
}

/// What the bench does by chance, in percent.
#[derive(Clone, Copy)]
pub struct Chances {
    /// A source has its next beat.
    pub offer: u32,
    /// The forwarder takes a record.
    pub done: u32,
    /// The forwarder offers a waiting frame.
    pub enqueue: u32,
    /// A sink takes a beat.
    pub take: u32,
}

/// Everything at full speed.
pub const FAST: Chances = Chances {
    offer: 100,
    done: 100,
    enqueue: 100,
    take: 100,
};

/// Totals, to be compared with the hardware's.
#[derive(Default, Debug, Clone)]
pub struct Totals {
    pub records: u64,
    pub nocell: u64,
    pub erred: u64,
    pub copies: u64,
    pub delivered: u64,
    pub queue_full: Vec<u64>,
    pub flushed: Vec<u64>,
    pub beats_in: u64,
    pub beats_out: u64,
    /// The longest time between two beats of one frame at any sink.
    pub longest_gap: u64,
}

pub struct Bench {
    pub params: Params,
    pub dut: Model,
    ids: Ids,
    sources: Vec<Source>,
    sinks: Vec<Sink>,
    /// Records that the forwarder took and has not decided on.
    pub records: VecDeque<Record>,
    /// Frames that wait for `enq`.
    pub enqueue: VecDeque<Enqueue>,
    offered_enqueue: bool,
    /// Copies whose fate the hardware tells at a cycle: (cycle, destination, class, copy).
    fates: VecDeque<(u64, usize, usize, Copy)>,
    pub totals: Totals,
    pub chances: Chances,
    pub rng: ChaCha8Rng,
    pub cycle: u64,
    /// Cycle of the last `in_eop` beat taken, of the first `done_valid`, `enq` taken and `out_valid` after it.
    pub eop_cycle: u64,
    pub done_cycle: Option<u64>,
    pub enq_cycle: u64,
    pub out_cycle: Option<u64>,
}

impl Bench {
    pub fn new(params: Params, rng: ChaCha8Rng) -> Bench {
        params.check().expect("parameters");
        let options = Options {
            lint: true,
            ..Options::default()
        };
        let dut = Model::build(&design(&switch_buffer(&params)), &options).expect("builds");
        let s = params.sources() as usize;
        let i = |n: String| dut.input(&n).expect("input");
        let o = |n: String| dut.output(&n).expect("output");
        let ids = Ids {
            source: (0..s)
                .map(|k| {
                    ["valid", "data", "keep", "sop", "eop", "err"].map(|n| i(format!("in{k}_{n}")))
                })
                .collect(),
            ready: (0..s).map(|k| o(format!("in{k}_ready"))).collect(),
            sink_ready: (0..s).map(|k| i(format!("out{k}_ready"))).collect(),
            sink: (0..s)
                .map(|k| ["valid", "data", "keep", "sop", "eop"].map(|n| o(format!("out{k}_{n}"))))
                .collect(),
            done: [
                "valid", "source", "head", "cells", "length", "err", "nocell",
            ]
            .map(|n| o(format!("done_{n}")))
            .to_vec(),
            done_ready: i("done_ready".into()),
            enq: [
                "valid", "head", "cells", "length", "source", "dest", "class", "meta",
            ]
            .map(|n| i(format!("enq_{n}")))
            .to_vec(),
            enq_ready: o("enq_ready".into()),
            host: ["meta", "length", "source", "class"]
                .map(|n| o(format!("out{}_{n}", s - 1)))
                .to_vec(),
            full: o("drop_queue_full".into()),
            flushed: o("flushed".into()),
            idle: o("idle".into()),
        };
        let mut b = Bench {
            dut,
            ids,
            sources: vec![],
            sinks: vec![],
            records: VecDeque::new(),
            enqueue: VecDeque::new(),
            offered_enqueue: false,
            fates: VecDeque::new(),
            totals: Totals::default(),
            chances: FAST,
            rng,
            cycle: 0,
            eop_cycle: 0,
            done_cycle: None,
            enq_cycle: 0,
            out_cycle: None,
            params,
        };
        b.reset();
        b
    }

    pub fn hosts(&self) -> usize {
        self.params.ports as usize
    }

    /// Resets hardware and bench, and waits for `ready`.
    pub fn reset(&mut self) {
        let s = self.params.sources() as usize;
        self.sources = (0..s).map(|_| Source::default()).collect();
        self.sinks = (0..s).map(|_| Sink::default()).collect();
        self.records.clear();
        self.enqueue.clear();
        self.fates.clear();
        self.offered_enqueue = false;
        self.totals = Totals {
            queue_full: vec![0; s],
            flushed: vec![0; s],
            ..Totals::default()
        };
        self.dut.poke("reset", 1);
        for _ in 0..3 {
            self.dut.tick(1);
        }
        self.dut.poke("reset", 0);
        self.dut.poke("tx_enable", (1 << s) - 1);
        self.dut.poke("flush", 0);
        for k in 0..s {
            self.dut.set(self.ids.source[k][0], 0);
        }
        self.dut.set(self.ids.enq[0], 0);
        self.dut.eval();
        assert_eq!(self.dut.peek("ready"), 0, "not swept yet");
        let mut n = 0;
        while self.dut.peek("ready") == 0 {
            self.dut.tick(1);
            n += 1;
            assert!(n <= self.params.cells + 1, "never ready");
        }
    }

    pub fn send(&mut self, source: usize, bytes: Vec<u8>, err: bool) {
        self.sources[source].frames.push_back(Sent { bytes, err });
    }
    /// Sends a frame of random bytes.
    pub fn send_random(&mut self, source: usize, length: usize, err: bool) {
        let bytes = (0..length).map(|_| self.rng.random()).collect();
        self.send(source, bytes, err);
    }
    /// Frames that a source has not begun or not finished.
    pub fn backlog(&self, source: usize) -> usize {
        self.sources[source].frames.len()
    }
    /// Copies expected at a sink.
    pub fn expected(&self, sink: usize) -> usize {
        let s = &self.sinks[sink];
        s.expected.iter().map(|e| e.len()).sum::<usize>() - s.lost as usize
    }
    /// Classes of the frames that a sink got, in order.
    pub fn classes(&self, sink: usize) -> &[usize] {
        &self.sinks[sink].log
    }

    fn chance(&mut self, percent: u32) -> bool {
        percent >= 100 || self.rng.random_range(0..100) < percent
    }

    /// Queues a record with a random meta.
    pub fn forward(&mut self, record: Record, dest: u64, class: u64) {
        let mut meta: Vec<u32> = (0..4).map(|_| self.rng.random()).collect();
        let top = smartnic_hdl::meta::width() - 96;
        meta[3] &= (1 << top) - 1;
        self.enqueue.push_back(Enqueue {
            record,
            dest,
            class,
            meta,
        });
    }

    fn drive_sources(&mut self) {
        let bytes = self.params.beat_bytes() as usize;
        for k in 0..self.sources.len() {
            let start = self.sources[k].frames.front().is_some();
            if start && !self.sources[k].offered {
                let c = self.chances.offer;
                self.sources[k].offered = self.chance(c);
            }
            let src = &self.sources[k];
            let ids = &self.ids.source[k];
            self.dut.set(ids[0], (src.offered && start) as u64);
            let Some(f) = src.frames.front() else {
                continue;
            };
            let part = &f.bytes[src.at..f.bytes.len().min(src.at + bytes)];
            let mut word = [0xa5u8; 16];
            word[..part.len()].copy_from_slice(part);
            let words: Vec<u32> = word
                .chunks(4)
                .map(|c| u32::from_le_bytes(c.try_into().unwrap()))
                .collect();
            let eop = src.at + bytes >= f.bytes.len();
            self.dut.set_wide(ids[1], &words);
            self.dut.set(ids[2], (1 << part.len()) - 1);
            self.dut.set(ids[3], (src.at == 0) as u64);
            self.dut.set(ids[4], eop as u64);
            self.dut.set(ids[5], (f.err && eop) as u64);
        }
    }

    /// One cycle; the forwarder's records pile up in `records`.
    pub fn step(&mut self) {
        let s = self.sources.len();
        let bytes = self.params.beat_bytes() as usize;
        self.drive_sources();
        let ch = self.chances;
        let done_ready = self.chance(ch.done);
        self.dut.set(self.ids.done_ready, done_ready as u64);
        let takes: Vec<bool> = (0..s).map(|_| self.chance(ch.take)).collect();
        for (d, t) in takes.iter().enumerate() {
            self.dut.set(self.ids.sink_ready[d], *t as u64);
        }
        if !self.offered_enqueue && !self.enqueue.is_empty() {
            self.offered_enqueue = self.chance(ch.enqueue);
        }
        self.dut.set(self.ids.enq[0], self.offered_enqueue as u64);
        if let Some(e) = self.enqueue.front() {
            let r = &e.record;
            let values = [r.head, r.cells, r.length, r.source as u64, e.dest, e.class];
            for (id, v) in self.ids.enq[1..7].iter().zip(values) {
                self.dut.set(*id, v);
            }
            self.dut.set_wide(self.ids.enq[7], &e.meta);
        }
        // Handshakes of this cycle.
        let mut moved = 0;
        for k in 0..s {
            if self.sources[k].offered && self.dut.get(self.ids.ready[k]) == 1 {
                moved += 1;
                let src = &mut self.sources[k];
                src.offered = false;
                src.at += bytes;
                if src.at >= src.frames[0].bytes.len() {
                    src.at = 0;
                    let f = src.frames.pop_front().unwrap();
                    src.unrecorded.push_back(f);
                    self.eop_cycle = self.cycle;
                    self.done_cycle = None;
                }
            }
        }
        assert!(moved <= 1, "{moved} beats taken in one cycle");
        self.totals.beats_in += moved;
        if self.dut.get(self.ids.done[0]) == 1 {
            self.done_cycle.get_or_insert(self.cycle);
            if done_ready {
                self.take_record();
            }
        }
        if self.offered_enqueue && self.dut.get(self.ids.enq_ready) == 1 {
            self.offered_enqueue = false;
            self.enq_cycle = self.cycle;
            self.out_cycle = None;
            let e = self.enqueue.pop_front().unwrap();
            self.accept(e);
        }
        for (d, take) in takes.iter().enumerate() {
            if self.dut.get(self.ids.sink[d][0]) == 1 {
                self.out_cycle.get_or_insert(self.cycle);
                if *take {
                    self.take_beat(d);
                }
            }
        }
        self.dut.tick(1);
        self.cycle += 1;
        let (full, flushed) = (self.dut.get(self.ids.full), self.dut.get(self.ids.flushed));
        self.settle(full);
        for d in 0..s {
            if flushed >> d & 1 == 1 {
                self.totals.flushed[d] += 1;
                self.sinks[d].lost += 1;
            }
        }
    }
}
