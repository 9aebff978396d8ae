//! PHYs and links on a board at register level: every chip, every partner, PHYs that do not answer, flaps, half duplex, restarts.

use crate::mock::{self, Board};
use crate::phy::{KINDS, Kind, Partner, Phy};
use rand::Rng;
use smartnic_firmware::App;
use smartnic_firmware::link::{CALM, STEADY_LEAST, STEADY_MOST};
use smartnic_regs::{board, fdb};

struct Bench {
    board: Board,
    app: App,
}

impl Bench {
    fn new(mut board: Board) -> Self {
        let app = App::new(&mut board, 0x1234_5678);
        let mut bench = Self { board, app };
        // At reset the links are up: until the firmware knows better.
        bench.ticks(500);
        bench
    }
    /// Runs for so many ticks.
    fn ticks(&mut self, count: u64) {
        let (end, kicks) = (self.board.ticks() + count, self.board.kicks);
        let (mut last, mut longest) = (self.board.cycles, 0);
        while self.board.ticks() < end {
            self.app.turn(&mut self.board);
            longest = longest.max(self.board.cycles - last);
            last = self.board.cycles;
        }
        assert!(self.board.kicks > kicks);
        // 16 characters wait on the serial line: 1.39 ms.
        assert!(longest < 173_000, "a turn of {longest} cycles");
    }
    fn until(&mut self, most: u64, done: impl Fn(&Board) -> bool) -> u64 {
        let from = self.board.ticks();
        while !done(&self.board) {
            self.ticks(1);
            assert!(self.board.ticks() - from < most, "not within {most} ticks");
        }
        self.board.ticks() - from
    }
    fn restart(&mut self) {
        self.app = App::new(&mut self.board, 0x1234_5678);
    }
}

const ALL: Partner = Partner {
    speeds: &[10, 100, 1000],
    full: true,
    half: true,
    negotiates: true,
};

/// Two ports, a bus each.
fn two(kind: Kind, addresses: [u32; 2]) -> Board {
    let mut board = Board::new(2, 2);
    for (bus, address) in (0..).zip(addresses) {
        board.phys.insert((bus, address), Phy::new(kind));
    }
    board
}

#[test]
fn every_chip_with_every_partner() {
    let half = |speeds| Partner {
        full: false,
        half: true,
        ..Partner::full(speeds)
    };
    let forced = |speeds| Partner {
        negotiates: false,
        ..Partner::full(speeds)
    };
    let cases = [
        (ALL, Some(1000)),
        (Partner::full(&[10, 100, 1000]), Some(1000)),
        (Partner::full(&[1000]), Some(1000)),
        (Partner::full(&[10, 100]), Some(100)),
        (Partner::full(&[10]), Some(10)),
        (half(&[10, 100]), None),
        (half(&[10, 100, 1000]), None),
        (forced(&[100]), None),
        (forced(&[10]), None),
    ];
    for kind in KINDS {
        for (partner, want) in cases {
            let want = want.map(|s| if kind == Kind::Fast { s.min(100) } else { s });
            let want = want.filter(|s| partner.speeds.contains(s));
            let mut b = Bench::new(two(kind, [0, 17]));
            b.board.phy(0, 0).plug(Some(partner));
            b.ticks(2000);
            let what = format!("{kind:?} with {partner:?}");
            assert_eq!(b.board.link(0), want, "{what}");
            assert_eq!(b.board.link(1), None, "{what}: nothing is plugged in");
            let (phy, no_link) = (b.board.phy(0, 0), want.is_none());
            assert!(phy.delays() && phy.page() == 0, "{what}");
            assert!(!phy.offers_too_much(), "{what}");
            let up_half = phy.link().is_some_and(|l| !l.1);
            let led = board::LEDS::FIRST.get(b.board.reg(board::LEDS, 0));
            assert_eq!(led, if no_link && up_half { 2 } else { 3 }, "{what}");
        }
    }
}

