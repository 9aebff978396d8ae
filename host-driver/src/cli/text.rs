//! How replies look as text: iproute2's forms, and tables for what it does not have.

use std::fmt::Write;

use serde_json::{Value, json};

use super::Look;
use crate::control::api::FdbEventInfo;

fn text(value: &Value) -> String {
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

/// Without -s no statistics, without -d no details, as ip(8) does.
pub fn trim_links(links: &mut Value, look: &Look) {
    for link in links
        .as_array_mut()
        .into_iter()
        .flatten()
        .filter_map(Value::as_object_mut)
    {
        if !look.stats {
            link.remove("stats64");
        }
        if !look.details {
            link.remove("linkinfo");
        }
    }
}

/// `link show`.
pub fn links(v: &Value, look: &Look) -> String {
    let mut out = String::new();
    for link in rows(v) {
        let t = |key: &str| text(&link[key]);
        let flags: Vec<String> = rows(&link["flags"]).iter().map(text).collect();
        let _ = write!(
            out,
            "{}: {}: <{}> mtu {}",
            t("ifindex"),
            t("ifname"),
            flags.join(","),
            t("mtu")
        );
        if !link["master"].is_null() {
            let _ = write!(out, " master {}", t("master"));
        }
        let _ = writeln!(out, " state {}", t("operstate"));
        let _ = writeln!(
            out,
            "    link/{} {} brd {}",
            t("link_type"),
            t("address"),
            t("broadcast")
        );
        let info = &link["linkinfo"];
        for (kind, data) in [
            ("info_kind", "info_data"),
            ("info_slave_kind", "info_slave_data"),
        ] {
            if look.details && !info[kind].is_null() {
                let slave = if kind == "info_kind" { "" } else { "_slave" };
                let words = info[data]
                    .as_object()
                    .into_iter()
                    .flatten()
                    .map(|(k, v)| format!(" {k} {}", text(v)));
                let _ = writeln!(
                    out,
                    "    {}{slave}{}",
                    text(&info[kind]),
                    words.collect::<String>()
                );
            }
        }
        if look.stats && link["stats64"].is_object() {
            out += &stats64(&link["stats64"]);
        }
    }
    out
}

fn stats64(v: &Value) -> String {
    let mut out = String::new();
    for (name, key, keys) in [
        (
            "RX:",
            "rx",
            &["bytes", "packets", "errors", "dropped", "multicast"][..],
        ),
        ("TX:", "tx", &["bytes", "packets", "errors", "dropped"][..]),
    ] {
        let cells: Vec<String> = keys.iter().map(|k| text(&v[key][*k])).collect();
        let width = |i: usize| cells[i].len().max(keys[i].len());
        let line = |items: Vec<&str>| {
            items
                .iter()
                .enumerate()
                .map(|(i, c)| format!(" {c:>w$}", w = width(i)))
                .collect::<String>()
        };
        let _ = writeln!(out, "    {name}{}", line(keys.to_vec()));
        let _ = writeln!(
            out,
            "       {}",
            line(cells.iter().map(String::as_str).collect())
        );
    }
    out
}

/// Without -s no age, as bridge(8) shows times only then; the FID is a detail.
pub fn trim_fdb(entries: &mut Value, look: &Look) {
    for entry in entries
        .as_array_mut()
        .into_iter()
        .flatten()
        .filter_map(Value::as_object_mut)
    {
        if !look.stats {
            entry.remove("age");
        }
        if !look.details {
            entry.remove("fid");
        }
    }
}

fn fdb_line(entry: &Value) -> String {
    let mut line = format!("{} dev {}", text(&entry["mac"]), text(&entry["ifname"]));
    for key in ["fid", "age"] {
        if !entry[key].is_null() {
            let _ = write!(line, " {key} {}", entry[key]);
        }
    }
    for flag in rows(&entry["flags"]) {
        let _ = write!(line, " {}", text(flag));
    }
    if !entry["master"].is_null() {
        let _ = write!(line, " master {}", text(&entry["master"]));
    }
    if entry["state"] != "" {
        let _ = write!(line, " {}", text(&entry["state"]));
    }
    line + "\n"
}

/// `fdb show`.
pub fn fdb(v: &Value, _: &Look) -> String {
    rows(v).iter().map(fdb_line).collect()
}

/// A change as JSON: the entry, and `deleted` as bridge(8) has it.
pub fn monitor_json(event: Option<&FdbEventInfo>) -> Value {
    let Some(event) = event else {
        return Value::Null;
    };
    let mut value = json!(event.entry);
    value["event"] = json!(event.event);
    if event.deleted {
        value["deleted"] = json!(true);
    }
    value
}

/// A change as text.
pub fn monitor(event: Option<&FdbEventInfo>, look: &Look) -> String {
    let Some(event) = event else {
        return String::new();
    };
    let mut entries = json!([event.entry]);
    trim_fdb(&mut entries, look);
    let prefix = match event.event.as_str() {
        "deleted" => "Deleted ",
        "aged" => "Deleted (aged) ",
        "moved" => "Moved ",
        "refused" => "Refused (full) ",
        _ => "",
    };
    format!("{prefix}{}", fdb_line(&entries[0]))
}

/// `stats`: a line for each counter, a column for each interface.
pub fn stats(v: &Value, nonzero: bool) -> String {
    let all = rows(v);
    let names: Vec<String> = all.iter().map(|s| text(&s["ifname"])).collect();
    let head: Vec<&str> = ["COUNTER"]
        .into_iter()
        .chain(names.iter().map(String::as_str))
        .collect();
    let line = |(_, name): &(u32, &str)| {
        let values: Vec<u64> = all
            .iter()
            .map(|s| s["counters"][*name].as_u64().unwrap_or(0))
            .collect();
        (!nonzero || values.iter().any(|v| *v != 0)).then(|| {
            [(*name).to_owned()]
                .into_iter()
                .chain(values.iter().map(u64::to_string))
                .collect::<Vec<_>>()
        })
    };
    let body: Vec<_> = smartnic_regs::values::counter::NAMES
        .iter()
        .filter_map(line)
        .collect();
    table(&head, &body)
}

/// `version`.
pub fn version(v: &Value, _: &Look) -> String {
    let mut out = format!("smartnic-ctl {}\n", text(&v["smartnic-ctl"]));
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
