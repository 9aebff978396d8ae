//! `fdb show` and `fdb monitor`, as bridge(8) has them.

use std::fmt::Write;

use serde_json::{Value, json};

use super::{rows, text};
use crate::cli::Look;
use crate::control::api::FdbEventInfo;

/// What `trim` does, to each of a list.
pub fn trim_fdb(entries: &mut Value, look: &Look) {
    for entry in entries.as_array_mut().into_iter().flatten() {
        trim(entry, look);
    }
}

/// Without -s no age, as bridge(8) shows times only then; the FID is a detail.
fn trim(entry: &mut Value, look: &Look) {
    let Some(entry) = entry.as_object_mut() else {
        return;
    };
    if !look.stats {
        for key in ["age", "used", "updated"] {
            entry.remove(key);
        }
    }
    if !look.details {
        entry.remove("fid");
        // bridge(8) does not show who made an entry.
        if let Some(flags) = entry.get_mut("flags").and_then(Value::as_array_mut) {
            flags.retain(|f| f != "added_by_user");
        }
    }
}

fn fdb_line(entry: &Value) -> String {
    let mut line = format!("{} dev {}", text(&entry["mac"]), text(&entry["ifname"]));
    for key in ["vlan", "fid", "age"] {
        if !entry[key].is_null() {
            let _ = write!(line, " {key} {}", entry[key]);
        }
    }
    if !entry["used"].is_null() {
        let _ = write!(line, " used {}/{}", entry["used"], entry["updated"]);
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
pub fn monitor_json(event: Option<&FdbEventInfo>, look: &Look) -> Value {
    let Some(event) = event else {
        return Value::Null;
    };
    let mut value = json!(event.entry);
    trim(&mut value, look);
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
    let mut entry = json!(event.entry);
    trim(&mut entry, look);
    let prefix = match event.event.as_str() {
        "deleted" => "Deleted ",
        "aged" => "Deleted (aged) ",
        "moved" => "Moved ",
        "refused" => "Refused (full) ",
        _ => "",
    };
    format!("{prefix}{}", fdb_line(&entry))
}
