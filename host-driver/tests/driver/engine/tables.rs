//! `fdb`, `mdb`, `vlan`, `mst` and `br` on bridges in software: verbs, flags, filters, words and codes.

use serde_json::{Value, json};
use smartnic_netdev::snull;

use super::linkinfo;
use crate::harness::{Running, start_snull};

fn pair(options: &str) -> Running {
    let running = start_snull(&snull::Config::default());
    running.ctl_ok(&[
        "link set sn0 up",
        "link set sn1 up",
        &format!("link add br0 up type bridge {options}"),
        "link set sn0 master br0",
        "link set sn1 master br0",
    ]);
    running
}

fn refused(running: &Running, cases: &[(&str, &str)]) {
    for (line, why) in cases {
        let (error, _) = running.ctl(line).expect_err(line);
        assert!(error.contains(why), "{line}: {error}");
    }
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn the_forwarding_database_by_every_verb_and_flag() {
    let running = pair("vlan_filtering 1");
    running.ctl_ok(&[
        "fdb add 02:00:00:00:00:01 dev sn0 master static vlan 1",
        "fdb append 02:00:00:00:00:02 dev sn0 master dynamic vlan 1",
        "fdb add 02:00:00:00:00:03 dev sn1 master static sticky vlan 1",
        "fdb add 02:00:00:00:00:04 dev sn1 master extern_learn vlan 1",
        "fdb add 02:00:00:00:00:05 dev br0 local",
        "fdb replace 02:00:00:00:00:01 dev sn1 master static vlan 1",
        "fdb add 01:00:5e:01:02:03 dev sn0 self",
    ]);
    let show = |words: &str| running.ctl(&format!("fdb show {words}")).unwrap();
    let all = show("br br0");
    for line in [
        "02:00:00:00:00:01 dev sn1 vlan 1 master br0 static\n",
        "02:00:00:00:00:02 dev sn0 vlan 1 master br0\n",
        "02:00:00:00:00:03 dev sn1 vlan 1 sticky master br0 static\n",
        "02:00:00:00:00:04 dev sn1 vlan 1 extern_learn master br0\n",
        "02:00:00:00:00:05 dev br0 master br0 permanent\n",
        "02:00:00:00:00:05 dev br0 vlan 1 master br0 permanent\n",
        "00:53:4e:55:4c:30 dev sn0 vlan 1 master br0 permanent\n",
    ] {
        assert!(all.contains(line), "{line}{all}");
    }
    assert!(!all.contains("01:00:5e"));
    assert!(show("dev sn0").contains("01:00:5e:01:02:03 dev sn0 self permanent\n"));
    // Filters.
    assert_eq!(
        show("br br0 brport sn1 vlan 1 state static")
            .lines()
            .count(),
        2
    );
    let dynamic = show("br br0 dynamic");
    assert_eq!(dynamic.lines().count(), 2, "{dynamic}");
    assert_eq!(show("br br0 vlan 7"), "");
    let entry = parsed(
        &running
            .ctl("-j -d -s fdb get 02:00:00:00:00:02 br br0 vlan 1")
            .unwrap(),
    );
    assert_eq!(
        entry,
        json!([{ "mac": "02:00:00:00:00:02", "ifname": "sn0", "vlan": 1, "master": "br0", "flags": ["added_by_user"],
            "state": "", "used": 0, "updated": 0 }])
    );
    running.clock.advance(std::time::Duration::from_secs(7));
    running.ctl_ok(&["link show", "link show"]);
    let text = running
        .ctl("-s fdb get 02:00:00:00:00:02 br br0 vlan 1")
        .unwrap();
    assert_eq!(
        text,
        "02:00:00:00:00:02 dev sn0 vlan 1 used 7/7 master br0\n"
    );
    refused(
        &running,
        &[
            (
                "fdb add 02:00:00:00:00:01 dev sn1 master static vlan 1",
                "EEXIST",
            ),
            (
                "fdb add 02:00:00:00:00:09 dev sn1 master static vlan 7",
                "EINVAL",
            ),
            (
                "fdb add 02:00:00:00:00:09 dev sn1 master local sticky vlan 1",
                "EINVAL",
            ),
            (
                "fdb add 02:00:00:00:00:09 dev sn1 master extern_learn locked vlan 1",
                "EINVAL",
            ),
            (
                "fdb add 02:00:00:00:00:09 dev sn1 master blackhole",
                "flags",
            ),
            ("fdb add 02:00:00:00:00:09 dev sn1 self static", "EINVAL"),
            ("fdb add 01:00:5e:01:02:03 dev sn0 self", "EEXIST"),
            ("fdb del 02:00:00:00:00:09 dev sn1 master", "ENOENT"),
            ("fdb del 02:00:00:00:00:01 dev sn0 master vlan 1", "ENOENT"),
            ("fdb del 02:00:00:00:00:01 dev sn1 master vlan 7", "EINVAL"),
            ("fdb del 02:00:00:00:00:09 dev sn0 self", "ENOENT"),
            ("fdb get 02:00:00:00:00:09 br br0 vlan 1", "ENOENT"),
            ("fdb get 02:00:00:00:00:09 br br9", "Cannot find device"),
            (
                "fdb show br br0 state warm",
                "use permanent, static, reachable or stale",
            ),
            ("fdb flush dev br0 brport br0", "it is no port of br0"),
            ("fdb flush dev br0 nosense", "nosense"),
        ],
    );
    // Conditions of a flush: all have to hold.
    running.ctl_ok(&["fdb flush dev br0 extern_learn"]);
    assert!(!show("br br0").contains("00:04 dev"));
    running.ctl_ok(&["fdb flush dev br0 brport sn1 static nosticky added_by_user"]);
    let left = show("br br0 brport sn1");
    assert!(
        !left.contains("00:00:01 dev") && left.contains("00:00:03 dev"),
        "{left}"
    );
    running.ctl_ok(&["fdb flush dev br0", "fdb flush dev br0 vlan 1 sticky"]);
    let left = show("br br0");
    assert!(
        !left.contains("00:00:02 dev") && !left.contains("00:00:03 dev"),
        "{left}"
    );
    assert!(left.contains("00:00:05 dev br0"), "{left}");
    running.ctl_ok(&[
        "fdb del 02:00:00:00:00:05 dev br0 master",
        "fdb del 01:00:5e:01:02:03 dev sn0 self",
    ]);
    assert!(!show("").contains("02:00:00:00:00:05"));
}

#[test]
fn vlans_of_ports_and_of_the_bridge() {
    let running = pair("vlan_filtering 1 vlan_stats_enabled 1");
    let show = |words: &str| running.ctl(&format!("vlan show {words}")).unwrap();
    assert_eq!(
        show(""),
        "port              vlan-id\nsn0               1 PVID Egress Untagged\nsn1               1 PVID Egress Untagged\n\
         br0               1 PVID Egress Untagged\n"
    );
    running.ctl_ok(&[
        "vlan add dev sn0 vid 10 pvid untagged",
        "vlan add dev sn1 vid 10-12 master",
        "vlan add dev br0 vid 10 self",
        "vlan del dev sn1 vid 11",
    ]);
    assert_eq!(
        show("dev sn1"),
        "port              vlan-id\nsn1               1 PVID Egress Untagged\n                  10\n                  12\n"
    );
    assert_eq!(
        parsed(&running.ctl("-j vlan show vid 10").unwrap()),
        json!([
            { "ifname": "sn0", "vlans": [{ "vlan": 10, "flags": ["PVID", "Egress Untagged"] }] },
            { "ifname": "sn1", "vlans": [{ "vlan": 10, "flags": [] }] },
            { "ifname": "br0", "vlans": [{ "vlan": 10, "flags": [] }] },
        ])
    );
    running.ctl_ok(&[
        "vlan set dev sn0 vid 10 state blocking",
        "vlan set dev sn1 vid 10 neigh_suppress on",
    ]);
    let details = parsed(&running.ctl("-j -d -s vlan show dev sn0 vid 10").unwrap());
    let vlan = &details[0]["vlans"][0];
    assert_eq!(
        (&vlan["state"], &vlan["rx_packets"]),
        (&json!("blocking"), &json!(0))
    );
    let text = running.ctl("-s vlan show dev sn0 vid 10").unwrap();
    assert!(
        text.contains("RX: 0 bytes 0 packets\n") && text.contains("TX: 0 bytes 0 packets\n"),
        "{text}"
    );
    refused(
        &running,
        &[
            ("vlan add dev sn0 vid 0", "EINVAL"),
            ("vlan add dev sn0 vid 4095", "EINVAL"),
            ("vlan add dev sn0 vid 20-30 pvid", "EINVAL"),
            ("vlan add dev sn0 vid 30-20", "EINVAL"),
            ("vlan add dev sn0 vid x", "a VLAN's id"),
            ("vlan add dev sn0", "\"vid\" is missing"),
            ("vlan add dev br0 vid 20", "EOPNOTSUPP"),
            ("vlan add dev sn0 vid 20 self", "EOPNOTSUPP"),
            ("vlan add dev sn9 vid 20", "Cannot find device"),
            ("vlan del dev sn0 vid 20", "ENOENT"),
            ("vlan set dev sn0 vid 20 state blocking", "ENOENT"),
            ("vlan set dev sn0 vid 10 state nowhere", "EINVAL"),
            ("vlan set dev sn0 vid 10 colour red", "EINVAL"),
            ("vlan global set dev br0 vid 10 msti 3", "EINVAL"),
            ("vlan global set dev sn0 vid 10 mcast_querier 1", "EINVAL"),
            ("mst set dev sn0 msti 3 state forwarding", "EOPNOTSUPP"),
        ],
    );
}

#[test]
fn mst_and_options_by_vlan() {
    let running = pair("vlan_filtering 1 vlan_default_pvid 0 mst_enabled 1");
    running.ctl_ok(&[
        "vlan add dev sn0 vid 10-11",
        "vlan global set dev br0 vid 10 msti 3",
        "mst set dev sn0 msti 3 state learning",
    ]);
    assert_eq!(
        parsed(&running.ctl("-j mst show dev sn0").unwrap()),
        json!([{ "ifname": "sn0", "mst": [{ "msti": 3, "state": "learning" }] }])
    );
    assert_eq!(
        running.ctl("mst show").unwrap(),
        "port              msti\nsn0               3\n                    state learning\n"
    );
    let global = parsed(
        &running
            .ctl("-j -d vlan global show dev br0 vid 10")
            .unwrap(),
    );
    assert_eq!(global[0]["vlans"][0]["msti"], 3);
    refused(
        &running,
        &[
            ("mst set dev br0 msti 3 state forwarding", "EINVAL"),
            ("mst set dev sn0 msti 0 state forwarding", "EINVAL"),
        ],
    );
}

#[test]
fn groups_by_every_verb() {
    let running = pair("vlan_filtering 1 mcast_igmp_version 3");
    running.ctl_ok(&[
        "mdb add dev br0 port sn0 grp 239.1.1.1 permanent vid 1",
        "mdb add dev br0 port sn0 grp 239.1.1.2 permanent vid 1 filter_mode include source_list 10.0.0.1,10.0.0.2 proto 186",
        "mdb add dev br0 port br0 grp ff15::1 vid 1",
        "mdb replace dev br0 port sn0 grp 239.1.1.2 permanent vid 1 filter_mode exclude source_list 10.0.0.3",
    ]);
    let show = |words: &str| running.ctl(&format!("mdb show {words}")).unwrap();
    let all = show("dev br0 vid 1");
    for line in [
        "dev br0 port sn0 grp 239.1.1.1 permanent vid 1\n",
        "dev br0 port br0 grp ff15::1 temp vid 1\n",
    ] {
        assert!(all.contains(line), "{line}{all}");
    }
    let details = running.ctl("-d mdb show dev br0").unwrap();
    assert!(
        details.contains("filter_mode exclude source_list 10.0.0.3/"),
        "{details}"
    );
    assert_eq!(show("dev br0 vid 2"), "");
    refused(
        &running,
        &[
            (
                "mdb add dev br0 port sn0 grp 239.1.1.1 permanent vid 1",
                "EEXIST",
            ),
            ("mdb add dev br0 port sn0 grp 10.0.0.1 vid 1", "EINVAL"),
            (
                "mdb add dev br0 port sn0 grp 239.1.1.9 vid 1 filter_mode maybe",
                "EINVAL",
            ),
            ("mdb add dev sn0 port sn0 grp 239.1.1.9", "EINVAL"),
            ("mdb del dev br0 port sn1 grp 239.1.1.1 vid 1", "EINVAL"),
        ],
    );
    running.ctl_ok(&["mdb flush dev br0 port sn0 nopermanent"]);
    assert!(show("dev br0").contains("grp 239.1.1.1 permanent"));
    running.ctl_ok(&[
        "mdb del dev br0 port sn0 grp 239.1.1.1 vid 1",
        "mdb flush dev br0",
    ]);
    assert_eq!(show("dev br0"), "");
}

#[test]
fn brctls_verbs_make_bridges_in_software() {
    let running = start_snull(&snull::Config::default());
    running.ctl_ok(&[
        "link set sn0 up",
        "br addbr br0",
        "br addbr br%d",
        "br addif br0 sn0",
        "br addif br0 sn1",
        "br stp br0 on",
        "br setbridgeprio br0 4096",
        "br setpathcost br0 sn0 77",
    ]);
    let shown = running.ctl("br show br0").unwrap();
    assert!(
        shown.contains("1000.")
            && shown.contains("yes")
            && shown.contains("sn0")
            && shown.contains("sn1"),
        "{shown}"
    );
    assert_eq!(linkinfo(&running, "sn0")["info_slave_data"]["cost"], 77);
    running.ctl_ok(&["link set br0 up"]);
    refused(
        &running,
        &[
            ("br addbr br0", "exists already"),
            ("br addbr a/b", "EINVAL"),
            ("br delbr br7", "ENXIO"),
            ("br delbr sn0", "EPERM"),
            ("br delbr br0", "EBUSY"),
            ("br addif sn0 sn1", "EOPNOTSUPP"),
            ("br addif br0 sn9", "EINVAL"),
            ("br addif br0 br1", "ELOOP"),
            ("br addif br1 sn0", "EBUSY"),
            ("br delif br1 sn0", "EINVAL"),
        ],
    );
    running.ctl_ok(&["br delif br0 sn0", "link set br0 down", "br delbr br0"]);
    assert!(running.ctl("link show br0").is_err());
}
