//! A board behind its serial line: registers by the line protocol of docs/serial.md, spoken by the board's firmware. No DMA, no interrupts.
//!
//! Every request carries a tag and a checksum. One whose answer is late, garbled or lost is repeated; the firmware does not do a write twice that comes again with its tag. If the
//! board starts again meanwhile, reads are repeated and a write is an error, since nobody knows whether it was done.
//!
//! Covered by `tests/driver/serial.rs`, and through a board's serial pins by `firmware/image/tests/board`.

mod line;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use smartnic_regs::pages::BAR0_BYTES;

use super::dma::{DmaBuffer, DmaMemory};
use super::{BAR_REGISTERS, Found, PciError, PciTransport, Shortcuts, Vector};

pub use line::{Line, Tty};

/// Version of the line protocol that this driver speaks.
pub const PROTOCOL: u32 = 1;
/// How long an answer may take: a search of the FDB some milliseconds, a simulated board a thousand times as long.
const TIMEOUT: Duration = Duration::from_secs(2);
/// How often a request is sent to a board that is silent.
const SILENT_ATTEMPTS: u32 = 3;
/// How often a request is sent on a line that garbles it or its answer: with one byte in 400 wrong a request of 40 bytes fails one time in ten, so eight times in a row one in 10^8.
const NOISY_ATTEMPTS: u32 = 8;
/// Longest line that can be an answer.
const MAX_LINE: usize = 256;

/// What the firmware says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FirmwareVersion {
    /// The firmware's version.
    pub version: String,
    /// Version of the register map.
    #[serde(rename = "register_map")]
    pub map: String,
    /// Number of the board.
    pub board: u32,
}

/// A board behind a serial line.
pub struct Serial<L: Line> {
    line: L,
    name: String,
    tag: u8,
    input: Vec<u8>,
    firmware: FirmwareVersion,
}

/// What came for a request.
enum Answer {
    /// The words behind `ok`.
    Ok(Vec<String>),
    /// `err`, and why.
    Err(String),
    /// Garbled on its way there: to be sent again.
    Garbled,
    /// The board has started again.
    Started,
    /// Garbled on its way here, or no answer at all.
    Noise,
    /// To an earlier request.
    Other,
}

fn checksum(text: &str) -> u8 {
    text.bytes().fold(0, |sum, byte| sum ^ byte)
}

/// A line without its checksum, if that is right.
fn checked(line: &str) -> Option<&str> {
    let (body, sum) = line.rsplit_once('*')?;
    let right = sum.len() == 2 && u8::from_str_radix(sum, 16) == Ok(checksum(body));
    right.then_some(body)
}

fn judge(line: &str, tag: &str) -> Answer {
    if line.starts_with("! start") {
        return Answer::Started;
    }
    let Some(body) = checked(line) else {
        // An error without a tag: the board could not read the request.
        return match line.starts_with("err ") {
            true => Answer::Garbled,
            false => Answer::Noise,
        };
    };
    let mut words = body.split(' ');
    match (words.next(), words.next()) {
        (Some(t), Some("ok")) if t == tag => Answer::Ok(words.map(str::to_owned).collect()),
        (Some(t), Some("err")) if t == tag => match words.clone().next() {
            // Its checksum did not fit.
            Some("5") => Answer::Garbled,
            _ => Answer::Err(words.collect::<Vec<_>>().join(" ")),
        },
        // The board could not read the request's tag.
        (Some("err"), _) => Answer::Garbled,
        _ => Answer::Other,
    }
}

impl Serial<Tty> {
    /// Opens a serial port and greets the board behind it.
    pub fn open(path: &Path) -> Result<Self, PciError> {
        let name = format!("serial:{}", path.display());
        let line = Tty::open(path).map_err(|source| PciError::Open {
            device: name.clone(),
            reason: line::explain(&source),
        })?;
        Self::over(line, name)
    }
}

impl<L: Line> Serial<L> {
    /// A board behind `line`; `name` is for messages.
    pub fn over(line: L, name: String) -> Result<Self, PciError> {
        // Tags of an earlier program's last request are not begun with.
        let tag = rand::random();
        let firmware = FirmwareVersion {
            version: String::new(),
            map: String::new(),
            board: 0,
        };
        let mut serial = Self {
            line,
            name,
            tag,
            input: Vec::new(),
            firmware,
        };
        serial.greet()?;
        Ok(serial)
    }

