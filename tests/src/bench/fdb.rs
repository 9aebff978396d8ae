//! `fdb`: stations learned from frames on the wire, each then verified by a unicast that comes out of the right port alone.
//!
//! `fill`: new sources at an unhurried pace until the hardware refuses one. `rate`: new sources on all ports at the wire's rate (64 bytes, gap 12) up to
//! 90 % of the table, then every one of them is asked for.

use super::{Args, Error, Report};
use crate::rig::pins::Offered;
use crate::rig::{Rig, Shared, station};
use smartnic_hdl::params::Params;
use smartnic_regs::fdb;
use smartnic_sim::gmii::{Received, Transmission};
use smartnic_sim::ports::{Attachment, PortError};

/// Runs both cases.
pub fn run(args: &Args, report: &mut Report) -> Result<(), Error> {
    let params = Params::for_ports(4);
    report.hardware(&params);
    for run in 0..args.runs {
        let seed = args.seed + u64::from(run);
        let entries = f64::from(params.fdb_entries);
        let slow = learn(&params, 400, params.fdb_entries, seed)?;
        report.add(
            "fill",
            "fill_percent",
            100.0 * f64::from(slow.learned) / entries,
            "%",
        );
        report.add("fill", "missed_learns", f64::from(slow.missed), "stations");
        let fast = learn(&params, 12, params.fdb_entries * 9 / 10, seed)?;
        report.add(
            "rate",
            "fill_percent",
            100.0 * f64::from(fast.learned) / entries,
            "%",
        );
        // There is room for all of these: one that is refused is missed, too.
        let missed = f64::from(fast.missed + fast.refused);
        report.add("rate", "missed_learns", missed, "stations");
        report.add("rate", "refused", f64::from(fast.refused), "stations");
        report.add("rate", "queue_lost", f64::from(fast.lost), "stations");
        report.add("rate", "learn_per_s", fast.rate, "stations/s");
    }
    Ok(())
}

/// Sends frames `from .. to` of a list that a function makes, and notes which of them come out here.
struct Lister {
    next: u32,
    to: u32,
    step: u32,
    gap: u64,
    frame: Box<dyn Fn(u32) -> Vec<u8> + Send>,
    came: Vec<u32>,
    strange: u32,
}

impl Attachment for Lister {
    fn poll(&mut self, _: u64) -> Result<Option<Transmission>, PortError> {
        if self.next >= self.to {
            return Ok(None);
        }
        let frame = (self.frame)(self.next);
        self.next += self.step;
        Ok(Some(Transmission::new(frame).gap(self.gap)))
    }
    fn deliver(&mut self, _: u64, f: &Received) -> Result<(), PortError> {
        // Asking frames carry their number behind the EtherType; learning frames are filtered before.
        match f.frame.get(12..20) {
            Some(&[0x88, 0xb5, b'?', _, a, b, c, d]) if f.fcs_ok => {
                self.came.push(u32::from_be_bytes([a, b, c, d]))
            }
            _ => self.strange += 1,
        }
        Ok(())
    }
    fn finished(&self) -> bool {
        self.next >= self.to
    }
}

struct Learned {
    /// Entries in use at the first refusal, or at the end.
    learned: u32,
    /// Stations that are neither found nor refused.
    missed: u32,
    /// Stations that the hardware had no room for.
    refused: u32,
    /// Of the missed ones those that the hardware says it lost on the way.
    lost: u32,
    /// Stations learned a second, by the pins.
    rate: f64,
}

fn source(seed: u64, number: u32, ports: u32) -> [u8; 6] {
    use rand::{RngCore, SeedableRng};
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(number.into());
    let mut mac = station(number % ports, number);
    // Random, but unique: the number stays in the last three bytes.
    let r = rng.next_u32().to_be_bytes();
    (mac[1], mac[2]) = (r[0], r[1]);
    mac
}

fn frame(dst: [u8; 6], src: [u8; 6], kind: u8, number: u32) -> Vec<u8> {
    let mut f = [
        &dst[..],
        &src[..],
        &[0x88, 0xb5, kind, 0],
        &number.to_be_bytes(),
    ]
    .concat();
    f.resize(60, 0);
    f
}

