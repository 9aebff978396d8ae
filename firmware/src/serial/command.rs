//! What each request does.

use super::Fault;
use super::text::{self, Answer, Line, Words};
use crate::bridge;
use crate::bus::Bus;
use crate::link::{Port, State as Place};
use crate::mdio::{self, NoAnswer};
use crate::phy::Speed;
use crate::{PORTS, bridge::host_owns};
use smartnic_regs::pages::{BAR0_BYTES, PAGES};
use smartnic_regs::values::counter;
use smartnic_regs::{board, fdb, global, stats};

/// Version of the protocol: a client refuses another one.
pub const PROTOCOL: u32 = 1;
/// Registers that one `r` reads at most.
const READ_MOST: u32 = 8;
/// Places of the FDB that one `f` looks at: less than a millisecond.
pub const FOUND_PLACES: u32 = 256;
/// Looks at a counter that is being read.
const LOOKS: u32 = 1000;

/// Pages that somebody answers, bit per page: a read of another one would stop the processor.
const ANSWERED: u32 = {
    let (mut pages, mut i) = (0, 0);
    while i < PAGES.len() {
        pages |= 1 << (PAGES[i].base >> 12);
        i += 1;
    }
    pages
};

/// What requests may ask about.
pub struct State<'a> {
    pub ports: &'a [Option<Port>; PORTS],
    /// Ticks since the start.
    pub now: u32,
}

/// The last request: one that comes again, because its answer got lost, is not done again if it wrote.
#[derive(Default)]
pub struct Last {
    tag: Option<u32>,
    wrote: bool,
}

/// Does the request of `line`, and makes its answer.
pub fn execute(
    bus: &mut impl Bus,
    state: &State<'_>,
    line: &Line,
    last: &mut Last,
    answer: &mut Answer,
) {
    answer.clear();
    let mut checked = false;
    let result = line.bytes().and_then(text::check).and_then(|(body, sum)| {
        checked = sum;
        let mut words = Words(body);
        let tag = tag(&mut words)?;
        if let Some(tag) = tag {
            answer.word("#");
            answer.glued(tag, 2);
            // Who tags is a program, and noise can make an end of line in the middle of its request: the front alone is not done.
            if !checked {
                return Err(Fault::Checksum);
            }
        }
        let again = tag.is_some() && tag == last.tag && last.wrote;
        let mut write = false;
        let result = request(bus, state, &mut words, answer, again, &mut write);
        (last.tag, last.wrote) = (tag, write && result.is_ok());
        result
    });
    if let Err(fault) = result {
        answer.word("err");
        answer.hex(fault as u32, 1);
        answer.word(fault.text());
    }
    answer.end(checked);
}

/// `#hh` in front of a request comes back in front of its answer.
fn tag(words: &mut Words<'_>) -> Result<Option<u32>, Fault> {
    let Some((b'#', _)) = words.0.split_first() else {
        return Ok(None);
    };
    let word = words.take();
    let tag = text::number(word.get(1..).unwrap_or(&[]))?;
    if tag > 0xff {
        Err(Fault::Range)
    } else {
        Ok(Some(tag))
    }
}

fn request(
    bus: &mut impl Bus,
    state: &State<'_>,
    words: &mut Words<'_>,
    answer: &mut Answer,
    again: bool,
    is_write: &mut bool,
) -> Result<(), Fault> {
    match words.take() {
        b"r" => read(bus, words, answer),
        b"w" => {
            *is_write = true;
            write(bus, words, answer, again)
        }
        b"c" => count(bus, words, answer),
        b"f" => find(bus, words, answer),
        b"m" => management(bus, words, answer),
        b"version" => version(bus, words, answer),
        b"status" => status(bus, state, words, answer),
        b"help" => {
            words.end()?;
            answer.word("ok r ADDR [N] | w ADDR VALUE | c PORT COUNTER | f INDEX | m BUS PHY REG [VALUE] | version | status; numbers are hex");
            Ok(())
        }
        _ => Err(Fault::Unknown),
    }
}

/// The address of a register: of a page that is there, and not the serial port's own queue.
fn address(words: &mut Words<'_>) -> Result<u32, Fault> {
    let addr = words.number(BAR0_BYTES - 1)?;
    check_address(addr)?;
    Ok(addr)
}

fn check_address(addr: u32) -> Result<(), Fault> {
    let there = addr < BAR0_BYTES && ANSWERED >> (addr >> 12) & 1 == 1;
    if addr & 3 == 0 && there && addr != board::SERIAL_DATA.at(0) {
        Ok(())
    } else {
        Err(Fault::Range)
    }
}

fn read(bus: &mut impl Bus, words: &mut Words<'_>, answer: &mut Answer) -> Result<(), Fault> {
    let addr = address(words)?;
    let count = words.maybe(READ_MOST)?.unwrap_or(1);
    words.end()?;
    if count == 0 {
        return Err(Fault::Range);
    }
    for i in 0..count {
        check_address(addr + 4 * i)?;
    }
    answer.word("ok");
    for i in 0..count {
        let value = bus.read(addr + 4 * i);
        answer.hex(value, 8);
    }
    Ok(())
}

