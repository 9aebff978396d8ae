//! The host port: see the folder's page for its parts.
//!
//! Ports beyond the contract: `flr` (from the endpoint core: resets everything here but what the switch must see to its end),
//! `lag_live[groups]` (LAG groups with a live member), `link_changed` (pulse), `now[64]` (core cycles), and the endpoint core's `dma_event`,
//! `read_timeout`, `vector_test`, `vectors_pending`; `delivered` (pulse: a frame is in a receive ring) with `delivered_bytes[14]`. `out{P}_*`, `in{P}_*` have the card's beat width.
//!
//! Cost for 2 ports on the ECP5: 2,620 LUT4, 372 carry cells, 71 LUT RAM cells, 3,207 registers, 8 block RAMs.
//!
//! Tests: `tests/host.rs`, `tests/host_faults.rs`, `tests/host_switch.rs`, `tests/host_link.rs`, together with the endpoint core.

use super::{
    Shape, bus::bus, channel::channel, complete::complete, events::events, fetch::fetch,
    receive::receive, rings::rings, send::send, transmit::transmit, width,
};
use crate::meta;
use crate::params::Params;
use crate::rtl::{E, Inst, Module, all_of, any_of};

/// Inputs of `to` that are outputs of `from` by the same name and begin with one of `prefixes`.
fn give(from: &Inst, to: &Inst, prefixes: &[&str]) {
    for prefix in prefixes {
        to.drive_all(prefix, |rest| from.port(&format!("{prefix}{rest}")));
    }
}

