//! The shared packet buffer: cells, admission, queues and egress readers as one module, [`switch_buffer`].
//!
//! ```text
//! in{s} -> ingress -> cells, links                    release <- lost, dropped and read copies
//!            |  ^ admission: pool                        | walk
//!   done <---+  +-------------- free_list <--------------+
//!   enq  -> queue::enqueue -> rings, records -> queue::dequeue -> egress -> out{d}
//! ```
//!
//! Algorithm: a frame lies in a chain of cells of 64 bytes, once, whatever number of destinations it has; only beats that hold data
//! move. Each file's header says how its part works.
//!
//! Ports (bundles of docs/architecture.md, "Buffer and queues"): `in{s}_valid/ready/data/keep/sop/eop/err`;
//! `done_valid/ready/source/head/cells/length/err/nocell`; `enq_valid/ready/head/cells/length/source/dest/class/meta`;
//! `out{d}_valid/ready/data/keep/sop/eop`, `out{P}_meta/length/source/class` (stable while the frame's `sop` beat is shown);
//! `tx_enable`, `flush` (each a bit per destination; `flush` drops what waits, whether enabled or not; a frame that
//! has begun is read to its end), `drop_queue_full`, `flushed` (pulses per destination and copy), `used{s}`, `pause_request` (level per source), `idle`, `ready`; register bus.
//!
//! Protocol: `ready` is low for `cells` + 1 cycles after reset; inputs and `enq` wait. Every record without `done_nocell` is enqueued once,
//! as it is (`head`, `cells`, `length`, `source`), with any destination set; `enq_cells` = 0 is ignored. Any class but 0 is the high one.
//!
//! Latency: `in_eop` accepted to `done_valid` 2 cycles; `enq` accepted to the first beat at `out_valid` 7 cycles for the lowest port of the
//! set when it is idle, 15 for the host and through a queue.
//!
//! Rates: one beat in and one out in every cycle (two sources or more); 1.000 of both measured at 2, 4 and 8 ports.
//!
//! Cost (2 ports, 512 cells, as `bench resources` counts, before the readers' two slots became one LUT RAM): 3,343 LUT4 with 269 carry cells and
//! 136 LUT RAMs of 16 x 4 in it, 1,510 registers, 26 DP16KD (16 of them data); 158 and 164 MHz (ECP5 -8, seeds 1 and 2). Test: `tests/buffer`.

mod egress;
mod fifo;
mod free_list;
mod ingress;
mod pool;
mod release;

use crate::meta;
use crate::params::Params;
use crate::queue;
use crate::rtl::{E, Inst, Module, all_of, cat, mux, ram};

