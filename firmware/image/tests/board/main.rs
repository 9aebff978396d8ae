//! The true image on the Verilated board: PHYs at pin level, frames, the watchdog, a broken image, and `smartnic-ctl --serial` through the serial pins.
//!
//! One scenario a test, in steps: a start takes 1.5 million cycles, most of them for the image's checksum.

#[path = "../../../../hdl/tests/common/mac.rs"]
mod mac;
#[path = "../../../../hdl/tests/common/mdio_pins.rs"]
mod mdio_pins;
#[path = "../../../tests/common/phy.rs"]
mod phy;
#[path = "../../../../hdl/tests/common/root_complex.rs"]
mod root_complex;

mod bench;
mod ctl;

use bench::{Bench, TICK, Wired};
use phy::{Kind, Partner, Phy};
use smartnic_firmware::VERSION_WORD;
use smartnic_firmware::image::{Fault, RUNNING};
use smartnic_firmware_image::build;
use smartnic_hdl::board::RAM_BYTES;
use smartnic_regs::{board, fdb, global};

const ALL: Partner = Partner {
    speeds: &[10, 100, 1000],
    full: true,
    half: true,
    negotiates: true,
};

fn wired(kind: Kind, address: usize) -> Wired {
    let mut phy = Phy::new(kind);
    phy.negotiation = 20 * TICK;
    phy.reset_time = 2 * TICK;
    phy.plug(Some(ALL));
    Wired {
        phy,
        address,
        held: false,
    }
}

fn two() -> [Wired; 2] {
    [wired(Kind::Marvell, 0), wired(Kind::Rtl8211F, 7)]
}

/// Until the firmware runs: then its greeting has been sent.
fn started(b: &mut Bench) {
    b.check_of_image();
    b.until("a start", 1000, |b| {
        b.line.from.ends_with(b"\n") && b.line.from.windows(7).any(|w| w == b"! start")
    });
    b.line.from.clear();
}

/// Until both PHYs are configured and have their links. At reset the links are up: until the firmware says otherwise.
fn linked(b: &mut Bench) {
    b.until("PHYs are configured", 200, |b| {
        let configured = |p: &Phy| p.delays() && !p.offers_too_much() && p.page() == 0;
        b.buses.iter().all(|bus| configured(&bus.phys.phy))
    });
    // Not those that the PHYs tell in-band, which count at reset.
    let up = board::LINK::UP.put(1) | board::LINK::SPEED.put(2);
    b.until("links", 400, |b| {
        (0..2).all(|i| b.read(&board::LINK, i) == up)
    });
    assert_eq!((b.link(0), b.link(1)), (Some(1000), Some(1000)));
}

