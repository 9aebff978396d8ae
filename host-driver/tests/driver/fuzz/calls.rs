//! Calls of the control socket out of bytes: every method, its words and addresses, mostly such as it wants.

use serde_json::{Map, Value, json};

use super::Input;

/// What is called; twice what matters most.
pub const METHODS: &[&str] = &[
    "AddLink",
    "SetLink",
    "SetLink",
    "SetLink",
    "SetLink",
    "DeleteLink",
    "Ioctl",
    "AddFdb",
    "AddFdb",
    "DeleteFdb",
    "FlushFdb",
    "ListFdb",
    "GetFdb",
    "AddMdb",
    "DeleteMdb",
    "FlushMdb",
    "ListMdb",
    "AddVlan",
    "DeleteVlan",
    "SetVlan",
    "SetVlanGlobal",
    "ListVlans",
    "SetMst",
    "SetDevice",
    "GetDevice",
    "GetVersion",
    "ListLinks",
    "ListPorts",
    "ListLags",
    "ListBuckets",
    "GetStats",
    "MonitorFdb",
    "MonitorLinks",
    "NoSuchMethod",
];
const DEVICES: &[&str] = &[
    "port1",
    "port2",
    "port3",
    "port4",
    "br0",
    "br1",
    "bond0",
    "lag0",
    "nosuch",
    "",
    "a/b",
    "a-name-that-is-too-long",
    "v7",
];
const NEW: &[&str] = &[
    "br0", "br1", "br%d", "bond0", "lag0", "bond%d", "a b", "", "port1", "v7",
];
const KINDS: &[&str] = &["bridge", "bond", "lag", "vlan", ""];
const MACS: &[&str] = &[
    "02:00:00:00:00:09",
    "02:00:00:00:00:10",
    "02:00:00:00:00:11",
    "01:00:5e:00:00:01",
    "ff:ff:ff:ff:ff:ff",
    "00:00:00:00:00:00",
    "02:00",
    "",
];
const BRIDGE_OPTIONS: &[&str] = &[
    "stp_state",
    "forcevers",
    "priority",
    "hello_time",
    "max_age",
    "forward_delay",
    "ageing_time",
    "group_address",
    "group_fwd_mask",
    "tx_hold_count",
    "mcast_snooping",
    "mcast_querier",
    "mcast_igmp_version",
    "mcast_mld_version",
    "mcast_hash_max",
    "mcast_query_interval",
    "mcast_last_member_count",
    "mcast_router",
    "vlan_filtering",
    "nosuch",
];
const BOND_OPTIONS: &[&str] = &[
    "mode",
    "miimon",
    "updelay",
    "downdelay",
    "xmit_hash_policy",
    "lacp_rate",
    "lb_fill",
    "arp_interval",
    "arp_ip_target",
    "primary",
    "primary_reselect",
    "active_slave",
    "min_links",
    "fail_over_mac",
    "ad_select",
    "num_grat_arp",
    "packets_per_slave",
    "ad_actor_system",
    "nosuch",
];
const MEMBER_OPTIONS: &[&str] = &[
    "state",
    "cost",
    "priority",
    "guard",
    "root_block",
    "hairpin",
    "isolated",
    "learning",
    "flood",
    "mcast_flood",
    "bcast_flood",
    "fastleave",
    "mcast_router",
    "group_fwd_mask",
    "admin_edge",
    "auto_edge",
    "point_to_point",
    "queue_id",
    "prio",
    "nosuch",
];
const VALUES: &[&str] = &[
    "0",
    "1",
    "2",
    "3",
    "on",
    "off",
    "100",
    "200",
    "2000",
    "4096",
    "32768",
    "65535",
    "4294967296",
    "-1",
    "",
    "rstp",
    "stp",
    "802.3ad",
    "active-backup",
    "balance-rr",
    "balance-xor",
    "balance-alb",
    "layer3+4",
    "layer2",
    "fast",
    "slow",
    "linux",
    "resilient",
    "port1",
    "port2",
    "10.0.0.1",
    "01:80:c2:00:00:0e",
    "forwarding",
    "disabled",
    "auto",
    "yes",
    "always",
];

fn options(input: &mut Input<'_>, words: &[&str]) -> Value {
    let count = 1 + input.byte() % 3;
    let one = |_| (input.pick(words).to_owned(), json!(input.pick(VALUES)));
    Value::Object((0..count).map(one).collect())
}

