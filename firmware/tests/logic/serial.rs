//! The line protocol on a board at register level: every command, and everything that is wrong.

use crate::mock::{self, Board};
use crate::phy::{Kind, Partner, Phy};
use rand::Rng;
use smartnic_firmware::serial::{ANSWER_BYTES, FOUND_PLACES, LINE_BYTES};
use smartnic_firmware::{App, VERSION};
use smartnic_regs::{board, fdb, global, port, queue};

struct Bench {
    board: Board,
    app: App,
}

impl Bench {
    fn new() -> Self {
        let mut board = Board::new(2, 2);
        for bus in 0..2 {
            board.phys.insert((bus, 1), Phy::new(Kind::Marvell));
        }
        board.phy(0, 1).plug(Some(Partner::full(&[10, 100])));
        let app = App::new(&mut board, 7);
        let mut bench = Self { board, app };
        bench.turns(30);
        let version = format!("{}.{}.{}", VERSION[0], VERSION[1], VERSION[2]);
        assert_eq!(
            bench.said(),
            format!("\r\n! start smartnic-firmware {version}\r\n")
        );
        bench
    }
    fn turns(&mut self, count: u32) {
        for _ in 0..count {
            self.app.turn(&mut self.board);
        }
    }
    fn said(&mut self) -> String {
        String::from_utf8(std::mem::take(&mut self.board.from)).expect("ASCII")
    }
    fn ask(&mut self, line: &str) -> String {
        self.board.to.extend(line.bytes());
        self.board.to.push_back(b'\n');
        self.turns(30 + line.len() as u32 / 16);
        let said = self.said();
        assert!(said.len() <= ANSWER_BYTES, "{said}");
        said.strip_suffix("\r\n")
            .unwrap_or_else(|| panic!("{said:?}"))
            .into()
    }
}

fn sum(text: &str) -> String {
    format!("{text}*{:02x}", text.bytes().fold(0, |s, b| s ^ b))
}

#[test]
fn registers_are_read_and_written() {
    let mut b = Bench::new();
    let magic = b.ask(&format!("r {:x}", global::MAGIC.addr));
    assert_eq!(magic, "ok 534e4943");
    let at = global::SCRATCH.addr;
    assert_eq!(b.ask(&format!("w {at:x} 89abcdef")), "ok");
    assert_eq!(b.board.reg(global::SCRATCH, 0), 0x89ab_cdef);
    b.board.put(queue::LIMIT, 0, 0x11);
    b.board.put(queue::LIMIT, 1, 0x22);
    b.board.put(queue::LIMIT, 2, 0x33);
    let said = b.ask(&format!("  r\t{:X}  3 \r", queue::LIMIT.addr));
    assert_eq!(said, "ok 00000011 00000022 00000033");
    let eight = b.ask("r 1000 8");
    assert_eq!(eight.split(' ').count(), 9);
    // Case, leading zeros, several blanks.
    assert_eq!(b.ask("r 0000000C"), b.ask("r c"));
}

#[test]
fn what_is_wrong_is_an_error_line() {
    let mut b = Bench::new();
    let long = "x".repeat(LINE_BYTES + 1);
    let huge = "r 0 ".repeat(2000);
    let cases = [
        ("nonsense", 1),
        ("R 0", 1),
        ("reset", 1),
        ("*", 1),
        (long.as_str(), 2),
        (huge.as_str(), 2),
        ("r", 3),
        ("r zz", 3),
        ("r 0x10", 3),
        ("r -4", 3),
        ("r 123456789", 3),
        ("r 0 1 2", 3),
        ("w 10", 3),
        ("w 10 1 1", 3),
        ("# r 0", 3),
        ("#xx r 0", 3),
        ("version 1", 3),
        ("status x", 3),
        ("help me", 3),
        ("r 2", 4),
        ("r 10000", 4),
        ("r ffffffff", 4),
        ("r 7000", 4),
        ("w b000 1", 4),
        ("r 9ffc 2", 0),
        ("r affc 2", 4),
        ("r 6ffc 2", 4),
        ("r 0 9", 4),
        ("r 0 0", 4),
        ("#100 r 0", 4),
        ("c 3 0", 4),
        ("c 0 40", 4),
        ("f 421", 4),
        ("m 2 0 0", 4),
        ("m 0 20 0", 4),
        ("m 0 0 20", 4),
        ("m 0 0 0 10000", 4),
        ("r 0*00", 5),
        ("r 0*zz", 5),
        ("m 0 2 0", 6),
    ];
    for (line, code) in cases {
        let said = b.ask(line);
        let line = &line[..line.len().min(20)];
        match code {
            0 => assert!(said.starts_with("ok "), "{line}: {said}"),
            _ => assert!(said.starts_with(&format!("err {code} ")), "{line}: {said}"),
        }
    }
    // The serial port's own queue would be eaten by a read.
    let said = b.ask(&format!("r {:x}", board::SERIAL_DATA.addr));
    assert!(said.starts_with("err 4"), "{said}");
    // Empty lines have no answer.
    b.board.to.extend(b"\n\r\n\r\n");
    b.turns(20);
    assert_eq!(b.said(), "");
}

