//! The card and the reference switch side by side: each frame and command goes to both, and what comes of it is compared.

use super::told::{dest_number, event_told, group_config, port_config, told};
use smartnic_hdl::params::Params;
use smartnic_refswitch::{
    Action, Copy, Dest, Endpoint, Entry, Event, EventKind, Flush, Key, Outcome, Port, Switch,
};
use smartnic_regs::ring::{completion, event};
use smartnic_regs::values::action;
use smartnic_regs::{fdb, global, lag, port, reserved};
use smartnic_sim::gmii::Transmission;
use smartnic_sim::ports::acceptable;
use smartnic_sim::ports::queue::QueuePort;
use smartnic_tests::rig::Rig;
use smartnic_tests::rig::events::{EventRing, FdbEvent};
use smartnic_tests::rig::fdb::FdbFlush;
use smartnic_tests::rig::ring::{HostFrame, ReceiveRing};
use smartnic_tests::rig::transmit::{TransmitRing, Way};
use std::collections::BTreeMap;

/// Cycles in which the card comes to rest after anything.
const LIMIT: u64 = 400_000;

/// What the reference does not count.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub learned: u32,
    pub moved: u32,
    pub aged: u32,
    /// Frames from and to the host.
    pub sent: u64,
    pub taken: u64,
    /// Frames of the host that were not taken.
    pub refused: u64,
    pub unknown: u64,
}

/// Both.
pub struct Pair {
    /// The reference.
    pub switch: Switch,
    /// Ports whose cable is plugged in, and which the host forces down.
    pub cables: Vec<(bool, bool)>,
    /// Frames sent into the card.
    pub frames: u64,
    /// The card.
    pub rig: Rig,
    /// The far ends of the cables.
    pub plugs: Vec<QueuePort>,
    /// What the host receives.
    pub receive: ReceiveRing,
    transmit: TransmitRing,
    /// What it is told.
    pub events: EventRing,
    /// What only the card counts.
    pub tally: Tally,
    /// What counters (of a port, by number) stood at when the reference began at zero.
    pub before: BTreeMap<(u32, u32), u64>,
    /// What was met before the last reset.
    pub met_before: Vec<(&'static str, u64)>,
}

impl Pair {
    /// Both as after reset, cables plugged in, the host's rings open.
    pub fn new(params: Params, hash_seed: u64) -> Pair {
        let (ports, groups) = (params.ports as usize, params.lag_groups as usize);
        let mut rig = Rig::new(params).expect("a card");
        let plugs: Vec<QueuePort> = (0..ports).map(|_| QueuePort::new()).collect();
        for (i, plug) in plugs.iter().enumerate() {
            rig.card
                .attach(i + 1, Box::new(plug.clone()))
                .expect("a port");
        }
        let mut pair = Pair {
            switch: Switch::new(ports, groups),
            cables: vec![(true, false); ports],
            frames: 0,
            receive: ReceiveRing::open(&mut rig, 0, 8).expect("a ring"),
            transmit: TransmitRing::open(&mut rig, 0, 3).expect("a ring"),
            events: EventRing::open(&mut rig, 5).expect("a ring"),
            rig,
            plugs,
            tally: Tally::default(),
            before: BTreeMap::new(),
            met_before: vec![],
        };
        pair.begin(hash_seed);
        pair
    }

    /// The card's tables are clear: the FDB's hashes get keys, and everything is written as the reference has it.
    pub fn begin(&mut self, hash_seed: u64) {
        self.rig.bridge(hash_seed, false).expect("hash keys");
        // Time stands still but for the ticks that are added.
        self.write(&global::TICK, 0, u32::MAX);
        for e in self.switch.endpoints() {
            self.port(e, |_| ());
        }
    }

    /// Number of a source or destination.
    pub fn number(&self, e: Endpoint) -> u32 {
        match e {
            Endpoint::Port(i) => i as u32,
            Endpoint::Host => self.rig.params.ports,
        }
    }

    /// Runs the card until it rests.
    pub fn rest(&mut self) {
        if !self.rig.card.run(LIMIT) {
            let busy = self.rig.read(&global::BUSY, 0);
            panic!("not at rest after {LIMIT} cycles: BUSY {busy:x?}");
        }
    }

    /// Writes a register of the card.
    pub fn write(&mut self, reg: &smartnic_regs::Reg, index: u32, value: u32) {
        self.rig.write(reg, index, value).expect("written");
    }

    /// A register of the card.
    pub fn read(&mut self, reg: &smartnic_regs::Reg, index: u32) -> u32 {
        self.rig.read(reg, index).expect("read")
    }

