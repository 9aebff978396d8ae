//! The daemon on the teaching pair: links, VLANs, refusals, lockups and timeouts through the control socket, frames through the kernel's interfaces.

mod bond;
mod ping;
mod settings;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::time::Duration;

use serde_json::{Value, json};
use smartnic_driver::control::NAME;
use smartnic_netdev::snull;

use crate::harness::{Running, eventually, start_snull};

/// A frame of an unknown IPv4 protocol as the kernel sends it on a device that resolves no addresses: to the device's own.
fn ipv4(own: [u8; 6], from: [u8; 4], to: [u8; 4], payload: u8) -> Vec<u8> {
    let mut ip = vec![0x45, 0, 0, 84, 0, 0, 0, 0, 64, 253, 0, 0];
    ip.extend(from.into_iter().chain(to));
    let words = ip.chunks(2).map(|w| u32::from(w[0]) << 8 | u32::from(w[1]));
    let sum: u32 = words.sum();
    let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    let head = own.into_iter().chain(own).chain([8, 0]);
    head.chain(ip).chain([payload; 64]).collect()
}

const SN0: [u8; 6] = *b"\0SNUL0";
const SN1: [u8; 6] = *b"\0SNUL1";

fn receive(end: &UnixDatagram) -> Vec<u8> {
    let mut frame = [0; 2048];
    let length = end.recv(&mut frame).unwrap();
    frame[..length].to_vec()
}

fn stats(running: &Running, name: &str) -> Value {
    let links: Value = running.call("ListLinks", json!({ "name": name })).unwrap();
    links["links"][0]["stats64"].clone()
}

fn refused(running: &Running, line: &str) -> String {
    running.ctl(line).unwrap_err().0
}

fn pair(config: snull::Config) -> Running {
    let running = start_snull(&config);
    running.ctl_ok(&["link set sn0 up", "link set sn1 up"]);
    running
}

#[test]
fn the_pair_without_a_card() {
    let running = start_snull(&snull::Config::default());
    assert_eq!(
        running.ctl("link show").unwrap(),
        "1: sn0: <BROADCAST,MULTICAST,NOARP> mtu 1500 state UNKNOWN\n    link/ether 00:53:4e:55:4c:30 brd ff:ff:ff:ff:ff:ff\n\
         2: sn1: <BROADCAST,MULTICAST,NOARP> mtu 1500 state UNKNOWN\n    link/ether 00:53:4e:55:4c:31 brd ff:ff:ff:ff:ff:ff\n"
    );
    running.ctl_ok(&["link set sn0 up", "link set sn1 up mtu 1400"]);
    let shown = running.ctl("link show sn1").unwrap();
    assert!(
        shown.starts_with("2: sn1: <BROADCAST,MULTICAST,NOARP,UP,LOWER_UP> mtu 1400 state UP\n"),
        "{shown}"
    );
    let looks = running.kernel.state("sn1").unwrap();
    assert_eq!(
        (looks.mtu, looks.up, looks.carrier, looks.noarp),
        (1400, true, true, true)
    );
    // What goes to the remote host of one comes from the remote host of the other.
    let (sn0, sn1) = (running.kernel.end("sn0"), running.kernel.end("sn1"));
    let wanted = |to: [u8; 6], from: [u8; 6], ip_from: [u8; 4], ip_to: [u8; 4]| {
        let mut frame = ipv4(to, ip_from, ip_to, 7);
        frame[6..12].copy_from_slice(&from);
        frame
    };
    sn0.send(&ipv4(SN0, [192, 168, 0, 1], [192, 168, 0, 2], 7))
        .unwrap();
    assert_eq!(
        receive(&sn1),
        wanted(SN1, SN0, [192, 168, 1, 1], [192, 168, 1, 2])
    );
    sn1.send(&ipv4(SN1, [192, 168, 1, 2], [192, 168, 1, 1], 7))
        .unwrap();
    assert_eq!(
        receive(&sn0),
        wanted(SN0, SN1, [192, 168, 0, 2], [192, 168, 0, 1])
    );
    let (a, b) = (stats(&running, "sn0"), stats(&running, "sn1"));
    for (counts, way) in [(&a, "rx"), (&a, "tx"), (&b, "rx"), (&b, "tx")] {
        assert_eq!(
            (&counts[way]["packets"], &counts[way]["bytes"]),
            (&json!(1), &json!(98))
        );
    }
    // Nothing but IPv4 gets through.
    sn0.send(&[0xff; 60]).unwrap();
    eventually("counted", || stats(&running, "sn0")["tx"]["errors"] == 1);
}

