//! The whole card: MACs, parsers, forwarding, FDB, LAG, buffer, host port, counters, control registers.
//!
//! Ports: `clock`, `reset`; for each port i `rx{i}_clock`, `rx{i}_reset`, `gmii_rxd{i}[8]`, `gmii_rx_dv{i}`, `gmii_rx_er{i}`, `gmii_txd{i}[8]`, `gmii_tx_en{i}`,
//! `gmii_tx_er{i}`; `link{i}`; the TLP boundary `tlp_rx_*`, `tlp_tx_*` and the endpoint's `cfg_*`; `idle`. The switch part is reset by
//! `reset` or by global::RESET.SWITCH, the host part by `reset`, RESET.HOST or `cfg_flr`: each goes on without the other.
//!
//! On a board ([`Params::board`]) the register bus is shared outside: the host's requests come out as `mmio_reg_*`, and `reg_*` is the bus that the card
//! answers. There are also `gmii_rx_ce{i}`, `tx_ce{i}`, `speed{i}[2]` (as `port::STATUS` has it) in, and `tick`, `link_up[P]`, `activity[P]` (a pulse a frame) out.

mod bus;
mod gated;

pub use gated::{LINGER, gated};

use crate::params::{ParamError, Params};
use crate::regbus::field;
use crate::rtl::{E, Inst, Module, all_of, cat, lit};
use crate::{buffer, cdc, control, fdb, forward, host, lag, mac, parser, pcie, stats};
use smartnic_regs::port::MAC;
use smartnic_regs::values::counter;

/// The longest pause that a pause frame asks for; it is lifted by a frame with 0.
const PAUSE_QUANTA: u64 = 0xffff;

/// Builds the card. Fails by name and range on a parameter that is not allowed.
pub fn smartnic(p: &Params) -> Result<Module, ParamError> {
    p.check()?;
    let m = Module::new("smartnic");
    card(&m, p);
    Ok(m)
}

/// Fills the module `m` with the card.
fn card<'a>(m: &Module, p: &'a Params) -> Top<'a> {
    let core = m.sync();
    let t = Top {
        global: m.inst("common", &control::global(p)),
        port: m.inst("port", &control::port(p)),
        reserved: m.inst("reserved", &control::reserved()),
        macs: (0..p.ports)
            .map(|i| m.inst(&format!("mac{i}"), &mac::mac(p)))
            .collect(),
        parsers: (0..p.sources())
            .map(|s| m.inst(&format!("parser{s}"), &parser::parser()))
            .collect(),
        forward: m.inst("forward", &forward::forward(p)),
        fdb: m.inst("fdb", &fdb::fdb(p)),
        lag: m.inst("lag", &lag::lag(p)),
        buffer: m.inst("buffer", &buffer::switch_buffer(p)),
        stats: m.inst("stats", &stats::stats(p, &stats::counters(p))),
        pcie: m.inst("pcie", &pcie::pcie_endpoint_core(p)),
        host: m.inst("host", &host::host_port(p)),
        ready: m.reg("tables_ready", 1, 0),
        p,
        m: m.clone(),
    };
    // The reset of the switch: a register of its own, since it reaches everything.
    let switch_reset = m.reg("switch_reset", 1, 1);
    m.assign(&switch_reset, t.global.port("switch_reset"));
    let switch_reset = m.named("reset_switch", &core.reset | &switch_reset);
    for i in t.switch_blocks() {
        i.drive("reset", &switch_reset);
    }
    t.bus();
    t.control();
    t.ports(&switch_reset);
    t.forwarding();
    t.host();
    t.counters(&switch_reset);
    t.idle();
    t
}

struct Top<'a> {
    p: &'a Params,
    m: Module,
    /// Tables and the free list are swept: ports may receive.
    ready: E,
    global: Inst,
    port: Inst,
    reserved: Inst,
    macs: Vec<Inst>,
    parsers: Vec<Inst>,
    forward: Inst,
    fdb: Inst,
    lag: Inst,
    buffer: Inst,
    stats: Inst,
    pcie: Inst,
    host: Inst,
}