    fn greet(&mut self) -> Result<(), PciError> {
        let words = self.request("version", true).map_err(|error| match error {
            PciError::Line { device, reason } => PciError::Open { device, reason },
            other => other,
        })?;
        let value = |name: &str| {
            let at = words.iter().position(|w| w == name)?;
            words.get(at + 1).cloned()
        };
        let said = words.join(" ");
        let text = |name: &str| {
            value(name).ok_or_else(|| self.wrong(format!("\"{said}\" does not say its {name}")))
        };
        let protocol = text("protocol")?;
        if protocol != PROTOCOL.to_string() {
            let reason = format!(
                "its firmware speaks version {protocol} of the line protocol, this program knows {PROTOCOL}: use the smartnic-ctl of the firmware's version"
            );
            return Err(PciError::Open {
                device: self.name.clone(),
                reason,
            });
        }
        self.firmware = FirmwareVersion {
            version: text("smartnic-firmware")?,
            map: text("map")?,
            board: text("board")?.parse().unwrap_or_default(),
        };
        Ok(())
    }

    /// What the firmware says of itself.
    pub fn firmware(&self) -> &FirmwareVersion {
        &self.firmware
    }

    fn wrong(&self, reason: String) -> PciError {
        PciError::Protocol {
            device: self.name.clone(),
            reason,
        }
    }

    fn io(&self, error: &std::io::Error) -> PciError {
        PciError::Line {
            device: self.name.clone(),
            reason: line::explain(error),
        }
    }

    /// Sends a request until it is answered. `repeatable`: it may be done twice.
    fn request(&mut self, text: &str, repeatable: bool) -> Result<Vec<String>, PciError> {
        self.tag = self.tag.wrapping_add(1);
        let tag = format!("#{:02x}", self.tag);
        let body = format!("{tag} {text}");
        // What noise may have begun ends first: an empty line has no answer.
        let bytes = format!("\n{body}*{:02x}\n", checksum(&body));
        let (mut heard, mut noise) = (false, false);
        let (mut silent, mut garbled) = (0, 0);
        while silent < SILENT_ATTEMPTS && garbled < NOISY_ATTEMPTS {
            self.line.send(bytes.as_bytes()).map_err(|e| self.io(&e))?;
            let end = Instant::now() + TIMEOUT;
            loop {
                let Some(line) = self.read_line(end)? else {
                    silent += 1;
                    break;
                };
                heard = true;
                match judge(&line, &tag) {
                    Answer::Ok(words) => return Ok(words),
                    Answer::Err(reason) => {
                        return Err(self.wrong(format!("it refuses \"{text}\": {reason}")));
                    }
                    Answer::Started if !repeatable => {
                        let reason = format!(
                            "it started again while \"{text}\" was under way, which may be done or not: look, and repeat the command"
                        );
                        return Err(self.wrong(reason));
                    }
                    Answer::Other => {
                        noise = true;
                        continue;
                    }
                    Answer::Noise => noise = true,
                    Answer::Garbled | Answer::Started => {}
                }
                // Asked again at once: a board does not do a request twice that comes again with its tag.
                garbled += 1;
                break;
            }
        }
        let reason = match (heard, noise) {
            (false, _) => {
                "nobody answers; is the board on, is it this port, is its firmware running?"
            }
            (_, true) => {
                "it says nothing that makes sense; is it a smartnic's board, at 115200 baud?"
            }
            _ => "it does not understand, however often it is asked; is the line noisy?",
        };
        Err(PciError::Line {
            device: self.name.clone(),
            reason: reason.into(),
        })
    }

    /// The next line, without its end and without anything that is no text; `None` when the time is over.
    fn read_line(&mut self, end: Instant) -> Result<Option<String>, PciError> {
        loop {
            if let Some(at) = self.input.iter().position(|b| matches!(b, b'\n' | b'\r')) {
                let line: Vec<u8> = self.input.drain(..=at).collect();
                let text = String::from_utf8_lossy(&line[..at]).into_owned();
                if text.is_empty() {
                    continue;
                }
                return Ok(Some(text));
            }
            if self.input.len() > MAX_LINE {
                self.input.clear();
            }
            let left = end.saturating_duration_since(Instant::now());
            let mut bytes = [0; 256];
            let count = self
                .line
                .receive(left, &mut bytes)
                .map_err(|e| self.io(&e))?;
            if count == 0 {
                return Ok(None);
            }
            self.input.extend_from_slice(&bytes[..count]);
        }
    }