#[test]
fn refusals_change_nothing_and_say_why() {
    let running = pair(snull::Config::default());
    let before = running.ctl("-d link show").unwrap();
    for (line, why) in [
        ("link set sn0 mtu 2000", "mtu: sn0 takes 68 to 1500"),
        ("link set sn0 mtu 1400 address 02:00:00:00:00:01", "(EBUSY)"),
        ("link del sn0", "(EOPNOTSUPP)"),
        ("link add lag0 type lag", "there is no card (EOPNOTSUPP)"),
        ("link add sn0.1 type vlan id 1", "is over another one"),
        ("link add link sn0 sn0.1 type vlan", "has an id"),
        (
            "link add link sn9 x type vlan id 1",
            "Cannot find device \"sn9\"",
        ),
        (
            "link add link sn0 sn1 type vlan id 1",
            "\"sn1\": exists already",
        ),
        ("link add link sn0 x type vlan id 4095", "(ERANGE)"),
        ("link add link sn0 x type vlan id 1 gvrp on", "(EOPNOTSUPP)"),
        (
            "link add link sn0 x type vlan id 1 protocol 802.3",
            "(EPROTONOSUPPORT)",
        ),
        ("link add link sn0 x mtu 1501 type vlan id 1", "(EINVAL)"),
        (
            "link add link sn0 x address 01:00:00:00:00:01 type vlan id 1",
            "(EADDRNOTAVAIL)",
        ),
        (
            "link add link sn0 x type vlan id 1 color red",
            "has no such option",
        ),
        ("link set sn0 master sn1", "it is no bridge, lag or bond"),
    ] {
        let error = refused(&running, line);
        assert!(error.contains(why), "{line}: {error}");
        assert_eq!(running.ctl("-d link show").unwrap(), before, "{line}");
    }
    running.ctl_ok(&[
        "link set sn0 down",
        "link add link sn0 sn0.1 type vlan id 1",
    ]);
    let error = refused(&running, "link set sn0.1 up");
    assert!(error.contains("(ENETDOWN)"), "{error}");
    let error = refused(&running, "link add link sn0 x type vlan id 1");
    assert!(error.contains("(EEXIST)"), "{error}");
    // It may have what the device below has, and no more.
    let error = refused(&running, "link set sn0.1 mtu 1501");
    assert!(error.contains("(ERANGE)"), "{error}");
    running.ctl_ok(&["link set sn0 address 02:00:00:00:00:77"]);
    let shown = running.ctl("link show sn0.1").unwrap();
    assert!(
        shown.contains("sn0.1@sn0:") && shown.contains("link/ether 02:00:00:00:00:77"),
        "{shown}"
    );
}

#[test]
fn vlans_cross_the_pair_with_their_tags() {
    let running = pair(snull::Config::default());
    running.ctl_ok(&[
        "link add link sn0 name sn0.10 up type vlan id 10",
        "link add link sn1 name sn1.10 up type vlan id 10",
        "link add link sn0 name ad0 up type vlan id 20 protocol 802.1ad",
        "link add link ad0 name ad0.3 up type vlan id 3",
    ]);
    let end = |name| running.kernel.end(name);
    let sent = ipv4(SN0, [10, 0, 0, 1], [10, 0, 0, 2], 1);
    end("sn0.10").send(&sent).unwrap();
    let mut wanted = ipv4(SN1, [10, 0, 1, 1], [10, 0, 1, 2], 1);
    wanted[6..12].copy_from_slice(&SN0);
    assert_eq!(receive(&end("sn1.10")), wanted);
    // Without a device for its tags there the frame comes to sn1 with both.
    end("ad0.3").send(&sent).unwrap();
    wanted.splice(12..12, [0x88, 0xa8, 0, 20, 0x81, 0, 0, 3]);
    assert_eq!(receive(&end("sn1")), wanted);
    let counted = |name, way: &str| stats(&running, name)[way]["packets"].clone();
    assert_eq!(
        [
            counted("sn0", "tx"),
            counted("sn1", "rx"),
            counted("sn0.10", "tx"),
            counted("sn1.10", "rx"),
            counted("ad0", "tx")
        ],
        [2, 2, 1, 1, 1].map(|n| json!(n))
    );
    let shown: Value = running.call("ListLinks", json!({ "name": "ad0" })).unwrap();
    let info = &shown["links"][0]["linkinfo"];
    assert_eq!(
        (
            &info["info_kind"],
            &info["info_data"]["protocol"],
            &info["info_data"]["id"]
        ),
        (&json!("vlan"), &json!("802.1ad"), &json!("20"))
    );
    assert_eq!(info["info_data"]["offload"]["id"], false);
    // Down with the device below, and up with it; gone with it too.
    running.ctl_ok(&["link set sn0 down"]);
    assert!(!running.kernel.state("ad0.3").unwrap().up);
    running.ctl_ok(&["link set sn0 up", "link del ad0"]);
    assert!(running.kernel.state("sn0.10").unwrap().up);
    assert!(refused(&running, "link show ad0.3").contains("Cannot find device"));
}