    /// Changes a port or the host.
    pub fn port(&mut self, e: Endpoint, change: impl FnOnce(&mut Port)) {
        change(self.switch.port_mut(e));
        let n = self.number(e);
        if let Endpoint::Port(i) = e {
            let (plugged, down) = self.cables[i];
            self.switch.port_mut(e).link = plugged && !down;
            self.plugs[i].set_link(plugged);
            self.rig.card.refresh_links();
        }
        let p = self.switch.port(e).clone();
        println!("{e:?}: {p:?}");
        use port::MAC as M;
        self.write(&port::CONFIG, n, port_config(&p));
        let mask = p.reach.iter().fold(0, |m, to| m | 1 << self.number(*to));
        self.write(&port::FORWARD_MASK, n, mask);
        if let Endpoint::Port(i) = e {
            let mac = M::MAX_FRAME.put(p.max_frame as u32)
                | M::RX_ENABLE.put(p.rx_enable.into())
                | M::TX_ENABLE.put(1)
                | M::LINK_DOWN.put(self.cables[i].1.into());
            self.write(&port::MAC, n, mac);
        }
        self.rest();
    }

    /// Changes a LAG group (not its buckets).
    pub fn group(&mut self, g: usize, change: impl FnOnce(&mut smartnic_refswitch::Group)) {
        let group = &mut self.switch.groups[g];
        change(group);
        let config = group_config(group);
        let bits = |set: &std::collections::BTreeSet<usize>| set.iter().fold(0, |m, i| m | 1 << i);
        let (distributing, collecting) = (bits(&group.distributing), bits(&group.collecting));
        println!(
            "group {g}: {config:#x} distributing {distributing:#b} collecting {collecting:#b}"
        );
        self.write(&lag::GROUP, g as u32, config);
        self.write(&lag::DISTRIBUTING, g as u32, distributing);
        self.write(&lag::COLLECTING, g as u32, collecting);
        self.rest();
    }

    /// Fills some buckets of a group.
    pub fn buckets(&mut self, g: usize, buckets: &[(usize, Option<usize>)]) {
        println!("group {g}: {} buckets from {:?}", buckets.len(), buckets[0]);
        for (bucket, member) in buckets {
            self.switch.groups[g].buckets[*bucket] = *member;
            let index = lag::BUCKET_INDEX::BUCKET.put(*bucket as u32)
                | lag::BUCKET_INDEX::GROUP.put(g as u32);
            self.write(&lag::BUCKET_INDEX, 0, index);
            let word = member.map_or(0, |m| {
                lag::BUCKET::VALID.put(1) | lag::BUCKET::MEMBER.put(m as u32)
            });
            self.write(&lag::BUCKET, 0, word);
        }
        self.rest();
    }

    /// Sets what a reserved address does.
    pub fn reserved(&mut self, n: usize, what: smartnic_refswitch::Reserved) {
        println!("reserved {n}: {what:?}");
        self.switch.reserved[n] = what;
        let number = match what.action {
            Action::Drop => action::DROP,
            Action::Trap => action::TRAP,
            Action::Copy => action::COPY,
            Action::Forward => action::FORWARD,
        };
        let word =
            reserved::ACTION::ACTION.put(number) | reserved::ACTION::REASON.put(what.reason.into());
        self.write(&reserved::ACTION, n as u32, word);
        self.rest();
    }

    /// Cuts forwarding, or not.
    pub fn forward(&mut self, on: bool) {
        println!("forward: {on}");
        self.switch.forward = on;
        self.write(&global::CONTROL, 0, global::CONTROL::FORWARD.put(on.into()));
        self.rest();
    }

    /// Adds or replaces an entry.
    pub fn add(&mut self, key: Key, entry: Entry) {
        println!("add {key:?} {entry:?}");
        self.switch.fdb.add(key, entry);
        assert!(self.rig.fdb_put(&told(key, entry)).expect("added"), "room");
    }

    /// Deletes an entry.
    pub fn delete(&mut self, key: Key) {
        let there = self.switch.fdb.delete(key).is_some();
        println!("delete {key:?}: {there}");
        let found = self
            .rig
            .fdb_delete(key.mac, key.fid.into())
            .expect("deleted");
        assert_eq!(found, there, "DELETE of {key:?}");
    }

    /// Deletes what matches.
    pub fn flush(&mut self, what: Flush) {
        println!("flush {what:?}");
        self.switch.fdb.flush(what);
        let told = FdbFlush {
            dest: what.dest.map(dest_number),
            fid: what.fid.map(u32::from),
            ageing: what.ageing,
            external: what.external,
        };
        self.rig.fdb_flush(&told).expect("flushed");
        self.rest();
        self.compare_events(vec![]);
    }

