//! The loop: each turn kicks the watchdog and does one short piece of work.
//!
//! The longest piece is one port's step, 20 MDIO frames at most (1.2 ms at the usual clock), except the flush of the FDB when the switch was reset.

use crate::bridge;
use crate::bus::Bus;
use crate::clock::{Clock, due};
use crate::image::RUNNING;
use crate::link::{Event, Port};
use crate::serial::Serial;
use crate::{PORTS, VERSION_WORD};
use smartnic_regs::board;

/// Ticks between two looks at the switch's configuration.
const LOOK: u32 = 50;

/// The firmware while it runs.
pub struct App {
    clock: Clock,
    /// A port that the board lacks is `None`.
    ports: [Option<Port>; PORTS],
    count: u32,
    turn: usize,
    serial: Serial,
    look: u32,
    seed: u32,
}

impl App {
    /// Starts on a board. `crc` is the image's: what it says of itself.
    pub fn new(bus: &mut impl Bus, crc: u32) -> Self {
        let id = bus.get(board::BOARD_ID);
        let count = board::BOARD_ID::PORTS.get(id).min(PORTS as u32);
        let own_bus = board::BOARD_ID::MDIO_BUSES.get(id) >= count;
        let ports = core::array::from_fn(|i| {
            let i = i as u32;
            (i < count).then(|| Port::new(bus, i, own_bus))
        });
        bus.set_at(board::IMAGE, 0, VERSION_WORD);
        bus.set_at(board::IMAGE, 1, RUNNING);
        bus.set_at(board::IMAGE, 2, crc);
        let clock = Clock::new(bus);
        Self {
            look: clock.now(),
            clock,
            ports,
            count,
            turn: 0,
            serial: Serial::start(),
            seed: crc,
        }
    }

    /// One turn.
    pub fn turn(&mut self, bus: &mut impl Bus) {
        bus.set(board::WATCHDOG_KICK, 0);
        self.clock.update(bus);
        let now = self.clock.now();
        self.serial.turn(bus, &self.ports, now);
        if due(now, self.look) {
            self.look = now.wrapping_add(LOOK);
            bridge::look_after(bus, self.count, self.seed);
        }
        self.turn = if self.turn + 1 < PORTS {
            self.turn + 1
        } else {
            0
        };
        if let Some(Some(port)) = self.ports.get_mut(self.turn)
            && port.due(now)
            && port.step(bus, now) == Event::Down
        {
            bridge::link_lost(bus, self.turn as u32);
        }
    }

    /// The port of this number.
    pub fn port(&self, number: usize) -> Option<&Port> {
        self.ports.get(number)?.as_ref()
    }
}