/// The packet buffer for `params` (which has been checked).
pub fn switch_buffer(params: &Params) -> Module {
    let (s, c, w) = (params.sources(), params.cell_bits(), params.width);
    let m = Module::new("switch_buffer");
    let ingress = m.inst("ingress", &ingress::ingress(params));
    let pool = m.inst("pool", &pool::pool(params, queue::ring(params)));
    let free = m.inst("free", &free_list::free_list(params));
    let release = m.inst("releaser", &release::release(params));
    let enqueue = m.inst("enqueue", &queue::enqueue(params));
    let dequeue = m.inst("dequeue", &queue::dequeue(params));
    let egress = m.inst("egress", &egress::egress(params));
    let lines = Lines(&m);

    // The outside.
    let beat_in = [
        ("data", w),
        ("keep", w / 8),
        ("sop", 1),
        ("eop", 1),
        ("err", 1),
    ];
    for i in 0..s {
        lines.input(&ingress, &format!("in{i}_valid"), 1);
        for (name, bits) in beat_in {
            lines.input(&ingress, &format!("in{i}_{name}"), bits);
        }
        lines.output(&ingress, &format!("in{i}_ready"));
        lines.output(&pool, &format!("used{i}"));
    }
    lines.input(&ingress, "done_ready", 1);
    for name in [
        "valid", "source", "head", "cells", "length", "err", "nocell",
    ] {
        lines.output(&ingress, &format!("done_{name}"));
    }
    let enq = [
        ("valid", 1),
        ("head", c),
        ("cells", 8),
        ("length", 14),
        ("source", 4),
        ("dest", s),
        ("class", 3),
        ("meta", meta::width()),
    ];
    for (name, bits) in enq {
        lines.input(&enqueue, &format!("enq_{name}"), bits);
    }
    lines.output(&enqueue, "enq_ready");
    lines.output(&enqueue, "drop_queue_full");
    for d in 0..s {
        lines.input(&egress, &format!("out{d}_ready"), 1);
        for name in ["valid", "data", "keep", "sop", "eop"] {
            lines.output(&egress, &format!("out{d}_{name}"));
        }
    }
    for name in ["meta", "length", "source", "class"] {
        let host = dequeue.port(&format!("host_{name}"));
        m.output_of(&format!("out{}_{name}", s - 1), host);
    }
    lines.input(&dequeue, "tx_enable", s);
    lines.input(&dequeue, "flush", s);
    lines.output(&egress, "flushed");
    lines.output(&pool, "pause_request");
    for (name, bits) in [("valid", 1), ("write", 1), ("addr", 16), ("wdata", 32)] {
        lines.input(&pool, &format!("reg_{name}"), bits);
    }
    lines.output(&pool, "reg_ack");
    lines.output(&pool, "reg_rdata");

    // Cells.
    let beats = params.cells as u64 * params.cell_beats() as u64;
    let data = m.inst("data", &ram::block(w, beats));
    data.drive("we", ingress.port("write_valid"))
        .drive("waddr", ingress.port("write_addr"))
        .drive("wdata", ingress.port("write_data"))
        .drive("ren", true)
        .drive("raddr", egress.port("read_addr"));
    egress.drive("read_data", m.delay("read_data", &data.port("rdata")));

    // Links: egress reads first, the walk of the release engine in the cycles left.
    let links = m.inst("links", &ram::block(c, params.cells as u64));
    let reads = egress.port("link_request");
    links
        .drive("we", ingress.port("link_valid"))
        .drive("waddr", ingress.port("link_addr"))
        .drive("wdata", ingress.port("link_next"))
        .drive("ren", true)
        .drive(
            "raddr",
            mux(&reads, egress.port("link_addr"), release.port("link_addr")),
        );
    let link_word = m.delay("link_word", &links.port("rdata"));
    egress.drive("link_word", &link_word);
    release.drive("link_data", links.port("rdata"));
    release.drive("link_grant", !&reads);

    // Admission and the free list.
    let ready = m.named("swept", free.port("ready"));
    m.output_of("ready", &ready);
    let run = m.reg("run", 1, 0);
    let pauses = [
        free.port("low"),
        ingress.port("pause"),
        release.port("lost_pause"),
    ];
    m.assign(&run, &ready & !cat(&pauses).any());
    ingress.drive("run", &run);
    lines.join(&ingress, &free, &["spare_valid", "spare"]);
    lines.join(&ingress, &pool, &["admit", "pool_ok"]);
    lines.join(&pool, &ingress, &["take", "take_source", "take_own"]);
    lines.join(&free, &ingress, &["take"]);
    lines.join(&pool, &free, &["freed", "freed_source"]);
    lines.join(&free, &release, &["push_valid", "push_cell", "push_source"]);
    lines.join(&release, &free, &["push_ready", "sweep_cell"]);
    lines.join(&release, &ingress, &["lost_valid", "lost_frame"]);
    lines.join(&release, &enqueue, &["dropped_valid", "dropped_frame"]);
    release
        .drive("run", &ready)
        .drive("read_valid", egress.port("spent_valid"))
        .drive("read_frame", egress.port("spent_frame"));
    let double = free.port("double_free") | release.port("double_free");
    let fault = m.reg("fault", 2, 0);
    m.assign(&fault, cat(&[free.port("bad_alloc"), double]));
    pool.drive("fault", &fault);

    // Queues and readers.
    enqueue.drive("run", &ready & !release.port("dropped_pause"));
    dequeue.drive("run", &ready);
    lines.join(&dequeue, &free, &["sweep_cell"]);
    let record = ["record_valid", "record_addr", "record_word", "record_meta"];
    lines.join(&dequeue, &enqueue, &record);
    let push = ["push", "push_queue", "push_head", "push_cells"];
    lines.join(&dequeue, &enqueue, &push);
    lines.join(&dequeue, &egress, &["finished", "host_clear"]);
    let load = ["valid", "hot", "dest", "flush", "frame", "length"];
    for name in load {
        lines.join(&egress, &dequeue, &[&format!("load_{name}")]);
    }
    lines.join(&enqueue, &dequeue, &["idle_readers", "load_taken"]);
    for name in ["hot", "dest", "frame", "length"] {
        lines.join(&dequeue, &enqueue, &[&format!("direct_{name}")]);
    }
    egress.drive("pause", release.port("read_pause"));
    for d in 0..s {
        lines.join(&enqueue, &pool, &[&format!("limit{d}")]);
        lines.join(&pool, &dequeue, &[&format!("waiting{d}")]);
    }
    for q in 0..2 * s {
        lines.join(&enqueue, &dequeue, &[&format!("occupancy{q}")]);
    }

    let parts = [&ingress, &free, &release, &enqueue, &dequeue, &egress];
    let idles: Vec<E> = parts.iter().map(|i| i.port("idle")).collect();
    let idle = m.output_reg("idle", 1, 0);
    m.assign(&idle, all_of(&idles));
    m
}

/// Connections by name.
struct Lines<'a>(&'a Module);

impl Lines<'_> {
    /// An input of the buffer that goes to the part's input of the same name.
    fn input(&self, part: &Inst, name: &str, bits: u32) {
        part.drive(name, self.0.input(name, bits));
    }
    /// An output of the buffer that is the part's output of the same name.
    fn output(&self, part: &Inst, name: &str) {
        self.0.output_of(name, part.port(name));
    }
    /// Inputs of `to` that are outputs of `from` of the same names.
    fn join(&self, to: &Inst, from: &Inst, names: &[&str]) {
        for name in names {
            to.drive(name, from.port(name));
        }
    }
}
