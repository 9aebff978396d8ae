//! Ports: each finds its PHY, configures it, and follows its link into `board::LINK`.
//!
//! A port has work each [`POLL`] ticks, of a few MDIO frames; the loop gives it to one port a turn, so that the serial line never waits longer than its queue lasts.
//!
//! A lost link counts at once: the switch must not send into it, and a LAG must choose another member. A link that comes counts once it has
//! stayed for a time that doubles with each loss, from [`STEADY_LEAST`] to [`STEADY_MOST`] ticks, and starts over after [`CALM`] ticks of peace: a link that flaps
//! moves stations and LAG members around only so often. Half duplex is no link: the MAC would send into collisions.

use crate::bus::Bus;
use crate::clock::due;
use crate::led::{self, Show};
use crate::mdio::{NoAnswer, Place};
use crate::phy::{Chip, Speed, Status};
use smartnic_regs::board;

/// Ticks between two looks at a link.
pub const POLL: u32 = 10;
/// Ticks between two looks for a PHY that is not there, once every address has been tried.
pub const SEARCH: u32 = 100;
/// Ticks that a link must stay before it counts: at first, and at most.
pub const STEADY_LEAST: u32 = 20;
/// See [`STEADY_LEAST`].
pub const STEADY_MOST: u32 = 2_560;
/// Ticks after which an old loss is forgotten.
pub const CALM: u32 = 10_000;
/// Ticks between two checks that a PHY is still configured.
pub const VERIFY: u32 = 1_000;
/// Reads in a row without an answer after which a PHY is gone.
pub const MISSES: u8 = 3;
/// Looks for a PHY without an answer after which it is reset by its pin, and for how many ticks.
pub const REVIVE: u8 = 100;
/// See [`REVIVE`]: the 88E1512 asks for 10 ms.
pub const HOLD: u32 = 20;
/// Ticks that a PHY may take to come out of a reset: then it is taken for one that does not answer.
pub const RESET_MOST: u32 = 500;

/// Where a port stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Looks for a PHY: at this address next.
    Search(u8),
    /// Its PHY is held in reset.
    Held,
    /// Has found it.
    Found(Chip),
    /// It comes out of a reset, since this time.
    Resetting(Chip, u32),
    /// Follows its link.
    Follow(Chip),
}

/// A port and its PHY.
#[derive(Clone, Debug)]
pub struct Port {
    number: u32,
    place: Place,
    /// The address is fixed: several PHYs share the bus.
    fixed: bool,
    /// The fastest that the board can do.
    most: Speed,
    state: State,
    next: u32,
    verify: u32,
    misses: u8,
    looks: u8,
    /// The link as the switch has it.
    shown: Option<Speed>,
    /// A link that has not stayed long enough yet, and since when.
    coming: Option<(Speed, u32)>,
    steady: u32,
    lost_at: u32,
    losses: u16,
    half: bool,
}

/// Core clock that 1000 Mb/s need, in Hz: with a slower one 100 Mb/s are the most.
const GIGABIT_CLOCK: u32 = 125_000_000;

fn fastest(bus: &mut impl Bus) -> Speed {
    match bus.get(board::CLOCK) < GIGABIT_CLOCK {
        true => Speed::Hundred,
        false => Speed::Thousand,
    }
}

/// What a port did that others must know of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// Nothing.
    None,
    /// Its link went away.
    Down,
}

