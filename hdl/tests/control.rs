//! The pages `global`, `port` and `reserved`: identification, ticks, resets, link changes.

use smartnic_hdl::control;
use smartnic_hdl::params::Params;
use smartnic_hdl::rtl::{Module, design};
use smartnic_regs::{Reg, global as g, port, reserved};
use smartnic_verilated::{Model, Options};

struct Bus(Model);

impl Bus {
    fn new(m: &Module) -> Bus {
        let mut dut = Model::build(
            &design(m),
            &Options {
                lint: true,
                ..Options::default()
            },
        )
        .expect("builds");
        dut.poke("reset", 1);
        dut.tick(1);
        dut.poke("reset", 0);
        Bus(dut)
    }
    fn access(&mut self, write: bool, addr: u32, data: u32) -> u32 {
        for (n, v) in [
            ("valid", 1),
            ("write", write as u64),
            ("addr", addr as u64),
            ("wdata", data as u64),
        ] {
            self.0.poke(&format!("reg_{n}"), v);
        }
        self.0.tick(1);
        self.0.poke("reg_valid", 0);
        for _ in 0..32 {
            self.0.tick(1);
            if self.0.peek("reg_ack") == 1 {
                return self.0.peek("reg_rdata") as u32;
            }
        }
        panic!("no answer for {addr:#x}");
    }
    fn read(&mut self, r: &Reg, i: u32) -> u32 {
        self.access(false, r.at(i), 0)
    }
    fn write(&mut self, r: &Reg, i: u32, v: u32) {
        self.access(true, r.at(i), v);
    }
}

#[test]
fn identification_and_capabilities() {
    let p = Params::for_ports(4);
    let mut b = Bus::new(&control::global(&p));
    assert_eq!(b.read(&g::MAGIC, 0), u32::from_be_bytes(*b"SNIC"));
    assert_eq!(g::VERSION::MAJOR.get(b.read(&g::VERSION, 0)), 1);
    let caps = b.read(&g::CAPS0, 0);
    assert_eq!(
        (
            g::CAPS0::PORTS.get(caps),
            g::CAPS0::QUEUES.get(caps),
            g::CAPS0::BEAT_BYTES.get(caps)
        ),
        (4, 4, 8)
    );
    let caps = b.read(&g::CAPS1, 0);
    assert_eq!(
        (
            1 << g::CAPS1::FDB_LOG2.get(caps),
            g::CAPS1::CAM.get(caps),
            g::CAPS1::CELLS.get(caps)
        ),
        (8192, 32, 2048)
    );
    b.write(&g::SCRATCH, 0, 0xa5a5_5a5a);
    assert_eq!(b.read(&g::SCRATCH, 0), 0xa5a5_5a5a);
    b.0.poke("ready_in", 1);
    assert_eq!(b.read(&g::STATUS, 0), 1);
    b.0.poke("idle_in", 1);
    assert_eq!(b.read(&g::STATUS, 0), 3);
}

#[test]
fn cycles_tick_and_added_ticks() {
    let mut b = Bus::new(&control::global(&Params::for_ports(2)));
    let first = b.read(&g::CYCLES_LO, 0);
    for _ in 0..1000 {
        b.0.tick(1);
    }
    let second = b.read(&g::CYCLES_LO, 0);
    assert!(
        (1000..1010).contains(&(second - first)),
        "{}",
        second - first
    );
    assert_eq!(b.read(&g::CYCLES_HI, 0), 0);
    // The distance of ticks, not their number in some time: a period that is one too long would hardly show there.
    for period in [1, 2, 3, 100, 257] {
        b.write(&g::TICK, 0, period);
        let ticks: Vec<u32> = (0..2000)
            .filter(|_| {
                b.0.tick(1);
                b.0.peek("tick") == 1
            })
            .collect();
        assert!(ticks.len() > 3, "period {period}: {} ticks", ticks.len());
        // The first may still have counted from the period before.
        for pair in ticks[1..].windows(2) {
            assert_eq!(pair[1] - pair[0], period, "period {period}");
        }
    }
    b.write(&g::TICK, 0, 100);
    let count = |b: &mut Bus, cycles| {
        (0..cycles).fold(0, |n, _| {
            b.0.tick(1);
            n + b.0.peek("tick")
        })
    };
    count(&mut b, 200);
    assert_eq!(count(&mut b, 1000), 10, "one tick each 100 cycles");
    b.write(&g::TICK, 0, 1_000_000);
    b.write(&g::TICK_ADD, 0, 25);
    b.write(&g::TICK_ADD, 0, 5);
    let got = count(&mut b, 16 * 40);
    // A tick may have passed during the second bus access.
    assert!((29..=30).contains(&got), "{got}");
    assert_eq!(b.0.peek("tick_idle"), 1);
}

