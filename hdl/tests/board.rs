//! Page `board` through the register bus: MDIO, serial port, LEDs, PHY resets, watchdog and the processor's reset.
#[path = "common/seed.rs"]
mod seed;

use rand::Rng;
use smartnic_hdl::board::{CLOCK_HZ, DIVIDER, DIVISOR, RESET_CYCLES, RESET_TICKS, board_regs};
use smartnic_hdl::params::Params;
use smartnic_hdl::rtl::design;
use smartnic_regs::{Reg, board as r};
use smartnic_verilated::{Model, Options};

struct Board {
    dut: Model,
    fired: u64,
    held: u64,
    /// The serial line's end is its beginning.
    looped: bool,
}

impl Board {
    fn new(ports: u32, id: u16) -> Self {
        let options = Options {
            lint: true,
            ..Options::default()
        };
        let m = board_regs(&Params::for_ports(ports), id);
        let mut dut = Model::build(&design(&m), &options).expect("builds");
        dut.poke("serial_rx", 1);
        dut.poke("reset", 1);
        dut.tick(1);
        dut.poke("reset", 0);
        Self {
            dut,
            fired: 0,
            held: 0,
            looped: false,
        }
    }
    fn cycles(&mut self, n: u64) {
        for _ in 0..n {
            if self.looped {
                let level = self.dut.peek("serial_tx");
                self.dut.poke("serial_rx", level);
            }
            self.dut.tick(1);
            self.fired += self.dut.peek("watchdog_fired");
            self.held += self.dut.peek("cpu_reset");
        }
    }
    fn ticks(&mut self, n: u64) {
        for _ in 0..n {
            self.dut.poke("tick", 1);
            self.cycles(1);
            self.dut.poke("tick", 0);
            self.cycles(3);
        }
    }
    fn access(&mut self, write: bool, addr: u32, data: u32) -> u32 {
        for (n, v) in [
            ("valid", 1),
            ("write", u32::from(write)),
            ("addr", addr),
            ("wdata", data),
        ] {
            self.dut.poke(&format!("reg_{n}"), v.into());
        }
        self.cycles(1);
        self.dut.poke("reg_valid", 0);
        self.cycles(1);
        assert_eq!(self.dut.peek("reg_ack"), 1);
        self.dut.peek("reg_rdata") as u32
    }
    fn read(&mut self, reg: &Reg) -> u32 {
        self.access(false, reg.at(0), 0)
    }
    fn write(&mut self, reg: &Reg, value: u32) {
        self.access(true, reg.at(0), value);
    }
}

#[test]
fn identity_reset_values_and_image() {
    for ports in [2, 4] {
        let mut b = Board::new(ports, 0x1234);
        let id = b.read(&r::BOARD_ID);
        let got = [
            r::BOARD_ID::BOARD,
            r::BOARD_ID::PORTS,
            r::BOARD_ID::MDIO_BUSES,
        ]
        .map(|f| f.get(id));
        assert_eq!(got, [0x1234, ports, ports]);
        assert_eq!(u64::from(b.read(&r::CLOCK)), CLOCK_HZ);
        assert_eq!(u64::from(b.read(&r::MDIO_CLOCK)), DIVIDER);
        assert_eq!(u64::from(b.read(&r::SERIAL_DIVISOR)), DIVISOR);
        let mut rng = seed::rng();
        let image: [u32; 4] = rng.random();
        for (i, v) in (0..).zip(image) {
            b.access(true, r::IMAGE.at(i), v);
        }
        for (i, v) in (0..).zip(image) {
            assert_eq!(b.access(false, r::IMAGE.at(i), 0), v);
        }
        assert_eq!(b.access(false, r::IMAGE.at(4), 0), 0, "no such register");
    }
}

#[test]
fn phys_are_held_after_reset_and_by_the_register() {
    let mut b = Board::new(4, 1);
    assert_eq!(b.dut.peek("phy_reset"), 0xf);
    b.ticks(RESET_TICKS - 1);
    assert_eq!(b.dut.peek("phy_reset"), 0xf);
    b.ticks(1);
    assert_eq!(b.dut.peek("phy_reset"), 0);
    for hold in [0b0110, 0b1001, 0xff, 0] {
        b.write(&r::PHY_RESET, hold);
        b.cycles(2);
        assert_eq!(b.dut.peek("phy_reset") as u32, hold & 0xf);
    }
}

