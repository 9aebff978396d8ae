//! Attachments that need no privilege: sockets, captures (tshark reads them too), generators, faults.

#[path = "common/wire.rs"]
mod wire;

use smartnic_lab::skip;
use smartnic_sim::gmii::{Driver, Monitor, Transmission};
use smartnic_sim::ports::Attachment;
use smartnic_sim::ports::capture::{CaptureFile, read_frames};
use smartnic_sim::ports::dgram::Datagram;
use smartnic_sim::ports::generator::{Generator, Plan};
use smartnic_sim::ports::traffic::{Flow, Pace, Sizes};
use smartnic_sim::ports::wrap::{FaultRates, Faulty};
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;
use wire::wire;

fn run(command: &str) -> bool {
    let mut words = command.split_whitespace();
    let out = Command::new(words.next().unwrap())
        .args(words)
        .output()
        .unwrap();
    if !out.status.success() {
        eprintln!("{command}: {}", String::from_utf8_lossy(&out.stderr));
    }
    out.status.success()
}

#[test]
fn datagrams_are_frames() {
    let dir = tempfile::tempdir().unwrap();
    let (local, peer) = (dir.path().join("card"), dir.path().join("qemu"));
    drop(UnixDatagram::bind(&local).unwrap()); // a socket that a dead process left
    let mut port = Datagram::bind(&local, &peer).unwrap();
    let frame = wire(Transmission::new(vec![0x42; 60])).unwrap();
    assert!(!port.link());
    port.deliver(0, &frame).unwrap();
    assert_eq!(port.traffic.lost, 1);
    let other = UnixDatagram::bind(&peer).unwrap();
    other
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    assert!(port.link());
    port.deliver(0, &frame).unwrap();
    let mut buffer = [0; 100];
    assert_eq!(other.recv(&mut buffer).unwrap(), 60);
    assert_eq!(port.poll(0).unwrap(), None);
    other.send_to(&[7; 42], &local).unwrap();
    let got = port.poll(0).unwrap().unwrap();
    assert_eq!((got.frame.len(), &got.frame[..42]), (60, &[7; 42][..]));
    assert!(Datagram::bind(&local, &peer).is_err(), "in use");
    std::fs::write(dir.path().join("file"), "x").unwrap();
    assert!(
        Datagram::bind(&dir.path().join("file"), &peer).is_err(),
        "not a socket"
    );
    drop(port);
    assert!(!local.exists());
}

#[test]
fn captures_play_and_record() {
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (dir.path().join("in.pcapng"), dir.path().join("out.pcapng"));
    let flow = Flow::new(1, 5, [2; 6], [4; 6]);
    let plan = Plan {
        flows: vec![flow.clone()],
        count: 50,
        sizes: Sizes::Range(64, 1518),
        pace: Pace::Gap(12),
        seed: 1,
    };
    let mut source = Generator::new(plan, []);
    let mut record = CaptureFile::open(None, Some(&input)).unwrap();
    let mut frames = Vec::new();
    while let Some(t) = source.poll(0).unwrap() {
        frames.push(t.frame.clone());
        record
            .deliver(frames.len() as u64 * 1_000, &wire(t).unwrap())
            .unwrap();
    }
    record.close().unwrap();
    assert_eq!(read_frames(&input).unwrap(), frames);
    let mut play = CaptureFile::open(Some(&input), Some(&output)).unwrap();
    for frame in &frames {
        assert!(!play.finished());
        assert_eq!(&play.poll(0).unwrap().unwrap().frame, frame);
    }
    assert!(play.finished() && play.poll(0).unwrap().is_none());
    // Other programs' captures are read, and ours by them.
    if let (Some(_), Some(_)) = (skip::tool("editcap"), skip::tool("tshark")) {
        let old = dir.path().join("old.pcap");
        assert!(run(&format!(
            "editcap -F pcap {} {}",
            input.display(),
            old.display()
        )));
        assert_eq!(read_frames(&old).unwrap(), frames);
        let times = [
            "-r",
            input.to_str().unwrap(),
            "-T",
            "fields",
            "-e",
            "frame.time_epoch",
        ];
        let out = Command::new("tshark").args(times).output().unwrap();
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        assert!(text.starts_with("0.000001000\n0.000002000\n"), "{text}");
    }
    std::fs::write(&input, b"not a capture").unwrap();
    for path in [input, dir.path().join("none")] {
        let error = CaptureFile::open(Some(&path), None)
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains(path.to_str().unwrap()), "{error}");
    }
}

#[test]
fn generators_check_and_faults_are_counted() {
    let seed = std::env::var("SEED")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(11);
    println!("SEED={seed}");
    let flows = [
        Flow::new(1, seed, [2; 6], [4; 6]),
        Flow::new(2, seed, [3; 6], [4; 6]),
    ];
    let plan = Plan {
        flows: flows.to_vec(),
        count: 4_001,
        sizes: Sizes::Imix,
        pace: Pace::Load(90.0),
        seed,
    };
    let one = FaultRates {
        drop: 20,
        duplicate: 20,
        bad_fcs: 20,
        error: 20,
        runt: 20,
        false_carrier: 20,
    };
    let source = Generator::new(plan, []);
    let mut source = Faulty::new(source, one, seed);
    let quiet = Plan {
        flows: vec![],
        count: 0,
        sizes: Sizes::Imix,
        pace: Pace::Gap(12),
        seed,
    };
    let mut sink = Generator::new(quiet, flows.clone());
    let (mut driver, mut monitor) = (Driver::new(), Monitor::new());
    let (mut good, mut bad_fcs, mut errors, mut runts) = (0, 0, 0, 0);
    loop {
        if driver.waiting() == 0
            && let Some(t) = source.poll(0).unwrap()
        {
            driver.send(t);
        }
        let busy = driver.busy();
        if let Some(r) = monitor.clock(driver.clock()) {
            let (short, ok) = (r.frame.len() < 60, r.fcs_ok && !r.error);
            bad_fcs += u64::from(!r.fcs_ok && !r.error);
            errors += u64::from(r.error);
            runts += u64::from(short);
            if ok && !short {
                good += 1;
                sink.deliver(0, &r).unwrap();
            }
        }
        if !busy {
            break;
        }
    }
    let c = source.counts;
    assert_eq!((bad_fcs, errors, runts), (c.bad_fcs, c.errors, c.runts));
    assert_eq!(monitor.false_carriers, c.false_carriers);
    assert_eq!(
        good,
        4_001 + c.duplicated - c.dropped - c.bad_fcs - c.errors - c.runts
    );
    assert!(
        [c.dropped, c.duplicated, c.bad_fcs, c.errors, c.runts]
            .iter()
            .all(|n| *n > 100)
    );
    let stats = flows
        .each_ref()
        .map(|f| sink.checker.stats(f.id).unwrap().clone());
    let lost: u64 = stats[0].lost(2_001) + stats[1].lost(2_000);
    assert_eq!(lost, c.dropped + c.bad_fcs + c.errors + c.runts);
    assert_eq!(stats[0].duplicates + stats[1].duplicates, c.duplicated);
    assert_eq!((sink.corrupt, sink.bad, sink.checker.foreign), (0, 0, 0));
}
