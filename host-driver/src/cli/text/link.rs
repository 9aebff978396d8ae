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
