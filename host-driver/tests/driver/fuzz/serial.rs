//! Both ends of the serial line: whatever a board answers, the driver neither panics nor hangs nor takes a wrong sum; whatever is typed, the firmware answers
//! each line once, and what it refuses changes no register.

use std::io;
use std::time::Duration;

use smartnic_driver::pci::serial::{Line, Serial};
use smartnic_driver::pci::{BAR_REGISTERS, PciTransport, Shortcuts};
use smartnic_firmware::{App, Bus};
use smartnic_regs::{board, global};

use super::Input;
use crate::fake::{Fake, Shape};

fn sum(body: &str) -> u8 {
    body.bytes().fold(0, |sum, byte| sum ^ byte)
}

/// A board that answers the greeting as it should, and then what the input says.
struct Liar {
    input: Vec<u8>,
    greeted: bool,
    out: Vec<u8>,
}

impl Liar {
    fn answer(&mut self, tag: &str) {
        if !self.greeted {
            self.greeted = true;
            let body = format!("{tag} ok smartnic-firmware 0.1.0 protocol 1 map 1.0 board 1");
            self.out
                .extend(format!("{body}*{:02x}\r\n", sum(&body)).bytes());
            return;
        }
        let mut input = Input(&self.input);
        let form = input.byte();
        let count = usize::from(input.byte()).min(input.0.len());
        let (text, rest) = input.0.split_at(count);
        if form & 1 == 1 {
            self.out.extend(text);
        } else {
            // The right tag and sum around any text: what a checksum does not find.
            let word = if form & 2 == 0 { "ok" } else { "err" };
            let text = String::from_utf8_lossy(text).replace(['\n', '\r'], " ");
            let body = format!("{tag} {word} {text}");
            self.out
                .extend(format!("{body}*{:02x}\r\n", sum(&body)).bytes());
        }
        self.input = rest.to_vec();
    }
}

impl Line for Liar {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let text = String::from_utf8_lossy(bytes);
        let tag = text.trim().split(' ').next().unwrap_or_default().to_owned();
        self.answer(&tag);
        Ok(())
    }
    /// Nothing more to say: the time is over at once.
    fn receive(&mut self, _: Duration, bytes: &mut [u8]) -> io::Result<usize> {
        let count = self.out.len().min(bytes.len());
        bytes[..count].copy_from_slice(&self.out[..count]);
        self.out.drain(..count);
        Ok(count)
    }
}

#[test]
fn serial_answers() {
    bolero::check!()
        .with_max_len(1024)
        .for_each(|bytes: &[u8]| {
            let liar = Liar {
                input: bytes.to_vec(),
                greeted: false,
                out: Vec::new(),
            };
            let mut serial = Serial::over(liar, "fuzz".into()).expect("it greets well");
            for n in 0..8 {
                let error = match n % 4 {
                    0 => serial.read32(BAR_REGISTERS, 0).err(),
                    1 => serial.write32(BAR_REGISTERS, 4, 5).err(),
                    2 => serial.counter(1, 2).err(),
                    _ => serial.fdb_from(16).err(),
                };
                if let Some(error) = error {
                    assert!(
                        error.is_gone() && !error.to_string().is_empty(),
                        "{error:?}"
                    );
                }
            }
        });
}

/// The firmware's registers: those of a fake card, and the line.
struct Registers {
    fake: Fake,
    cycles: u32,
    to: Vec<u8>,
    from: Vec<u8>,
    writes: usize,
}

impl Bus for Registers {
    fn read(&mut self, addr: u32) -> u32 {
        if addr == global::CYCLES_LO.addr {
            self.cycles = self.cycles.wrapping_add(1000);
            return self.cycles;
        }
        if addr == board::SERIAL_DATA.addr {
            let byte = self.to.pop();
            return byte.map_or(0, |b| board::SERIAL_DATA::VALID.put(1) | u32::from(b));
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
            self.writes += 1;
            self.fake.state().write(addr, value);
        }
    }
}

#[test]
fn serial_requests() {
    bolero::check!().with_max_len(512).for_each(|bytes: &[u8]| {
        let fake = Fake::new(Shape::default());
        let id = board::BOARD_ID::BOARD.put(1) | board::BOARD_ID::PORTS.put(4);
        fake.state().set(board::BOARD_ID, 0, id);
        let mut bus = Registers {
            fake,
            cycles: 0,
            to: vec![],
            from: vec![],
            writes: 0,
        };
        let mut app = App::new(&mut bus, 1);
        let mut turns = |bus: &mut Registers, line: &[u8]| -> Vec<String> {
            bus.to = line.iter().rev().copied().collect();
            // Enough for the longest line and answer, 16 characters a turn, and to see that nothing more comes.
            for _ in 0..200 {
                app.turn(bus);
            }
            let said = String::from_utf8_lossy(&std::mem::take(&mut bus.from)).into_owned();
            said.lines()
                .filter(|l| !l.is_empty())
                .map(str::to_owned)
                .collect()
        };
        turns(&mut bus, b"");
        for line in bytes.split(|b| matches!(b, b'\n' | b'\r')) {
            let before = bus.fake.state().regs.clone();
            let said = turns(&mut bus, &[line, b"\n"].concat());
            // `help` has several lines.
            assert_eq!(said.is_empty(), line.is_empty(), "{line:?}: {said:?}");
            let refused = said
                .iter()
                .any(|l| l.starts_with("err ") || l.contains(" err "));
            let writes = line.iter().any(|b| b"wW".contains(b));
            if refused && !writes {
                // Reads go by index registers; the configuration is as it was.
                let config = |regs: &std::collections::BTreeMap<u32, u32>| -> Vec<_> {
                    regs.range(0x1000..0x3000).map(|(a, v)| (*a, *v)).collect()
                };
                assert_eq!(
                    config(&bus.fake.state().regs),
                    config(&before),
                    "{line:?}: {said:?}"
                );
            }
        }
        let said = turns(&mut bus, b"\nversion\n").concat();
        assert!(said.contains("smartnic-firmware"), "{said}");
    });
}
