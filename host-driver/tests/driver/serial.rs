//! `smartnic-ctl --serial`: the same verbs over a serial line, against the true firmware on a fake card, through a pseudo-terminal; and lines that are
//! noisy, dead, someone else's, or whose board starts again.

use std::path::Path;

use rand::Rng;
use smartnic_driver::device::MacAddr;
use smartnic_driver::device::fdb::{FdbData, FdbKey};
use smartnic_driver::pci::serial::Serial;
use smartnic_driver::pci::{PciError, PciTransport};
use smartnic_regs::values::{counter, dest, kind};
use smartnic_regs::{board, global, port};

use crate::fake::Shape;
use crate::serial_board::{Board, Mood, ctl};

#[test]
fn the_verbs_that_show() {
    let board = Board::new(Shape::default());
    let learned = |n: u8| FdbKey {
        fid: 0,
        mac: MacAddr([2, 7, 7, 7, 0, n]),
    };
    {
        let mut state = board.fake.state();
        state.table[0] = Some((learned(1), FdbData::new(1, kind::DYNAMIC)));
        state.table[31] = Some((learned(2), FdbData::new(3, kind::DYNAMIC)));
        state.table[35] = Some((learned(3), FdbData::new(dest::LAG, kind::DYNAMIC)));
        state
            .counters
            .insert((0, counter::RX_FRAMES), 0x1_0000_0002);
        state.counters.insert((4, counter::TX_FRAMES), 9);
        state.set(port::CONFIG, 1, 0xeb);
    }
    let shown = board.ctl("fdb show").unwrap();
    for line in [
        "02:07:07:07:00:01 dev port2",
        "02:07:07:07:00:02 dev port4",
        "02:07:07:07:00:03 dev lag-group0",
    ] {
        assert!(shown.contains(line), "{shown}");
    }
    let shown = board.ctl("-j stats --nonzero").unwrap();
    assert!(
        shown.contains("\"rx_frames\":4294967298") && shown.contains("\"tx_frames\":9"),
        "{shown}"
    );
    let shown = board.ctl("port show port2").unwrap();
    assert!(shown.contains("\nport2  up     1000"), "{shown}");
    assert!(board.ctl("dev").unwrap().contains("serial:"));
    for line in ["-s -j -p link show", "lag show", "link", "port"] {
        board.ctl(line).unwrap();
    }
    let shown = board.ctl("version").unwrap();
    let want = format!(
        "firmware {} register map 1.0 board 1",
        env!("CARGO_PKG_VERSION")
    );
    assert!(shown.contains(&want), "{shown}");
    let json = board.ctl("-j version").unwrap();
    assert!(json.contains("\"register_map\":\"1.0\""), "{json}");
    // Looking changed nothing.
    let state = board.fake.state();
    assert_eq!((state.switch_resets, state.get(port::CONFIG, 1)), (0, 0xeb));
    assert_eq!(state.get(board::OWNER, 0), 0);
}

#[test]
fn a_bridge_is_set_up_and_taken_from_the_firmware() {
    let board = Board::new(Shape::default());
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("lines");
    let lines = "link add br0 type bridge ageing_time 30000\nlink set port1 master br0 up\nlink set port2 master br0 up\nlink set br0 up\n\
                 fdb add 02:00:00:00:00:09 dev port1 master static\nfdb show";
    std::fs::write(&file, lines).unwrap();
    let shown = board.ctl(&format!("batch {}", file.display())).unwrap();
    assert!(shown.contains("02:00:00:00:00:09 dev port1"), "{shown}");
    {
        let state = board.fake.state();
        let owner = board::OWNER::HOST.put(1) | board::OWNER::SERIAL.put(1);
        assert_eq!(state.get(board::OWNER, 0), owner);
        assert_eq!(port::CONFIG::STATE.get(state.get(port::CONFIG, 0)), 3);
        assert_eq!(
            state.get(port::CONFIG, 2),
            0,
            "in no bridge: it does nothing"
        );
        assert_eq!(state.switch_resets, 1);
        let rings = |w: &&(u32, u32)| w.0 >> 12 == 8;
        assert_eq!(state.writes.iter().find(rings), None, "no ring was touched");
    }
    // The firmware leaves it alone.
    let before = board.fake.state().get(smartnic_regs::fdb::AGE_PERIOD, 0);
    std::thread::sleep(std::time::Duration::from_millis(100));
    let state = board.fake.state();
    assert_eq!(state.get(smartnic_regs::fdb::AGE_PERIOD, 0), before);
}

#[test]
fn what_needs_frames_or_events_is_refused() {
    let board = Board::new(Shape::default());
    let (error, code) = board.ctl("fdb monitor").unwrap_err();
    assert!(error.contains("frames and events need PCIe"), "{error}");
    assert_eq!(code, 2);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("lines");
    std::fs::write(
        &file,
        "link add br0 type bridge\nlink set port1 master br0\nport set port1 learning slow-path",
    )
    .unwrap();
    let (error, code) = board.ctl(&format!("batch {}", file.display())).unwrap_err();
    assert!(
        error.contains("lines:3") && error.contains("need PCIe"),
        "{error}"
    );
    assert_eq!(code, 2);
    let (error, _) = board.ctl("--card ./x port").unwrap_err();
    assert!(error.contains("cannot be used with"), "{error}");
}