/// Inputs of `to` named `PREFIX_x` come from `from`'s outputs `FROM_x`.
fn join(from: &Inst, from_prefix: &str, to: &Inst, to_prefix: &str) {
    to.drive_all(to_prefix, |n| from.port(&format!("{from_prefix}{n}")));
}

impl Top<'_> {
    /// What RESET.SWITCH resets.
    fn switch_blocks(&self) -> Vec<&Inst> {
        let one = [
            &self.port,
            &self.reserved,
            &self.forward,
            &self.fdb,
            &self.lag,
            &self.buffer,
            &self.stats,
        ];
        one.into_iter()
            .chain(&self.macs)
            .chain(&self.parsers)
            .collect()
    }

    fn control(&self) {
        let ready = self.fdb.port("ready") & self.buffer.port("ready") & self.lag.port("ready");
        self.m.assign(&self.ready, ready);
        self.global.drive("ready_in", &self.ready);
        let link: Vec<E> = (0..self.p.ports)
            .rev()
            .map(|i| self.m.input(&format!("link{i}"), 1))
            .collect();
        self.port.drive("link_in", cat(&link));
        if self.p.board {
            self.board();
        }
        let paused: Vec<E> = self.macs.iter().rev().map(|i| i.port("paused")).collect();
        self.port.drive("paused", cat(&paused));
        self.fdb.drive("tick", self.global.port("tick"));
        self.lag.drive("link", self.port.port("link"));
    }

    fn link(&self, i: u32) -> E {
        self.port.port("link").bit(i)
    }

    /// MACs with their pins, parsers, and the buffer's sides towards them.
    fn ports(&self, switch_reset: &E) {
        let m = &self.m;
        // A register: the synchroniser takes it without a clock, so it must not glitch.
        let held = m.delay("reset_held", switch_reset);
        for (i, mac) in self.macs.iter().enumerate() {
            let n = i as u32;
            let rx = m.domain(&format!("rx{i}"));
            // Both sides of the crossing are reset together.
            let sync = m.inst(&format!("rx_reset{i}"), &cdc::reset_sync());
            sync.drive("clock", &rx.clock).drive("reset", &held);
            mac.drive("rx_clock", &rx.clock)
                .drive("rx_reset", sync.port("q") | &rx.reset);
            for (pin, width) in [("gmii_rxd", 8), ("gmii_rx_dv", 1), ("gmii_rx_er", 1)] {
                mac.drive(pin, m.input(&format!("{pin}{i}"), width));
            }
            for pin in ["gmii_txd", "gmii_tx_en", "gmii_tx_er"] {
                m.output_of(&format!("{pin}{i}"), mac.port(pin));
            }
            for pin in ["gmii_rx_ce", "tx_ce"] {
                // GMII at 1000 Mb/s: every cycle is a byte.
                let always = || lit(1, 1);
                let slower = || m.input(&format!("{pin}{i}"), 1);
                mac.drive(pin, self.p.board.then(slower).unwrap_or_else(always));
            }
            let config = self.port.port(&format!("mac{i}"));
            mac.drive("link", self.link(n))
                .drive("rx_enable", field(&config, MAC::RX_ENABLE) & &self.ready)
                .drive("tx_enable", field(&config, MAC::TX_ENABLE))
                .drive("pause_rx", field(&config, MAC::PAUSE_RX))
                .drive("pause_tx", field(&config, MAC::PAUSE_TX))
                .drive("max_frame", field(&config, MAC::MAX_FRAME))
                .drive("addr", self.port.port(&format!("addr{i}")))
                .drive("pause_request", self.buffer.port("pause_request").bit(n))
                .drive("pause_quanta", PAUSE_QUANTA);
            join(mac, "byte_", &self.parsers[i], "byte_");
            let side = format!("in{i}_");
            let ready = self.buffer.port(&format!("{side}ready"));
            mac.drive("in_ready", &ready);
            join(mac, "in_", &self.buffer, &side);
            for n in ["valid", "data", "keep", "sop", "eop"] {
                mac.drive(&format!("tx_{n}"), self.buffer.port(&format!("out{i}_{n}")));
            }
            self.buffer
                .drive(&format!("out{i}_ready"), mac.port("tx_ready"));
        }
        let host = self.p.ports;
        join(&self.host, "byte_", &self.parsers[host as usize], "byte_");
        join(
            &self.host,
            &format!("in{host}_"),
            &self.buffer,
            &format!("in{host}_"),
        );
        self.host.drive(
            &format!("in{host}_ready"),
            self.buffer.port(&format!("in{host}_ready")),
        );
        join(
            &self.buffer,
            &format!("out{host}_"),
            &self.host,
            &format!("out{host}_"),
        );
        self.buffer.drive(
            &format!("out{host}_ready"),
            self.host.port(&format!("out{host}_ready")),
        );
        let up: Vec<E> = (0..host)
            .map(|i| self.link(i) & field(&self.port.port(&format!("mac{i}")), MAC::TX_ENABLE))
            .chain([lit(1, 1)])
            .collect();
        self.buffer
            .drive("tx_enable", cat(&up.into_iter().rev().collect::<Vec<_>>()));
        self.buffer
            .drive("flush", cat(&[lit(1, 0), !self.port.port("link")]));
    }

    fn forwarding(&self) {
        let f = &self.forward;
        for s in 0..self.p.sources() {
            join(&self.parsers[s as usize], "hdr_", f, &format!("hdr{s}_"));
            let config = self.port.port(&format!("config{s}"));
            f.drive(
                &format!("fid{s}"),
                field(&config, smartnic_regs::port::CONFIG::FID),
            );
            f.drive(&format!("config{s}"), &config);
            f.drive(
                &format!("forward_mask{s}"),
                self.port.port(&format!("forward_mask{s}")),
            );
        }
        join(&self.host, "direct_", f, "direct_");
        for i in 0..16 {
            f.drive(
                &format!("action{i}"),
                self.reserved.port(&format!("action{i}")),
            );
            f.drive(
                &format!("reason{i}"),
                self.reserved.port(&format!("reason{i}")),
            );
        }
        f.drive("link", self.port.port("link"))
            .drive("collecting", self.lag.port("rsp_collecting"))
            .drive("forward_enable", self.global.port("forward_enable"))
            .drive("now", self.global.port("now").trunc(32))
            .drive("req_ready", self.lag.port("req_ready"));
        join(f, "req_", &self.lag, "req_");
        join(&self.lag, "rsp_", f, "rsp_");
        self.lag
            .drive("no_member", f.port("no_member"))
            .drive("pruned", f.port("pruned"));
        join(f, "lookup_", &self.fdb, "lookup_");
        join(&self.fdb, "found_", f, "found_");
        join(f, "learn_", &self.fdb, "learn_");
        join(&self.buffer, "done_", f, "done_");
        self.buffer.drive("done_ready", f.port("done_ready"));
        for n in [
            "valid", "head", "cells", "length", "source", "dest", "class", "meta",
        ] {
            self.buffer
                .drive(&format!("enq_{n}"), f.port(&format!("enq_{n}")));
        }
        f.drive("enq_ready", self.buffer.port("enq_ready"));
    }

    fn host(&self) {
        let (h, e) = (&self.host, &self.pcie);
        e.expose(|n| n.starts_with("tlp_") || n.starts_with("cfg_"));
        e.drive("host_reset", self.global.port("host_reset"));
        for n in ["read_timeout", "vector_test"] {
            e.drive(n, h.port(n));
        }
        for n in ["flr", "vectors_pending", "dma_event"] {
            h.drive(n, e.port(n));
        }
        for c in 0..2 {
            for n in ["valid", "addr", "len"] {
                e.drive(&format!("rd{c}_{n}"), h.port(&format!("rd{c}_{n}")));
            }
            h.drive(&format!("rd{c}_ready"), e.port(&format!("rd{c}_ready")));
            for n in ["valid", "data", "keep", "last", "err"] {
                h.drive(&format!("rdata{c}_{n}"), e.port(&format!("rdata{c}_{n}")));
            }
            e.drive(
                &format!("rdata{c}_ready"),
                h.port(&format!("rdata{c}_ready")),
            );
        }
        for n in ["valid", "data", "keep", "sop", "eop", "addr", "len", "irq"] {
            e.drive(&format!("wr_{n}"), h.port(&format!("wr_{n}")));
        }
        h.drive("wr_ready", e.port("wr_ready"));
        join(&self.fdb, "event_", h, "event_");
        self.fdb.drive("event_ready", h.port("event_ready"));
        h.drive("lag_live", self.lag.port("live"));
        h.drive("link_changed", self.port.port("link_changed"))
            .drive("now", self.global.port("now"));
    }

    fn counters(&self, reset: &E) {
        for (i, mac) in self.macs.iter().enumerate() {
            for (number, _) in mac::EVENTS {
                let name = mac::counter_name(*number);
                self.stats
                    .drive(&format!("ev{i}_{name}"), mac.port(&format!("ev_{name}")));
            }
        }
        for number in stats::DROPS {
            let name = mac::counter_name(*number);
            let bits = match *number {
                counter::DROP_QUEUE_FULL => self.buffer.port(name),
                counter::DROP_LINK_DOWN => self.buffer.port("flushed"),
                _ => self.forward.port(name),
            };
            for s in 0..self.p.sources() {
                let mut by = bits.bit(s);
                if *number == counter::DROP_LINK_DOWN {
                    // The MAC has frames of its own to lose.
                    let mac = self.macs.get(s as usize);
                    let own = mac.map_or(lit(2, 0), |i| i.port(&format!("ev_{name}")).zext(2));
                    by = by.zext(2) + own;
                }
                self.stats.drive(&format!("ev{s}_{name}"), by);
            }
        }
        // The host as a port: what it sends is received, what goes to it is sent. A frame is sent when it is in a receive ring.
        let host = self.p.ports;
        let prefix = format!("in{host}_");
        let meter = self.m.inst("host_rx", &stats::meter(self.p.width));
        meter
            .drive("reset", reset)
            .drive("ready", self.buffer.port(&format!("{prefix}ready")));
        for n in ["valid", "keep", "sop", "eop", "err"] {
            meter.drive(n, self.host.port(&format!("{prefix}{n}")));
        }
        for n in ["frames", "bytes"] {
            self.stats.drive(&format!("ev{host}_rx_{n}"), meter.port(n));
        }
        let (sent, bytes) = (
            self.host.port("delivered"),
            self.host.port("delivered_bytes"),
        );
        // Four bytes of FCS.
        let bytes = bytes.resize(mac::TX_LENGTH_BITS) + 4;
        self.stats
            .drive(&format!("ev{host}_tx_frames"), &sent)
            .drive(
                &format!("ev{host}_tx_bytes"),
                bytes & sent.repl(mac::TX_LENGTH_BITS),
            );
    }

    /// The clock could stop: every block rests. Which ones do not is told by register BUSY.
    fn idle(&self) {
        let blocks = [
            &self.forward,
            &self.fdb,
            &self.lag,
            &self.buffer,
            &self.stats,
            &self.pcie,
            &self.host,
        ];
        let mut rests: Vec<E> = blocks.iter().map(|i| i.port("idle")).collect();
        rests.push(self.global.port("tick_idle"));
        rests.extend(self.macs.iter().map(|i| i.port("idle")));
        let idle = self.m.output_reg("idle", 1, 0);
        self.m.assign(&idle, all_of(&rests));
        self.global.drive("idle_in", &idle);
        let busy: Vec<E> = rests.iter().rev().map(|r| !r).collect();
        self.global
            .drive("busy_in", self.m.delay("busy", &cat(&busy)).zext(16));
    }
}
