//! The board as a switch on its own: what a bridge without STP would set, as long as no host owns the tables (`board::OWNER`).
//!
//! The ports forward by the hardware's reset values. What those leave open is done here: keys of the FDB's hashes (under keys of zeros every address falls into one
//! bucket), ageing after 300 s, reserved addresses (BPDUs go on, the others of 802.1Q table 8-1 stop here, where a host would have got them), and the stations behind a lost link are forgotten.
//! A host may take the tables at any time, and sets up from then on what is set up here: each write asks first whether it has, and is over before a host's reset of the
//! switch is.
//! It is done once after a reset of the switch, told by `fdb::AGE_PERIOD`, which reads 0 only then; a restart of the processor changes nothing.
//! The keys are not secret from one who knows to the cycle when the board started: a host that takes over draws its own.

use crate::bus::Bus;
use smartnic_regs::values::{action, fdb_flush, fdb_op, learn};
use smartnic_regs::{Reg, board, fdb, global, port, reserved};

/// Ticks of a third of 300 s: an entry lives 3 to 4 of them.
pub const AGE_PERIOD: u32 = 100_000;

/// Looks at a command of the FDB: a flush sweeps all entries, a few cycles each.
const LOOKS: u32 = 20_000;

/// Whether a host owns the tables.
pub fn host_owns(bus: &mut impl Bus) -> bool {
    board::OWNER::HOST.get(bus.get(board::OWNER)) == 1
}

/// Whether a host that is not on the serial line owns the tables: it uses the registers of commands (FDB, counters), which know one user.
pub fn others_own(bus: &mut impl Bus) -> bool {
    let owner = bus.get(board::OWNER);
    board::OWNER::HOST.get(owner) == 1 && board::OWNER::SERIAL.get(owner) == 0
}

/// A host has taken the tables: what is left to do is its own.
struct Taken;

/// Writes a register of the switch, if it is still ours.
fn put(bus: &mut impl Bus, reg: Reg, index: u32, value: u32) -> Result<(), Taken> {
    if host_owns(bus) {
        return Err(Taken);
    }
    bus.set_at(reg, index, value);
    Ok(())
}

/// Forgets entries (`values::fdb_flush`), and waits until it is done.
fn flush(bus: &mut impl Bus, which: u32) -> Result<(), Taken> {
    put(bus, fdb::INDEX, 0, which)?;
    put(bus, fdb::COMMAND, 0, fdb::COMMAND::OP.put(fdb_op::FLUSH))?;
    fdb_result(bus);
    Ok(())
}

/// Waits for the FDB; gives the result of the command that ran, or nothing if it does not end.
pub fn fdb_result(bus: &mut impl Bus) -> Option<u32> {
    for _ in 0..LOOKS {
        let result = bus.get(fdb::RESULT);
        if fdb::RESULT::BUSY.get(result) == 0 {
            return Some(result);
        }
    }
    None
}

/// Reads entry `index`; gives its result and its key, or nothing if the FDB does not answer.
pub fn fdb_entry(bus: &mut impl Bus, index: u32) -> Option<(u32, u32, u32)> {
    bus.set(fdb::INDEX, index);
    bus.set(fdb::COMMAND, fdb::COMMAND::OP.put(fdb_op::READ));
    let result = fdb_result(bus)?;
    let key = (bus.get(fdb::RESULT_KEY_LO), bus.get(fdb::RESULT_KEY_HI));
    Some((result, key.0, key.1))
}

/// The link of a port is lost: stations behind it are forgotten, as a bridge does.
pub fn link_lost(bus: &mut impl Bus, number: u32) {
    // A host that has taken the tables flushes by itself.
    let _ = forget(bus, number);
}

fn forget(bus: &mut impl Bus, number: u32) -> Result<(), Taken> {
    put(bus, fdb::DATA, 0, fdb::DATA::DEST.put(number))?;
    flush(bus, fdb_flush::DEST | fdb_flush::DYNAMIC)
}

/// Sets the switch up if it has just been reset and is ours.
pub fn look_after(bus: &mut impl Bus, ports: u32, seed: u32) {
    let fresh = bus.get(fdb::AGE_PERIOD) == 0;
    if fresh && global::STATUS::READY.get(bus.get(global::STATUS)) == 1 {
        // A host that has taken the tables resets the switch, and sets it up itself.
        let _ = set_up(bus, ports, seed);
    }
}

fn set_up(bus: &mut impl Bus, ports: u32, seed: u32) -> Result<(), Taken> {
    keys(bus, ports, seed)?;
    for n in 0..16 {
        let action = if n == 0 {
            action::FORWARD
        } else {
            action::DROP
        };
        let word = reserved::ACTION::ACTION.put(action);
        put(bus, reserved::ACTION, n, word)?;
    }
    put(bus, fdb::AGE_PERIOD, 0, AGE_PERIOD)
}

/// Draws keys for the hashes: the table must be empty, so nothing is learned meanwhile and what was is forgotten.
fn keys(bus: &mut impl Bus, ports: u32, seed: u32) -> Result<(), Taken> {
    let learning = port::CONFIG::LEARN;
    let mask = learning.put(learning.max());
    for n in 0..ports {
        let config = bus.get_at(port::CONFIG, n) & !mask;
        put(bus, port::CONFIG, n, config)?;
    }
    flush(bus, 0)?;
    let mut state = (seed ^ bus.get(global::CYCLES_LO)).max(1);
    for n in [0, 1, 2, 4, 5, 6] {
        put(bus, fdb::HASH_KEY, n, xorshift(&mut state))?;
    }
    for n in 0..ports {
        let config = bus.get_at(port::CONFIG, n) & !mask;
        put(bus, port::CONFIG, n, config | learning.put(learn::HARDWARE))?;
    }
    Ok(())
}

/// Marsaglia's generator of 32 bits: never zero.
fn xorshift(state: &mut u32) -> u32 {
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    *state
}
