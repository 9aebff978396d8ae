//! What there is to see of a bond's machine, by the keys of `ip -d -j link`.

use serde_json::{Map, Value, json};
use smartnic_slowpath::bond::{Bond as Machine, Mode, SlaveId};
use smartnic_slowpath::wire::lacp::Participant;

/// Options that iproute2 shows under another name.
const KEYS: [(&str, &str); 3] = [
    ("peer_notif_delay", "peer_notify_delay"),
    ("lacp_rate", "ad_lacp_rate"),
    ("num_grat_arp", "num_peer_notif"),
];
/// Options of members, and one that is shown by another key already.
const HIDDEN: [&str; 3] = ["queue_id", "prio", "num_unsol_na"];
/// Options that only 802.3ad shows.
const LACP: [&str; 6] = [
    "lacp_active",
    "lacp_rate",
    "ad_actor_sys_prio",
    "ad_user_port_key",
    "ad_actor_system",
    "coupled_control",
];
/// On and off as numbers.
const FLAGS: [&str; 4] = [
    "use_carrier",
    "all_slaves_active",
    "tlb_dynamic_lb",
    "coupled_control",
];

/// A value in iproute2's type.
fn value(option: &str, text: String) -> Value {
    match (option, text.as_str()) {
        ("arp_ip_target", "") => json!([]),
        ("arp_ip_target", list) => json!(list.split(',').collect::<Vec<_>>()),
        (flag, "on") if FLAGS.contains(&flag) => json!(1),
        (flag, "off") if FLAGS.contains(&flag) => json!(0),
        _ => text.parse::<u64>().map_or(json!(text), |n| json!(n)),
    }
}

/// A state as a number and as words.
fn state(key: &str, of: Participant) -> [(String, Value); 2] {
    let words = of.state.to_string();
    let words: Vec<&str> = words.split(',').filter(|w| !w.is_empty()).collect();
    [
        (format!("{key}_oper_port_state"), json!(of.state.0)),
        (format!("{key}_oper_port_state_str"), json!(words)),
    ]
}

/// The machine's name of an option that iproute2 may have another word for.
pub fn option(word: &str) -> &str {
    let known = KEYS.iter().find(|(_, key)| *key == word);
    known.map_or(word, |(option, _)| option)
}

/// The options that a bond shows.
pub fn options() -> impl Iterator<Item = &'static str> {
    Machine::option_names().filter(|o| !HIDDEN.contains(o))
}

/// `info_data` of a bond: its options, and of 802.3ad the active aggregator.
pub fn bond(machine: &Machine) -> Map<String, Value> {
    let mut info = Map::new();
    let lacp = machine.options().mode == Mode::Ad;
    for option in options().filter(|o| lacp || !LACP.contains(o)) {
        let text = machine.get(option).unwrap_or_default();
        // iproute2 leaves out what names nobody.
        if text.is_empty() && matches!(option, "primary" | "active_slave") {
            continue;
        }
        let key = KEYS.iter().find(|(o, _)| *o == option);
        let key = key.map_or(option, |(_, key)| key);
        info.insert(key.into(), value(option, text));
    }
    let aggregators = machine.lacp().map_or(Vec::new(), |l| l.aggregators());
    if let Some(a) = aggregators.iter().find(|a| a.active) {
        let ad = json!({
            "aggregator": a.id,
            "num_ports": a.ports.len(),
            "actor_key": a.actor_key,
            "partner_key": a.partner_key,
            "partner_mac": a.partner_system,
        });
        info.insert("ad_info".into(), ad);
    }
    info
}

/// `info_slave_data` of a slave; empty for a device that is none.
pub fn slave(machine: &Machine, id: SlaveId) -> Map<String, Value> {
    let status = machine.status();
    let Some(slave) = status.slaves.into_iter().find(|s| s.id == id) else {
        return Map::new();
    };
    let plan = machine.plan();
    let planned = plan.members.iter().find(|m| m.slave == id);
    let active = if slave.active { "ACTIVE" } else { "BACKUP" };
    let mut info: Map<String, Value> = [
        ("state", json!(active)),
        ("mii_status", json!(slave.mii_status)),
        ("link_failure_count", json!(slave.link_failure_count)),
        ("perm_hwaddr", json!(slave.permanent_address)),
        ("queue_id", json!(slave.queue_id)),
        ("prio", json!(slave.prio)),
        ("collecting", json!(planned.is_some_and(|m| m.collecting))),
        (
            "distributing",
            json!(planned.is_some_and(|m| m.distributing)),
        ),
    ]
    .map(|(k, v)| (k.to_owned(), v))
    .into_iter()
    .collect();
    if let Some(ad) = slave.ad {
        info.insert("ad_aggregator_id".into(), json!(ad.aggregator_id));
        info.extend(state("ad_actor", ad.actor));
        info.extend(state("ad_partner", ad.partner));
        info.insert("ad_mux_state".into(), json!(ad.mux));
        info.insert("ad_counters".into(), json!(ad.counters));
    }
    info
}
