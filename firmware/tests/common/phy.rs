//! PHYs at register level, written from IEEE 802.3-2022 clauses 22, 28 and 40 and the chips' datasheets: what the MDIO models (at pins or above) answer with.

use std::collections::BTreeMap;

/// Which chip.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Marvell,
    Rtl8211F,
    Rtl8211E,
    /// Some gigabit PHY.
    Gigabit,
    /// Some PHY without gigabit.
    Fast,
}

pub const KINDS: [Kind; 5] = [
    Kind::Marvell,
    Kind::Rtl8211F,
    Kind::Rtl8211E,
    Kind::Gigabit,
    Kind::Fast,
];

/// The far end of the cable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Partner {
    /// Speeds in Mb/s that it can do.
    pub speeds: &'static [u32],
    pub full: bool,
    pub half: bool,
    pub negotiates: bool,
}

impl Partner {
    pub fn full(speeds: &'static [u32]) -> Self {
        Self {
            speeds,
            full: true,
            half: false,
            negotiates: true,
        }
    }
}

const RESET: u16 = 1 << 15;
const NEGOTIATE: u16 = 1 << 12;
const RESTART: u16 = 1 << 9;

/// A PHY.
#[derive(Clone, Debug)]
pub struct Phy {
    pub kind: Kind,
    /// It answers.
    pub alive: bool,
    /// Time, in whatever unit the caller counts.
    pub now: u64,
    /// How long negotiation takes, and a reset.
    pub negotiation: u64,
    pub reset_time: u64,
    partner: Option<Partner>,
    page: u16,
    extension: u16,
    regs: BTreeMap<(u16, u8), u16>,
    up_at: Option<u64>,
    was_lost: bool,
    reset_until: u64,
    /// Everything that was written: page, register, value.
    pub writes: Vec<(u16, u8, u16)>,
}

impl Phy {
    pub fn new(kind: Kind) -> Self {
        let mut phy = Self {
            kind,
            alive: true,
            now: 0,
            negotiation: 1000,
            reset_time: 300,
            partner: None,
            page: 0,
            extension: 0,
            regs: BTreeMap::new(),
            up_at: None,
            was_lost: true,
            reset_until: 0,
            writes: vec![],
        };
        phy.power_up();
        phy
    }

    /// Loses its power and comes back: everything is as the straps say.
    pub fn power_up(&mut self) {
        // Everything is advertised: half duplex and pause too.
        self.regs = BTreeMap::from([((0, 0), 0x1140), ((0, 4), 0x0de1)]);
        if self.gigabit() {
            self.regs.insert((0, 9), 0x0300);
        }
        (self.page, self.extension, self.was_lost) = (0, 0, true);
        self.negotiate();
    }

    pub fn plug(&mut self, partner: Option<Partner>) {
        self.partner = partner;
        self.was_lost = true;
        self.negotiate();
    }

    fn negotiate(&mut self) {
        self.was_lost = true;
        self.up_at = self.partner.map(|_| self.now + self.negotiation);
    }

    fn gigabit(&self) -> bool {
        self.kind != Kind::Fast
    }

    fn value(&self, page: u16, register: u8) -> u16 {
        self.regs.get(&(page, register)).copied().unwrap_or(0)
    }

    /// Both clocks are delayed.
    pub fn delays(&self) -> bool {
        match self.kind {
            Kind::Marvell => self.value(2, 21) & 0x30 == 0x30,
            Kind::Rtl8211F => {
                self.value(0xd08, 0x11) & 0x100 != 0 && self.value(0xd08, 0x15) & 8 != 0
            }
            Kind::Rtl8211E => self.value(0xa4, 28) & 0x3800 == 0x3800,
            Kind::Gigabit | Kind::Fast => true,
        }
    }

    #[allow(dead_code)] // not every test looks at it
    pub fn page(&self) -> u16 {
        self.page
    }

    /// It offers half duplex, or pause.
    pub fn offers_too_much(&self) -> bool {
        self.value(0, 4) & 0x0ca0 != 0 || self.gigabit() && self.value(0, 9) & 0x0100 != 0
    }

