//! `smartnic-ctl --serial` on a pseudo-terminal whose other end is the board's serial pins.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::mpsc;

use clap::Parser;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::pty::openpty;
use smartnic_driver::cli::args::Cli;
use smartnic_firmware_image::build;
use smartnic_regs::{board, fdb};

use crate::bench::Bench;
use crate::{linked, started, two};

fn ctl(path: &Path, line: &str) -> Result<String, String> {
    let args = ["smartnic-ctl", "--serial", path.to_str().unwrap()];
    let args = args.into_iter().chain(line.split_whitespace());
    let cli = Cli::try_parse_from(args).map_err(|e| e.to_string())?;
    let mut out = Vec::new();
    smartnic_driver::cli::run(&cli, &mut out).map_err(|e| e.to_string())?;
    Ok(String::from_utf8(out).unwrap())
}

struct Terminal {
    master: File,
    slave: File,
}

impl Terminal {
    fn new() -> Self {
        let pty = openpty(None, None).expect("a pseudo-terminal");
        let master = File::from(pty.master);
        fcntl(&master, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
        Self {
            master,
            slave: File::from(pty.slave),
        }
    }

    /// Runs a command while the board runs.
    fn ctl(&mut self, b: &mut Bench, line: &str) -> Result<String, String> {
        let path = std::fs::read_link(format!("/proc/self/fd/{}", self.slave.as_raw_fd())).unwrap();
        let (done, result) = mpsc::channel();
        let (from, start) = (b.now, std::time::Instant::now());
        let asked = line.to_owned();
        let thread = std::thread::spawn(move || done.send(ctl(&path, &asked)));
        // What went over the line: shown when the command fails.
        let mut talk = Vec::new();
        let result = loop {
            let mut bytes = [0; 256];
            match self.master.read(&mut bytes) {
                Ok(count) => {
                    b.line.to.extend(&bytes[..count]);
                    talk.extend_from_slice(&bytes[..count]);
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                Err(e) => panic!("{e}"),
            }
            b.run(400);
            let said = std::mem::take(&mut b.line.from);
            self.master.write_all(&said).unwrap();
            talk.extend_from_slice(&said);
            if let Ok(result) = result.try_recv() {
                break result;
            }
        };
        thread.join().unwrap().unwrap();
        if result.is_err() {
            let errors = b.read(&board::SERIAL_ERRORS, 0);
            println!("errors on the line: {errors:#x}");
            let tail = &talk[talk.len().saturating_sub(1500)..];
            println!("{line}:\n{}", String::from_utf8_lossy(tail));
        }
        println!("{line}: {} cycles, {:?}", b.now - from, start.elapsed());
        result
    }
}

#[test]
fn the_verbs_reach_the_board_through_its_pins() {
    let image = build().expect("the firmware builds");
    let mut b = Bench::new(&image.bytes, two());
    started(&mut b);
    linked(&mut b);
    b.until("the tables are set up", 200, |b| {
        b.read(&fdb::AGE_PERIOD, 0) != 0
    });
    for (from, source, destination) in [(0, 0x11, 0x22), (1, 0x22, 0x11)] {
        assert!(b.frame(from, source, destination).is_some());
    }
    let mut terminal = Terminal::new();
    let said = terminal.ctl(&mut b, "version").unwrap();
    let want = format!(
        "firmware {} register map 1.0 board 1",
        env!("CARGO_PKG_VERSION")
    );
    assert!(said.contains(&want), "{said}");
    let said = terminal.ctl(&mut b, "fdb show").unwrap();
    let mut lines: Vec<&str> = said.lines().collect();
    lines.sort();
    assert_eq!(
        lines,
        [
            "02:00:00:00:00:11 dev port1 offload",
            "02:00:00:00:00:22 dev port2 offload"
        ]
    );
    let said = terminal.ctl(&mut b, "-j stats port1").unwrap();
    assert!(
        said.contains("\"rx_frames\":1,") && said.contains("\"tx_frames\":1,"),
        "{said}"
    );
    let said = terminal.ctl(&mut b, "port").unwrap();
    assert!(
        said.contains("port1  up     1000") && said.contains("port2  up     1000"),
        "{said}"
    );
    let error = terminal.ctl(&mut b, "fdb monitor").unwrap_err();
    assert!(error.contains("need PCIe"), "{error}");
    // A bridge of its own: the switch is the host's from then on, and goes on when the command has ended.
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("lines");
    let lines = "link add br0 type bridge\nlink set port1 master br0 up\nlink set port2 master br0 up\nlink set br0 up\n\
                 fdb add 02:00:00:00:00:33 dev port2 master static";
    std::fs::write(&file, lines).unwrap();
    terminal
        .ctl(&mut b, &format!("batch {}", file.display()))
        .unwrap();
    let owner = board::OWNER::HOST.put(1) | board::OWNER::SERIAL.put(1);
    assert_eq!(b.read(&board::OWNER, 0), owner);
    let said = terminal.ctl(&mut b, "fdb show").unwrap();
    assert!(said.contains("02:00:00:00:00:33"), "{said}");
    assert!(b.frame(0, 0x11, 0x33).is_some());
    assert_eq!(b.frame(1, 0x22, 0x33), None, "the static entry holds");
    let status = b.ask("status");
    assert!(status.contains("tables host port 1 1000"), "{status}");
}
