//! The rules of forwarding written out in plain Rust.

use rand::Rng;

#[derive(Clone, Debug, Default)]
pub struct Config {
    pub state: u64,
    pub learn: u64,
    pub flood: [bool; 3],
    pub hairpin: bool,
    pub isolated: bool,
    pub class: u64,
    pub lag: Option<u64>,
    pub fid: u64,
    pub mask: u64,
}

impl Config {
    pub fn word(&self) -> u64 {
        self.state
            | self.learn << 3
            | (self.flood[0] as u64) << 5
            | (self.flood[1] as u64) << 6
            | (self.flood[2] as u64) << 7
            | (self.hairpin as u64) << 8
            | (self.isolated as u64) << 9
            | self.class << 12
            | (self.lag.is_some() as u64) << 16
            | self.lag.unwrap_or(0) << 17
            | self.fid << 20
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entry {
    pub dest: u64,
    pub kind: u64,
    pub age: u64,
}

#[derive(Clone, Debug, Default)]
pub struct Frame {
    pub source: usize,
    pub host: bool,
    pub dst: u64,
    pub src: u64,
    pub tci: u64,
    pub tagged: u64,
    pub direct: Option<(u64, u64)>,
    pub da: Option<Entry>,
    pub sa: Option<Entry>,
    pub members: Vec<u64>,
    pub hash: u64,
    pub length: u64,
    pub err: bool,
    pub nocell: bool,
    pub head: u64,
}

#[derive(Debug, PartialEq, Default)]
pub struct Outcome {
    pub dest: u64,
    pub class: u64,
    pub reason: u64,
    pub drop: Option<&'static str>,
    pub learn: Option<(u64, u64, u64)>,
    pub no_member: u64,
    pub pruned: bool,
}

pub struct World {
    pub ports: usize,
    pub configs: Vec<Config>,
    pub link: u64,
    pub collecting: u64,
    pub actions: Vec<u64>,
    pub reasons: Vec<u64>,
    pub enable: bool,
}

impl World {
    pub fn resolve(&self, dest: u64, members: &[u64]) -> u64 {
        match dest {
            d if d < self.ports as u64 => 1 << d,
            0x0f => 1 << self.ports,
            d if (0x10..0x20).contains(&d) => self.member(d, members),
            _ => 0,
        }
    }

    /// The member of a group, by the group's destination number; groups that are not there have none.
    fn member(&self, dest: u64, members: &[u64]) -> u64 {
        members.get((dest & 15) as usize).copied().unwrap_or(0)
    }

    /// Bit of an existing group at which nobody takes the frame.
    fn lost_at(&self, dest: u64, members: &[u64]) -> u64 {
        let group = (dest & 15) as usize;
        let lag = dest & 0x30 == 0x10 && members.get(group) == Some(&0);
        (lag as u64) << group
    }

    /// What the end of a frame does: faults of the MAC first, then lack of cells, then the rules.
    pub fn judge_end(&self, f: &Frame) -> Outcome {
        if f.err {
            return Outcome::default();
        }
        if f.nocell {
            return Outcome {
                drop: Some("drop_no_cell"),
                ..Outcome::default()
            };
        }
        self.judge(f)
    }

    /// The rules, in the order of the module's header.
    pub fn judge(&self, f: &Frame) -> Outcome {
        let (n, host) = (self.ports + 1, self.ports);
        let c = &self.configs[f.source];
        let from_host = f.source == host;
        let mut o = Outcome {
            class: c.class,
            ..Outcome::default()
        };
        let src_lag = if from_host { None } else { c.lag };
        if let Some((dest, class)) = f.direct.filter(|_| from_host) {
            o.dest = self.resolve(dest, &f.members);
            o.class = class;
            o.reason = 0;
            o.no_member = self.lost_at(dest, &f.members);
            if o.dest == 0 {
                o.drop = Some("drop_no_destination");
            }
            return o;
        }
        let (mc, bc) = (f.dst & 1 == 1, f.dst == (1 << 48) - 1);
        let da = f.da.filter(|e| e.dest & 0x20 == 0);
        let mut floods = 0;
        for (i, d) in self.configs.iter().enumerate() {
            let allowed = if bc {
                d.flood[2]
            } else if mc {
                d.flood[1]
            } else {
                d.flood[0]
            };
            let elected = match d.lag {
                Some(g) if i != host => self.member(g, &f.members) >> i & 1 == 1,
                _ => true,
            };
            floods |= ((allowed && elected) as u64) << i;
        }
        let candidates = da.map_or(floods, |e| self.resolve(e.dest, &f.members));
        let mut set = 0;
        let (mut uncut, mut pruned) = (false, false);
        for i in 0..n {
            if candidates >> i & 1 == 0 {
                continue;
            }
            let d = &self.configs[i];
            if i != host && src_lag.is_some() && d.lag == src_lag {
                pruned = true;
                continue;
            }
            let mut ok = d.state == 3 && c.mask >> i & 1 == 1;
            ok &= i != f.source || c.hairpin;
            ok &= !(c.isolated && d.isolated);
            ok &= i == host || self.link >> i & 1 == 1;
            // What the cut alone takes away.
            let cut = i != host && !self.enable && !from_host;
            uncut |= ok && cut;
            ok &= !cut;
            set |= (ok as u64) << i;
        }
        o.reason = if f.da.is_some_and(|e| e.dest == 0x0f) {
            1
        } else {
            2
        };
        if c.state == 0 {
            o.drop = Some("drop_state");
            return o;
        }
        if f.src == 0 || f.src & 1 == 1 {
            o.drop = Some("drop_bad_source");
            return o;
        }
        let not_collecting = src_lag.is_some() && self.collecting >> f.source & 1 == 0;
        if (c.state == 2 || c.state == 3) && c.learn != 0 && !not_collecting {
            let dest = if from_host {
                0x0f
            } else {
                src_lag.map_or(f.source as u64, |g| 0x10 | g)
            };
            let known = f.sa.is_some_and(|e| {
                e.kind & 1 == 1
                    || e.kind & 8 != 0
                    || (e.dest == dest && e.age == 3)
                    || (e.dest != dest && e.kind & 2 != 0)
            });
            if !known {
                o.learn = Some((f.src | c.fid << 48, dest, (c.learn == 1) as u64));
            }
        }
        let reserved = f.dst & 0xf0ff_ffff_ffff == 0x0000_00c2_8001 && !from_host;
        let index = (f.dst >> 40 & 15) as usize;
        let action = if reserved { self.actions[index] } else { 3 };
        match action {
            0 => {
                o.drop = Some("drop_reserved");
                return o;
            }
            1 => {
                (o.dest, o.class, o.reason) = (1 << host, 1, self.reasons[index]);
                return o;
            }
            _ => {}
        }
        let black = f.da.is_some_and(|e| e.kind & 8 != 0) || f.sa.is_some_and(|e| e.kind & 8 != 0);
        if !not_collecting && c.state == 3 && !black {
            o.pruned = pruned;
            o.no_member = da.map_or(0, |e| self.lost_at(e.dest, &f.members));
        }
        let drop = if not_collecting {
            Some("drop_not_collecting")
        } else if c.state != 3 {
            Some("drop_state")
        } else if black {
            Some("drop_blackhole")
        } else if set == 0 && uncut {
            Some("drop_cut")
        } else if set == 0 {
            Some("drop_no_destination")
        } else {
            None
        };
        o.dest = if drop.is_none() { set } else { 0 };
        if action == 2 {
            o.reason = self.reasons[index];
            o.dest |= 1 << host;
        } else {
            o.drop = drop;
        }
        o
    }
}

/// Addresses of every kind.
pub fn mac(rng: &mut impl Rng) -> u64 {
    match rng.random_range(0..12) {
        0 => (1 << 48) - 1,
        1 | 2 => 0x0000_00c2_8001 | rng.random_range(0..16u64) << 40,
        3 => 0x0000_00c2_8001 | 0x10 << 40,
        4 => rng.random_range(0..1u64 << 48) | 1,
        5 => 0,
        _ => rng.random_range(0..1u64 << 48) & !1,
    }
}

/// What the FDB may say.
pub fn entry(rng: &mut impl Rng) -> Option<Entry> {
    let dest =
        [0, 1, 2, 3, 0xf, 0x10, 0x11, 0x12, 0x13, 0x21, 9, 0x15, 0x1c][rng.random_range(0..13)];
    let kind = [0, 0, 0, 1, 2, 3, 4, 8][rng.random_range(0..8)];
    rng.random_bool(0.7).then(|| Entry {
        dest,
        kind,
        age: rng.random_range(0..4),
    })
}
