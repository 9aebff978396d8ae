//! tshark reads every kind of query that the bridge sends, and finds nothing malformed in it.

mod mcast;

use std::io::Write as _;

use mcast::*;
use smartnic_lab::skip::tool;
use smartnic_slowpath::mcast::*;
use smartnic_slowpath::wire::membership::RecordKind::*;

/// A capture of these frames (libpcap's format, microseconds, Ethernet).
fn capture(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 0xffff, 1] {
        file.extend(word.to_le_bytes());
    }
    for frame in frames {
        let length = u32::try_from(frame.len()).expect("a frame");
        for word in [0, 0, length, length] {
            file.extend(word.to_le_bytes());
        }
        file.extend(frame);
    }
    file
}

/// Every kind of query of a family and version: general, of a group, of sources with and without the S flag.
fn queries(bridge: &mut Bridge) -> Vec<Vec<u8>> {
    for family in Family::ALL {
        let stream = group(family, 1);
        let s = |n| source(family, n);
        let mut say = |n, said| bridge.receive(1, n, &report(host(family, n), &[said]));
        say(1, (ToInclude, stream, vec![s(1), s(2), s(3)]));
        say(1, (Block, stream, vec![s(1), s(2)]));
        say(2, (Allow, stream, vec![s(1)]));
        bridge.run(secs(2));
        let mut say = |n, said| bridge.receive(1, n, &report(host(family, n), &[said]));
        say(3, (ToExclude, group(family, 2), vec![s(1)]));
        say(3, (ToInclude, group(family, 2), vec![]));
        bridge.receive(1, 3, &leave(host(family, 3), stream));
    }
    bridge.run(secs(300));
    let sent = |output| match output {
        Output::Send { frame, .. } => Some(frame),
        _ => None,
    };
    bridge
        .snooping
        .take_outputs()
        .into_iter()
        .filter_map(sent)
        .collect()
}

#[test]
fn tshark_reads_our_queries() {
    let Some(tshark) = tool("tshark") else {
        return;
    };
    for (igmp, mld, names) in [(2, 1, ["IGMPv2", "ICMPv6"]), (3, 2, ["IGMPv3", "ICMPv6"])] {
        let mut bridge = Bridge::new(1);
        bridge.set(Knob::IgmpVersion, igmp);
        bridge.set(Knob::MldVersion, mld);
        // A time that a byte holds only as a code.
        bridge.set(Knob::QueryResponseInterval, 2000);
        bridge.set(Knob::QueryInterval, 30000);
        bridge.set(Knob::Querier, 1);
        bridge.run(secs(60));
        let frames = queries(&mut bridge);
        assert!(frames.len() > 8, "{}", frames.len());
        let path =
            std::env::temp_dir().join(format!("smartnic-queries-{}-{igmp}", std::process::id()));
        let written =
            std::fs::File::create(&path).and_then(|mut file| file.write_all(&capture(&frames)));
        written.expect("a temporary file");
        let fields = [
            "_ws.col.Protocol",
            "_ws.malformed",
            "_ws.expert.severity",
            "igmp.checksum.status",
            "icmpv6.checksum.status",
            "_ws.col.Info",
        ];
        let fields = fields.iter().flat_map(|field| ["-e", field]);
        let checks = [
            "-o",
            "ip.check_checksum:TRUE",
            "-T",
            "fields",
            "-E",
            "separator=;",
        ];
        let output = std::process::Command::new(&tshark)
            .arg("-r")
            .arg(&path)
            .args(checks)
            .args(fields)
            .output();
        std::fs::remove_file(&path).expect("it is there");
        let output = output.expect("it runs");
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(
            text.lines().count(),
            frames.len(),
            "{text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        for line in text.lines() {
            let mut columns = line.splitn(6, ';');
            let mut next = || columns.next().expect("six columns");
            assert!(names.contains(&next()), "{line}");
            assert_eq!(next(), "", "malformed: {line}");
            assert_eq!(next(), "", "an expert's remark: {line}");
            // 1: good.
            assert!(
                ["1", ""].contains(&next()) && ["1", ""].contains(&next()),
                "{line}"
            );
            assert!(next().contains("Query"), "{line}");
        }
    }
}