#[test]
fn links_frames_and_the_watchdog() {
    let image = build().expect("the firmware builds");
    assert_eq!(image.sizes.ram as usize, RAM_BYTES);
    let mut b = Bench::new(&image.bytes, two());
    while global::STATUS::READY.get(b.read(&global::STATUS, 0)) == 0 {}
    assert!(
        b.frame(0, 1, 2).is_some(),
        "the board switches before its firmware runs"
    );
    started(&mut b);
    assert_eq!(b.read(&board::IMAGE, 0), VERSION_WORD);
    assert_eq!(b.read(&board::IMAGE, 1), RUNNING);
    linked(&mut b);
    // Frames, stations, and what a bridge does with those behind a lost link.
    b.until("the tables are set up", 200, |b| {
        b.read(&fdb::AGE_PERIOD, 0) != 0
    });
    let learned = |b: &mut Bench| b.read(&fdb::USED, 0);
    for (from, source, destination) in [(0, 1, 2), (1, 2, 1), (0, 3, 2)] {
        assert!(b.frame(from, source, destination).is_some());
    }
    b.until("the second LED shows traffic", 200, |b| b.lit(0, 1));
    assert!(b.lit(0, 0) && b.lit(1, 0), "links");
    assert_eq!(learned(&mut b), 3);
    assert_eq!(b.frame(0, 1, 3), None, "known to be behind the same port");
    b.buses[1].phys.phy.plug(None);
    b.until("port 2 goes down", 30, |b| b.link(1).is_none());
    b.until("its station is forgotten", 30, |b| learned(b) == 2);
    assert!(b.lit(0, 0) && !b.lit(1, 0), "the first LED shows the link");
    assert_eq!(b.frame(0, 1, 2), None, "no link");
    b.buses[1].phys.phy.plug(Some(Partner::full(&[10, 100])));
    b.until("port 2 at 100 Mb/s", 400, |b| b.link(1) == Some(100));
    assert_eq!((b.dut.peek("speed0"), b.dut.peek("speed1")), (2, 1));
    // A link that flaps.
    for _ in 0..4 {
        b.buses[1].phys.phy.plug(None);
        b.until("down", 30, |b| b.link(1).is_none());
        b.buses[1].phys.phy.plug(Some(ALL));
        b.until("up again", 1000, |b| b.link(1) == Some(1000));
    }
    // A PHY that dies and comes back with other ideas; the other port knows nothing of it.
    b.buses[1].phys.phy.alive = false;
    b.until("it is missed", 100, |b| b.link(1).is_none());
    assert_eq!(b.link(0), Some(1000));
    for lit in [true, false] {
        b.until("its LED blinks", 400, |b| b.lit(1, 0) == lit);
    }
    b.buses[1].phys.phy.power_up();
    b.buses[1].phys.phy.alive = true;
    b.until("it is back", 2000, |b| b.link(1) == Some(1000));
    assert!(!b.buses[1].phys.phy.offers_too_much() && b.buses[1].phys.phy.delays());
    assert!(b.frame(0, 1, 2).is_some());
    assert!(b.lit(0, 0) && b.lit(1, 0), "links");

    // The watchdog bites in the middle of the work: nothing falls, and the RAM is what it was.
    let before = b.read(&board::RESTARTS, 0);
    let writes = b.buses.each_ref().map(|b| b.phys.phy.writes.len());
    let used = learned(&mut b);
    b.write(&board::WATCHDOG, 0, 1);
    b.until("a restart", 100, |b| b.read(&board::RESTARTS, 0) > before);
    b.write(&board::WATCHDOG, 0, 60_000);
    b.line.from.clear();
    started(&mut b);
    b.ticks(100);
    assert_eq!((b.link(0), b.link(1)), (Some(1000), Some(1000)));
    for (bus, from) in b.buses.iter().zip(writes) {
        let real = |w: &&(u16, u8, u16)| w.1 != 22 && w.1 != 31;
        assert_eq!(
            bus.phys.phy.writes[from..].iter().find(real),
            None,
            "PHYs stay as they are"
        );
    }
    assert_eq!(learned(&mut b), used);
    assert!(b.frame(1, 2, 1).is_some());
    // Bad lines are answered, and it goes on.
    for (line, answer) in [
        ("hello", "err 1"),
        ("r 7000", "err 4"),
        ("w 10 zz", "err 3"),
        (&"x".repeat(300), "err 2"),
        ("r 0*00", "err 5"),
        ("r 0", "ok 534e4943"),
    ] {
        let said = b.ask(line);
        assert!(said.starts_with(answer), "{line}: {said}");
    }
    let status = b.ask("status");
    assert!(
        status.contains("tables firmware port 1 1000 88e1512"),
        "{status}"
    );
    let cpu = b.read(&board::CPU_STATUS, 0);
    assert_eq!(board::CPU_STATUS::TRAPS.get(cpu), 0);
}

#[test]
fn a_broken_image_leaves_the_switch_forwarding() {
    let mut bytes = build().expect("the firmware builds").bytes;
    let at = bytes.len() - 5;
    bytes[at] ^= 0x10;
    let mut b = Bench::new(&bytes, two());
    while global::STATUS::READY.get(b.read(&global::STATUS, 0)) == 0 {}
    let trapped = |b: &mut Bench| {
        let status = b.read(&board::CPU_STATUS, 0);
        board::CPU_STATUS::TRAPPED.get(status) == 1
    };
    b.check_of_image();
    b.until("it stops", 1000, trapped);
    assert_eq!(b.read(&board::IMAGE, 1), Fault::Crc as u32);
    assert_eq!(b.read(&board::IMAGE, 0), 0);
    for i in 0..10 {
        assert!(b.frame(i % 2, 1 + i as u8 % 2, 2 - i as u8 % 2).is_some());
    }
    let untouched = |bus: &mdio_pins::Bus<Wired>| bus.rises == 0;
    assert!(b.buses.iter().all(untouched) && b.line.from.is_empty());
    assert_eq!(b.read(&fdb::AGE_PERIOD, 0), 0);
    // The watchdog tries again, in vain.
    b.write(&board::WATCHDOG, 0, 5);
    b.until("a restart", 50, |b| b.read(&board::RESTARTS, 0) > 0);
    b.write(&board::WATCHDOG, 0, 60_000);
    b.write(&board::IMAGE, 1, 0);
    b.check_of_image();
    b.until("it stops again", 1000, |b| {
        b.read(&board::IMAGE, 1) == Fault::Crc as u32
    });
    assert!(b.frame(0, 1, 2).is_some());
}