fn write(
    bus: &mut impl Bus,
    words: &mut Words<'_>,
    answer: &mut Answer,
    again: bool,
) -> Result<(), Fault> {
    let addr = address(words)?;
    let value = words.number(u32::MAX)?;
    words.end()?;
    // PHYs, links and LEDs stay the board's; who owns the rest is the owner's to say.
    if addr >> 12 != board::OWNER.at(0) >> 12 || addr == board::OWNER.at(0) {
        ours(bus)?;
    }
    if !again {
        bus.write(addr, value);
    }
    answer.word("ok");
    Ok(())
}

/// Whether the serial line may use what a host uses.
fn ours(bus: &mut impl Bus) -> Result<(), Fault> {
    if bridge::others_own(bus) {
        return Err(Fault::Host);
    }
    Ok(())
}

fn count(bus: &mut impl Bus, words: &mut Words<'_>, answer: &mut Answer) -> Result<(), Fault> {
    let ports = global::CAPS0::PORTS.get(bus.get(global::CAPS0));
    let port = words.number(ports)?;
    let number = words.number(counter::COUNT - 1)?;
    words.end()?;
    ours(bus)?;
    let index = stats::INDEX::COUNTER.put(number) | stats::INDEX::PORT.put(port);
    bus.set(stats::INDEX, index);
    for _ in 0..LOOKS {
        if stats::READY::VALID.get(bus.get(stats::READY)) == 1 {
            answer.word("ok");
            let (low, high) = (bus.get(stats::LO), bus.get(stats::HI));
            answer.hex(high, 8);
            answer.hex(low, 8);
            return Ok(());
        }
    }
    Err(Fault::NoAnswer)
}

/// The next place of the FDB that is in use, from an index on.
fn find(bus: &mut impl Bus, words: &mut Words<'_>, answer: &mut Answer) -> Result<(), Fault> {
    let caps = bus.get(global::CAPS1);
    let tables = 1u32 << (global::CAPS1::FDB_LOG2.get(caps) & 31);
    let places = tables.wrapping_add(global::CAPS1::CAM.get(caps));
    let from = words.number(places)?;
    words.end()?;
    ours(bus)?;
    let end = places.min(from + FOUND_PLACES);
    for index in from..end {
        // A host may take the tables meanwhile.
        ours(bus)?;
        let (result, low, high) = bridge::fdb_entry(bus, index).ok_or(Fault::NoAnswer)?;
        if fdb::RESULT::FOUND.get(result) == 1 {
            answer.word("ok");
            for word in [index, result, low, high] {
                answer.hex(word, 8);
            }
            return Ok(());
        }
    }
    answer.word("ok");
    if end < places {
        answer.hex(end, 8);
    } else {
        answer.word("end");
    }
    Ok(())
}

fn management(bus: &mut impl Bus, words: &mut Words<'_>, answer: &mut Answer) -> Result<(), Fault> {
    let buses = board::BOARD_ID::MDIO_BUSES.get(bus.get(board::BOARD_ID));
    let on = words.number(buses.saturating_sub(1))? as u8;
    let phy = words.number(31)? as u8;
    let register = words.number(31)? as u8;
    let value = words.maybe(0xffff)?;
    words.end()?;
    let at = mdio::Place { bus: on, phy };
    let no_answer = |NoAnswer| Fault::NoAnswer;
    match value {
        Some(value) => {
            mdio::write(bus, at, register, value as u16).map_err(no_answer)?;
            answer.word("ok");
        }
        None => {
            let value = mdio::read(bus, at, register).map_err(no_answer)?;
            answer.word("ok");
            answer.hex(value.into(), 4);
        }
    }
    Ok(())
}

fn version(bus: &mut impl Bus, words: &mut Words<'_>, answer: &mut Answer) -> Result<(), Fault> {
    words.end()?;
    answer.word("ok protocol ");
    answer.decimal(PROTOCOL);
    answer.version();
    let map = bus.get(global::VERSION);
    answer.word("map ");
    answer.decimal(global::VERSION::MAJOR.get(map));
    answer.more(".");
    answer.decimal(global::VERSION::MINOR.get(map));
    answer.word("board ");
    answer.decimal(board::BOARD_ID::BOARD.get(bus.get(board::BOARD_ID)));
    Ok(())
}

/// `ok up TICKS restarts N tables firmware|host`, and for every port `port N LINK PHY flaps N`.
fn status(
    bus: &mut impl Bus,
    state: &State<'_>,
    words: &mut Words<'_>,
    answer: &mut Answer,
) -> Result<(), Fault> {
    words.end()?;
    answer.word("ok up ");
    answer.decimal(state.now);
    answer.word("restarts ");
    answer.decimal(bus.get(board::RESTARTS));
    answer.word("tables ");
    answer.more(if host_owns(bus) { "host" } else { "firmware" });
    for (number, port) in (1..).zip(state.ports.iter().flatten()) {
        answer.word("port ");
        answer.decimal(number);
        let (link, chip) = match (port.state(), port.link()) {
            (Place::Follow(chip) | Place::Found(chip) | Place::Resetting(chip, _), link) => {
                let link = match link {
                    Some(Speed::Ten) => "10",
                    Some(Speed::Hundred) => "100",
                    Some(Speed::Thousand) => "1000",
                    None if port.half() => "half",
                    None => "down",
                };
                (link, chip.name())
            }
            (Place::Search(_) | Place::Held, _) => ("down", "none"),
        };
        answer.word(link);
        answer.word(chip);
        answer.word("flaps ");
        answer.decimal(port.losses().into());
    }
    Ok(())
}