#[test]
fn a_transmitter_that_locks_up_is_timed_out_and_loses_nothing() {
    for mode in [snull::Mode::Interrupt, snull::Mode::Polled] {
        let running = pair(snull::Config {
            lockup: 5,
            timeout: Duration::from_millis(80),
            mode,
            ..snull::Config::default()
        });
        let (sn0, sn1) = (running.kernel.end("sn0"), running.kernel.end("sn1"));
        for n in 0..12u8 {
            sn0.send(&ipv4(SN0, [10, 0, 0, 1], [10, 0, 0, 2], n))
                .unwrap();
        }
        // The fifth wedges it: it arrives, and nothing after it.
        for n in 0..5 {
            assert_eq!(receive(&sn1)[34], n);
        }
        assert_eq!(stats(&running, "sn0")["tx"]["packets"], 4);
        for (timeouts, last) in [(1, 10), (2, 12)] {
            assert_eq!(stats(&running, "sn0")["tx"]["errors"], timeouts - 1);
            sn1.set_nonblocking(true).unwrap();
            assert!(sn1.recv(&mut [0; 2048]).is_err(), "not before its time");
            sn1.set_nonblocking(false).unwrap();
            running.clock.advance(Duration::from_millis(81));
            running.ctl_ok(&["link show sn0"]);
            for n in (timeouts * 5)..last {
                assert_eq!(receive(&sn1)[34], n as u8);
            }
            assert_eq!(stats(&running, "sn0")["tx"]["errors"], timeouts);
        }
        assert_eq!(stats(&running, "sn0")["tx"]["packets"], 12);
        assert_eq!(stats(&running, "sn1")["rx"]["packets"], 12);
        let shown = running.ctl("-d link show sn0").unwrap();
        assert!(
            shown.contains("lockup 5 ") && shown.contains("timeout 80"),
            "{shown}"
        );
    }
}

#[test]
fn a_monitor_hears_what_happens_to_links() {
    let running = start_snull(&snull::Config::default());
    let mut monitor = UnixStream::connect(&running.socket).unwrap();
    let call = json!({ "method": format!("{NAME}.MonitorLinks"), "more": true });
    monitor.write_all(format!("{call}\0").as_bytes()).unwrap();
    monitor
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let mut monitor = BufReader::new(monitor);
    let mut next = || -> (String, String, bool) {
        let mut message = Vec::new();
        monitor.read_until(0, &mut message).unwrap();
        message.pop();
        let event: Value = serde_json::from_slice(&message).unwrap();
        let event = &event["parameters"];
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (
            text(&event["event"]),
            text(&event["link"]["ifname"]),
            event["deleted"] == true,
        )
    };
    // The daemon has heard of the monitor when this is answered.
    running.ctl_ok(&["link show"]);
    running.ctl_ok(&[
        "link set sn0 up mtu 1000",
        "link add link sn0 name v type vlan id 1",
        "link del v",
    ]);
    let mut heard = Vec::new();
    while !heard.contains(&("NEWLINK".to_owned(), "v".to_owned(), true)) {
        heard.push(next());
    }
    for (event, name) in [("UP", "sn0"), ("CHANGE_MTU", "sn0"), ("NEWLINK", "v")] {
        assert!(
            heard.contains(&(event.into(), name.into(), false)),
            "{event} {name}: {heard:?}"
        );
    }
}

#[test]
fn a_bridge_in_software_over_the_pair() {
    let running = pair(snull::Config::default());
    running.ctl_ok(&[
        "link add br0 up type bridge vlan_filtering 1 ageing_time 1000",
        "link set sn0 master br0",
        "link set sn1 master br0",
        "port set sn0 isolated on cost 7",
        "link set br0 type bridge vlan_stats_enabled 1",
    ]);
    let links = |name: &str| {
        let links: Value = running.call("ListLinks", json!({ "name": name })).unwrap();
        links["links"][0]["linkinfo"].clone()
    };
    let bridge = links("br0");
    assert_eq!(bridge["info_kind"], "bridge");
    let data = &bridge["info_data"];
    for (key, value) in [
        ("vlan_filtering", 1),
        ("ageing_time", 1000),
        ("vlan_stats_enabled", 1),
    ] {
        assert_eq!(data[key], value, "{key}");
        assert_eq!(data["offload"][key], false, "{key}");
    }
    let port = links("sn0");
    assert_eq!(port["info_slave_kind"], "bridge");
    let data = &port["info_slave_data"];
    assert_eq!(
        (&data["isolated"], &data["cost"]),
        (&json!(true), &json!(7))
    );
    assert_eq!(data["state"], "forwarding");
    for (line, said) in [
        ("link add br0 type bridge", "exists"),
        ("link add br1 type bridge group_fwd_mask 1", "EINVAL"),
        ("link add br1 type bridge nonsense 1", "EINVAL"),
        ("link set br0 type bridge vlan_default_pvid 7", "EPERM"),
        ("port set sn0 mab on", "EINVAL"),
        ("link set br0 mtu 1501", "1500"),
        ("link set br0 master br0", "ELOOP"),
    ] {
        let text = refused(&running, line);
        assert!(text.contains(said), "{line}: {text}");
    }
    assert!(
        running.ctl("link show br1").is_err(),
        "what is refused leaves nothing"
    );
    running.ctl_ok(&["link set sn0 nomaster", "link del br0"]);
    assert!(running.ctl("link show br0").is_err());
    assert!(links("sn1").get("info_slave_kind").is_none());
}
