//! tshark reads every kind of query that the bridge sends, and finds nothing malformed in it.

mod mcast;
#[path = "common/shark.rs"]
mod shark;

use mcast::*;
use smartnic_slowpath::mcast::*;
use smartnic_slowpath::wire::membership::RecordKind::*;

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
    let fields = [
        "_ws.col.Protocol",
        "igmp.checksum.status",
        "icmpv6.checksum.status",
        "igmp.type",
        "icmpv6.type",
        "igmp.qqic",
        "icmpv6.mld.qqi",
        "_ws.col.Info",
    ];
    for (igmp, mld, name) in [(2, 1, "IGMPv2"), (3, 2, "IGMPv3")] {
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
        let Some(lines) = shark::read(&frames, &fields) else {
            return;
        };
        let sources = igmp == 3;
        for line in lines {
            let of4 = line[0] == name;
            // The checksum is good (1), and the type is a query's; the interval of 300 s is the code of 288 s where there is one.
            let [qqic4, qqic6] = if sources { ["146", "288"] } else { ["", ""] };
            let wanted = match of4 {
                true => [name, "1", "", "0x11", "", qqic4, ""],
                false => ["ICMPv6", "", "1", "", "130", "", qqic6],
            };
            assert_eq!(line[..7], wanted, "{line:?}");
            assert!(line[7].contains("Query"), "{line:?}");
        }
    }
}
