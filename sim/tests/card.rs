//! The card around a fixture of a hundred lines of Verilog: ports, registers, DMA, interrupts, rest.

mod common;

use common::{fixture, settings};
use smartnic_sim::card::runner::{CardHandle, RunnerSettings};
use smartnic_sim::card::{Card, CardError, ClockSettings};
use smartnic_sim::gmii::Transmission;
use smartnic_sim::pcie::{ReadFault, SharedMemory};
use smartnic_sim::ports::generator::{Generator, Plan};
use smartnic_sim::ports::queue::QueuePort;
use smartnic_sim::ports::traffic::{Flow, Pace, Sizes};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

fn card() -> Card {
    Card::from_design(&fixture(), &settings()).unwrap()
}

#[test]
fn frames_cross_with_exact_times_and_gaps() {
    let mut card = card();
    let (a, b) = (QueuePort::new(), QueuePort::new());
    card.attach(1, Box::new(a.clone())).unwrap();
    card.attach(2, Box::new(b.clone())).unwrap();
    card.keep_sent(true);
    for gap in 8..30 {
        a.send(Transmission::new(vec![gap as u8; 60 + gap as usize]).gap(gap));
        b.send(Transmission::new(vec![gap as u8; 60]).bad_fcs(1).gap(12));
    }
    assert!(card.run(100_000));
    for gap in 8..30 {
        let (sent, frame) = (card.take_sent(1).unwrap(), b.receive().unwrap());
        assert_eq!(frame.frame, vec![gap as u8; 60 + gap as usize]);
        assert!(frame.fcs_ok && (gap == 8 || frame.gap == gap));
        // Two registers: what is on the receive wire in cycle n is on the transmit wire in n + 2.
        assert_eq!((frame.start, frame.end), (sent.start + 2, sent.end + 2));
        assert!(!a.receive().unwrap().fcs_ok);
    }
    assert!(a.receive().is_none() && b.receive().is_none() && card.drained());
    a.set_link(false);
    card.refresh_links();
    a.send(Transmission::new(vec![1; 60]));
    card.run(1_000);
    assert_eq!(
        (card.read32(0, 0x38).unwrap() >> 1 & 3, a.waiting()),
        (0b10, 1)
    );
    assert!(matches!(
        card.attach(3, Box::new(a.clone())),
        Err(CardError::NoPort { port: 3, ports: 2 })
    ));
    assert!(matches!(card.detach(0), Err(CardError::NoPort { .. })));
    assert!(card.detach(2).unwrap().is_some());
}

#[test]
fn generators_check_each_other_at_line_rate() {
    let mut generators = Vec::new();
    let mut card = card();
    let flows = [
        Flow::new(0, 3, [2; 6], [4; 6]),
        Flow::new(1, 3, [4; 6], [2; 6]),
    ];
    for (port, flow) in flows.iter().enumerate() {
        let plan = Plan {
            flows: vec![flow.clone()],
            count: 500,
            sizes: Sizes::Fixed(64),
            pace: Pace::Load(100.0),
            seed: 1,
        };
        let generator = Generator::new(plan, [flows[1 - port].clone()]);
        generators.push(Arc::new(Mutex::new(generator)));
        card.attach(port + 1, Box::new(generators[port].clone()))
            .unwrap();
    }
    let start = card.cycle();
    assert!(card.run(1_000_000));
    let cycles = card.cycle() - start;
    assert!((500 * 84..500 * 84 + 200).contains(&cycles), "{cycles}");
    for (port, generator) in generators.iter().enumerate() {
        let generator = generator.lock().unwrap();
        let stats = generator.checker.stats(1 - port as u16).unwrap();
        assert_eq!(
            (generator.sent_of(port as u16), stats.good, stats.lost(500)),
            (500, 500, 0)
        );
    }
    for port in [1, 2] {
        let line = card.summary(port).unwrap();
        assert!(
            line.contains("500 good, 0 duplicate, 0 late; 0 corrupt, 0 foreign, 0 bad"),
            "{line}"
        );
    }
}

#[test]
fn host_and_card_reach_each_other() {
    let mut card = card();
    card.write32(0, 0x10, 0x1234_5678).unwrap();
    card.write32(0, 0x14, 0x9abc_def0).unwrap();
    assert_eq!(
        (card.read32(0, 0x10), card.read32(0, 0x14)),
        (Ok(0x1234_5678), Ok(0x9abc_def0))
    );
    assert_eq!(card.read32(0, 0x38).unwrap() & 1, 0);
    card.root().config_write(4, &[0x06]);
    let pins = card.read32(0, 0x38).unwrap();
    assert_eq!(pins & !6, 0x2101, "MRRS 512, MPS 256, bus master");

    let (memory, _) = SharedMemory::new("card", 4096).unwrap();
    card.root()
        .dma()
        .map(0x8000, 4096, Some(memory.clone()), true, true)
        .unwrap();
    let count = Arc::new(AtomicU32::new(0));
    let (raised, seen) = (count.clone(), memory.clone());
    let notify = move || {
        let mut word = [0; 4];
        seen.read(0x40, &mut word).unwrap();
        assert_eq!(
            u32::from_le_bytes(word),
            0xcafe_f00d,
            "the data came before the interrupt"
        );
        raised.fetch_add(1, Ordering::SeqCst);
    };
    card.root().set_vector(0, Some(Box::new(notify))).unwrap();
    card.write32(0, 0x04, 0x8040).unwrap();
    card.write32(0, 0x10, 0xcafe_f00d).unwrap();
    card.write32(0, 0x20, 1).unwrap();
    assert!(card.run(10_000));
    assert_eq!(count.load(Ordering::SeqCst), 1);
    memory.write(0x40, &[0xbe, 0xba, 0xfe, 0xca]).unwrap();
    card.write32(0, 0x24, 1).unwrap();
    assert!(card.run(10_000));
    assert_eq!(card.read32(0, 0x30), Ok(0xcafe_babe));
    card.root().inject(ReadFault::CompleterAbort);
    card.write32(0, 0x24, 1).unwrap();
    assert!(card.run(10_000));
    assert_eq!(
        card.read32(0, 0x34).unwrap() >> 13 & 7,
        4,
        "completer abort"
    );
    card.root().inject(ReadFault::Silence);
    card.write32(0, 0x24, 1).unwrap();
    assert!(
        !card.run(10_000),
        "an outstanding tag keeps the clock running"
    );
    assert_eq!(
        (card.root().violation_count, card.root().fault_count),
        (0, 0)
    );
    let before = card.read32(0, 0x3c).unwrap();
    card.root().reset();
    card.run(1_000);
    assert_eq!(card.read32(0, 0x3c).unwrap(), before.wrapping_add(1));
}

