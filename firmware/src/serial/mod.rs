//! The serial line: one request a line, one answer a line; docs/serial.md is the reference.
//!
//! Nothing here waits: characters are taken as they come and sent as there is room. While an answer goes out the next line is only collected.

mod command;
mod text;

use crate::PORTS;
use crate::bus::Bus;
use crate::link::Port;
use smartnic_regs::board;
use text::{Answer, Line};

pub use command::{FOUND_PLACES, PROTOCOL};
pub use text::{ANSWER_BYTES, LINE_BYTES};

/// Why a request is refused: the number behind `err`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// No such command.
    Unknown = 1,
    /// More than [`LINE_BYTES`] characters.
    TooLong = 2,
    /// Not a number, or a word too few or too many.
    Usage = 3,
    /// A number that is out of range.
    Range = 4,
    /// The checksum is wrong.
    Checksum = 5,
    /// The PHY, or the table that was asked, does not answer.
    NoAnswer = 6,
    /// A host owns the tables.
    Host = 7,
}

impl Fault {
    fn text(self) -> &'static str {
        match self {
            Fault::Unknown => "unknown command: type help",
            Fault::TooLong => "line too long",
            Fault::Usage => "wrong use: type help",
            Fault::Range => "out of range",
            Fault::Checksum => "checksum",
            Fault::NoAnswer => "no answer",
            Fault::Host => "the host owns this",
        }
    }
}

/// The line and its state.
pub struct Serial {
    line: Line,
    answer: Answer,
    /// A line is complete and waits for its turn.
    waiting: bool,
    last: command::Last,
}

/// Characters taken or sent in a turn.
const BUDGET: u32 = 16;

impl Serial {
    /// The line after a start: says so, so that whoever waits for an answer knows that none comes.
    pub fn start() -> Self {
        let mut answer = Answer::new();
        // On a line of its own, whatever was being said before.
        answer.more("\r\n! start");
        answer.version();
        answer.end(false);
        Self {
            line: Line::new(),
            answer,
            waiting: false,
            last: command::Last::default(),
        }
    }

    /// Takes what has come, does what is asked, sends what there is to say.
    pub fn turn(&mut self, bus: &mut impl Bus, ports: &[Option<Port>; PORTS], now: u32) {
        self.receive(bus);
        if self.waiting && self.answer.is_sent() {
            self.waiting = false;
            let state = command::State { ports, now };
            command::execute(bus, &state, &self.line, &mut self.last, &mut self.answer);
            self.line.clear();
        }
        self.send(bus);
    }

    fn receive(&mut self, bus: &mut impl Bus) {
        for _ in 0..BUDGET {
            if self.waiting {
                return;
            }
            let word = bus.get(board::SERIAL_DATA);
            if board::SERIAL_DATA::VALID.get(word) == 0 {
                return;
            }
            match board::SERIAL_DATA::DATA.get(word) as u8 {
                b'\n' | b'\r' => self.waiting = !self.line.is_empty(),
                byte => self.line.push(byte),
            }
        }
    }

    fn send(&mut self, bus: &mut impl Bus) {
        for _ in 0..BUDGET {
            let Some(byte) = self.answer.next() else {
                return;
            };
            if board::SERIAL_STATUS::TX_READY.get(bus.get(board::SERIAL_STATUS)) == 0 {
                return;
            }
            bus.set(board::SERIAL_DATA, byte.into());
            self.answer.sent();
        }
    }
}
