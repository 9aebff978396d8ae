//! `smartnic-ctl --card`: the same verbs without the daemon, over a vfio-user socket.

use std::path::Path;

use clap::Parser;
use smartnic_driver::cli::args::Cli;
use smartnic_driver::device::MacAddr;
use smartnic_driver::device::fdb::{FdbData, FdbKey};
use smartnic_regs::port;
use smartnic_regs::values::kind;

use crate::fake::{Fake, Shape};
use crate::harness::DEMO;
use crate::vfio_server;

/// Runs a line on the card served at `card`; its output, or its error and exit code.
fn ctl(card: &Path, line: &str) -> Result<String, (String, u8)> {
    let args = ["smartnic-ctl", "--card", card.to_str().unwrap()];
    let cli = Cli::try_parse_from(args.into_iter().chain(line.split_whitespace()))
        .map_err(|e| (e.to_string(), 1))?;
    let mut out = Vec::new();
    smartnic_driver::cli::run(&cli, &mut out).map_err(|e| (e.to_string(), e.code()))?;
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn a_bridge_is_set_up_without_a_daemon_and_left_at_work() {
    let dir = tempfile::tempdir().unwrap();
    let card = dir.path().join("card.sock");
    let fake = Fake::new(Shape::default());
    let server = vfio_server::serve(fake.clone(), &card, 6);
    // Looking changes nothing.
    let config = port::CONFIG::STATE.put(3);
    fake.state().set(port::CONFIG, 1, config);
    assert!(ctl(&card, "dev").unwrap().contains("running"));
    assert!(ctl(&card, "stats --nonzero").is_ok());
    let key = FdbKey {
        fid: 1,
        mac: MacAddr([2, 7, 7, 7, 0, 1]),
    };
    fake.state().table[0] = Some((key, FdbData::new(1, kind::DYNAMIC)));
    let shown = ctl(&card, "fdb show").unwrap();
    assert!(shown.contains("02:07:07:07:00:01 dev port2"), "{shown}");
    assert_eq!(fake.state().switch_resets, 0);
    assert_eq!(fake.state().get(port::CONFIG, 1), config);
    // A batch sets up all, and what it set up stays.
    let file = dir.path().join("lines");
    std::fs::write(
        &file,
        "# the demo's bridge\n\n".to_owned() + &DEMO.join("\n") + "\nlink show br0 # at last",
    )
    .unwrap();
    let shown = ctl(&card, &format!("batch {}", file.display())).unwrap();
    assert!(shown.contains("br0: <"), "{shown}");
    assert_eq!(fake.state().switch_resets, 1);
    assert_eq!(fake.state().get(port::FORWARD_MASK, 0), 0b1_1111);
    // The next look finds it so.
    ctl(&card, "port").unwrap();
    assert_eq!(fake.state().get(port::FORWARD_MASK, 0), 0b1_1111);
    // A line that fails names itself, and has the exit code of its error.
    std::fs::write(
        &file,
        "link add br0 type bridge\nlink set nope up\nlink add br1 type bridge",
    )
    .unwrap();
    let (error, code) = ctl(&card, &format!("batch {}", file.display())).unwrap_err();
    assert!(
        error.ends_with("lines:2: Cannot find device \"nope\""),
        "{error}"
    );
    assert_eq!(code, 2);
    server.join().unwrap();
}

#[test]
fn a_card_that_cannot_be_opened_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (error, code) = ctl(&dir.path().join("none"), "dev").unwrap_err();
    assert!(
        error.contains("none") && error.contains("smartnic-sim"),
        "{error}"
    );
    assert_eq!(code, 3);
    let (error, code) = ctl(Path::new("pci:7"), "dev").unwrap_err();
    assert!(error.contains("--card"), "{error}");
    assert_eq!(code, 1);
}
