//! How replies look as text: iproute2's forms, and tables for what it does not have.

mod fdb;
mod link;

use std::fmt::Write;

use serde_json::Value;
use smartnic_netdev::device::LinkStats64;

use super::Look;
pub use fdb::{fdb, monitor, monitor_json, trim_fdb};
pub use link::{links, trim_links};

pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(s) => s.clone(),
        Value::Null => "-".into(),
        Value::Bool(b) => if *b { "on" } else { "off" }.into(),
        other => other.to_string(),
    }
}

fn rows(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Columns of equal width: the first to the left, numbers to the right.
fn table(head: &[&str], body: &[Vec<String>]) -> String {
    let width = |i: usize| {
        body.iter()
            .filter_map(|r| r.get(i))
            .map(String::len)
            .chain([head[i].len()])
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let right = |i: usize| {
        i > 0
            && body.iter().all(|r| {
                r.get(i)
                    .is_none_or(|c| c.parse::<f64>().is_ok() || c == "-")
            })
    };
    let line = |cells: Vec<&str>| {
        let mut line = String::new();
        for (i, cell) in cells.iter().enumerate() {
            let _ = if right(i) {
                write!(line, "{cell:>w$}  ", w = widths[i])
            } else {
                write!(line, "{cell:<w$}  ", w = widths[i])
            };
        }
        format!("{}\n", line.trim_end())
    };
    let mut out = line(head.to_vec());
    body.iter()
        .for_each(|row| out += &line(row.iter().map(String::as_str).collect()));
    out
}

/// `br show`, as brctl(8) has it.
pub fn bridges(v: &Value, _: &Look) -> String {
    let mut body = Vec::new();
    for bridge in rows(v) {
        let t = |key: &str| text(&bridge[key]);
        let stp = if bridge["stp_enabled"] == true {
            "yes"
        } else {
            "no"
        };
        let ports = rows(&bridge["interfaces"]);
        let first = ports.first().map(text).unwrap_or_default();
        body.push(vec![t("ifname"), t("bridge_id"), stp.into(), first]);
        let more = ports.iter().skip(1);
        body.extend(more.map(|p| vec![String::new(), String::new(), String::new(), text(p)]));
    }
    table(
        &["bridge name", "bridge id", "STP enabled", "interfaces"],
        &body,
    )
}

/// `dev show`.
pub fn device(v: &Value, _: &Look) -> String {
    let t = |key: &str| text(&v[key]);
    let mut out = format!("{} state {}", t("device"), t("state"));
    if !v["reason"].is_null() {
        let _ = write!(out, " ({})", t("reason"));
    }
    let _ = writeln!(out, " version {}", t("version"));
    let _ = writeln!(
        out,
        "    ports {} queues {} classes {} lag_groups {} fdb {}+{} cells {}",
        t("ports"),
        t("queues"),
        t("classes"),
        t("lag_groups"),
        t("fdb_entries"),
        t("cam_entries"),
        t("cells")
    );
    if !v["forward"].is_null() {
        let _ = writeln!(out, "    forward {} cycles {}", t("forward"), t("cycles"));
    }
    if let Some(fdb) = v["fdb"].as_object() {
        let f = |key: &str| text(&fdb[key]);
        let _ = writeln!(
            out,
            "    fdb used {} of {} (cam {}) learned {} moved {} aged {} relocated {} refused {} events_lost {} learns_lost {}",
            f("used"),
            f("capacity"),
            f("cam_used"),
            f("learned"),
            f("moved"),
            f("aged"),
            f("relocated"),
            f("refused"),
            f("events_lost"),
            f("learns_lost")
        );
    }
    if let Some(buffer) = v["buffer"].as_object() {
        let b = |key: &str| text(&buffer[key]);
        let _ = writeln!(
            out,
            "    buffer free {} of {} (lowest {}) fault {}",
            b("free"),
            b("cells"),
            b("free_min"),
            b("fault")
        );
    }
    if let [rx, tx, events] = rows(&v["ring_restarts"]) {
        let _ = writeln!(out, "    ring restarts rx {rx} tx {tx} events {events}");
    }
    out
}

/// `port show`.
pub fn ports(v: &Value, _: &Look) -> String {
    const HEAD: [&str; 12] = [
        "PORT", "LINK", "SPEED", "MTU", "MASTER", "STATE", "LEARNING", "FLOOD", "MCAST", "BCAST",
        "HAIRPIN", "ISOLATED",
    ];
    const KEYS: [&str; 8] = [
        "master",
        "state",
        "learning",
        "flood",
        "mcast_flood",
        "bcast_flood",
        "hairpin",
        "isolated",
    ];
    let row = |p: &Value| {
        let up = p["link"].as_bool().unwrap_or(false);
        let speed = if up { text(&p["speed"]) } else { "-".into() };
        let link = if up { "up" } else { "down" };
        let first = [text(&p["ifname"]), link.to_owned(), speed, text(&p["mtu"])];
        first
            .into_iter()
            .chain(KEYS.iter().map(|k| text(&p[*k])))
            .collect()
    };
    table(&HEAD, &rows(v).iter().map(row).collect::<Vec<_>>())
}

/// `lag show`.
pub fn lags(v: &Value, _: &Look) -> String {
    let mut out = String::new();
    for lag in rows(v) {
        let t = |key: &str| text(&lag[key]);
        let _ = writeln!(
            out,
            "{}: mode {} xmit_hash_policy {} lb_fill {} group {}",
            t("ifname"),
            t("mode"),
            t("xmit_hash_policy"),
            t("lb_fill"),
            t("group")
        );
        for member in rows(&lag["members"]) {
            let m = |key: &str| text(&member[key]);
            let _ = writeln!(
                out,
                "    {} state {} mii_status {} buckets {}",
                m("ifname"),
                m("state"),
                m("mii_status"),
                m("buckets")
            );
        }
        let _ = writeln!(
            out,
            "    no_member {} pruned {}",
            t("no_member"),
            t("pruned")
        );
    }
    out
}

/// `lag buckets`: runs of equal buckets would hide Linux's round robin, so 12 a line.
pub fn buckets(v: &Value, _: &Look) -> String {
    let names: Vec<String> = rows(v)
        .iter()
        .map(|b| if b == "" { "-".into() } else { text(b) })
        .collect();
    let width = names.iter().map(String::len).max().unwrap_or(0);
    let mut out = String::new();
    for (i, line) in names.chunks(12).enumerate() {
        let cells: Vec<String> = line.iter().map(|n| format!("{n:<width$}")).collect();
        let _ = writeln!(out, "{:>3}: {}", i * 12, cells.join(" ").trim_end());
    }
    out
}

/// `stats`: a line for each counter, a column for each interface.
pub fn stats(v: &Value, nonzero: bool) -> String {
    let all = rows(v);
    let names: Vec<String> = all.iter().map(|s| text(&s["ifname"])).collect();
    let head: Vec<&str> = ["COUNTER"]
        .into_iter()
        .chain(names.iter().map(String::as_str))
        .collect();
    let line = |name: &str| {
        let values: Vec<u64> = all
            .iter()
            .map(|s| s["counters"][name].as_u64().unwrap_or(0))
            .collect();
        (!nonzero || values.iter().any(|v| *v != 0)).then(|| {
            [name.to_owned()]
                .into_iter()
                .chain(values.iter().map(u64::to_string))
                .collect::<Vec<_>>()
        })
    };
    // The card's counters in the register map's order; the kernel's for devices without hardware.
    let card = smartnic_regs::values::counter::NAMES.iter().map(|n| n.1);
    let ours: Vec<&str> = card.clone().collect();
    let kernel = LinkStats64::NAMES
        .iter()
        .copied()
        .filter(|n| !ours.contains(n));
    let has = |name: &&str| all.iter().any(|s| !s["counters"][*name].is_null());
    let body: Vec<_> = card.chain(kernel).filter(has).filter_map(line).collect();
    table(&head, &body)
}

/// `version`.
pub fn version(v: &Value, _: &Look) -> String {
    let mut out = format!("smartnic-ctl {}\n", text(&v["smartnic-ctl"]));
    if let Some(f) = v["firmware"].as_object() {
        let _ = writeln!(
            out,
            "firmware {} register map {} board {}",
            text(&f["version"]),
            text(&f["register_map"]),
            f["board"]
        );
        return out;
    }
    match v["smartnicd"].as_object() {
        Some(d) => {
            let _ = writeln!(
                out,
                "smartnicd {} register map {}",
                text(&d["version"]),
                text(&d["register_map"])
            );
        }
        None => out += "smartnicd not running\n",
    }
    out
}