/// The host port of a card with these parameters.
pub fn host_port(p: &Params) -> Module {
    let m = Module::new("host_port");
    let reset = m.sync().reset;
    let s = Shape { queues: p.queues };
    let host = p.ports;
    let flr = m.input("flr", 1);
    let now = m.input("now", 64);
    let rings = m.inst("rings", &rings(s));
    let bus = m.inst("bus", &bus());
    let fetch = m.inst("fetch", &fetch(s));
    let receive = m.inst("receive", &receive(s));
    let transmit = m.inst("transmit", &transmit(s, p.ports, p.lag_groups));
    let send = m.inst("send", &send());
    let complete = m.inst("complete", &complete(s));
    let events = m.inst("events", &events());
    let channel = m.inst("channel", &channel());
    let cleared = m.named("cleared", &reset | &flr);
    for i in [
        &rings, &bus, &fetch, &transmit, &complete, &events, &channel,
    ] {
        i.drive("reset", &cleared);
    }
    receive.drive("flr", &flr);
    send.drive("flr", &flr);
    for i in [&rings, &receive, &send] {
        i.drive("now", &now);
    }

    // Registers.
    for (name, width) in [("valid", 1), ("write", 1), ("addr", 16), ("wdata", 32)] {
        let e = m.input(&format!("reg_{name}"), width);
        bus.drive(&format!("reg_{name}"), &e);
        events.drive(&format!("reg_{name}"), &e);
    }
    for name in ["reg_ack", "reg_rdata"] {
        m.output_of(name, bus.port(name) | events.port(name));
    }
    bus.expose(|n| {
        [
            "dma_event",
            "read_timeout",
            "vector_test",
            "vectors_pending",
        ]
        .contains(&n)
    });
    for (name, width) in [
        ("valid", 1),
        ("write", 1),
        ("ring", 3),
        ("reg", 4),
        ("data", 32),
    ] {
        let e = bus.port(&format!("op_{name}"));
        assert_eq!(e.width(), width, "op_{name}");
        rings.drive(&format!("op_{name}"), e);
    }
    give(&rings, &bus, &["op_"]);
    for (i, to) in [&complete, &fetch].into_iter().enumerate() {
        bus.drive_all(&format!("at{i}_"), |n| to.port(&format!("at_{n}")));
        to.drive("at_grant", bus.port(&format!("at{i}_grant")))
            .drive("at_address", bus.port("at_address"));
    }

    // The rings and the engines.
    for i in [&fetch, &receive, &transmit, &complete] {
        give(&rings, i, &["e_"]);
    }
    for (from, event) in [
        (&fetch, "ask"),
        (&fetch, "fill"),
        (&transmit, "take"),
        (&complete, "made"),
        (&complete, "flush"),
        (&complete, "signal"),
    ] {
        give(from, &rings, &[&format!("{event}_")]);
        let settling = format!("{event}_settling");
        from.drive(&settling, rings.port(&settling));
    }
    receive
        .drive("made_settling", rings.port("made_settling"))
        .drive("running", rings.port("running"));
    give(&receive, &rings, &["missed"]);
    give(&bus, &receive, &["steer_"]);
    complete.drive("error", rings.port("error"));
    let parts = [&fetch, &transmit, &complete, &receive];
    let busy: Vec<E> = parts.iter().map(|i| i.port("busy")).collect();
    rings.drive("busy", any_of(s.rings(), &busy));
    for i in [&receive, &transmit] {
        give(&fetch, i, &["desc_"]);
    }
    transmit
        .drive("kept_ready", send.port("kept_ready"))
        .drive("lag_live", m.input("lag_live", p.lag_groups));
    give(&transmit, &send, &["kept_"]);
    for (i, from) in [&receive, &send].into_iter().enumerate() {
        complete.drive_all(&format!("rec{i}_"), |n| from.port(&format!("rec_{n}")));
        from.drive("rec_ready", complete.port(&format!("rec{i}_ready")));
    }
    for (i, from) in [&receive, &complete, &events].into_iter().enumerate() {
        channel.drive_all(&format!("w{i}_"), |n| from.port(&format!("w_{n}")));
        from.drive("w_ready", channel.port(&format!("w{i}_ready")));
    }
    for i in [&receive, &complete, &events] {
        i.drive("drained", channel.port("drained"));
    }

    // DMA.
    channel.expose(|n| n.starts_with("wr_"));
    for (c, (ask, take)) in [(&fetch, &fetch), (&transmit, &send)]
        .into_iter()
        .enumerate()
    {
        for name in ["valid", "addr", "len"] {
            m.output_of(&format!("rd{c}_{name}"), ask.port(&format!("rd_{name}")));
        }
        ask.drive("rd_ready", m.input(&format!("rd{c}_ready"), 1));
        for (name, width) in [
            ("valid", 1),
            ("data", 64),
            ("keep", 8),
            ("last", 1),
            ("err", 1),
        ] {
            let e = m.input(&format!("rdata{c}_{name}"), width);
            take.drive(&format!("rdata_{name}"), e);
        }
        m.output_of(&format!("rdata{c}_ready"), take.port("rdata_ready"));
    }

    // The switch.
    events.expose(|n| n.starts_with("event_") || n == "link_changed");
    send.expose(|n| n.starts_with("byte_") || n.starts_with("direct_"));
    receive.expose(|n| n.starts_with("delivered"));
    let (w, keep) = (p.width, p.beat_bytes());
    let outer = |name: &str, width: u32| m.input(&format!("out{host}_{name}"), width);
    for (name, width) in [
        ("meta", meta::width()),
        ("length", 14),
        ("source", 4),
        ("class", 3),
    ] {
        receive.drive(&format!("out_{name}"), outer(name, width));
    }
    let beat = [
        ("valid", 1),
        ("data", w),
        ("keep", keep),
        ("sop", 1),
        ("eop", 1),
    ];
    let from: Vec<(&str, E)> = beat.iter().map(|(n, w)| (*n, outer(n, *w))).collect();
    let to = |name: &str, e: E| m.output_of(&format!("in{host}_{name}"), e);
    let back = m.input(&format!("in{host}_ready"), 1);
    if w == 64 {
        for (name, e) in &from {
            receive.drive(&format!("out_{name}"), e);
        }
        m.output_of(&format!("out{host}_ready"), receive.port("out_ready"));
        for name in ["valid", "data", "keep", "sop", "eop", "err"] {
            to(name, send.port(&format!("in_{name}")));
        }
        send.drive("in_ready", &back);
    } else {
        let narrow = m.inst("narrow", &width::narrow());
        for (name, e) in &from {
            narrow.drive(&format!("a_{name}"), e);
            receive.drive(&format!("out_{name}"), narrow.port(&format!("b_{name}")));
        }
        narrow.drive("b_ready", receive.port("out_ready"));
        m.output_of(&format!("out{host}_ready"), narrow.port("a_ready"));
        let widen = m.inst("widen", &width::widen());
        for name in ["valid", "data", "keep", "sop", "eop", "err"] {
            widen.drive(&format!("a_{name}"), send.port(&format!("in_{name}")));
            to(name, widen.port(&format!("b_{name}")));
        }
        widen.drive("b_ready", &back);
        send.drive("in_ready", widen.port("a_ready"));
    }

    let engines = [
        &fetch, &receive, &transmit, &send, &complete, &bus, &events, &channel,
    ];
    let rests: Vec<E> = engines.iter().map(|i| i.port("idle")).collect();
    let rests = m.named("engines_rest", all_of(&rests));
    rings.drive("works", !&rests);
    let idle = m.output_reg("idle", 1, 0);
    m.assign(&idle, rests & rings.port("idle"));
    m
}
