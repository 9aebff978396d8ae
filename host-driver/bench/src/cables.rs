//! Whole drivers over cards at register level, with cables between them and one clock that stands still while they work.

use std::time::Duration;

use smartnic_bench::Error;
use smartnic_driver::clock::Clock;
use smartnic_driver::device::MacAddr;
use smartnic_driver::device::host::HostConfig;
use smartnic_driver::netdev::NetError;
use smartnic_driver::switch::Switch;
use smartnic_driver::switch::model::Model;
use smartnic_fake::{Fake, Shape};
use smartnic_regs::values::{reason, state};
use smartnic_regs::{Reg, port};

/// A driver and its card.
pub struct Station {
    /// The card.
    pub fake: Fake,
    /// The driver.
    pub switch: Switch,
}

impl Station {
    /// The `n`-th driver, set up by `set_up`.
    pub fn new(
        n: u8,
        clock: &Clock,
        host: HostConfig,
        set_up: impl FnOnce(&mut Model) -> Result<(), NetError>,
    ) -> Result<Self, NetError> {
        let fake = Fake::new(Shape::default());
        let base = MacAddr([2, 0, 0, 0, n, 0x10]);
        let mut switch = Switch::new(fake.transport(), host, base)?;
        switch.set_clock(clock.clone());
        switch.change(set_up)?;
        switch.settle_links()?;
        Ok(Self { fake, switch })
    }

    /// A register of the card.
    pub fn get(&self, reg: Reg, index: u32) -> u32 {
        self.fake.state().get(reg, index)
    }

    /// The state of a port (`values::state`).
    pub fn port_state(&self, number: u32) -> u32 {
        port::CONFIG::STATE.get(self.get(port::CONFIG, number))
    }

    /// A control frame comes in, as the card handles it.
    fn receive(&self, number: u32, frame: &[u8]) {
        let mut card = self.fake.state();
        let off = port::CONFIG::STATE.get(card.get(port::CONFIG, number)) == state::DISABLED;
        if card.link >> number & 1 == 1 && !off {
            let reason = reason::RESERVED + u32::from(frame[5]);
            card.deliver(frame, number, reason, 1);
        }
    }
}

/// Two drivers, cables between their first and between their second ports.
pub struct Pair {
    /// What both live by.
    pub clock: Clock,
    /// The drivers.
    pub ends: [Station; 2],
    /// Cables that lose all, bit per cable.
    pub lost: u32,
}

impl Pair {
    /// Two drivers, each set up by `set_up` with its number.
    pub fn new(set_up: impl Fn(u8, &mut Model) -> Result<(), NetError>) -> Result<Self, NetError> {
        let clock = Clock::manual();
        let end = |n| {
            let host = HostConfig {
                ring_log2: 5,
                ..HostConfig::default()
            };
            Station::new(n, &clock, host, |model| set_up(n, model))
        };
        Ok(Self {
            ends: [end(1)?, end(2)?],
            clock,
            lost: 0,
        })
    }

    /// Takes the link of a cable down at both ends.
    pub fn cut(&mut self, cable: u32) -> Result<(), NetError> {
        for end in &mut self.ends {
            end.fake.state().set_link(cable, false);
            end.switch.check_links()?;
        }
        Ok(())
    }

    /// Carries control frames until nobody has any more to say at this instant.
    fn settle(&mut self) -> Result<(), NetError> {
        loop {
            let mut quiet = true;
            for from in 0..2 {
                self.ends[from].switch.poll()?;
                let sent = std::mem::take(&mut self.ends[from].fake.state().sent);
                for frame in sent {
                    quiet = false;
                    let Some(cable) = frame.direct.filter(|d| *d < 2) else {
                        continue;
                    };
                    if self.lost >> cable & 1 == 0 && frame.data.starts_with(&[1, 0x80, 0xc2]) {
                        let to = &mut self.ends[1 - from];
                        to.receive(cable, &frame.data);
                        to.switch.poll()?;
                    }
                }
            }
            if quiet {
                return Ok(());
            }
        }
    }

    /// Lets time pass until `done`; says how much it was. An error after `most`.
    pub fn until(
        &mut self,
        most: Duration,
        done: impl Fn(&Self) -> bool,
    ) -> Result<Duration, Error> {
        let began = self.clock.now();
        loop {
            self.settle()?;
            let passed = self.clock.now() - began;
            if done(self) {
                return Ok(passed);
            }
            if passed > most {
                return Err(format!("not after {passed:?}").into());
            }
            let next = self.ends.iter().filter_map(|e| e.switch.next_tick()).min();
            let step = next.unwrap_or(most).max(Duration::from_millis(1));
            self.clock.advance(step);
        }
    }

    /// Lets so much time pass.
    pub fn run(&mut self, time: Duration) -> Result<(), Error> {
        let end = self.clock.now() + time;
        self.until(2 * time, |pair| pair.clock.now() >= end)
            .map(drop)
    }
}