#[test]
fn a_board_with_a_slow_core_offers_no_gigabit() {
    for kind in KINDS {
        let mut board = two(kind, [0, 0]);
        board.put(board::CLOCK, 0, 50_000_000);
        let mut b = Bench::new(board);
        b.board.phy(0, 0).plug(Some(ALL));
        b.board.phy(1, 0).plug(Some(Partner::full(&[1000])));
        b.ticks(2500);
        assert_eq!((b.board.link(0), b.board.link(1)), (Some(100), None));
        let writes = b.board.phy(0, 0).writes.clone();
        assert_eq!(b.board.phy(0, 0).read(9) & 0x300, 0, "{kind:?}");
        // And it stays so.
        b.ticks(3000);
        let real = |w: &&(u16, u8, u16)| w.0 == 0 && w.1 < 16;
        let since: Vec<_> = b.board.phy(0, 0).writes[writes.len()..].to_vec();
        assert_eq!(since.iter().find(real), None, "{kind:?}");
        assert_eq!(b.board.link(0), Some(100));
    }
}

#[test]
fn a_shared_bus_has_addresses_that_count_as_ports_do() {
    let mut board = Board::new(2, 1);
    for address in 0..2 {
        board.phys.insert((0, address), Phy::new(Kind::Rtl8211F));
    }
    board.phy(0, 1).plug(Some(Partner::full(&[100])));
    let mut b = Bench::new(board);
    b.ticks(2500);
    assert_eq!((b.board.link(0), b.board.link(1)), (None, Some(100)));
    b.board.phy(0, 0).plug(Some(ALL));
    b.until(2000, |b| b.link(0) == Some(1000));
    assert_eq!(b.board.link(1), Some(100));
}

#[test]
fn a_phy_that_does_not_answer_and_comes_back() {
    let mut b = Bench::new(two(Kind::Marvell, [0, 5]));
    b.board.phy(0, 0).plug(Some(ALL));
    b.board.phy(1, 5).plug(Some(ALL));
    b.board.phy(1, 5).alive = false;
    b.until(3000, |b| b.link(0) == Some(1000));
    assert_eq!(b.board.link(1), None, "never heard of");
    assert_eq!(board::LEDS::FIRST.get(b.board.reg(board::LEDS, 1)), 2);
    // Its pin is used now and then.
    let mut pulses = 0;
    for _ in 0..30_000 / 5 {
        let before = b.board.reg(board::PHY_RESET, 0);
        b.ticks(5);
        pulses += u32::from(before == 0 && b.board.reg(board::PHY_RESET, 0) == 2);
    }
    assert!(
        (1..=4).contains(&pulses),
        "{pulses} resets in half a minute"
    );
    b.until(100, |b| b.reg(board::PHY_RESET, 0) == 0);
    for round in 0..3 {
        b.board.phy(1, 5).alive = true;
        b.board.phy(1, 5).power_up();
        b.until(8000, |b| b.link(1) == Some(1000));
        assert_eq!(board::LEDS::FIRST.get(b.board.reg(board::LEDS, 1)), 3);
        assert!(!b.board.phy(1, 5).offers_too_much() && b.board.phy(1, 5).delays());
        b.board.phy(1, 5).alive = false;
        let took = b.until(100, |b| b.link(1).is_none());
        assert!(took <= 45, "round {round}: {took} ticks");
        b.ticks(400);
    }
    assert_eq!(
        b.board.link(0),
        Some(1000),
        "the other port knows nothing of it"
    );
    assert_eq!(b.board.links.iter().filter(|l| l.1 == 0).count(), 2);
}

#[test]
fn a_phy_that_lost_its_power_between_two_looks_is_configured_again() {
    for kind in KINDS {
        let mut b = Bench::new(two(kind, [3, 3]));
        b.board.phy(0, 3).plug(Some(Partner::full(&[100])));
        b.until(3000, |b| b.link(0) == Some(100));
        b.board.phy(0, 3).power_up();
        assert!(b.board.phy(0, 3).offers_too_much());
        b.ticks(1500);
        b.until(3000, |b| b.link(0) == Some(100));
        let phy = b.board.phy(0, 3);
        assert!(!phy.offers_too_much() && phy.delays(), "{kind:?}");
    }
}

