//! When the hardware says that it is idle, nothing changes any more: every register and counter that can be read is the
//! same 10,000 cycles later, and `idle` holds in each of them. So a simulator may stop the clock then.

use smartnic_hdl::params::Params;
use smartnic_regs::values::{counter, dest, kind, learn, state};
use smartnic_regs::{Access, PAGES, Reg, fdb, global, lag, port, stats};
use smartnic_sim::card::ClockSettings;
use smartnic_sim::pcie::Settings;
use smartnic_sim::ports::generator::{Generator, Plan};
use smartnic_sim::ports::traffic::{Flow, Pace, Sizes};
use smartnic_tests::rig::ring::ReceiveRing;
use smartnic_tests::rig::{Rig, Shared, station};

/// Address of the host.
const HOST: [u8; 6] = [2, 0xff, 0, 0, 0, 9];
/// Cycles without change.
const STILL: u64 = 10_000;

/// Registers that tell the time or the state of the access itself, or that a read changes.
const MOVING: &[Reg] = &[
    global::CYCLES_LO,
    global::CYCLES_HI,
    global::STATUS,
    global::BUSY,
];

/// Every register and counter that can be read, by name.
fn snapshot(rig: &mut Rig) -> Vec<(String, u64)> {
    let mut all = vec![];
    // The page of the counters shows the one that was read last.
    for page in PAGES.iter().filter(|p| p.base != stats::PAGE.base) {
        for reg in page.regs {
            if reg.access == Access::Wo || MOVING.contains(reg) {
                continue;
            }
            for i in 0..reg.count {
                let value = rig.read(reg, i).expect("read");
                all.push((format!("{}.{}[{i}]", page.name, reg.name), value.into()));
            }
        }
    }
    for p in 0..=rig.params.ports {
        for (number, name) in counter::NAMES {
            let value = rig.counter(p, *number).expect("read");
            all.push((format!("{name} of {p}"), value));
        }
    }
    all
}

/// Traffic of every kind between four ports (two of them a LAG) and the host, with faults of configuration on the way.
fn traffic(rig: &mut Rig, seed: u64, ring: &mut ReceiveRing) {
    let mut plugs: Vec<Shared<Generator>> = vec![];
    for p in 0..rig.params.ports {
        let to = |id: u16, dst| Flow::new(10 * p as u16 + id, 2, dst, station(p, id.into()));
        let plan = Plan {
            flows: vec![
                to(0, station((p + 1) % 4, 0)),
                to(1, [0xff; 6]),
                to(2, HOST),
                to(3, [1, 0, 0x5e, 0, 0, 7]),
                to(4, [2, 9, 9, 9, 9, p as u8]),
            ],
            count: 120,
            sizes: Sizes::Range(64, 1518),
            pace: Pace::Gap(12),
            seed: seed + u64::from(p),
        };
        let g = Shared::new(Generator::new(plan, vec![]), false);
        rig.attach(p, &g).expect("a port");
        plugs.push(g);
    }
    rig.drain_with(3_000_000, |rig| ring.poll(rig).map(drop))
        .expect("traffic");
}

#[test]
fn nothing_changes_while_the_card_is_idle() {
    // Clocks of parts that rest go on: whether those parts rest is the question.
    let clocks = ClockSettings {
        ungated: true,
        ..ClockSettings::default()
    };
    let mut rig = Rig::with(Params::for_ports(4), Settings::default(), clocks).expect("a card");
    rig.bridge(3, true).expect("a bridge");
    // Time stands still but for the ticks that are added: ageing counts as idle between ticks.
    rig.write(&global::TICK, 0, u32::MAX).expect("written");
    rig.local_address(HOST).expect("an entry");
    rig.fdb_add([2, 9, 9, 9, 9, 1], 0, 3, kind::STATIC)
        .expect("an entry");
    let mut ring = ReceiveRing::open(&mut rig, 0, 6).expect("a ring");
    for round in 0..3 {
        match round {
            // Ports 2 and 3 are a LAG; nobody has filled its buckets.
            1 => {
                for p in [2, 3] {
                    let config = rig.read(&port::CONFIG, p).expect("read");
                    let lag = port::CONFIG::LAG_VALID.put(1) | port::CONFIG::LAG.put(1);
                    rig.write(&port::CONFIG, p, config | lag).expect("written");
                }
                rig.write(&lag::GROUP, 1, lag::GROUP::ENABLE.put(1))
                    .expect("written");
                rig.write(&lag::COLLECTING, 1, 0b0100).expect("written");
                rig.fdb_add([2, 9, 9, 9, 9, 2], 0, dest::LAG | 1, kind::STATIC)
                    .expect("an entry");
                // One port is down, one learns by reports.
                let down = port::MAC::LINK_DOWN.put(1);
                let mac = rig.read(&port::MAC, 1).expect("read");
                rig.write(&port::MAC, 1, mac | down).expect("written");
                let config = port::CONFIG::STATE.put(state::LEARNING)
                    | port::CONFIG::LEARN.put(learn::SLOW_PATH);
                rig.write(&port::CONFIG, 0, config).expect("written");
            }
            // Ageing, by ticks that are added.
            2 => {
                rig.write(&fdb::AGE_PERIOD, 0, 2).expect("written");
                rig.write(&global::TICK_ADD, 0, 5).expect("written");
            }
            _ => {}
        }
        traffic(&mut rig, 100 * round, &mut ring);
        // Reading is work too: the second look must find what the first one has found.
        let before = snapshot(&mut rig);
        assert!(rig.card.run(400_000), "the card comes to rest");
        for cycle in 0..STILL {
            assert!(rig.card.resting(), "round {round}: work in cycle {cycle}");
            rig.card.step();
        }
        let after = snapshot(&mut rig);
        for (b, a) in before.iter().zip(&after) {
            assert_eq!(b, a, "round {round}");
        }
        assert!(before.iter().any(|(n, v)| n == "rx_frames of 0" && *v > 0));
    }
}
