//! Another reader of our BPDUs: tshark finds every frame well formed, and in it what we find.

use smartnic_slowpath::stp::Protocol;
use smartnic_slowpath::wire::bpdu::{Bpdu, BpduFrame};

use crate::net::{MS, SECOND};
use crate::rapid::ring;

const FIELDS: [&str; 9] = [
    "stp.type",
    "stp.flags",
    "stp.root.hw",
    "stp.root.cost",
    "stp.bridge.hw",
    "stp.port",
    "stp.msg_age",
    "stp.max_age",
    "stp.forward",
];

/// What tshark ought to print of a frame.
fn expected(frame: &[u8]) -> String {
    let bpdu = BpduFrame::parse(frame).unwrap().bpdu;
    let flags = frame[21];
    let Some(m) = bpdu.message() else {
        return ["0x80", "", "", "", "", "", "", "", ""].join("\t");
    };
    let seconds = |units: u16| (f64::from(units) / 256.0).to_string();
    let kind = match bpdu {
        Bpdu::Rst { .. } => "0x02",
        _ => "0x00",
    };
    [
        kind.to_owned(),
        format!("{flags:#04x}"),
        m.root.address.to_string(),
        m.root_path_cost.to_string(),
        m.bridge.address.to_string(),
        format!("{:#06x}", m.port),
        seconds(m.message_age.0),
        seconds(m.max_age.0),
        seconds(m.forward_delay.0),
    ]
    .join("\t")
}

#[test]
fn tshark_reads_every_bpdu() {
    let mut frames = Vec::new();
    for protocol in [Protocol::Stp, Protocol::Rstp] {
        let mut net = ring(4, protocol, MS);
        net.record = Some(Vec::new());
        net.start();
        net.settle(60 * SECOND);
        // A cut, for topology changes in all their forms.
        net.plug(2, false);
        net.settle(60 * SECOND);
        net.plug(2, true);
        net.settle(60 * SECOND);
        frames.extend(net.record.take().unwrap());
    }
    let kinds = |kind: fn(&Bpdu) -> bool| {
        let of = |frame: &[u8]| BpduFrame::parse(frame).is_ok_and(|f| kind(&f.bpdu));
        frames.iter().filter(|(_, frame)| of(frame)).count()
    };
    assert!(kinds(|b| matches!(b, Bpdu::Config { .. })) > 100);
    assert!(kinds(|b| matches!(b, Bpdu::Rst { .. })) > 100);
    assert!(kinds(|b| matches!(b, Bpdu::Tcn)) > 0);

    let bytes: Vec<_> = frames.iter().map(|(_, frame)| frame.clone()).collect();
    let Some(lines) = crate::reader::read(&bytes, &FIELDS) else {
        return;
    };
    for (line, (_, frame)) in lines.into_iter().zip(&frames) {
        assert_eq!(line.join("\t"), expected(frame), "{frame:02x?}");
    }
}
