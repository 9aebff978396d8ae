//! Links of page `board`: the PHYs' in-band status, or what the firmware writes.
#[path = "common/board.rs"]
mod bench;
#[path = "common/seed.rs"]
mod seed;

use bench::Board;
use rand::Rng;
use smartnic_hdl::params::Params;
use smartnic_regs::board as r;

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
    let both = r::OWNER::HOST.put(1) | r::OWNER::SERIAL.put(1);
    assert_eq!(b.read(&r::OWNER), both);
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
            s | r::LINK_STATUS::INBAND.put(inband) | (seen * inband)
        );
    }
    assert!(changes > 50 && ups > 50, "{changes}, {ups}");
}

/// A core that is too slow for 1000 Mb/s has no link at that speed, whoever asks for it.
#[test]
fn a_slow_core_has_no_gigabit() {
    let slow = Params {
        board: true,
        core_mhz: 50,
        ..Params::for_ports(2)
    };
    let mut b = Board::of(&slow, 1);
    assert_eq!(b.read(&r::CLOCK), 50_000_000);
    // 2.08 MHz, 115,200 baud.
    assert_eq!(b.read(&r::MDIO_CLOCK), 2);
    assert_eq!(b.read(&r::SERIAL_DIVISOR), 433);
    b.cycles(2);
    assert_eq!(b.dut.peek("phy_link"), 0, "the register says gigabit");
    for (speed, up) in [(0, 1), (1, 1), (2, 0), (3, 0), (1, 1)] {
        let word = r::LINK::UP.put(1) | r::LINK::SPEED.put(speed) | r::LINK::INBAND.put(1);
        b.access(true, r::LINK.at(0), word);
        b.cycles(3);
        assert_eq!(b.dut.peek("phy_link") & 1, up, "register: speed {speed}");
        for (pin, level) in [("", 1), ("_up", 1), ("_full", 1), ("_speed", speed.into())] {
            b.dut.poke(&format!("inband{pin}1"), level);
        }
        b.cycles(3);
        assert_eq!(b.dut.peek("phy_link") >> 1, up, "in-band: speed {speed}");
    }
}