#[test]
fn links_and_owner_are_what_was_written() {
    let mut b = Board::new(4, 1);
    b.cycles(1);
    let pins = |b: &Board| (b.dut.peek("phy_link"), b.dut.peek("phy_speed"));
    assert_eq!(
        pins(&b),
        (0xf, 0b10_10_10_10),
        "up at gigabit from reset on"
    );
    let mut rng = seed::rng();
    let mut want = [(1, 2); 4];
    for _ in 0..50 {
        let i = rng.random_range(0..4u32);
        want[i as usize] = (rng.random_range(0..2u32), rng.random_range(0..3u32));
        let (up, speed) = want[i as usize];
        let word = r::LINK::UP.put(up) | r::LINK::SPEED.put(speed);
        b.access(true, r::LINK.at(i), word);
        // Down for a cycle when the speed changes.
        b.cycles(2);
        assert_eq!(b.access(false, r::LINK.at(i), 0), word);
        let (mut ups, mut speeds) = (0, 0);
        for (i, (up, speed)) in want.iter().enumerate() {
            ups |= u64::from(*up) << i;
            speeds |= u64::from(*speed) << (2 * i);
        }
        assert_eq!(pins(&b), (ups, speeds));
    }
    assert_eq!(b.read(&r::OWNER), 0);
    b.write(&r::OWNER, u32::MAX);
    assert_eq!(b.read(&r::OWNER), r::OWNER::HOST.put(1));
}

/// A link: in-band status where there is some and nobody forbids it, else the register; never at a speed that has just changed.
#[test]
fn links_follow_the_phys_or_the_firmware() {
    const PORTS: u32 = 2;
    let mut b = Board::new(PORTS, 1);
    let mut rng = seed::rng();
    let mut registers = [(1, 2, 1); PORTS as usize];
    let mut speeds = [2; PORTS as usize];
    let (mut changes, mut ups) = (0, 0);
    for _ in 0..400 {
        let i = rng.random_range(0..PORTS);
        let n = i as usize;
        if rng.random_range(0..3) == 0 {
            let (up, speed, inband) = (
                rng.random_range(0..2),
                rng.random_range(0..4),
                rng.random_range(0..2),
            );
            registers[n] = (up, speed, inband);
            let word =
                r::LINK::UP.put(up) | r::LINK::SPEED.put(speed) | r::LINK::INBAND.put(inband);
            b.access(true, r::LINK.at(i), word);
        }
        let mut said = [0; 4];
        for ((name, most), value) in [("", 2), ("_up", 2), ("_full", 2), ("_speed", 4)]
            .into_iter()
            .zip(&mut said)
        {
            *value = rng.random_range(0..most);
            b.dut.poke(&format!("inband{name}{i}"), *value);
        }
        let [inband, up, full, speed] = said.map(|v| v as u32);
        let usable = inband * up * full == 1 && speed != 3;
        let (fixed_up, fixed_speed, follows) = registers[n];
        let (want, at) = match inband == 1 && follows == 1 {
            true => (usable, if usable { speed } else { speeds[n] }),
            false => (fixed_up == 1, fixed_speed.min(2)),
        };
        b.cycles(1);
        let pins = |b: &Board| {
            (
                b.dut.peek("phy_link") >> i & 1,
                b.dut.peek("phy_speed") >> (2 * i) & 3,
            )
        };
        if at != speeds[n] {
            assert_eq!(pins(&b), (0, at.into()), "down while the speed changes");
            speeds[n] = at;
            changes += 1;
        }
        b.cycles(1);
        assert_eq!(pins(&b), (want.into(), at.into()));
        ups += u32::from(want);
        let status = b.access(false, r::LINK_STATUS.at(i), 0);
        let s = r::LINK_STATUS::UP.put(want.into()) | r::LINK_STATUS::SPEED.put(at);
        let seen = r::LINK_STATUS::INBAND_UP.put(up)
            | r::LINK_STATUS::INBAND_FULL.put(full)
            | r::LINK_STATUS::INBAND_SPEED.put(speed);
        assert_eq!(
            status,
            s | r::LINK_STATUS::INBAND.put(inband) | seen * inband
        );
    }
    assert!(changes > 50 && ups > 50, "{changes}, {ups}");
}