#[test]
fn a_noisy_line_costs_time_and_nothing_else() {
    let board = Board::new(Shape {
        ports: 2,
        ..Shape::default()
    });
    board.mood(Mood {
        noise: 400,
        ..Mood::default()
    });
    let mut serial = Serial::open(&board.path).expect("opens");
    let mut rng = crate::rng("noise");
    let mut last = 0;
    for round in 0..150 {
        if rng.random() {
            last = rng.random();
            serial
                .write32(0, global::SCRATCH.addr, last)
                .unwrap_or_else(|e| panic!("{round}: {e}"));
        }
        let got = serial
            .read32(0, global::SCRATCH.addr)
            .unwrap_or_else(|e| panic!("{round}: {e}"));
        assert_eq!(got, last, "round {round}");
    }
}

#[test]
fn garbled_answers_are_asked_for_again() {
    let board = Board::new(Shape::default());
    let mut serial = Serial::open(&board.path).expect("opens");
    for spoiled in [1, 7] {
        let spoil = || {
            board.mood(Mood {
                spoiled,
                ..Mood::default()
            });
        };
        spoil();
        serial.write32(0, global::SCRATCH.addr, spoiled).unwrap();
        spoil();
        assert_eq!(serial.read32(0, global::SCRATCH.addr).unwrap(), spoiled);
    }
    board.mood(Mood {
        spoiled: 8,
        ..Mood::default()
    });
    let error = serial.read32(0, global::SCRATCH.addr).unwrap_err();
    assert!(error.to_string().contains("makes sense"), "{error}");
}

#[test]
fn a_board_that_starts_again() {
    let board = Board::new(Shape::default());
    let mut serial = Serial::open(&board.path).expect("opens");
    for after in 0..18 {
        // In the middle of the answer to a read: asked again.
        board.mood(Mood {
            restart_after: Some(after),
            ..Mood::default()
        });
        assert_eq!(
            serial.read32(0, global::MAGIC.addr).unwrap(),
            global::MAGIC.reset,
            "after {after}"
        );
        board.mood(Mood::default());
    }
    // Of the answer to a write: nobody knows.
    board.mood(Mood {
        restart_after: Some(3),
        ..Mood::default()
    });
    let error = serial
        .write32(0, global::SCRATCH.addr, 1)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("started again") && error.contains("done or not"),
        "{error}"
    );
    board.mood(Mood::default());
    serial.write32(0, global::SCRATCH.addr, 2).unwrap();
    assert_eq!(serial.read32(0, global::SCRATCH.addr).unwrap(), 2);
}

#[test]
fn lines_that_are_no_board() {
    let board = Board::new(Shape::default());
    // In use.
    let first = Serial::open(&board.path).expect("opens");
    let (error, code) = board.ctl("port").unwrap_err();
    assert!(error.contains("another program uses it"), "{error}");
    assert_eq!(code, 3);
    drop(first);
    // Another protocol.
    board.mood(Mood {
        lie: Some(("protocol 1", "protocol 2")),
        ..Mood::default()
    });
    let (error, _) = board.ctl("port").unwrap_err();
    assert!(error.contains("version 2 of the line protocol"), "{error}");
    // Something else altogether.
    board.mood(Mood {
        lie: Some(("ok", "login:")),
        ..Mood::default()
    });
    let (error, _) = board.ctl("port").unwrap_err();
    assert!(error.contains("nothing that makes sense"), "{error}");
    // A card that is none of ours behind the right firmware.
    board.mood(Mood::default());
    board.fake.state().set(global::MAGIC, 0, 7);
    let (error, _) = board.ctl("port").unwrap_err();
    assert!(error.contains("not a smartnic"), "{error}");
    // Nobody.
    board.mood(Mood {
        dead: true,
        ..Mood::default()
    });
    let start = std::time::Instant::now();
    let (error, code) = board.ctl("port").unwrap_err();
    assert!(
        error.contains("nobody answers") && !error.contains("smartnicd"),
        "{error}"
    );
    assert_eq!(code, 3);
    assert!(start.elapsed().as_secs() < 10);
    for (path, what) in [
        ("/dev/null", "no serial port"),
        ("/nowhere", "no such port"),
    ] {
        let (error, code) = ctl(Path::new(path), "port").unwrap_err();
        assert!(error.contains(what) && error.contains(path), "{error}");
        assert_eq!(code, 3);
    }
}

#[test]
fn what_is_no_register_is_refused_on_either_side() {
    let board = Board::new(Shape::default());
    let mut serial = Serial::open(&board.path).expect("opens");
    for (bar, offset) in [(0, 2), (0, 0x1_0000), (2, 0), (1, 0)] {
        let error = serial.read32(bar, offset).unwrap_err();
        assert!(matches!(error, PciError::Range { .. }), "{error}");
    }
    // A page that nobody has: the firmware knows.
    let error = serial.read32(0, 0xf000).unwrap_err().to_string();
    assert!(error.contains("out of range"), "{error}");
    let error = serial.dma_alloc(1).err().unwrap().to_string();
    assert!(error.contains("need PCIe"), "{error}");
}
