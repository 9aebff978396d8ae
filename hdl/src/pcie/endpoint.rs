//! The endpoint core: everything between the TLP boundary and the host port.
//!
//! Beyond the contract's ports: `flr` out (pulse: what must be reset on a function-level reset or on `host_reset`, which is
//! `global::RESET.HOST`), `read_timeout[32]`, `vector_test[16]` in, `vectors_pending[16]` and `dma_event[5]` (pulses, in the order of
//! `host::DMA_STATUS`) out, `idle`. The register bus comes out as `reg_valid`, `reg_write`, `reg_addr`, `reg_wdata` and goes in
//! as `reg_ack`, `reg_rdata`.
//!
//! Cost on the ECP5: 3,194 LUT4, 304 carry cells, 47 LUT RAM cells, 2,235 registers, 5 block RAMs.
//!
//! Tests: `tests/pcie.rs`, `tests/pcie_dma.rs`.

use super::{mmio::mmio, msix::msix, read::dma_read, rx::tlp_rx, tx::tlp_tx, write::dma_write};
use crate::rtl::{E, Inst, Module, cat};

/// Inputs of `to` that are named `PREFIX_x` come from `from`'s outputs of the same names.
fn join(from: &Inst, to: &Inst, prefix: &str) {
    to.drive_all(prefix, |rest| from.port(&format!("{prefix}{rest}")));
}

/// The endpoint core for a card with these parameters (it is the same for all).
pub fn pcie_endpoint_core(_params: &crate::params::Params) -> Module {
    let m = Module::new("pcie_endpoint_core");
    let reset = m.sync().reset;
    let input = |n: &str, w| m.input(n, w);
    let requester = input("cfg_requester_id", 16);
    let master = input("cfg_bus_master", 1);
    let (mps, mrrs) = (input("cfg_mps", 3), input("cfg_mrrs", 3));
    let (msix_enable, msix_mask) = (input("cfg_msix_enable", 1), input("cfg_msix_mask", 1));
    let flr = m.output_reg("flr", 1, 0);
    m.assign(&flr, input("cfg_flr", 1) | input("host_reset", 1));

    let rx = m.inst("rx", &tlp_rx());
    rx.drive_all("tlp_rx_", |n| {
        let width = match n {
            "data" => 64,
            "keep" => 2,
            "bar" => 3,
            _ => 1,
        };
        input(&format!("tlp_rx_{n}"), width)
    });
    m.output_of("tlp_rx_ready", rx.port("tlp_rx_ready"));
    let bus = m.inst("mmio", &mmio());
    let vectors = m.inst("vectors", &msix());
    let write = m.inst("write", &dma_write());
    let reads = [0, 1].map(|c| m.inst(&format!("read{c}"), &dma_read(c)));
    let tx = m.inst("tx", &tlp_tx());

    // Registers.
    rx.drive("stall", bus.port("stall"));
    join(&rx, &bus, "req_");
    for (name, width) in [("valid", 1), ("write", 1), ("addr", 16), ("wdata", 32)] {
        let o = m.output(&format!("reg_{name}"), width);
        m.assign(&o, bus.port(&format!("reg_{name}")));
    }
    bus.drive("reg_ack", input("reg_ack", 1))
        .drive("reg_rdata", input("reg_rdata", 32))
        .drive("mark_now", write.port("mark_now"));
    bus.drive("table_ack", vectors.port("table_ack"))
        .drive("table_rdata", vectors.port("table_rdata"));
    vectors
        .drive("table_valid", bus.port("table_valid"))
        .drive("table_write", bus.port("table_write"))
        .drive("table_dword", bus.port("table_dword"))
        .drive("table_wdata", bus.port("table_wdata"))
        .drive("reset", &reset | &flr)
        .drive("cfg_msix_enable", &msix_enable)
        .drive("cfg_msix_mask", &msix_mask)
        .drive("using", write.port("using"))
        .drive("use_vector", write.port("use_vector"))
        .drive("use_word", write.port("use_word"))
        .drive("raise", write.port("raise"))
        .drive("sent", write.port("sent"))
        .drive("test", input("vector_test", 16));
    m.output_of("vectors_pending", vectors.port("pending"));

    // Posted packets.
    join(&vectors, &write, "use_");
    join(&vectors, &write, "due_");
    write.drive_all("wr_", |n| {
        let width = match n {
            "data" | "addr" => 64,
            "keep" => 8,
            "len" => 14,
            _ => 1,
        };
        input(&format!("wr_{n}"), width)
    });
    m.output_of("wr_ready", write.port("wr_ready"));
    write
        .drive("cfg_requester_id", &requester)
        .drive("cfg_mps", &mps)
        .drive("flr", &flr)
        .drive("p_ready", tx.port("p_ready"));

    // Reads.
    let timeout = input("read_timeout", 32);
    let (clock_count, tick) = (m.reg("tick_count", 30, 0), m.reg("tick", 1, 0));
    let full = m.named("tick_full", clock_count.ge(timeout.slice(2, 30)));
    m.process(|p| {
        p.set(&tick, &full);
        p.if_(&full, |p| p.set(&clock_count, 0));
        p.else_(|p| p.set(&clock_count, &clock_count + 1));
    });
    for (c, read) in reads.iter().enumerate() {
        join(&rx, read, "cpl_");
        read.drive_all("rd_", |n| {
            let width = match n {
                "addr" => 64,
                "len" => 14,
                _ => 1,
            };
            input(&format!("rd{c}_{n}"), width)
        });
        m.output_of(&format!("rd{c}_ready"), read.port("rd_ready"));
        read.drive("rdata_ready", input(&format!("rdata{c}_ready"), 1));
        for n in ["valid", "data", "keep", "last", "err"] {
            m.output_of(&format!("rdata{c}_{n}"), read.port(&format!("rdata_{n}")));
        }
        read.drive("cfg_requester_id", &requester)
            .drive("cfg_bus_master", &master)
            .drive("cfg_mrrs", &mrrs)
            .drive("mark_now", write.port("mark_now"))
            .drive("tick", &tick)
            .drive("flr", &flr)
            .drive("req_ready", tx.port(&format!("r{c}_ready")));
        tx.drive_all(&format!("r{c}_"), |n| read.port(&format!("req_{n}")));
    }

    // The link.
    join(&bus, &tx, "cpl_");
    bus.drive("cpl_ready", tx.port("cpl_ready"));
    join(&write, &tx, "p_");
    tx.drive("cfg_requester_id", &requester)
        .drive("cfg_bus_master", &master)
        .drive("sent_count", write.port("sent_count"))
        .drive("tlp_tx_ready", input("tlp_tx_ready", 1));
    for n in ["valid", "data", "keep", "last"] {
        let name = format!("tlp_tx_{n}");
        m.output_of(&name, tx.port(&name));
    }

    // What went wrong, and whether anything goes on.
    let either = |n: &str| reads[0].port(n) | reads[1].port(n);
    let event = m.output_reg("dma_event", 5, 0);
    let unexpected = rx.port("cpl_end") & rx.port("cpl_ok") & !either("claims");
    m.assign(
        &event,
        cat(&[
            rx.port("poisoned"),
            either("timeout"),
            rx.port("malformed"),
            unexpected,
            either("error"),
        ]),
    );
    let quiet = m.output_reg("idle", 1, 0);
    let parts: [E; 5] = [
        !bus.port("busy"),
        write.port("idle"),
        reads[0].port("idle"),
        reads[1].port("idle"),
        tx.port("idle"),
    ];
    m.assign(&quiet, crate::rtl::all_of(&parts) & !rx.port("busy"));
    m
}