impl Port {
    /// Port `number` of a board with `buses` MDIO buses: a bus for each port, or one for all with addresses that count as the ports do. What the switch has of the link
    /// stays until the PHY says more: after a restart of the processor it is right.
    pub fn new(bus: &mut impl Bus, number: u32, own_bus: bool) -> Self {
        let link = bus.get_at(board::LINK_STATUS, number);
        let speed = match board::LINK_STATUS::SPEED.get(link) {
            0 => Speed::Ten,
            1 => Speed::Hundred,
            _ => Speed::Thousand,
        };
        let n = number as u8;
        let (on, phy) = if own_bus { (n, 0) } else { (0, n) };
        Self {
            number,
            place: Place { bus: on, phy },
            fixed: !own_bus,
            most: fastest(bus),
            state: State::Search(0),
            next: 0,
            verify: 0,
            misses: 0,
            looks: 0,
            shown: (board::LINK_STATUS::UP.get(link) == 1).then_some(speed),
            coming: None,
            steady: STEADY_LEAST,
            lost_at: 0,
            losses: 0,
            half: false,
        }
    }

    /// The link as the switch has it.
    pub fn link(&self) -> Option<Speed> {
        self.shown
    }
    /// Where it stands.
    pub fn state(&self) -> State {
        self.state
    }
    /// Where its PHY is, or is looked for.
    pub fn place(&self) -> Place {
        self.place
    }
    /// Losses of the link since the start; stays at its largest.
    pub fn losses(&self) -> u16 {
        self.losses
    }
    /// There is a link, of half duplex (or of a speed that the board cannot do).
    pub fn half(&self) -> bool {
        self.half
    }
    /// Whether it has work.
    pub fn due(&self, now: u32) -> bool {
        due(now, self.next)
    }

    /// Does what is due.
    pub fn step(&mut self, bus: &mut impl Bus, now: u32) -> Event {
        self.next = now.wrapping_add(POLL);
        let result = match self.state {
            State::Search(address) => {
                self.search(bus, now, address);
                return self.after_search(bus, now);
            }
            State::Held => {
                self.hold(bus, false);
                self.state = State::Search(0);
                return Event::None;
            }
            State::Found(chip) => self.configure(bus, now, chip),
            State::Resetting(chip, since) => self.wait(bus, now, chip, since),
            State::Follow(chip) => self.follow(bus, now, chip),
        };
        match result {
            Ok(event) => {
                self.misses = 0;
                event
            }
            Err(NoAnswer) => self.missed(bus, now),
        }
    }

    fn search(&mut self, bus: &mut impl Bus, now: u32, address: u8) {
        if !self.fixed {
            self.place.phy = address;
        }
        if let Ok(chip) = Chip::identify(bus, self.place) {
            self.state = State::Found(chip);
            self.looks = 0;
            self.next = now;
        } else if self.fixed || address >= 31 {
            self.state = State::Search(0);
            self.next = now.wrapping_add(SEARCH);
            self.looks = self.looks.saturating_add(1);
        } else {
            self.state = State::Search(address + 1);
            self.next = now;
        }
    }

    /// A whole round without an answer: the port has no link, and after many its PHY is reset.
    fn after_search(&mut self, bus: &mut impl Bus, now: u32) -> Event {
        if self.state != State::Search(0) {
            return Event::None;
        }
        if self.looks >= REVIVE {
            self.looks = 0;
            self.hold(bus, true);
            self.state = State::Held;
            self.next = now.wrapping_add(HOLD);
        }
        led::set(bus, self.number, Show::Fault);
        self.lose(bus, now)
    }

    fn hold(&self, bus: &mut impl Bus, held: bool) {
        let others = bus.get(board::PHY_RESET) & !(1 << self.number);
        let own = u32::from(held) << self.number;
        bus.set(board::PHY_RESET, others | own);
    }

    fn missed(&mut self, bus: &mut impl Bus, now: u32) -> Event {
        self.misses += 1;
        if self.misses < MISSES {
            return Event::None;
        }
        self.misses = 0;
        self.state = State::Search(0);
        led::set(bus, self.number, Show::Fault);
        self.lose(bus, now)
    }