#[test]
fn checksums_and_tags_come_back() {
    let mut b = Bench::new();
    assert_eq!(b.ask(&sum("r 0")), sum("ok 534e4943"));
    assert_eq!(b.ask(&sum("#5 r 0")), sum("#05 ok 534e4943"));
    // The front of a program's request, ended by noise.
    assert_eq!(b.ask("#5 r 0"), "#05 err 5 checksum");
    assert_eq!(b.ask(&sum("#fe r 0")), sum("#fe ok 534e4943"));
    assert_eq!(
        b.ask(&sum("#fe what")),
        sum("#fe err 1 unknown command: type help")
    );
    // A write that comes again is not done again, until something else came.
    let at = global::SCRATCH.addr;
    for (line, want) in [
        (sum(&format!("#10 w {at:x} 1")), 1),
        (sum(&format!("#10 w {at:x} 2")), 1),
        (sum(&format!("#11 w {at:x} 3")), 3),
        (sum(&format!("#11 r {at:x}")), 3),
        (sum(&format!("#11 w {at:x} 4")), 4),
        (format!("w {at:x} 5"), 5),
        (format!("w {at:x} 6"), 6),
        (sum(&format!("#11 w {at:x} 7")), 7),
    ] {
        assert!(b.ask(&line).contains("ok"), "{line}");
        assert_eq!(b.board.reg(global::SCRATCH, 0), want, "{line}");
    }
    // What was refused, because noise was in it, was not done: it is done when it comes again.
    let right = sum(&format!("#12 w {at:x} 89"));
    for wrong in [
        format!("#12 w {at:x} 89?55"),
        format!("#12 w {at:x} 8"),
        sum(&format!("#12 w {at:x} 8z")),
        right.replace("89", "88"),
    ] {
        assert!(b.ask(&wrong).contains("err"), "{wrong}");
        assert_eq!(b.board.reg(global::SCRATCH, 0), 7, "{wrong}");
    }
    assert!(b.ask(&right).contains("ok"));
    assert_eq!(b.board.reg(global::SCRATCH, 0), 0x89);
}

#[test]
fn counters_entries_and_phys() {
    let mut b = Bench::new();
    b.board.counters.insert((2, 0x18), 0x0123_4567_89ab_cdef);
    assert_eq!(b.ask("c 2 18"), "ok 01234567 89abcdef");
    // The FDB: three entries, the last in the CAM's last place.
    let found = fdb::RESULT::FOUND.put(1);
    let last = 1024 + 32 - 1;
    for (index, dest) in [(3, 1), (700, 0), (last, 1)] {
        let result = found | fdb::RESULT::DEST.put(dest);
        b.board
            .fdb
            .insert(index, (result, 0x0500_0002 + index, 0x77));
    }
    let (mut next, mut seen, mut asked) = (0u32, vec![], 0);
    loop {
        let said = b.ask(&format!("f {next:x}"));
        asked += 1;
        let words: Vec<&str> = said.split(' ').collect();
        let number = |i: usize| u32::from_str_radix(words[i], 16).unwrap();
        match words.len() {
            2 if words[1] == "end" => break,
            2 => next = number(1),
            _ => {
                seen.push(number(1));
                assert_eq!(b.board.fdb[&number(1)], (number(2), number(3), number(4)));
                next = number(1) + 1;
            }
        }
    }
    assert_eq!(seen, [3, 700, last]);
    assert!(asked <= 3 + 1 + (1056 / FOUND_PLACES), "{asked}");
    // PHYs.
    assert_eq!(b.ask("m 0 1 2"), "ok 0141");
    assert_eq!(b.ask("m 1 1 12 1234"), "ok");
    assert_eq!(b.board.phy(1, 1).read(0x12), 0x1234);
}

