//! What the bridge costs: frames forwarded between memory-speed devices, addresses learned. `examples/bridge_bench.rs` prints it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use smartnic_netdev::null::{Case, Figure, NullDevice};
use smartnic_netdev::{Core, Dev, Errno, Result};
use smartnic_slowpath::MacAddr;

use crate::events::Events;
use crate::fdb::{Fdb, FdbFlags, Key};
use crate::{Bridges, FdbRequest, FdbWay, refuse};

/// The station that the frames are for.
const STATION: MacAddr = MacAddr([2, 0, 0, 0, 0, 0x22]);

/// How the frames of a measurement go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// To a known station behind one port.
    Known,
    /// The same, with VLAN filtering.
    Filtered,
    /// To an unknown one: to all three other ports.
    Flooded,
}

/// Passes frames from one null device through a bridge to others for about `time`, on this thread. A frame counts once, however many copies leave. EINVAL for a batch or size that cannot be.
pub fn forwarding(case: Case, way: Way, time: Duration) -> Result<Figure> {
    if !(1..=256).contains(&case.batch) {
        return refuse(
            Errno::Invalid,
            "batch",
            case.batch,
            "a batch has 1 to 256 frames",
        );
    }
    let mut core = Core::new();
    let bridges = Bridges::install(&mut core)?;
    let br = bridges.create(&mut core, "br%d", None)?;
    let bridge = bridges.get(&br)?;
    core.open(&br)?;
    let mut devs: Vec<Dev> = Vec::new();
    let ports = if way == Way::Flooded { 4 } else { 2 };
    for n in 0..ports {
        let null = NullDevice::new(case.size.saturating_sub(4), case.queues, STATION)?;
        let setup = null.setup(&format!("null{n}"), MacAddr([2, 0, 0, 0, 1, n]));
        let dev = core.add(setup, Arc::new(null))?;
        core.open(&dev)?;
        core.set_master(&dev, Some(&br))?;
        devs.push(dev);
    }
    if way == Way::Filtered {
        bridge.set(&mut core, "vlan_filtering", "1")?;
    }
    if way != Way::Flooded {
        let there = FdbRequest::add(STATION, FdbWay::Static);
        bridge.fdb_add(&mut core, &devs[1], &there)?;
    }
    let mut net = core.softnet();
    let mut round = |rounds: usize| {
        for _ in 0..rounds {
            for queue in 0..case.queues {
                devs[0].ops().poll(&mut net, &devs[0], queue, case.batch);
            }
        }
    };
    let per_look = (20_000 / (case.batch * usize::from(case.queues))).max(1);
    round(per_look);
    let forwarded = || bridge.port_counters(&devs[0]).map(|c| c.forwarded);
    let before = forwarded()?;
    let began = Instant::now();
    while began.elapsed() < time {
        round(per_look);
    }
    let elapsed = began.elapsed();
    let frames = forwarded()? - before;
    Ok(Figure {
        frames_per_s: frames as f64 / elapsed.as_secs_f64(),
        per_frame: Duration::from_nanos((elapsed.as_nanos() / u128::from(frames.max(1))) as u64),
        frames,
    })
}

/// Events a second of the forwarding database.
#[derive(Clone, Copy, Debug)]
pub struct Learning {
    /// Addresses that were not there.
    pub new_per_s: f64,
    /// Addresses that were at another port.
    pub moved_per_s: f64,
    /// Addresses that were where they were.
    pub known_per_s: f64,
    /// Addresses whose age was over, a pass over all of them.
    pub aged_per_s: f64,
}

/// Learns so many addresses, moves, refreshes and ages them, again and again for about `time`.
pub fn learning(stations: u32, time: Duration) -> Learning {
    let events = Events::default();
    let key = |n| Key::new(1, MacAddr([2, 7, 0, 0, 0, 0]).plus(n));
    let mut spent = [Duration::ZERO; 4];
    let mut rounds = 0u32;
    while rounds == 0 || spent.iter().sum::<Duration>() < time {
        rounds += 1;
        let fdb = Fdb::default();
        for (step, port) in [1, 2, 2].into_iter().enumerate() {
            let began = Instant::now();
            for n in 0..stations {
                fdb.learn(&events, key(n), port, FdbFlags::empty(), step as u64);
            }
            spent[step] += began.elapsed();
        }
        let began = Instant::now();
        fdb.age(&events, 10, 5);
        spent[3] += began.elapsed();
    }
    let per_s = |n: usize| f64::from(stations) * f64::from(rounds) / spent[n].as_secs_f64();
    Learning {
        new_per_s: per_s(0),
        moved_per_s: per_s(1),
        known_per_s: per_s(2),
        aged_per_s: per_s(3),
    }
}