/// Parameters of a method, mostly such as it wants.
pub fn parameters(input: &mut Input<'_>, method: &str) -> Map<String, Value> {
    let mut all = Map::new();
    let mut put = |name: &str, value: Value| drop(all.insert(name.into(), value));
    let maybe = |input: &mut Input<'_>| input.byte().is_multiple_of(3);
    match method {
        "SetDevice" => put("forward", json!(input.byte() & 1 == 1)),
        "AddLink" | "SetLink" => {
            if method == "AddLink" {
                put("name", json!(input.pick(NEW)));
                let kind = input.pick(KINDS);
                put("type", json!(kind));
                if kind == "vlan" {
                    put("link", json!(input.pick(DEVICES)));
                    let id = input.pick(&["1", "7", "4094", "4095", "x"]);
                    let protocol = input.pick(&["802.1Q", "802.1ad", "nosuch"]);
                    put("options", json!({ "id": id, "protocol": protocol }));
                }
            } else {
                put("name", json!(input.pick(DEVICES)));
                if maybe(input) {
                    put("master", json!(input.pick(DEVICES)));
                }
                if maybe(input) {
                    put("member_options", options(input, MEMBER_OPTIONS));
                }
            }
            if maybe(input) {
                put("address", json!(input.pick(MACS)));
            }
            if maybe(input) {
                put(
                    "mtu",
                    json!(input.pick(&[0, 67, 68, 1500, 1982, 1983, u64::MAX])),
                );
            }
            if maybe(input) {
                put("up", json!(input.byte() & 1 == 1));
            }
            if maybe(input) {
                let words = input.pick(&[BRIDGE_OPTIONS, BOND_OPTIONS]);
                put("options", options(input, words));
            }
        }
        "DeleteLink" | "ListBuckets" => put("name", json!(input.pick(DEVICES))),
        "Ioctl" => {
            let requests = [
                "addbr",
                "delbr",
                "addif",
                "delif",
                "enslave",
                "release",
                "sethwaddr",
                "nosuch",
            ];
            put("request", json!(input.pick(&requests)));
            put("name", json!(input.pick(DEVICES)));
            if !input.one_in(4) {
                put("port", json!(input.pick(DEVICES)));
            }
        }
        "AddMdb" | "DeleteMdb" => {
            let groups = ["239.1.1.1", "ff02::5", "224.0.0.1", "10.0.0.1", "x"];
            put("dev", json!(input.pick(DEVICES)));
            put("port", json!(input.pick(DEVICES)));
            put("grp", json!(input.pick(&groups)));
            if maybe(input) {
                put(
                    "src",
                    json!(input.pick(&["10.0.0.9", "2001:db8::1", "239.1.1.1", "?"])),
                );
            }
            if maybe(input) {
                put("permanent", json!(true));
            }
        }
        "AddFdb" => {
            put("dev", json!(input.pick(DEVICES)));
            put("mac", json!(input.pick(MACS)));
            let states = ["permanent", "static", "dynamic", "local", "nosuch"];
            put("state", json!(input.pick(&states)));
            if maybe(input) {
                let flags = ["sticky", "extern_learn", "blackhole", "nosuch"];
                put("flags", json!([input.pick(&flags)]));
            }
            if maybe(input) {
                put("replace", json!(input.byte() & 1 == 1));
            }
        }
        "DeleteFdb" | "GetFdb" => {
            put("dev", json!(input.pick(DEVICES)));
            put("mac", json!(input.pick(MACS)));
            if maybe(input) {
                put("vlan", json!(input.byte()));
            }
        }
        "AddVlan" | "DeleteVlan" | "SetVlan" | "SetVlanGlobal" | "SetMst" => {
            put("dev", json!(input.pick(DEVICES)));
            match method {
                "SetMst" => {
                    put("msti", json!(input.byte()));
                    put("state", json!(input.pick(VALUES)));
                }
                _ => put("vid", json!(u16::from(input.byte()) * 17)),
            }
            if method.starts_with("Set") && method != "SetMst" {
                let options = ["state", "neigh_suppress", "msti", "mcast_router", "nosuch"];
                let option = input.pick(&options).to_owned();
                let value = json!(input.pick(VALUES));
                put("options", Value::Object(Map::from_iter([(option, value)])));
            } else if maybe(input) && method != "SetMst" {
                let flags = ["pvid", "untagged", "self", "master", "nosuch"];
                put("flags", json!([input.pick(&flags)]));
            }
        }
        "FlushMdb" => {
            put("dev", json!(input.pick(DEVICES)));
            if maybe(input) {
                put("port", json!(input.pick(DEVICES)));
            }
        }
        "FlushFdb" => {
            put(
                "what",
                json!(input.pick(&["dynamic", "extern_learn", "all", "nosuch"])),
            );
            if maybe(input) {
                put("dev", json!(input.pick(DEVICES)));
            }
        }
        "ListFdb" if maybe(input) => put("dev", json!(input.pick(DEVICES))),
        "ListMdb" | "ListVlans" if maybe(input) => put("dev", json!(input.pick(DEVICES))),
        "ListLinks" | "ListPorts" | "ListLags" | "GetStats" if maybe(input) => {
            put("name", json!(input.pick(DEVICES)));
        }
        _ => {}
    }
    // Something that is not as it should be.
    if input.one_in(16) {
        let odd = [
            json!(null),
            json!(-1),
            json!([1, 2]),
            json!({ "a": "b" }),
            json!("\u{0}"),
        ];
        let at = usize::from(input.byte()) % (all.len() + 1);
        let name = all.keys().nth(at).cloned().unwrap_or("unknown".into());
        let value = odd[usize::from(input.byte()) % odd.len()].clone();
        all.insert(name, value);
    }
    all
}
