//! The construction layer: what is written means the same in Verilog, by random stimulus against plain Rust.

#[path = "common/seed.rs"]
mod seed;
use rand::Rng;
use seed::rng;
use smartnic_hdl::regbus::RegFile;
use smartnic_hdl::rtl::{E, Module, cat, design, lit, mux, pick, ram};
use smartnic_regs::fdb;
use smartnic_verilated::{Model, Options};

fn lint() -> Options {
    Options {
        lint: true,
        ..Options::default()
    }
}

type Native = Box<dyn Fn(u64, u64, u64) -> u64>;

/// Operators in contexts where Verilog's own rules would give another answer than ours.
#[test]
fn operators_mean_what_they_say() {
    let m = Module::new("operators");
    m.sync();
    let (a, b, c) = (m.input("a", 8), m.input("b", 8), m.input("c", 3));
    let mut outs: Vec<(String, Native)> = vec![];
    let mut out = |name: &str, e: E, f: Native| {
        m.output_of(name, &e);
        outs.push((name.to_string(), f));
    };
    out(
        "carry_lost",
        (&a + &b).zext(9) + 0,
        Box::new(|a, b, _| (a + b) & 0xff),
    );
    out(
        "carry_kept",
        a.zext(9) + b.zext(9),
        Box::new(|a, b, _| a + b),
    );
    out(
        "wide_compare",
        (a.zext(9) + b.zext(9)).gt(a.zext(9)),
        Box::new(|a, b, _| (a + b > a) as u64),
    );
    out(
        "shift_of_sum",
        (&a + &b).shr(1).zext(10),
        Box::new(|a, b, _| ((a + b) & 0xff) >> 1),
    );
    out("not_wide", (!&a).zext(12), Box::new(|a, _, _| !a & 0xff));
    out(
        "precedence",
        (&a & &b).eq(&a),
        Box::new(|a, b, _| ((a & b) == a) as u64),
    );
    out(
        "xor_slice",
        (&a ^ &b).slice(2, 3),
        Box::new(|a, b, _| ((a ^ b) >> 2) & 7),
    );
    out(
        "concat",
        cat(&[a.slice(0, 4), &b + 1, lit(2, 2)]),
        Box::new(|a, b, _| (a & 15) << 10 | ((b + 1) & 255) << 2 | 2),
    );
    out(
        "mux",
        mux(a.lt(&b), &a - &b, &b - 1),
        Box::new(|a, b, _| {
            if a < b {
                a.wrapping_sub(b) & 255
            } else {
                b.wrapping_sub(1) & 255
            }
        }),
    );
    out(
        "dynamic_bit",
        a.bit_at(&c),
        Box::new(|a, _, c| (a >> c) & 1),
    );
    out(
        "dynamic_shift",
        a.zext(16).shl_by(&c),
        Box::new(|a, _, c| a << c),
    );
    out(
        "reduce",
        cat(&[a.any(), b.all(), (&a ^ &b).parity()]),
        Box::new(|a, b, _| {
            ((a != 0) as u64) << 2 | ((b == 255) as u64) << 1 | ((a ^ b).count_ones() as u64 & 1)
        }),
    );
    // Against constants, with every way in which their ones and zeros can lie.
    for n in [
        0, 1, 2, 3, 5, 8, 0x2c, 0x70, 0x7f, 0x80, 0x93, 0xc0, 0xfe, 0xff,
    ] {
        out(
            &format!("order_{n}"),
            cat(&[a.lt(n), a.le(n), a.gt(n), a.ge(n)]),
            Box::new(move |a, _, _| {
                let bits = [a < n, a <= n, a > n, a >= n];
                bits.iter().fold(0, |v, b| v << 1 | *b as u64)
            }),
        );
    }
    out("decode", c.decode(8), Box::new(|_, _, c| 1 << c));
    out(
        "pick",
        pick(&c, &[a.clone(), b.clone(), &a + &b, a.swap_bytes(), !&a]),
        Box::new(|a, b, c| match c {
            0 => a,
            1 => b,
            2 => (a + b) & 255,
            3 => a,
            _ => !a & 255,
        }),
    );
    out(
        "sign",
        a.sext(12),
        Box::new(|a, _, _| a as u8 as i8 as i16 as u64 & 0xfff),
    );
    out(
        "words",
        cat(&[b.clone(), a.clone()]).word_at(&c.bit(0), 8),
        Box::new(|a, b, c| if c & 1 == 0 { a } else { b }),
    );
    let mut dut = Model::build(&design(&m), &lint()).expect("builds");
    let mut rng = rng();
    for _ in 0..2000 {
        let (va, vb, vc) = (
            rng.random_range(0..256),
            rng.random_range(0..256),
            rng.random_range(0..8),
        );
        dut.poke("a", va);
        dut.poke("b", vb);
        dut.poke("c", vc);
        dut.eval();
        for (name, f) in &outs {
            assert_eq!(
                dut.peek(name),
                f(va, vb, vc),
                "{name} of a={va:#x} b={vb:#x} c={vc}"
            );
        }
    }
}