#[test]
fn leds_follow_their_modes() {
    let mut b = Board::new(2, 1);
    // Cycles of a period in which each LED is lit; both change at most each 32 ticks.
    let lit = |b: &mut Board, traffic: bool| {
        let mut on = [[0u64; 2]; 2];
        for _ in 0..512 {
            b.dut.poke("activity", if traffic { 0b10 } else { 0 });
            b.dut.poke("tick", 1);
            b.cycles(1);
            b.dut.poke("tick", 0);
            for (n, name) in ["led_first", "led_second"].iter().enumerate() {
                for (port, on) in on.iter_mut().enumerate() {
                    on[n] += b.dut.peek(name) >> port & 1;
                }
            }
        }
        on
    };
    // Reset values: link on the first, traffic on the second.
    b.dut.poke("link", 0b11);
    lit(&mut b, true);
    assert_eq!(lit(&mut b, true), [[512, 0], [512, 256]]);
    lit(&mut b, false);
    assert_eq!(lit(&mut b, false), [[512, 0], [512, 0]]);
    b.dut.poke("link", 0b01);
    assert_eq!(lit(&mut b, false), [[512, 0], [0, 0]]);
    let want = |mode: u32, link: bool, traffic: bool| match mode {
        1 => 512,
        2 => 256,
        3 if link => 512,
        4 if traffic => 256,
        5 if link && traffic => 256,
        5 if link => 512,
        _ => 0,
    };
    for first in 0..8 {
        let second = 7 - first;
        let value = r::LEDS::FIRST.put(first) | r::LEDS::SECOND.put(second);
        b.access(true, r::LEDS.at(1), value);
        for (link, traffic) in [(false, false), (true, false), (true, true), (false, true)] {
            b.dut.poke("link", u64::from(link) << 1);
            lit(&mut b, traffic);
            let on = lit(&mut b, traffic);
            assert_eq!(on[0], [0, 0], "port 0 is as it was");
            let want = [want(first, link, traffic), want(second, link, traffic)];
            assert_eq!(
                on[1], want,
                "modes {first}, {second}, link {link}, traffic {traffic}"
            );
        }
    }
}

#[test]
fn mdio_and_serial_through_the_page() {
    let mut b = Board::new(2, 1);
    // No PHY: the line stays high.
    b.dut.poke("mdio_i", 3);
    b.write(
        &r::MDIO_COMMAND,
        r::MDIO_COMMAND::PHY.put(5) | r::MDIO_COMMAND::REGISTER.put(2),
    );
    assert_eq!(r::MDIO_STATUS::BUSY.get(b.read(&r::MDIO_STATUS)), 1);
    b.cycles(129 * 4 * (DIVIDER + 1) + 10);
    let all = r::MDIO_STATUS::DATA.put(0xffff) | r::MDIO_STATUS::NO_ANSWER.put(1);
    assert_eq!(b.read(&r::MDIO_STATUS), all);
    // A write on bus 1, taken from the pins.
    b.write(&r::MDIO_CLOCK, 0);
    let command = r::MDIO_COMMAND::WRITE.put(1)
        | r::MDIO_COMMAND::BUS.put(1)
        | r::MDIO_COMMAND::PHY.put(0x15)
        | r::MDIO_COMMAND::REGISTER.put(0x0a)
        | r::MDIO_COMMAND::DATA.put(0xc35a);
    b.write(&r::MDIO_COMMAND, command);
    let (mut bits, mut mdc) = (0u64, 0);
    for _ in 0..64 * 8 + 10 {
        b.cycles(1);
        let now = b.dut.peek("mdc");
        assert_eq!(now & 1, 0, "bus 0 is silent");
        if now & !mdc != 0 {
            assert_eq!(b.dut.peek("mdio_oe"), 2);
            bits = bits << 1 | b.dut.peek("mdio_o") >> 1 & 1;
        }
        mdc = now;
    }
    assert_eq!(
        bits,
        0xffff_ffff_0000_0000 | 0b0101 << 28 | 0x15 << 23 | 0x0a << 18 | 2 << 16 | 0xc35a
    );

    // Serial: what is sent comes back through a loop.
    b.looped = true;
    b.write(&r::SERIAL_DIVISOR, 15);
    let idle = r::SERIAL_STATUS::TX_READY.put(1) | r::SERIAL_STATUS::TX_IDLE.put(1);
    b.cycles(4);
    assert_eq!(b.read(&r::SERIAL_STATUS), idle);
    assert_eq!(b.read(&r::SERIAL_DATA), 0);
    for c in *b"ok\n" {
        b.write(&r::SERIAL_DATA, c.into());
    }
    assert_eq!(r::SERIAL_STATUS::TX_IDLE.get(b.read(&r::SERIAL_STATUS)), 0);
    b.cycles(600);
    for c in *b"ok\n" {
        assert_eq!(b.read(&r::SERIAL_STATUS), idle | 1);
        assert_eq!(b.read(&r::SERIAL_DATA), 0x100 | u32::from(c));
    }
    assert_eq!(b.read(&r::SERIAL_DATA), 0);
    for c in 0..16 {
        b.write(&r::SERIAL_DATA, c);
    }
    b.cycles(20 * 160);
    b.write(&r::SERIAL_DATA, 0x55);
    b.cycles(300);
    b.looped = false;
    b.dut.poke("serial_rx", 0);
    b.cycles(1000);
    b.dut.poke("serial_rx", 1);
    assert_eq!(
        b.read(&r::SERIAL_ERRORS),
        r::SERIAL_ERRORS::FRAMING.put(1) | r::SERIAL_ERRORS::OVERRUN.put(1)
    );
}

