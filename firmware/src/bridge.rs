//! The board as a switch on its own: what a bridge without STP would set, as long as no host owns the tables (`board::OWNER`).
//!
//! The ports forward by the hardware's reset values. What those leave open is done here: keys of the FDB's hashes (under keys of zeros every address falls into one
//! bucket), ageing after 300 s, reserved addresses (BPDUs go on, the others of 802.1Q table 8-1 stop here, where a host would have got them), and the stations behind a lost link are forgotten.
//! It is done once after a reset of the switch, told by `fdb::AGE_PERIOD`, which reads 0 only then; a restart of the processor changes nothing.
//! The keys are not secret from one who knows to the cycle when the board started: a host that takes over draws its own.

use crate::bus::Bus;
use smartnic_regs::values::{action, fdb_flush, fdb_op, learn};
use smartnic_regs::{board, fdb, global, port, reserved};

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

fn command(bus: &mut impl Bus, op: u32) -> Option<u32> {
    bus.set(fdb::COMMAND, fdb::COMMAND::OP.put(op));
    fdb_result(bus)
}

/// Reads entry `index`; gives its result and its key, or nothing if the FDB does not answer.
pub fn fdb_entry(bus: &mut impl Bus, index: u32) -> Option<(u32, u32, u32)> {
    bus.set(fdb::INDEX, index);
    let result = command(bus, fdb_op::READ)?;
    let key = (bus.get(fdb::RESULT_KEY_LO), bus.get(fdb::RESULT_KEY_HI));
    Some((result, key.0, key.1))
}

/// The link of a port is lost: stations behind it are forgotten, as a bridge does.
pub fn link_lost(bus: &mut impl Bus, number: u32) {
    if host_owns(bus) {
        return;
    }
    bus.set(fdb::DATA, fdb::DATA::DEST.put(number));
    bus.set(fdb::INDEX, fdb_flush::DEST | fdb_flush::DYNAMIC);
    command(bus, fdb_op::FLUSH);
}

/// Sets the switch up if it has just been reset and is ours.
pub fn look_after(bus: &mut impl Bus, ports: u32, seed: u32) {
    let fresh = bus.get(fdb::AGE_PERIOD) == 0;
    if host_owns(bus) || !fresh || global::STATUS::READY.get(bus.get(global::STATUS)) == 0 {
        return;
    }
    keys(bus, ports, seed);
    for n in 0..16 {
        let action = if n == 0 {
            action::FORWARD
        } else {
            action::DROP
        };
        let word = reserved::ACTION::ACTION.put(action);
        bus.set_at(reserved::ACTION, n, word);
    }
    bus.set(fdb::AGE_PERIOD, AGE_PERIOD);
}

/// Draws keys for the hashes: the table must be empty, so nothing is learned meanwhile and what was is forgotten.
fn keys(bus: &mut impl Bus, ports: u32, seed: u32) {
    let learning = port::CONFIG::LEARN;
    let mask = learning.put(learning.max());
    for n in 0..ports {
        let config = bus.get_at(port::CONFIG, n) & !mask;
        bus.set_at(port::CONFIG, n, config);
    }
    bus.set(fdb::INDEX, 0);
    command(bus, fdb_op::FLUSH);
    let mut state = (seed ^ bus.get(global::CYCLES_LO)).max(1);
    for n in [0, 1, 2, 4, 5, 6] {
        bus.set_at(fdb::HASH_KEY, n, xorshift(&mut state));
    }
    for n in 0..ports {
        let config = bus.get_at(port::CONFIG, n) & !mask;
        bus.set_at(port::CONFIG, n, config | learning.put(learn::HARDWARE));
    }
}

/// Marsaglia's generator of 32 bits: never zero.
fn xorshift(state: &mut u32) -> u32 {
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    *state
}