/// Registers with and without reset, if/elif/else, switch, slices, instances and a block RAM.
#[test]
fn state_and_hierarchy() {
    let m = Module::new("state");
    let (op, x) = (m.input("op", 2), m.input("x", 8));
    let acc = m.output_reg("acc", 8, 5);
    let shadow = m.output_reg_nr("shadow", 8);
    m.process(|p| {
        p.if_(op.eq(1), |p| p.set(&acc, &acc + &x));
        p.elif(op.eq(2), |p| p.set(&acc, &x));
        p.else_(|p| {
            p.if_(op.eq(3), |p| p.set_slice(&acc, 4, x.slice(0, 4)));
        });
        p.set(&shadow, &acc);
    });
    // The third does not care for what is read while it is written.
    let (old, any) = (ram::block_old(8, 16), ram::block(8, 16));
    for (i, r) in [&old, &old, &any].iter().enumerate() {
        let ri = m.inst(&format!("mem{i}"), r);
        ri.drive("we", op.eq(2))
            .drive("waddr", x.slice(0, 4))
            .drive("wdata", &x + (i as u64 & 1));
        ri.drive("ren", true).drive("raddr", x.slice(0, 4));
        m.output_of(&format!("rdata{i}"), ri.port("rdata"));
    }
    let d = design(&m);
    assert_eq!(
        d.verilog.matches("\nmodule ram_block_old_8x16(").count(),
        1,
        "identical modules are merged"
    );
    let mut dut = Model::build(&d, &lint()).expect("builds");
    dut.poke("reset", 1);
    dut.tick(1);
    dut.poke("reset", 0);
    let (mut macc, mut mem) = (5u64, [0u64; 16]);
    let mut rng = rng();
    for _ in 0..2000 {
        let (op, x) = (rng.random_range(0..4u64), rng.random_range(0..256u64));
        dut.poke("op", op);
        dut.poke("x", x);
        dut.tick(1);
        let before = macc;
        match op {
            1 => macc = (macc + x) & 255,
            2 => macc = x,
            3 => macc = macc & 15 | (x & 15) << 4,
            _ => {}
        }
        let old = mem[x as usize & 15];
        if op == 2 {
            mem[x as usize & 15] = x;
        }
        assert_eq!((dut.peek("acc"), dut.peek("shadow")), (macc, before));
        assert_eq!(dut.peek("rdata0"), old);
        assert_eq!(dut.peek("rdata2"), if op == 2 { 255 } else { old });
    }
}

/// The register decode: every access kind, other pages ignored, unknown offsets read as zero.
#[test]
fn register_file() {
    let m = Module::new("regs_under_test");
    let used = m.input("used", 16);
    let mut rf = RegFile::new(&m, &fdb::PAGE);
    let period = rf.rw(&fdb::AGE_PERIOD);
    let keys = rf.rw_array(&fdb::HASH_KEY, 8);
    rf.ro(&fdb::USED, &used);
    let (pulse, op) = rf.wo(&fdb::COMMAND);
    rf.finish();
    m.output_of("period", &period);
    m.output_of("key7", &keys[7]);
    m.output_of("pulse", &pulse);
    m.output_of("op", &op);
    let mut dut = Model::build(&design(&m), &lint()).expect("builds");
    dut.poke("reset", 1);
    dut.tick(1);
    dut.poke("reset", 0);
    let mut access = |write: bool, addr: u32, data: u32| -> Option<u32> {
        dut.poke("reg_valid", 1);
        dut.poke("reg_write", write as u64);
        dut.poke("reg_addr", addr as u64);
        dut.poke("reg_wdata", data as u64);
        dut.poke("used", 0x1234);
        dut.tick(1);
        dut.poke("reg_valid", 0);
        if write && addr == fdb::COMMAND.addr {
            assert_eq!((dut.peek("pulse"), dut.peek("op")), (1, data as u64));
        } else {
            assert_eq!(dut.peek("pulse"), 0);
        }
        for _ in 0..4 {
            dut.tick(1);
            if dut.peek("reg_ack") == 1 {
                return Some(dut.peek("reg_rdata") as u32);
            }
        }
        None
    };
    assert_eq!(access(false, fdb::USED.addr, 0), Some(0x1234));
    assert_eq!(access(true, fdb::AGE_PERIOD.addr, 0xdead_beef), Some(0));
    assert_eq!(access(true, fdb::HASH_KEY.at(7), 77), Some(0));
    assert_eq!(access(false, fdb::AGE_PERIOD.addr, 0), Some(0xdead_beef));
    assert_eq!(access(false, fdb::HASH_KEY.at(7), 0), Some(77));
    assert_eq!(access(false, fdb::HASH_KEY.at(6), 0), Some(0));
    assert_eq!(access(true, fdb::COMMAND.addr, 3), Some(0));
    assert_eq!(
        access(false, 0x3ffc, 0),
        Some(0),
        "a register that does not exist reads as zero"
    );
    assert_eq!(access(true, 0x2000, 1), None, "another page");
}
