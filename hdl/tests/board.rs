//! Page `board` through the register bus: MDIO, serial port, LEDs, PHY resets, watchdog and the processor's reset.
#[path = "common/board.rs"]
mod bench;
#[path = "common/seed.rs"]
mod seed;

use bench::Board;
use rand::Rng;
use smartnic_hdl::board::{DIVIDER, DIVISOR, RESET_CYCLES, RESET_TICKS};
use smartnic_regs::board as r;

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
        assert_eq!(b.read(&r::CLOCK), 125_000_000);
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