    /// Sets how many ticks are between sweeps, with none counted yet.
    pub fn age_period(&mut self, ticks: u32) {
        println!("age period {ticks}");
        self.switch.fdb.age_period = 0;
        self.switch.fdb.tick();
        self.write(&fdb::AGE_PERIOD, 0, 0);
        self.switch.fdb.age_period = ticks;
        self.write(&fdb::AGE_PERIOD, 0, ticks);
        self.rest();
    }

    /// A tick passes.
    pub fn tick(&mut self) {
        println!("tick");
        let gone = self.switch.fdb.tick();
        self.write(&global::TICK_ADD, 0, 1);
        self.rest();
        self.tally.aged += gone.len() as u32;
        self.compare_events(gone);
    }

    /// A frame comes in by a port whose cable is plugged in.
    pub fn receive(&mut self, port: usize, t: Transmission, faulty: bool) {
        let outcome = self.switch.receive(port, &t.frame, faulty);
        println!("in by {port}: {t:x?}");
        self.plugs[port].send(t);
        self.rest();
        self.compare(outcome);
    }

    /// The host sends a frame; `direct`: destination and class.
    pub fn send(&mut self, frame: &[u8], direct: Option<(Dest, u8)>) {
        let (outcome, way) = match direct {
            None => (self.switch.send(frame), Way::Switch),
            Some((to, class)) => {
                let (dest, of) = (dest_number(to), u32::from(class));
                (
                    self.switch.send_direct(to, class, frame),
                    Way::Direct { dest, class: of },
                )
            }
        };
        println!("host sends {way:?}: {frame:x?}");
        let status = self
            .transmit
            .send(&mut self.rig, frame, way)
            .expect("a completion");
        let want = match outcome.refused {
            true if frame.len() < 14 => completion::BAD_LENGTH,
            true => completion::BAD_DEST,
            false => completion::OK,
        };
        assert_eq!(status, want, "status of a frame of the host, {way:?}");
        self.tally.sent += u64::from(!outcome.refused);
        self.tally.refused += u64::from(outcome.refused);
        self.compare(outcome);
    }

    fn compare(&mut self, outcome: Outcome) {
        self.frames += 1;
        for (i, plug) in self.plugs.iter().enumerate() {
            let came: Vec<_> = std::iter::from_fn(|| plug.receive()).collect();
            assert!(
                came.iter().all(acceptable),
                "faults out of port {i}: {came:x?}"
            );
            let came: Vec<_> = came.into_iter().map(|f| f.frame).collect();
            let to = |c: &&Copy| c.to == Endpoint::Port(i);
            let want: Vec<_> = outcome
                .copies
                .iter()
                .filter(to)
                .map(|c| c.frame.clone())
                .collect();
            assert_eq!(came, want, "out of port {i}; {outcome:x?}");
        }
        let came = self.receive.poll(&mut self.rig).expect("polled");
        let want: Vec<HostFrame> = outcome
            .copies
            .iter()
            .filter_map(|c| self.host_frame(c))
            .collect();
        assert_eq!(came, want, "to the host; {outcome:x?}");
        self.tally.taken += came.len() as u64;
        match outcome.event.map(|e| e.kind) {
            Some(EventKind::Learned) => self.tally.learned += 1,
            Some(EventKind::Moved { .. }) => self.tally.moved += 1,
            Some(EventKind::UnknownSource) => self.tally.unknown += 1,
            Some(EventKind::Aged) | None => {}
        }
        self.compare_events(outcome.event.into_iter().collect());
    }

    /// A copy as the host's ring must tell it, if it is the host's.
    pub fn host_frame(&self, copy: &Copy) -> Option<HostFrame> {
        let info = copy.host.as_ref()?;
        Some(HostFrame {
            data: copy.frame.clone(),
            source: self.number(info.source),
            reason: info.reason.into(),
            class: copy.class.into(),
            hash: info.hash,
            tci: info.tci,
            fid: info.fid.into(),
        })
    }

    /// Compares what has come to the event ring.
    pub fn compare_events(&mut self, want: Vec<Event>) {
        let mut want: Vec<FdbEvent> = want.into_iter().map(event_told).collect();
        let mut came = self.events.poll(&mut self.rig).expect("polled");
        for e in &mut came {
            if e.kind != event::MOVED {
                e.old_dest = 0; // says nothing
            }
        }
        for events in [&mut want, &mut came] {
            events.sort_by_key(|e| (e.fid, e.mac)); // a sweep goes by place
        }
        assert_eq!(came, want, "events");
    }
}
