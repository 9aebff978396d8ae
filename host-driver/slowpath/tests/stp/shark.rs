//! Another reader of our BPDUs: tshark finds every frame well formed, and in it what we find.

use std::fs::File;
use std::process::Command;

use pcap_file::pcap::{PcapPacket, PcapWriter};
use smartnic_lab::skip;
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
    let Some(tshark) = skip::tool("tshark") else {
        return;
    };
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

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("stp.pcap");
    let mut writer = PcapWriter::new(File::create(&path).unwrap()).unwrap();
    for (at, frame) in &frames {
        let packet = PcapPacket::new(*at, frame.len() as u32, &frame[..]).unwrap();
        writer.write_packet(&packet).unwrap();
    }
    drop(writer);

    let run = |args: &[&str]| {
        let mut tshark = Command::new(&tshark);
        let out = tshark.arg("-r").arg(&path).args(args).output().unwrap();
        let error = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(out.status.success(), "{error}");
        String::from_utf8(out.stdout).unwrap()
    };
    // Neither malformed nor anything that its expert has to say about.
    assert_eq!(run(&["-Y", "_ws.malformed || _ws.expert || !stp"]), "");
    let mut args = vec!["-T", "fields"];
    FIELDS.iter().for_each(|field| args.extend(["-e", *field]));
    let said = run(&args);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), frames.len());
    for (line, (_, frame)) in lines.into_iter().zip(&frames) {
        assert_eq!(line, expected(frame), "{frame:02x?}");
    }
}