    fn configure(&mut self, bus: &mut impl Bus, now: u32, chip: Chip) -> Result<Event, NoAnswer> {
        let started_again = chip.configure(bus, self.place, self.most)?;
        self.verify = now.wrapping_add(VERIFY);
        led::set(bus, self.number, Show::Link);
        self.half = false;
        if started_again {
            self.state = State::Resetting(chip, now);
            return Ok(self.lose(bus, now));
        }
        // From here on the link is what this says, whatever the PHY tells in-band.
        if let Some(speed) = self.shown {
            let word = board::LINK::SPEED.put(speed as u32) | board::LINK::UP.put(1);
            bus.set_at(board::LINK, self.number, word);
        }
        self.state = State::Follow(chip);
        self.next = now;
        Ok(Event::None)
    }

    fn wait(
        &mut self,
        bus: &mut impl Bus,
        now: u32,
        chip: Chip,
        since: u32,
    ) -> Result<Event, NoAnswer> {
        if !chip.resetting(bus, self.place)? {
            self.state = State::Follow(chip);
        } else if due(now, since.wrapping_add(RESET_MOST)) {
            self.state = State::Search(0);
        }
        Ok(Event::None)
    }

    fn follow(&mut self, bus: &mut impl Bus, now: u32, chip: Chip) -> Result<Event, NoAnswer> {
        if due(now, self.verify) {
            self.verify = now.wrapping_add(VERIFY);
            if !chip.intact(bus, self.place, self.most)? {
                self.state = State::Found(chip);
            }
            // A step stays short: the link is looked at in the next one.
            self.next = now;
            return Ok(Event::None);
        }
        let status = chip.status(bus, self.place)?;
        let half = status.up && !self.usable(status);
        if half != self.half {
            self.half = half;
            let show = if half { Show::Fault } else { Show::Link };
            led::set(bus, self.number, show);
        }
        Ok(self.take(bus, now, status))
    }

    /// The MAC can work with such a link.
    fn usable(&self, status: Status) -> bool {
        status.full && status.speed <= self.most
    }

    fn take(&mut self, bus: &mut impl Bus, now: u32, status: Status) -> Event {
        let link = (status.up && self.usable(status)).then_some(status.speed);
        let mut event = Event::None;
        if self.shown.is_some() && (status.lost || link != self.shown) {
            event = self.lose(bus, now);
        }
        if status.lost {
            self.coming = None;
        }
        let Some(speed) = link else {
            self.coming = None;
            return event;
        };
        if self.shown.is_some() {
            if due(now, self.lost_at.wrapping_add(CALM)) {
                self.steady = STEADY_LEAST;
            }
            return event;
        }
        match self.coming {
            Some((was, since)) if was == speed => {
                if due(now, since.wrapping_add(self.steady)) {
                    self.gain(bus, speed);
                }
            }
            _ => self.coming = Some((speed, now)),
        }
        event
    }

    fn gain(&mut self, bus: &mut impl Bus, speed: Speed) {
        // The speed first: the port starts with its clocks right.
        let word = board::LINK::SPEED.put(speed as u32);
        bus.set_at(board::LINK, self.number, word);
        bus.set_at(board::LINK, self.number, word | board::LINK::UP.put(1));
        self.shown = Some(speed);
        self.coming = None;
    }

    fn lose(&mut self, bus: &mut impl Bus, now: u32) -> Event {
        self.coming = None;
        let before = self.shown.take();
        let word = board::LINK::SPEED.put(before.unwrap_or_default() as u32);
        if before.is_none() {
            // Down, and not what the PHY tells in-band either.
            let now = bus.get_at(board::LINK, self.number);
            if board::LINK::INBAND.get(now) == 1 {
                bus.set_at(board::LINK, self.number, word);
            }
            return Event::None;
        }
        bus.set_at(board::LINK, self.number, word);
        if self.losses > 0 && !due(now, self.lost_at.wrapping_add(CALM)) {
            self.steady = (2 * self.steady).min(STEADY_MOST);
        }
        self.lost_at = now;
        self.losses = self.losses.saturating_add(1);
        Event::Down
    }
}