#[test]
fn nothing_happens_after_rest() {
    let mut card = card();
    let (a, b) = (QueuePort::new(), QueuePort::new());
    card.attach(1, Box::new(a.clone())).unwrap();
    card.attach(2, Box::new(b.clone())).unwrap();
    a.send(Transmission::new(vec![1; 60]));
    card.write32(0, 0x10, 7).unwrap();
    assert!(card.run(100_000));
    assert!(b.receive().is_some());
    let stats = card.root().link_stats();
    for _ in 0..10_000 {
        card.step();
    }
    assert!(card.resting() && b.receive().is_none() && a.receive().is_none());
    assert_eq!(card.root().link_stats(), stats);
}

#[test]
fn waves_end_when_they_shall() {
    let dir = tempfile::tempdir().unwrap();
    let mut card = card();
    let size = |card: &mut Card, cycles, file: &str| {
        let path = dir.path().join(file);
        card.open_trace(&path, cycles).unwrap();
        for i in 0..3_000 {
            card.write32(0, 0x10, i).unwrap();
            card.step();
        }
        card.close().unwrap();
        std::fs::metadata(path).unwrap().len()
    };
    let (short, long) = (
        size(&mut card, 100, "short.fst"),
        size(&mut card, 3_000, "long.fst"),
    );
    assert!(short > 300 && long > 2 * short, "{short} {long}");
    assert!(card.open_trace(&dir.path().join("none/x.fst"), 1).is_err());
}

#[test]
fn clocks_may_differ() {
    let clocks = ClockSettings {
        core_ppm: 0,
        rx_ppm: vec![100, 100],
        phases: Some(4),
        ..ClockSettings::default()
    };
    let mut settings = settings();
    settings.clocks = clocks;
    let mut card = Card::from_design(&fixture(), &settings).unwrap();
    card.write32(0, 0x10, 99).unwrap();
    assert_eq!(card.read32(0, 0x10), Ok(99));
}

#[test]
fn a_thread_runs_the_card_and_sleeps() {
    let mut idle = card();
    let (a, b) = (QueuePort::new(), QueuePort::new());
    idle.attach(1, Box::new(a.clone())).unwrap();
    idle.attach(2, Box::new(b.clone())).unwrap();
    let handle = CardHandle::spawn(idle, RunnerSettings { real_time: false }).unwrap();
    handle
        .call(|card| card.write32(0, 0x10, 5))
        .unwrap()
        .unwrap();
    assert_eq!(handle.call(|card| card.read32(0, 0x10)).unwrap(), Ok(5));
    a.send(Transmission::new(vec![3; 60]));
    handle.post(Card::wake).unwrap();
    let end = Instant::now() + Duration::from_secs(60);
    while b.receive().is_none() {
        assert!(Instant::now() < end);
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(Duration::from_millis(150));
    let before = handle.call(|card| card.cycle()).unwrap();
    std::thread::sleep(Duration::from_millis(250));
    let after = handle.call(|card| card.cycle()).unwrap();
    assert!(
        after - before < 2_000,
        "the clock stands: {}",
        after - before
    );
    // Calls from several threads are all answered.
    let (done, wait) = mpsc::channel();
    for _ in 0..4 {
        let (handle, done) = (handle.clone(), done.clone());
        std::thread::spawn(move || {
            for _ in 0..200 {
                done.send(handle.call(|card| card.read32(0, 0x10)).unwrap().unwrap())
                    .unwrap();
            }
        });
    }
    drop(done);
    assert_eq!(wait.iter().filter(|v| *v == 5).count(), 800);
    let other = handle.clone();
    assert!(handle.stop().is_some() && handle.stop().is_none());
    assert!(matches!(
        other.call(|card| card.cycle()),
        Err(CardError::Stopped)
    ));
}

#[test]
fn real_time_is_added_in_ticks() {
    let card = card();
    let handle = CardHandle::spawn(card, RunnerSettings { real_time: true }).unwrap();
    // The fixture keeps what is written: 1,000 cycles a tick, and the ticks added last.
    handle
        .call(|card| card.write32(0, 0x28, 1_000))
        .unwrap()
        .unwrap();
    std::thread::sleep(Duration::from_millis(450));
    let ticks = handle.call(|card| card.read32(0, 0x30)).unwrap().unwrap();
    // 100 ms between additions are 12,500 ticks of 8 us.
    assert!((6_000..40_000).contains(&ticks), "{ticks}");
    handle.stop();
}
