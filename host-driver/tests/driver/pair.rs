//! Two switches on register-level cards, with a cable between their first ports and one between their second ones, by one injected clock.

use std::time::Duration;

use smartnic_driver::clock::Clock;
use smartnic_driver::device::MacAddr;
use smartnic_driver::device::host::HostConfig;
use smartnic_driver::netdev::NetError;
use smartnic_driver::switch::Switch;
use smartnic_driver::switch::model::Model;
use smartnic_regs::values::{action, reason, state};
use smartnic_regs::{port, reserved};

use crate::fake::{Fake, SentFrame, Shape};

/// The first port's address of station `n`.
pub fn base(n: u8) -> MacAddr {
    MacAddr([2, 0, 0, 0, n, 0x10])
}

/// A switch on a card of its own.
pub struct Station {
    pub fake: Fake,
    pub switch: Switch,
    seen: usize,
}

impl Station {
    /// Station `n`, set up.
    pub fn new(
        clock: &Clock,
        n: u8,
        set_up: impl FnOnce(&mut Model) -> Result<(), NetError>,
    ) -> Station {
        let fake = Fake::new(Shape::default());
        let config = HostConfig {
            ring_log2: 5,
            ..Default::default()
        };
        let mut switch = Switch::new(fake.transport(), config, base(n)).unwrap();
        switch.set_clock(clock.clone());
        switch.change(set_up).unwrap();
        switch.settle_links().unwrap();
        Station {
            fake,
            switch,
            seen: 0,
        }
    }

    /// Frames that the card was given since the last call, by destination; those that go through the switch are not among them.
    pub fn sent(&mut self) -> Vec<(u32, Vec<u8>)> {
        self.new_frames(|_| true)
    }

    /// The same, without those whose port did not transmit.
    pub fn on_wire(&mut self) -> Vec<(u32, Vec<u8>)> {
        self.new_frames(|frame| frame.on_wire)
    }

    fn new_frames(&mut self, which: impl Fn(&SentFrame) -> bool) -> Vec<(u32, Vec<u8>)> {
        let state = self.fake.state();
        let new = state.sent[self.seen..].iter().filter(|f| which(f));
        let new = new.filter_map(|f| Some((f.direct?, f.data.clone())));
        let new = new.collect();
        self.seen = state.sent.len();
        new
    }

    /// A frame to 01:80:c2:00:00:0`group` comes in, as the card handles it.
    pub fn receive(&mut self, port: u32, frame: &[u8], group: u8) {
        let group = u32::from(group);
        let mut state = self.fake.state();
        assert_eq!(state.get(reserved::ACTION, group), action::TRAP);
        let disabled = port::CONFIG::STATE.get(state.get(port::CONFIG, port)) == state::DISABLED;
        if state.link >> port & 1 == 1 && !disabled {
            let reason = reason::RESERVED + group;
            assert!(state.deliver(frame, port, reason, 1), "no buffer");
        }
        drop(state);
        self.switch.poll().unwrap();
    }
}

/// Two stations and what is between them.
pub struct Pair {
    pub clock: Clock,
    pub ends: [Station; 2],
    /// The protocol that the cables carry: frames to 01:80:c2:00:00:0`group`.
    pub group: u8,
    /// What the cables lose, bit per cable.
    pub lost: u32,
}

impl Pair {
    /// Stations 1 and 2, each made by `station`.
    pub fn new(group: u8, station: impl Fn(&Clock, u8) -> Station) -> Pair {
        let clock = Clock::manual();
        Pair {
            ends: [1, 2].map(|n| station(&clock, n)),
            clock,
            group,
            lost: 0,
        }
    }

    /// Lets time pass, every frame arriving at once.
    pub fn run(&mut self, time: Duration) {
        let protocol = [1, 0x80, 0xc2, 0, 0, self.group];
        let end = self.clock.now() + time;
        loop {
            let mut quiet = true;
            for from in 0..2 {
                self.ends[from].switch.poll().unwrap();
                for (port, frame) in self.ends[from].sent() {
                    quiet = false;
                    if port < 2 && frame.starts_with(&protocol) && self.lost >> port & 1 == 0 {
                        self.ends[1 - from].receive(port, &frame, self.group);
                    }
                }
            }
            let left = end.saturating_sub(self.clock.now());
            match (quiet, left) {
                (true, Duration::ZERO) => return,
                (true, left) => {
                    let next = self.ends.iter().filter_map(|e| e.switch.next_tick()).min();
                    let step = next.unwrap_or(left).max(Duration::from_millis(1));
                    self.clock.advance(step.min(left));
                }
                _ => {}
            }
        }
    }
}
