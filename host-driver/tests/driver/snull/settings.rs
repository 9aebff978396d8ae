//! What every device has, set by iproute2's words: names, queues, flags, with the core's codes; and the link messages of each.

use serde_json::{Value, json};
use smartnic_netdev::snull;

use super::{pair, refused};

#[test]
fn settings_of_every_device_by_their_words() {
    let running = pair(snull::Config::default());
    let link = |name: &str| {
        let links: Value = running.call("ListLinks", json!({ "name": name })).unwrap();
        links["links"][0].clone()
    };
    let has = |name: &str, flag: &str| {
        let link = link(name);
        link["flags"].as_array().unwrap().contains(&json!(flag))
    };
    running.ctl_ok(&[
        "link set sn0 txqueuelen 7 promisc on allmulticast on",
        "link set dev sn0 arp on multicast off dynamic on",
    ]);
    assert_eq!(link("sn0")["txqlen"], 7);
    for (flag, on) in [
        ("PROMISC", true),
        ("ALLMULTI", true),
        ("NOARP", false),
        ("MULTICAST", false),
        ("DYNAMIC", true),
    ] {
        assert_eq!(has("sn0", flag), on, "{flag}");
    }
    running.ctl_ok(&["link set sn0 promisc off allmulticast off multicast on qlen 100"]);
    assert_eq!(link("sn0")["txqlen"], 100);
    for (flag, on) in [("PROMISC", false), ("ALLMULTI", false), ("MULTICAST", true)] {
        assert_eq!(has("sn0", flag), on, "{flag}");
    }
    // Another name, together with other things; its interface in the kernel goes by it.
    let index = link("sn0")["ifindex"].clone();
    running.ctl_ok(&["link set sn0 down name left mtu 1300", "link set left up"]);
    let left = link("left");
    assert_eq!((&left["ifindex"], &left["mtu"]), (&index, &json!(1300)));
    assert!(has("left", "UP"));
    assert_eq!(running.kernel.state("left").unwrap().mtu, 1300);
    running.ctl_ok(&["link set left name sn%d"]);
    assert_eq!(link("sn0")["ifindex"], index);
    for (line, said) in [
        ("link set sn0 name sn1", "already"),
        ("link set sn0 name a/b", "EINVAL"),
        ("link set sn0 name abcdefghijklmnop", "EINVAL"),
        ("link set sn0 promisc maybe", "on or off"),
        ("link set sn0 txqueuelen many", "number"),
        ("link set sn0 carrier off", "EOPNOTSUPP"),
        ("link set nobody promisc on", "Cannot find device"),
        ("link set sn0 promisc", "needs a value"),
        ("link set sn0 promisc on promisc off", "duplicate"),
    ] {
        let text = refused(&running, line);
        assert!(text.contains(said), "{line}: {text}");
    }
    assert_eq!(link("sn0")["txqlen"], 100);
}