/// A host uses the registers of commands: the serial line keeps off them, and reads what it likes.
#[test]
fn a_host_has_the_tables_to_itself() {
    let mut b = Bench::new();
    b.board.counters.insert((0, 0), 7);
    let age = fdb::AGE_PERIOD.at(0);
    let asked = [
        "c 0 0".to_owned(),
        "f 0".to_owned(),
        format!("w {age:x} 5"),
        format!("w {:x} 0", board::OWNER.at(0)),
    ];
    let before = b.board.reg(fdb::AGE_PERIOD, 0);
    b.board.put(board::OWNER, 0, board::OWNER::HOST.put(1));
    for line in &asked {
        assert_eq!(b.ask(line), "err 7 the host owns this", "{line}");
    }
    assert_eq!(b.board.reg(fdb::AGE_PERIOD, 0), before);
    assert_eq!(b.board.reg(board::OWNER, 0), board::OWNER::HOST.put(1));
    assert_eq!(b.ask(&format!("r {:x}", board::OWNER.at(0))), "ok 00000001");
    assert_eq!(b.ask("m 0 1 2"), "ok 0141");
    assert_eq!(b.ask(&format!("w {:x} 12", board::LEDS.at(1))), "ok");
    assert_eq!(b.board.reg(board::LEDS, 1), 0x12);
    // It may come while entries are looked at.
    for after in [10, 100, 1000] {
        b.board.put(board::OWNER, 0, 0);
        b.board.host_after = Some(after);
        b.ask("f 0");
        let read = b.board.written.iter().filter(|w| w.0 == fdb::COMMAND.addr);
        assert!(read.count() <= 1, "after {after}");
        assert_eq!(b.board.host_after, None);
    }
    // The owner is the client on this line.
    let serial = board::OWNER::HOST.put(1) | board::OWNER::SERIAL.put(1);
    b.board.put(board::OWNER, 0, serial);
    assert_eq!(b.ask(&asked[0]), "ok 00000000 00000007");
    assert!(b.ask(&asked[1]).starts_with("ok "));
    assert_eq!(b.ask(&asked[2]), "ok");
    assert_eq!(b.board.reg(fdb::AGE_PERIOD, 0), 5);
}

#[test]
fn version_and_status() {
    let mut b = Bench::new();
    let version = b.ask("version");
    let firmware = format!("{}.{}.{}", VERSION[0], VERSION[1], VERSION[2]);
    let want = format!("ok protocol 1 smartnic-firmware {firmware} map 1.3 board 1");
    assert_eq!(version, want);
    assert!(b.ask("help").starts_with("ok r ADDR"));
    while b.board.ticks() < 3000 + 33_000 {
        b.turns(100);
    }
    b.said();
    b.board.put(board::OWNER, 0, 1);
    b.board.put(board::RESTARTS, 0, 4_294_967_295);
    let status = b.ask("status");
    let words: Vec<&str> = status.split(' ').collect();
    assert_eq!(words[..2], ["ok", "up"], "{status}");
    assert!(words[2].parse::<u32>().unwrap() > 1000, "{status}");
    let want =
        "restarts 4294967295 tables host port 1 100 88e1512 flaps 1 port 2 down 88e1512 flaps 1";
    assert_eq!(words[3..].join(" "), want);
}

#[test]
fn random_lines_have_one_answer_each() {
    let mut b = Bench::new();
    let mut rng = mock::rng();
    let words = [
        "r", "w", "c", "f", "m", "#1", "#fff", "*", "*00", "0", "1000", "a060", "fffff", "version",
        "status", "help", "zz", "\t",
    ];
    for _ in 0..3000 {
        let mut line = String::new();
        for _ in 0..rng.random_range(1..6) {
            if rng.random_range(0..8) == 0 {
                let junk: String = (0..rng.random_range(1..90))
                    .map(|_| rng.random_range('!'..'~'))
                    .collect();
                line += &junk;
            } else {
                line += words[rng.random_range(0..words.len())];
            }
            line.push(' ');
        }
        // Raw writes may do anything to the board: only what cannot stop the firmware.
        if line.contains('w') {
            continue;
        }
        let said = b.ask(&line);
        assert_eq!(said.lines().count(), 1, "{line:?}: {said:?}");
        assert!(
            said.contains("ok") || said.contains("err"),
            "{line:?}: {said:?}"
        );
    }
    // Bytes of any kind.
    for _ in 0..200 {
        let bytes: Vec<u8> = (0..rng.random_range(1..200))
            .map(|_| rng.random())
            .collect();
        b.board.to.extend(bytes.iter().filter(|b| **b != b'w'));
        b.board.to.push_back(b'\n');
        b.turns(400);
    }
    b.said();
    assert_eq!(b.ask("r 0"), "ok 534e4943");
    assert_eq!(b.board.reg(port::CONFIG, 0), 0xeb);
}
