//! Another reader of our frames: tshark.

use std::fs::File;
use std::process::Command;
use std::time::Duration;

use pcap_file::pcap::{PcapPacket, PcapWriter};
use smartnic_lab::skip;

/// What tshark finds in these fields of each frame. Nothing may be malformed or have a remark of its expert's, checksums included; `None`, and the test
/// noted as skipped, without tshark.
pub fn read(frames: &[Vec<u8>], fields: &[&str]) -> Option<Vec<Vec<String>>> {
    let tshark = skip::tool("tshark")?;
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("frames.pcap");
    let mut writer = PcapWriter::new(File::create(&path).expect("a file")).expect("a capture");
    for (at, frame) in (0..).zip(frames) {
        let packet = PcapPacket::new(Duration::from_millis(at), frame.len() as u32, frame);
        let packet = packet.expect("a frame");
        writer.write_packet(&packet).expect("a capture");
    }
    drop(writer);
    let mut command = Command::new(tshark);
    command.arg("-r").arg(&path);
    command.args(["-o", "ip.check_checksum:TRUE", "-T", "fields"]);
    for field in ["_ws.malformed", "_ws.expert.severity"]
        .iter()
        .chain(fields)
    {
        command.args(["-e", field]);
    }
    let output = command.output().expect("tshark runs");
    let (said, error) = (output.stdout, String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{error}");
    let said = String::from_utf8(said).expect("text");
    let lines = said.lines().map(|line| line.split('\t').map(str::to_owned));
    let lines: Vec<Vec<String>> = lines.map(Iterator::collect).collect();
    assert_eq!(lines.len(), frames.len(), "{said}{error}");
    for (line, frame) in lines.iter().zip(frames) {
        assert_eq!(
            line[..2],
            ["", ""],
            "malformed, or remarked upon: {line:?} {frame:02x?}"
        );
    }
    Some(lines.into_iter().map(|line| line[2..].to_vec()).collect())
}
