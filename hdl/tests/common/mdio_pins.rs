//! PHYs at the pins of an MDIO bus (IEEE 802.3-2022 clause 22): they see levels and check times.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Nanoseconds in a core cycle.
pub const CYCLE: u64 = 8;

/// What PHYs do with a frame that reaches them.
pub trait Phys {
    /// The register of the PHY at an address; `None` if none answers there.
    fn read(&mut self, phy: usize, register: usize) -> Option<u16>;
    /// Takes what is written.
    fn write(&mut self, phy: usize, register: usize, data: u16);
}

/// Plain registers, by address.
impl Phys for Vec<Option<[u16; 32]>> {
    fn read(&mut self, phy: usize, register: usize) -> Option<u16> {
        self[phy].map(|r| r[register])
    }
    fn write(&mut self, phy: usize, register: usize, data: u16) {
        if let Some(registers) = &mut self[phy] {
            registers[register] = data;
        }
    }
}

/// The PHYs of one bus. They see only pins.
pub struct Bus<P: Phys> {
    pub phys: P,
    /// The answer to the read that runs.
    answer: Option<u16>,
    pub ones: u32,
    /// Bits after the preamble.
    pub taken: Vec<bool>,
    /// What a PHY drives now, and what it will drive at a time.
    pub driving: Option<bool>,
    pub next: Option<(u64, Option<bool>)>,
    pub mdc: bool,
    rise: u64,
    fall: u64,
    /// Of the master's line: the last change, and what it was.
    changed: u64,
    pub line: Option<bool>,
    /// A rise whose hold time is not over, if the master drove then.
    pub hold: Option<u64>,
    pub rises: u64,
    /// Longest answer of a PHY after a rise, in cycles.
    pub delay: u64,
}

impl<P: Phys> Bus<P> {
    pub fn new(phys: P) -> Self {
        Self {
            phys,
            answer: None,
            ones: 0,
            taken: vec![],
            driving: None,
            next: None,
            mdc: false,
            rise: 0,
            fall: 0,
            changed: 0,
            line: None,
            hold: None,
            rises: 0,
            delay: 0,
        }
    }

    fn field(&self, from: usize, bits: usize) -> usize {
        self.taken[from..from + bits]
            .iter()
            .fold(0, |v, b| v << 1 | usize::from(*b))
    }

    /// One cycle: what the master's pins are, and what the line then is.
    pub fn cycle(
        &mut self,
        rng: &mut ChaCha8Rng,
        now: u64,
        mdc: bool,
        master: Option<bool>,
        half: u64,
    ) -> bool {
        if master != self.line {
            assert!(
                !mdc || !self.mdc || now == self.rise,
                "MDIO changes while MDC is high"
            );
            if let Some(rise) = self.hold {
                assert!((now - rise) * CYCLE >= 10, "hold time of 22.3.4");
            }
            self.line = master;
            self.changed = now;
        }
        if let Some((at, value)) = self.next {
            if now >= at {
                self.driving = value;
                self.next = None;
            } else if self.driving.is_some() {
                // Between hold and delay the line may be anything.
                self.driving = Some(rng.random());
            }
        }
        assert!(
            master.is_none() || self.driving.is_none(),
            "master and PHY both drive"
        );
        let level = master.or(self.driving).unwrap_or(true);
        if mdc && !self.mdc {
            assert!(self.rises == 0 || now - self.fall >= half, "MDC's low half");
            self.rises += 1;
            self.rise = now;
            self.hold = master.map(|_| now);
            if master.is_some() {
                assert!((now - self.changed) * CYCLE >= 10, "setup time of 22.3.4");
            }
            self.clocked(rng, now, level, master.is_some());
        }
        if !mdc && self.mdc {
            assert_eq!(now - self.rise, half, "MDC's high half");
            self.fall = now;
        }
        self.mdc = mdc;
        level
    }

    /// A rise of MDC.
    fn clocked(&mut self, rng: &mut ChaCha8Rng, now: u64, level: bool, driven: bool) {
        if self.taken.is_empty() {
            if level {
                self.ones += 1;
                return;
            }
            if self.ones < 32 {
                self.ones = 0;
                return;
            }
        }
        self.taken.push(level);
        let n = self.taken.len();
        if n < 14 {
            return;
        }
        let (start, read) = (self.field(0, 2), self.field(2, 2) == 0b10);
        assert_eq!(start, 0b01, "start of frame");
        assert!(read || self.field(2, 2) == 0b01, "operation");
        let (phy, register) = (self.field(4, 5), self.field(9, 5));
        assert_eq!(driven, !read || n == 14, "who drives bit {n}");
        if read && n == 14 {
            self.answer = self.phys.read(phy, register);
        }
        if let (true, Some(data)) = (read, self.answer) {
            // After this rise the bit that the master takes before the next: a zero, then the data.
            let bit = match n {
                15 => Some(false),
                16..32 => Some(data >> (31 - n) & 1 == 1),
                _ => None,
            };
            if (15..=32).contains(&n) {
                self.next = Some((now + rng.random_range(1..=self.delay), bit));
            }
        }
        if n == 32 {
            if !read {
                assert_eq!(self.field(14, 2), 0b10, "turnaround of a write");
                let data = self.field(16, 16) as u16;
                self.phys.write(phy, register, data);
            }
            self.taken.clear();
            self.ones = 0;
        }
    }
}
