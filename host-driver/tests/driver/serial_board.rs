//! A board behind a pseudo-terminal: the true firmware over a fake card, and what can go wrong on the line.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use clap::Parser;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::pty::openpty;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use smartnic_driver::cli::args::Cli;
use smartnic_firmware::{App, Bus};
use smartnic_regs::{board, global};

use crate::fake::{Fake, Shape};

/// What goes wrong on the line.
#[derive(Clone, Copy, Default)]
pub struct Mood {
    /// One byte in so many is garbled, each way; 0: none.
    pub noise: u32,
    /// So many answers come with a wrong first character.
    pub spoiled: u32,
    /// Nothing comes back.
    pub dead: bool,
    /// After so many bytes of answers the firmware starts again, once.
    pub restart_after: Option<u32>,
    /// This in the answers becomes that: other firmware. Checksums are made good.
    pub lie: Option<(&'static str, &'static str)>,
}

/// The firmware's registers: the fake card's, and the line.
struct Registers {
    fake: Fake,
    cycles: u32,
    to: Vec<u8>,
    from: Vec<u8>,
}

impl Bus for Registers {
    fn read(&mut self, addr: u32) -> u32 {
        if addr == global::CYCLES_LO.addr {
            self.cycles = self.cycles.wrapping_add(1000);
            return self.cycles;
        }
        if addr == board::SERIAL_DATA.addr {
            return if self.to.is_empty() {
                0
            } else {
                0x100 | u32::from(self.to.remove(0))
            };
        }
        if addr == board::SERIAL_STATUS.addr {
            return board::SERIAL_STATUS::TX_READY.put(1);
        }
        if addr == board::MDIO_STATUS.addr {
            return 0x1_ffff;
        }
        self.fake.state().read(addr)
    }
    fn write(&mut self, addr: u32, value: u32) {
        if addr == board::SERIAL_DATA.addr {
            self.from.push(value as u8);
        } else if addr != board::WATCHDOG_KICK.addr {
            self.fake.state().write(addr, value);
        }
    }
}

/// A board behind a pseudo-terminal.
pub struct Board {
    pub fake: Fake,
    pub path: PathBuf,
    mood: Arc<Mutex<Mood>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    // Kept open, so that the terminal stays there between two commands.
    _slave: File,
}

fn good_sums(text: &str) -> String {
    let line = |l: &str| match l.trim_end().rsplit_once('*') {
        Some((body, _)) => format!("{body}*{:02x}\r\n", body.bytes().fold(0, |s, b| s ^ b)),
        None => l.to_owned(),
    };
    text.split_inclusive('\n').map(line).collect()
}

fn garble(rng: &mut ChaCha8Rng, noise: u32, bytes: &mut [u8]) {
    for byte in bytes {
        if noise > 0 && rng.random_range(0..noise) == 0 {
            *byte = rng.random();
        }
    }
}

impl Board {
    pub fn new(shape: Shape) -> Self {
        let pty = openpty(None, None).expect("a pseudo-terminal");
        let slave = File::from(pty.slave);
        let path = std::fs::read_link(format!("/proc/self/fd/{}", slave.as_raw_fd())).unwrap();
        let mut master = File::from(pty.master);
        fcntl(&master, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
        let fake = Fake::new(shape);
        let id = board::BOARD_ID::BOARD.put(1) | board::BOARD_ID::PORTS.put(shape.ports);
        fake.state().set(board::BOARD_ID, 0, id);
        let mut bus = Registers {
            fake: fake.clone(),
            cycles: 0,
            to: vec![],
            from: vec![],
        };
        let (mood, stop) = (
            Arc::new(Mutex::new(Mood::default())),
            Arc::new(AtomicBool::new(false)),
        );
        let (its_mood, its_stop) = (mood.clone(), stop.clone());
        let mut rng = crate::rng("serial");
        let thread = std::thread::spawn(move || {
            let mut app = App::new(&mut bus, 1);
            let mut sent = 0;
            while !its_stop.load(Ordering::Relaxed) {
                let mut bytes = [0; 256];
                let idle = match master.read(&mut bytes) {
                    Ok(count) => {
                        let mood = *its_mood.lock().unwrap();
                        garble(&mut rng, mood.noise, &mut bytes[..count]);
                        bus.to.extend_from_slice(&bytes[..count]);
                        false
                    }
                    Err(e) if e.kind() == ErrorKind::WouldBlock => bus.to.is_empty(),
                    // No program has the terminal open.
                    Err(_) => true,
                };
                app.turn(&mut bus);
                let mut mood = its_mood.lock().unwrap();
                let mut out = std::mem::take(&mut bus.from);
                if let Some((this, that)) = mood.lie {
                    // A whole line, so that its sum can be made good.
                    while !out.is_empty() && !out.ends_with(b"\n") {
                        app.turn(&mut bus);
                        out.append(&mut bus.from);
                    }
                    out = good_sums(&String::from_utf8_lossy(&out).replace(this, that)).into();
                }
                if let Some(limit) = mood.restart_after
                    && sent + out.len() as u32 > limit
                {
                    out.truncate((limit - sent.min(limit)) as usize);
                    mood.restart_after = None;
                    app = App::new(&mut bus, 1);
                }
                for first in out.iter_mut().filter(|b| **b == b'#') {
                    if mood.spoiled > 0 {
                        mood.spoiled -= 1;
                        *first = b'?';
                    }
                }
                garble(&mut rng, mood.noise, &mut out);
                sent += out.len() as u32;
                if mood.restart_after.is_none() {
                    sent = 0;
                }
                if !mood.dead {
                    let _ = master.write_all(&out);
                }
                drop(mood);
                if idle {
                    std::thread::sleep(std::time::Duration::from_micros(200));
                }
            }
        });
        // The firmware has set the switch up, and will not do it again.
        crate::harness::eventually("the firmware is up", || {
            fake.state().get(smartnic_regs::fdb::AGE_PERIOD, 0) != 0
        });
        Self {
            fake,
            path,
            mood,
            stop,
            thread: Some(thread),
            _slave: slave,
        }
    }

    pub fn mood(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    pub fn ctl(&self, line: &str) -> Result<String, (String, u8)> {
        ctl(&self.path, line)
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Runs a line over a serial port; its output, or its error and exit code.
pub fn ctl(path: &Path, line: &str) -> Result<String, (String, u8)> {
    let args = ["smartnic-ctl", "--serial", path.to_str().unwrap()];
    let cli = Cli::try_parse_from(args.into_iter().chain(line.split_whitespace()))
        .map_err(|e| (e.to_string(), 1))?;
    let mut out = Vec::new();
    smartnic_driver::cli::run(&cli, &mut out).map_err(|e| (e.to_string(), e.code()))?;
    Ok(String::from_utf8(out).unwrap())
}