#[test]
fn links_that_flap_are_slowed_down() {
    let mut rng = mock::rng();
    let mut b = Bench::new(two(Kind::Marvell, [0, 0]));
    b.board.phy(0, 0).negotiation = 5;
    b.board.phy(0, 0).plug(Some(ALL));
    b.until(3000, |b| b.link(0) == Some(1000));
    b.ticks(u64::from(CALM) + 100);
    b.board.links.clear();
    // A first loss is short.
    b.board.phy(0, 0).plug(None);
    let down = b.until(100, |b| b.link(0).is_none());
    b.board.phy(0, 0).plug(Some(ALL));
    let up = b.until(1000, |b| b.link(0).is_some());
    assert!(
        down <= 12 && up < u64::from(STEADY_LEAST) + 40,
        "{down}, {up}"
    );
    // Then it does not stop.
    b.board.links.clear();
    let (mut drops, from) = (0, b.board.ticks());
    while b.board.ticks() < from + 20_000 {
        b.board.phy(0, 0).plug(Some(ALL));
        b.ticks(rng.random_range(1..120));
        b.board.phy(0, 0).plug(None);
        b.ticks(rng.random_range(1..40));
        drops += 1;
    }
    let ups = b
        .board
        .links
        .iter()
        .filter(|l| board::LINK::UP.get(l.2) == 1);
    let ups = ups.count();
    println!("{drops} drops, {ups} times up");
    assert!(drops > 200 && ups <= 4, "{drops} drops, {ups} times up");
    // Peace.
    b.board.phy(0, 0).plug(Some(ALL));
    let up = b.until(5000, |b| b.link(0) == Some(1000));
    assert!(up <= u64::from(STEADY_MOST) + 40, "{up}");
    b.ticks(u64::from(CALM) + 100);
    b.board.phy(0, 0).plug(None);
    b.ticks(20);
    b.board.phy(0, 0).plug(Some(ALL));
    let up = b.until(1000, |b| b.link(0) == Some(1000));
    assert!(
        up < u64::from(STEADY_LEAST) + 40,
        "{up}: peace is over soon"
    );
}

#[test]
fn a_loss_between_two_looks_counts() {
    let mut b = Bench::new(two(Kind::Marvell, [0, 0]));
    b.board.phy(0, 0).negotiation = 0;
    b.board.phy(0, 0).plug(Some(ALL));
    b.until(3000, |b| b.link(0) == Some(1000));
    b.board.links.clear();
    b.board.flushes.clear();
    b.board.phy(0, 0).plug(None);
    b.board.phy(0, 0).plug(Some(Partner::full(&[100])));
    b.until(1000, |b| b.link(0) == Some(100));
    let seen: Vec<u32> = b.board.links.iter().map(|l| l.2).collect();
    assert_eq!(seen, [0x20, 0x10, 0x11], "down, then the speed, then up");
    assert_eq!(b.board.flushes, [(0b101, 0)], "its stations are forgotten");
}

#[test]
fn a_restart_of_the_processor_disturbs_nothing() {
    let mut rng = mock::rng();
    for kind in KINDS {
        let mut b = Bench::new(two(kind, [1, 30]));
        b.board.phy(0, 1).plug(Some(ALL));
        b.until(3000, |b| b.link(0).is_some());
        let link = b.board.link(0);
        b.ticks(100);
        b.board.links.clear();
        for _ in 0..10 {
            b.board.phy(0, 1).writes.clear();
            b.board.written.clear();
            b.restart();
            b.ticks(rng.random_range(1..300));
            let page_or_choice = |w: &&(u16, u8, u16)| ![22, 30, 31].contains(&w.1);
            let writes: Vec<_> = b.board.phy(0, 1).writes.clone();
            let real: Vec<_> = writes.iter().filter(page_or_choice).collect();
            assert!(real.is_empty(), "{kind:?}: {real:?}");
            let tables =
                |w: &&(u32, u32)| (0x1000..0x6000).contains(&w.0) && w.0 != fdb::INDEX.addr;
            assert_eq!(b.board.written.iter().find(tables), None);
        }
        assert!(b.board.links.iter().all(|l| l.1 != 0), "{kind:?}");
        assert_eq!(b.board.link(0), link);
    }
}