#[test]
fn resets_are_pulses_and_apart() {
    let mut b = Bus::new(&control::global(&Params::for_ports(2)));
    for (bit, name, other) in [
        (1, "switch_reset", "host_reset"),
        (2, "host_reset", "switch_reset"),
    ] {
        b.write(&g::RESET, 0, bit);
        let mut high = 0;
        for _ in 0..40 {
            b.0.tick(1);
            high += b.0.peek(name);
            assert_eq!(b.0.peek(other), 0);
        }
        assert!((10..=16).contains(&high), "{name} {high}");
    }
}

#[test]
fn port_configuration_and_link() {
    let mut b = Bus::new(&control::port(&Params::for_ports(4)));
    for i in 0..5 {
        b.write(&port::CONFIG, i, 0x1234_5003 + i);
        b.write(&port::FORWARD_MASK, i, 0xff);
        // Bits 10, 11 and 15 belong to no field.
        assert_eq!(
            b.0.peek(&format!("config{i}")),
            (0x1234_5003 + i as u64) & 0xffff_73ff
        );
        assert_eq!(
            b.0.peek(&format!("forward_mask{i}")),
            0x1f,
            "host and four ports"
        );
    }
    assert_eq!(b.read(&port::CONFIG, 5), 0, "there are five sources");
    b.write(&port::ADDR_LO, 2, 0x3322_1102);
    b.write(&port::ADDR_HI, 2, 0x5544);
    assert_eq!(b.0.peek("addr2"), 0x5544_3322_1102);
    b.0.poke("link_in", 0b0101);
    for _ in 0..4 {
        b.0.tick(1);
    }
    assert_eq!(b.0.peek("link"), 0b0101);
    assert_eq!(b.read(&port::LINK_CHANGED, 0), 0b0101);
    b.write(&port::LINK_CHANGED, 0, 0b0001);
    assert_eq!(b.read(&port::LINK_CHANGED, 0), 0b0100);
    b.write(&port::MAC, 2, port::MAC::LINK_DOWN.put(1));
    b.write(&port::LINK_CHANGED, 0, 0b0100);
    for _ in 0..4 {
        b.0.tick(1);
    }
    assert_eq!(b.0.peek("link"), 0b0001, "forced down");
    assert_eq!(b.read(&port::STATUS, 0), 2 << 4 | 1);
    assert_eq!(b.read(&port::STATUS, 2), 2 << 4);
}

#[test]
fn reserved_addresses() {
    let mut b = Bus::new(&control::reserved());
    b.0.eval();
    assert_eq!(
        (b.0.peek("action3"), b.0.peek("reason3")),
        (1, 19),
        "trapped, reason by the last digit"
    );
    b.write(
        &reserved::ACTION,
        3,
        reserved::ACTION::ACTION.put(2) | reserved::ACTION::REASON.put(99),
    );
    assert_eq!((b.0.peek("action3"), b.0.peek("reason3")), (2, 99));
    assert_eq!((b.0.peek("action4"), b.0.peek("reason4")), (1, 20));
}