/// Sends up to `stations` new sources, one after a gap of `gap` on each port in turn; stops at the first refusal.
fn learn(params: &Params, gap: u64, stations: u32, seed: u64) -> Result<Learned, Error> {
    let n = params.ports;
    let mut rig = Rig::new(params.clone())?;
    rig.bridge(seed, false)?;
    // Learning frames go nowhere: every port may reach only itself.
    for i in 0..n {
        rig.write(&smartnic_regs::port::FORWARD_MASK, i, 0)?;
    }
    let lister = |i: u32, to: u32, gap: u64, f: Box<dyn Fn(u32) -> Vec<u8> + Send>| {
        Shared::new(
            Lister {
                next: i,
                to,
                step: n,
                gap,
                frame: f,
                came: vec![],
                strange: 0,
            },
            false,
        )
    };
    rig.card.keep_sent(true);
    let all: Vec<_> = (0..n)
        .map(|i| {
            lister(
                i,
                stations,
                gap,
                Box::new(move |k| frame([3, 0, 0, 0, 0, 1], source(seed, k, n), b'!', k)),
            )
        })
        .collect();
    for (i, a) in all.iter().enumerate() {
        rig.attach(i as u32, a)?;
    }
    // Entries in use when the first station was refused.
    let mut at_refusal = None;
    let mut pins = vec![Offered::default(); n as usize];
    loop {
        let chunk = if gap > 100 { 100 } else { 2_000 };
        (0..chunk).for_each(|_| rig.card.step());
        if gap > 100 && at_refusal.is_none() && rig.read(&fdb::REFUSED, 0)? > 0 {
            at_refusal = Some(rig.read(&fdb::USED, 0)?);
            // The first refusal ends the filling.
            all.iter().for_each(|a| a.with(|l| l.to = 0));
        }
        rig.note_offered(&mut pins);
        if rig.card.drained() && rig.card.resting() {
            break;
        }
    }
    // Station k was sent if the port that it is behind came that far.
    let next: Vec<u32> = all.iter().map(|a| a.with(|l| l.next)).collect();
    let rows = next.iter().max().map_or(0, |k| k.div_ceil(n));
    let sent: Vec<u32> = (0..rows * n)
        .filter(|k| *k < next[(k % n) as usize])
        .collect();
    rig.card.keep_sent(false);
    if pins.iter().map(|p| p.frames).sum::<u64>() != sent.len() as u64 {
        return Err(format!("{pins:?} of {} frames were on the pins", sent.len()).into());
    }
    let used = rig.read(&fdb::USED, 0)?;
    let refused = rig.read(&fdb::REFUSED, 0)?;
    // Ask for every station from another port: it must come out of the right port alone.
    for i in 0..n {
        rig.write(&smartnic_regs::port::FORWARD_MASK, i, (1 << n) - 1)?;
        let c = rig.read(&smartnic_regs::port::CONFIG, i)?;
        rig.write(
            &smartnic_regs::port::CONFIG,
            i,
            c & !smartnic_regs::port::CONFIG::LEARN.put(3),
        )?;
    }
    let ask: Vec<_> = (0..n)
        .map(|i| {
            let target = move |k: u32| source(seed, (k / n) * n + (k + 1) % n, n);
            lister(
                i,
                rows * n,
                200,
                Box::new(move |k| {
                    frame(
                        target(k),
                        station(i, u32::MAX),
                        b'?',
                        (k / n) * n + (k + 1) % n,
                    )
                }),
            )
        })
        .collect();
    for (i, a) in ask.iter().enumerate() {
        rig.attach(i as u32, a)?;
    }
    rig.drain(u64::from(stations) * 2_000)?;
    // Each must come out once, and of its own port: one that is not in the table is flooded, and comes out of others too.
    let mut right = vec![0u32; (rows * n) as usize];
    let mut wrong = vec![0u32; right.len()];
    let mut strange = 0;
    for (i, a) in ask.iter().enumerate() {
        a.with(|l| {
            strange += l.strange;
            for k in &l.came {
                let count = if k % n == i as u32 {
                    &mut right
                } else {
                    &mut wrong
                };
                match count.get_mut(*k as usize) {
                    Some(c) => *c += 1,
                    None => strange += 1,
                }
            }
        });
    }
    if strange > 0 {
        return Err(format!("{strange} frames that nobody sent").into());
    }
    let known = |k: &&u32| right[**k as usize] == 1 && wrong[**k as usize] == 0;
    let found = sent.iter().filter(known).count() as u32;
    let sent = sent.len() as u32;
    // Every station sent once: it is in the table, or there was no room for it and the hardware says so; else it was missed.
    let missed = sent.saturating_sub(refused + found);
    let offered: f64 = pins.iter().map(Offered::rate).sum();
    Ok(Learned {
        learned: at_refusal.unwrap_or(used),
        missed,
        refused,
        lost: rig.read(&fdb::LEARNS_LOST, 0)?,
        rate: offered * f64::from(found) / f64::from(sent.max(1)),
    })
}