    fn numbers<const N: usize>(&self, words: &[String]) -> Result<[u32; N], PciError> {
        let mut numbers = [0; N];
        let right = words.len() == N
            && numbers.iter_mut().zip(words).all(|(n, w)| {
                let parsed = u32::from_str_radix(w, 16);
                parsed.map(|v| *n = v).is_ok()
            });
        match right {
            true => Ok(numbers),
            false => Err(self.wrong(format!("{N} numbers expected in \"{}\"", words.join(" ")))),
        }
    }

    fn no_dma<T>(&self, what: &'static str) -> Result<T, PciError> {
        Err(PciError::NoDma {
            device: self.name.clone(),
            what,
        })
    }

    fn check(bar: u8, offset: u32) -> Result<(), PciError> {
        super::in_process::check_range(bar, offset)?;
        match bar {
            BAR_REGISTERS => Ok(()),
            _ => Err(PciError::Range {
                bar,
                offset,
                size: BAR0_BYTES.into(),
            }),
        }
    }
}

impl<L: Line> Shortcuts for Serial<L> {
    fn counter(&mut self, port: u32, number: u32) -> Result<u64, PciError> {
        let words = self.request(&format!("c {port:x} {number:x}"), true)?;
        let [high, low] = self.numbers(&words)?;
        Ok(u64::from(high) << 32 | u64::from(low))
    }

    fn fdb_from(&mut self, index: u32) -> Result<Found, PciError> {
        let words = self.request(&format!("f {index:x}"), true)?;
        match words.as_slice() {
            [end] if end == "end" => Ok(Found::End),
            [_] => {
                let [next] = self.numbers(&words)?;
                // A board that does not get on would be asked for ever.
                match next > index {
                    true => Ok(Found::Nothing { next }),
                    false => Err(self.wrong(format!("it goes back from {index:x} to {next:x}"))),
                }
            }
            _ => {
                let [at, result, key_lo, key_hi] = self.numbers(&words)?;
                match at >= index {
                    true => Ok(Found::Entry {
                        index: at,
                        result,
                        key_lo,
                        key_hi,
                    }),
                    false => Err(self.wrong(format!("it goes back from {index:x} to {at:x}"))),
                }
            }
        }
    }
}

impl<L: Line> PciTransport for Serial<L> {
    fn describe(&self) -> String {
        self.name.clone()
    }
    fn read32(&mut self, bar: u8, offset: u32) -> Result<u32, PciError> {
        Self::check(bar, offset)?;
        let words = self.request(&format!("r {offset:x}"), true)?;
        let [value] = self.numbers(&words)?;
        Ok(value)
    }
    fn write32(&mut self, bar: u8, offset: u32, value: u32) -> Result<(), PciError> {
        Self::check(bar, offset)?;
        let words = self.request(&format!("w {offset:x} {value:x}"), false)?;
        self.numbers::<0>(&words).map(drop)
    }
    fn config_read32(&mut self, _: u16) -> Result<u32, PciError> {
        self.no_dma("its configuration space")
    }
    fn config_write32(&mut self, _: u16, _: u32) -> Result<(), PciError> {
        self.no_dma("its configuration space")
    }
    fn has_dma(&self) -> bool {
        false
    }
    fn shortcuts(&mut self) -> Option<&mut dyn Shortcuts> {
        Some(self)
    }
    fn dma_alloc(&mut self, _: usize) -> Result<DmaMemory, PciError> {
        self.no_dma("rings")
    }
    fn dma_map(&mut self, _: Arc<DmaBuffer>) -> Result<DmaMemory, PciError> {
        self.no_dma("rings")
    }
    fn dma_free(&mut self, _: DmaMemory) -> Result<(), PciError> {
        self.no_dma("rings")
    }
    fn interrupts(&mut self, _: u32) -> Result<Vec<Vector>, PciError> {
        self.no_dma("interrupts")
    }
    fn reset(&mut self) -> Result<(), PciError> {
        self.no_dma("a reset of the function")
    }
}