    /// Speed and full duplex of the link, if there is one.
    pub fn link(&self) -> Option<(u32, bool)> {
        let partner = self.partner?;
        if self.up_at.is_none_or(|t| self.now < t) || self.value(0, 0) & NEGOTIATE == 0 {
            return None;
        }
        let (ours, ours_1000) = (self.value(0, 4), self.value(0, 9));
        let mut speeds = partner.speeds.to_vec();
        speeds.sort_by_key(|s| std::cmp::Reverse(*s));
        for speed in speeds {
            let (full, half) = match speed {
                1000 => (
                    ours_1000 & 0x200 != 0 && self.gigabit(),
                    ours_1000 & 0x100 != 0 && self.gigabit(),
                ),
                100 => (ours & 0x100 != 0, ours & 0x80 != 0),
                _ => (ours & 0x40 != 0, ours & 0x20 != 0),
            };
            if !partner.negotiates {
                // Parallel detection: the partner's speed, half duplex, whatever is advertised.
                return (speed < 1000).then_some((speed, false));
            }
            if full && partner.full {
                return Some((speed, true));
            }
            if half && partner.half {
                return Some((speed, false));
            }
        }
        None
    }

    fn register_page(&self, register: u8) -> u16 {
        match self.kind {
            _ if register < 16 => 0,
            Kind::Rtl8211E if self.page == 7 && register != 30 => self.extension,
            _ => self.page,
        }
    }

    pub fn read(&mut self, register: u8) -> u16 {
        // Marvell: registers of other pages than 0 are others, below 16 too.
        if self.kind == Kind::Marvell && self.page != 0 && register < 22 {
            return self.value(self.page, register);
        }
        let link = self.link();
        let page = self.register_page(register);
        let partner = self
            .partner
            .filter(|p| p.negotiates && self.up_at.is_some_and(|t| self.now >= t));
        let can = |speed| partner.is_some_and(|p| p.speeds.contains(&speed));
        let (full, half) = (
            partner.is_some_and(|p| p.full),
            partner.is_some_and(|p| p.half),
        );
        let speed_bits = |l: (u32, bool)| match l.0 {
            1000 => 2,
            100 => 1,
            _ => 0u16,
        };
        match (page, register) {
            (0, 0) if self.now < self.reset_until => self.value(0, 0) | RESET,
            (0, 1) => {
                let lost = std::mem::replace(&mut self.was_lost, link.is_none());
                let up = link.is_some() && !lost;
                let extended = if self.gigabit() { 0x100 } else { 0 };
                0x7849 | extended | u16::from(up) << 2 | u16::from(link.is_some()) << 5
            }
            (0, 2) => [0x0141, 0x001c, 0x001c, 0x0022, 0x0007][self.index()],
            (0, 3) => [0x0dd1, 0xc916, 0xc915, 0x1622, 0xc0f1][self.index()],
            (0, 5) => {
                let mut bits = 0;
                for (speed, f, h) in [(10, 0x40, 0x20), (100, 0x100, 0x80)] {
                    if can(speed) {
                        bits |= if full { f } else { 0 };
                        bits |= if half { h } else { 0 };
                    }
                }
                bits | if partner.is_some() { 0x4001 } else { 0 }
            }
            (0, 10) if can(1000) => u16::from(full) << 11 | u16::from(half) << 10,
            (0, 15) if self.gigabit() => 0x3000,
            (0, 17) if matches!(self.kind, Kind::Marvell | Kind::Rtl8211E) => link.map_or(0, |l| {
                speed_bits(l) << 14 | u16::from(l.1) << 13 | 1 << 11 | 1 << 10
            }),
            (0xa43, 0x1a) if self.kind == Kind::Rtl8211F => {
                link.map_or(0, |l| speed_bits(l) << 4 | u16::from(l.1) << 3 | 1 << 2)
            }
            (_, 22) if self.kind == Kind::Marvell => self.page,
            (_, 31) => self.page,
            key => self.value(key.0, key.1),
        }
    }

    fn index(&self) -> usize {
        KINDS.iter().position(|k| *k == self.kind).expect("listed")
    }

    pub fn write(&mut self, register: u8, value: u16) {
        self.writes.push((self.page, register, value));
        match (self.kind, register) {
            (Kind::Marvell, 22) => self.page = value,
            (Kind::Rtl8211F | Kind::Rtl8211E, 31) => self.page = value,
            (Kind::Rtl8211E, 30) if self.page == 7 => self.extension = value,
            (Kind::Marvell, r) if self.page != 0 => {
                self.regs.insert((self.page, r), value);
            }
            (_, 0) => {
                self.regs.insert((0, 0), value & !(RESET | RESTART));
                if value & RESET != 0 {
                    self.reset_until = self.now + self.reset_time;
                }
                if value & (RESET | RESTART) != 0 {
                    self.negotiate();
                }
            }
            (_, r) => {
                self.regs.insert((self.register_page(r), r), value);
            }
        }
    }
}
