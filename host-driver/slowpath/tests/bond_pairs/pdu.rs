//! What others read: tshark finds every frame that the bonds send well formed, and reads in it what was meant.

use std::time::Duration;

use smartnic_slowpath::MacAddr;
use smartnic_slowpath::wire::marker::{MarkerKind, MarkerPdu};
use smartnic_slowpath::wire::slow::SlowPdu;

use crate::clock::ms;
use crate::net::Net;
use crate::seed::rng;
use crate::shark;

/// What tshark says of frames that were noted with their times.
fn read(frames: &[(Duration, Vec<u8>)], fields: &[&str]) -> Option<Vec<Vec<String>>> {
    let frames: Vec<_> = frames.iter().map(|(_, frame)| frame.clone()).collect();
    shark::read(&frames, fields)
}

#[test]
fn tshark_reads_lacp_and_markers() {
    let mut net = Net::new(
        "802.3ad",
        &[("ad_user_port_key", "5"), ("lacp_rate", "fast")],
        2,
        rng(),
    );
    net.run(ms(10_000), ms(100_000));
    let system = net.bonds[0].address();
    let mut frames = std::mem::take(&mut net.control);
    let fields = [
        "slow.subtype",
        "lacp.actor.sys_priority",
        "lacp.actor.sysid",
        "lacp.actor.key",
        "lacp.actor.state",
        "lacp.partner.sysid",
    ];
    let Some(lines) = read(&frames, &fields) else {
        return;
    };
    assert!(lines.len() > 30);
    let ours = lines
        .iter()
        .rfind(|l| l[2] == system.to_string())
        .expect("a LACPDU of ours");
    let key = 5 << 6 | 9;
    let other = net.bonds[1].address();
    assert_eq!(ours[1], "65535");
    assert_eq!(ours[3].parse(), Ok(key));
    assert_eq!(ours[4], "0x3f");
    assert_eq!(ours[5], other.to_string());
    assert!(lines.iter().all(|l| l[0] == "0x01"));
    let marker = MarkerPdu {
        kind: MarkerKind::Marker,
        requester_port: 3,
        requester_system: MacAddr([2, 0, 0, 0, 0, 9]),
        transaction: 77,
    };
    let pdus = [marker, marker.response()].map(SlowPdu::Marker);
    frames = pdus
        .iter()
        .map(|p| (Duration::ZERO, p.emit_frame(system)))
        .collect();
    let fields = [
        "slow.subtype",
        "marker.requesterPort",
        "marker.requesterTransId",
    ];
    let lines = read(&frames, &fields).expect("tshark was there");
    for line in lines {
        assert_eq!(line, ["0x02", "3", "77"]);
    }
}

#[test]
fn tshark_reads_arp_and_learning_packets() {
    let options = [
        ("arp_interval", "100"),
        ("arp_ip_target", "10.0.0.1,10.0.0.2"),
    ];
    let mut net = Net::new("active-backup", &options, 2, rng());
    net.run(ms(1000), ms(100_000));
    let Some(lines) = read(&net.control, &["arp.opcode", "arp.dst.proto_ipv4"]) else {
        return;
    };
    assert!(
        lines.iter().any(|l| *l == ["1", "10.0.0.1"])
            && lines.iter().any(|l| *l == ["1", "10.0.0.2"])
    );
    let mut net = Net::new("balance-alb", &[], 2, rng());
    net.run(ms(3500), ms(100_000));
    let lines = read(&net.control, &["eth.type"]).expect("tshark was there");
    assert_eq!(lines.len(), 12);
    assert!(lines.iter().all(|l| *l == ["0x9000"]));
}