#[test]
fn the_watchdog_restarts_the_processor() {
    let mut b = Board::new(2, 1);
    let mut rng = seed::rng();
    b.cycles(2);
    assert_eq!(b.dut.peek("cpu_reset"), 0, "runs after reset");
    let mut restarts = 0;
    for round in 0..60 {
        let limit = rng.random_range(2..40);
        b.write(&r::WATCHDOG, limit);
        b.write(&r::WATCHDOG_KICK, rng.random());
        (b.fired, b.held) = (0, 0);
        b.ticks(u64::from(limit) - 1);
        if round % 3 == 0 {
            // Kicked in time, as often as one likes.
            for _ in 0..3 {
                b.write(&r::WATCHDOG_KICK, 0);
                b.ticks(u64::from(limit) - 1);
            }
            b.write(&r::WATCHDOG_KICK, 0);
            assert_eq!((b.fired, b.held), (0, 0));
        } else {
            assert_eq!(b.fired, 0);
            b.ticks(1);
            b.cycles(40);
            assert_eq!((b.fired, b.held), (1, RESET_CYCLES), "limit {limit}");
            restarts += 1;
        }
        assert_eq!(b.read(&r::RESTARTS), restarts);
    }
    // Fires again and again.
    b.write(&r::WATCHDOG, 3);
    b.write(&r::WATCHDOG_KICK, 0);
    b.fired = 0;
    b.ticks(30);
    assert_eq!(b.fired, 10);
    // Off, and while the processor is held.
    b.fired = 0;
    b.write(&r::WATCHDOG, 0);
    b.ticks(100);
    b.write(&r::CPU_CONTROL, 0);
    b.write(&r::WATCHDOG, 2);
    b.cycles(10);
    assert_eq!(b.dut.peek("cpu_reset"), 1);
    assert_eq!(r::CPU_STATUS::HELD.get(b.read(&r::CPU_STATUS)), 1);
    b.ticks(100);
    assert_eq!(b.fired, 0);
    b.write(&r::CPU_CONTROL, 1);
    b.cycles(2);
    assert_eq!(b.dut.peek("cpu_reset"), 0);
    b.held = 0;
    b.write(&r::CPU_RESTART, 0);
    b.cycles(60);
    assert_eq!((b.fired, b.held), (0, RESET_CYCLES));
}

#[test]
fn the_last_trap_is_kept() {
    let mut b = Board::new(2, 1);
    let mut rng = seed::rng();
    for n in 1..300u32 {
        let (cause, pc) = (rng.random_range(0..16u32), rng.random::<u32>());
        b.dut.poke("trap", 1);
        b.dut.poke("trap_cause", cause.into());
        b.dut.poke("trap_pc", pc.into());
        b.cycles(rng.random_range(1..5));
        let status = b.read(&r::CPU_STATUS);
        assert_eq!(r::CPU_STATUS::TRAPPED.get(status), 1);
        b.dut.poke("trap", 0);
        b.dut.poke("trap_cause", rng.random_range(0..16));
        b.dut.poke("trap_pc", 0);
        b.cycles(3);
        let status = b.read(&r::CPU_STATUS);
        let want = r::CPU_STATUS::CAUSE.put(cause) | r::CPU_STATUS::TRAPS.put(n.min(255));
        assert_eq!(status, want);
        assert_eq!(b.read(&r::CPU_TRAP_PC), pc);
    }
}
