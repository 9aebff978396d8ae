//! The board as a switch on its own, and the handover to a host.

use crate::mock::Board;
use crate::phy::{Kind, Partner, Phy};
use smartnic_firmware::bridge::AGE_PERIOD;
use smartnic_firmware::{App, VERSION_WORD};
use smartnic_regs::values::learn;
use smartnic_regs::{board, fdb, global, port, reserved};

fn turns(app: &mut App, board: &mut Board, ticks: u64) {
    let end = board.ticks() + ticks;
    while board.ticks() < end {
        app.turn(board);
    }
}

/// What a reset of the switch leaves.
fn reset(board: &mut Board) {
    board.put(fdb::AGE_PERIOD, 0, 0);
    for n in 0..8 {
        board.put(fdb::HASH_KEY, n, 0);
    }
    for n in 0..16 {
        board.put(reserved::ACTION, n, 1);
    }
}

fn check_own(board: &Board) {
    assert_eq!(board.reg(fdb::AGE_PERIOD, 0), AGE_PERIOD);
    for n in [0, 1, 2, 4, 5, 6] {
        assert_ne!(board.reg(fdb::HASH_KEY, n), 0, "key {n}");
    }
    assert_eq!(board.reg(reserved::ACTION, 0), 3, "BPDUs go on");
    for n in 1..16 {
        assert_eq!(board.reg(reserved::ACTION, n), 0, "01:80:c2:00:00:{n:02x}");
    }
    for n in 0..2 {
        let config = board.reg(port::CONFIG, n);
        assert_eq!(config, 0xeb, "port {n}");
        assert_eq!(port::CONFIG::LEARN.get(config), learn::HARDWARE);
    }
}

#[test]
fn defaults_of_a_bridge_once_after_a_reset() {
    let mut b = Board::new(2, 2);
    b.put(global::STATUS, 0, 0);
    let mut app = App::new(&mut b, 99);
    turns(&mut app, &mut b, 200);
    assert_eq!(
        b.reg(fdb::AGE_PERIOD, 0),
        0,
        "not before the switch is ready"
    );
    b.put(global::STATUS, 0, 3);
    turns(&mut app, &mut b, 200);
    check_own(&b);
    assert!(
        b.flushes.iter().any(|f| f.0 == 0),
        "keys change while the table is empty"
    );
    let all = (fdb::INDEX.addr, 0);
    let flushed = b.written.iter().position(|w| *w == all);
    let key = b.written.iter().position(|w| w.0 == fdb::HASH_KEY.addr);
    assert!(flushed.is_some() && flushed < key);
    let keys: Vec<u32> = (0..7).map(|n| b.reg(fdb::HASH_KEY, n)).collect();
    // What somebody changes stays, until the next reset.
    b.put(reserved::ACTION, 3, 2);
    let count = b.flushes.len();
    turns(&mut app, &mut b, 1000);
    assert_eq!((b.reg(reserved::ACTION, 3), b.flushes.len()), (2, count));
    reset(&mut b);
    turns(&mut app, &mut b, 200);
    check_own(&b);
    let again: Vec<u32> = (0..7).map(|n| b.reg(fdb::HASH_KEY, n)).collect();
    assert_ne!(keys, again, "other keys");
    // What it says of itself.
    let says = [0, 1, 2].map(|i| b.reg(board::IMAGE, i));
    assert_eq!(says, [VERSION_WORD, 1, 99]);
}

/// Registers of the switch's configuration.
fn table(written: &(u32, u32)) -> bool {
    (0x1000..0xa000).contains(&written.0) || written.0 < 0x1000
}

/// A host takes the tables in the middle of what the firmware does there: the write that is on its way is the last one.
#[test]
fn a_host_may_take_the_tables_at_any_time() {
    let (mut early, mut late) = (0, 0);
    for after in 0..400 {
        let mut b = Board::new(2, 2);
        let mut app = App::new(&mut b, 99);
        b.host_after = Some(after);
        turns(&mut app, &mut b, 200);
        assert!(b.host_after.is_none());
        let more = b.written.iter().filter(|w| table(w)).count();
        assert!(more <= 1, "after {after}: {:x?}", b.written);
        let done = b.reg(fdb::AGE_PERIOD, 0) == AGE_PERIOD;
        (early, late) = (early + u32::from(!done), late + u32::from(done));
    }
    assert!(early > 50 && late > 50, "{early} before, {late} after");
}

/// The same while a lost link's stations are forgotten.
#[test]
fn a_host_may_take_the_tables_when_a_link_is_lost() {
    // A port that loses its link, and a host that comes so many accesses later.
    let lose = |host_after| {
        let mut b = Board::new(2, 2);
        b.phys.insert((0, 0), Phy::new(Kind::Marvell));
        b.phy(0, 0).plug(Some(Partner::full(&[1000])));
        let mut app = App::new(&mut b, 99);
        turns(&mut app, &mut b, 2000);
        assert_eq!(b.link(0), Some(1000));
        b.flushes.clear();
        b.written.clear();
        b.phy(0, 0).plug(None);
        b.host_after = host_after;
        let from = b.accesses;
        while b.link(0).is_some() {
            app.turn(&mut b);
        }
        let took = b.accesses - from;
        turns(&mut app, &mut b, 100);
        (b, took as u32)
    };
    let (b, took) = lose(None);
    assert_eq!(b.flushes.len(), 1);
    let mut flushed = 0;
    for after in took - 60..took {
        let (b, _) = lose(Some(after));
        let more = b.written.iter().filter(|w| table(w)).count();
        assert!(more <= 1, "after {after}: {:x?}", b.written);
        flushed += b.flushes.len();
    }
    assert!((1..60).contains(&flushed), "{flushed}");
}

#[test]
fn a_host_that_owns_the_tables_is_left_alone() {
    let mut b = Board::new(2, 2);
    b.phys.insert((0, 0), Phy::new(Kind::Marvell));
    b.put(board::OWNER, 0, 1);
    let mut app = App::new(&mut b, 99);
    b.phy(0, 0).plug(Some(Partner::full(&[1000])));
    turns(&mut app, &mut b, 3000);
    assert_eq!(b.link(0), Some(1000), "PHYs and links are still its own");
    b.phy(0, 0).plug(None);
    turns(&mut app, &mut b, 100);
    assert_eq!(b.link(0), None);
    assert!(b.flushes.is_empty());
    assert_eq!(b.written.iter().find(|w| table(w)), None);
    // Given back, without a reset: what the host set up stays.
    b.put(fdb::AGE_PERIOD, 0, 5);
    b.put(board::OWNER, 0, 0);
    turns(&mut app, &mut b, 1000);
    assert_eq!(b.written.iter().find(|w| table(w)), None);
    reset(&mut b);
    turns(&mut app, &mut b, 1000);
    check_own(&b);
}
