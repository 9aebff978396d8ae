//! `link show`, as ip(8) has it.

use std::fmt::Write;

use serde_json::Value;

use super::{rows, text};
use crate::cli::Look;

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
        let below = link["link"].as_str();
        let below = below.map_or_else(String::new, |real| format!("@{real}"));
        let _ = write!(
            out,
            "{}: {}{below}: <{}> mtu {}",
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
                    .map(|(k, v)| format!(" {k} {}", detail(v)));
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

/// A detail: of flags those that are set (`offload`: the settings that are in hardware), of counts all.
fn detail(v: &Value) -> String {
    let Some(map) = v.as_object() else {
        return text(v);
    };
    if map.values().all(Value::is_boolean) {
        let set = map.iter().filter(|(_, v)| **v == Value::Bool(true));
        let words: Vec<&str> = set.map(|(k, _)| k.as_str()).collect();
        return words.join(",");
    }
    let counts = map.iter().map(|(k, v)| format!("{k} {}", text(v)));
    format!("{{ {} }}", counts.collect::<Vec<_>>().join(" "))
}

fn stats64(v: &Value) -> String {
    let mut out = String::new();
    // The columns of ip(8), and what JSON calls them.
    for (name, key, columns) in [
        (
            "RX:",
            "rx",
            [
                ("bytes", "bytes"),
                ("packets", "packets"),
                ("errors", "errors"),
                ("dropped", "dropped"),
                ("missed", "over_errors"),
                ("mcast", "multicast"),
            ],
        ),
        (
            "TX:",
            "tx",
            [
                ("bytes", "bytes"),
                ("packets", "packets"),
                ("errors", "errors"),
                ("dropped", "dropped"),
                ("carrier", "carrier_errors"),
                ("collsns", "collisions"),
            ],
        ),
    ] {
        let heads: Vec<&str> = columns.iter().map(|c| c.0).collect();
        let cells: Vec<String> = columns.iter().map(|c| text(&v[key][c.1])).collect();
        let width = |i: usize| cells[i].len().max(heads[i].len());
        let line = |items: Vec<&str>| {
            items
                .iter()
                .enumerate()
                .map(|(i, c)| format!(" {c:>w$}", w = width(i)))
                .collect::<String>()
        };
        let _ = writeln!(out, "    {name}{}", line(heads.clone()));
        let _ = writeln!(
            out,
            "       {}",
            line(cells.iter().map(String::as_str).collect())
        );
    }
    out
}
