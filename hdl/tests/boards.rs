//! Boards: their data, the constraint files in the repository, refusals, and the wiring of every top around a small core, with models of the cells.
#[path = "common/seed.rs"]
mod seed;

use rand::Rng;
use smartnic_hdl::boards::{
    ALL, Board, BoardError, ClockIn, Fpga, Mmcm, Pll, Role, clocks, constraints, find, signals, top,
};
use smartnic_verilated::{Design, Direction, Model, Options, Port};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

#[test]
fn data_are_sound() {
    let numbers: BTreeSet<u16> = ALL.iter().map(|b| b.id).collect();
    assert_eq!(numbers.len(), ALL.len());
    assert!(!numbers.contains(&0), "0 is no board");
    for b in ALL {
        let ports = b.ports.len() as u32;
        let all = signals(b, ports);
        let balls: Vec<&str> = all
            .iter()
            .flat_map(|s| s.pins.iter().map(|p| p.ball))
            .collect();
        let different: BTreeSet<&str> = balls.iter().copied().collect();
        assert_eq!(
            different.len(),
            balls.len(),
            "{}: a pin stands twice",
            b.name
        );
        assert!([1, ports as usize].contains(&b.mdio.len()), "{}", b.name);
        assert!(
            b.phy_resets
                .iter()
                .flat_map(|r| r.ports)
                .all(|p| *p < ports)
        );
        assert!(b.leds.iter().all(|l| l.port < ports && l.which < 2));
        let p = b.params(None).expect("in range");
        assert_eq!((p.ports, p.board), (ports, true));
        let (input, output) = (b.clock.mhz, p.core_mhz);
        match b.fpga {
            Fpga::Ecp5 { .. } => {
                let d = Pll::between(input, output).expect("dividers");
                assert_eq!(input * d.clkfb_div, output * d.clki_div, "{}", b.name);
                assert!((400..=800).contains(&(output * d.clkop_div)), "{}", b.name);
            }
            Fpga::Artix7 => {
                let d = Mmcm::between(input, output).expect("dividers");
                let oscillator = input * d.multiply / d.divide;
                assert!((600..=1200).contains(&oscillator));
                assert_eq!(
                    (oscillator / d.output, oscillator / d.reference),
                    (output, 200)
                );
            }
        }
    }
}

/// `UPDATE=1` writes them.
#[test]
fn constraint_files_are_those_of_the_data() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../constraints");
    for b in ALL {
        let p = b.params(None).expect("in range");
        let want = constraints(b, &p);
        let file = folder.join(b.constraint_file());
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&file, &want).expect("written");
        }
        let kept = std::fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(
            kept,
            want,
            "{}: run this test with UPDATE=1",
            file.display()
        );
        // Every clock has its constraint, every pin its place.
        for clock in clocks(b, &p).keys() {
            let named = match b.fpga {
                Fpga::Ecp5 { .. } => format!("\"{clock}\" "),
                // The MMCM's outputs follow from its input.
                Fpga::Artix7 if clock == "clock" => continue,
                Fpga::Artix7 => format!("-name {clock} "),
            };
            assert!(want.contains(&named), "{}: {clock}", b.name);
        }
        for s in signals(b, b.ports.len() as u32) {
            for (name, pin) in s.bits() {
                let line = match b.fpga {
                    Fpga::Ecp5 { .. } => format!("LOCATE COMP \"{name}\" SITE \"{}\";", pin.ball),
                    Fpga::Artix7 => format!("{{PACKAGE_PIN {} IOSTANDARD {}", pin.ball, pin.io),
                };
                assert!(want.contains(&line), "{}: {line}", b.name);
            }
        }
    }
}

#[test]
fn refusals_are_one_line() {
    let e = find("versa").expect_err("no such board");
    let said = e.to_string();
    assert!(
        said.contains("board versa: unknown; known are versa-ecp5-5g, ")
            && said.lines().count() == 1
    );
    for b in ALL {
        assert_eq!(find(b.name), Ok(b));
        let (has, asked) = (b.ports.len(), 8);
        let e = b.params(Some(asked)).expect_err("too many");
        assert_eq!(
            e,
            BoardError::Ports {
                name: b.name,
                has,
                asked
            }
        );
        let e = b.params(Some(3)).expect_err("no such card");
        assert_eq!(e.to_string().lines().count(), 1);
    }
}

/// Where block RAM is scarce the small memories leave it, and nothing else changes.
#[test]
fn small_memories_leave_block_ram() {
    let b = find("colorlight-5a-75b").expect("a board");
    let p = b.params(None).expect("in range");
    let text = |bits: u32| {
        let b = Board {
            lut_ram_bits: bits,
            ..*b
        };
        top(&b, &p, &[]).expect("builds").core.verilog
    };
    let (none, some) = (text(0), text(4096));
    let style = |line: &str| line.contains("ram_style");
    let plain = |t: &str| {
        t.lines()
            .filter(|l| !style(l))
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert_eq!(plain(&none), plain(&some));
    let count = |t: &str, kind: &str| t.matches(&format!("ram_style = \"{kind}\"")).count();
    let moved = count(&none, "block") - count(&some, "block");
    assert!(moved > 3);
    assert_eq!(
        count(&some, "distributed") - count(&none, "distributed"),
        moved
    );
    let after = |name: &str| {
        some.split(&format!("module {name}("))
            .nth(1)
            .expect("there")
            .to_string()
    };
    let first = |name: &str| {
        after(name)
            .lines()
            .find(|l| style(l))
            .expect("styled")
            .to_string()
    };
    assert!(first("ram_block_8x256").contains("distributed"));
    assert!(first("ram_block_64x2048").contains("block"));
    assert!(first("ram_dual_port_72x1024").contains("block"));
}

#[test]
fn a_clock_that_cannot_be_made_is_refused() {
    let odd = Board {
        clock: ClockIn {
            mhz: 33,
            ..ALL[0].clock
        },
        ..*ALL[0]
    };
    let e = top(&odd, &odd.params(None).expect("in range"), &[]).expect_err("no dividers");
    assert_eq!(
        e.to_string(),
        "board versa-ecp5-5g: 125 MHz cannot be made of its 33 MHz"
    );
}

/// A core with the ports of the real one that sends what it receives: pins back to pins, MDIO to MDC, the serial line round, PHY resets to LEDs.
fn small_core(ports: u32, like: &Design) -> String {
    let names: Vec<&str> = like.ports.iter().map(|p| p.name.as_str()).collect();
    let mut v = format!("module board_core({});\n", names.join(","));
    for p in &like.ports {
        let direction = match p.direction {
            Direction::In => "input wire",
            Direction::Out => "output reg",
        };
        let _ = writeln!(v, "{direction} [{}:0] {};", p.width - 1, p.name);
    }
    v += "always @(posedge clock) begin\n";
    for i in 0..ports {
        for edge in ["rise", "fall"] {
            let _ = writeln!(
                v,
                "txd_{edge}{i} <= rxd_{edge}{i}; tx_ctl_{edge}{i} <= rx_ctl_{edge}{i}; txc_{edge}{i} <= ^rxd_{edge}{i} ^ rx{i}_reset;"
            );
        }
    }
    v += "mdc <= mdio_i; mdio_oe <= 0; mdio_o <= 0; serial_tx <= serial_rx;\n";
    // Something to look at on the LEDs and the PHY resets.
    v += "phy_reset <= phy_reset + 1; led_first <= phy_reset; led_second <= ~phy_reset;\n";
    v += "if (reset) phy_reset <= 0;\nend\nendmodule\n";
    v
}

/// A module around the top with in and out apart where the top has both.
fn bench(b: &Board, ports: u32, top: &str) -> Design {
    let (mut declared, mut wires, mut connected, mut list) =
        (vec![], String::new(), vec![], vec![]);
    let mut clocks = vec![];
    for s in signals(b, ports) {
        let width = s.pins.len() as u32;
        connected.push(format!(".{0}({0})", s.name));
        if s.role == Role::Open {
            let _ = writeln!(wires, "wire {0}; assign {0} = {0}_drive;", s.name);
            declared.push(format!("input wire {}_drive", s.name));
            list.push(Port::input(format!("{}_drive", s.name), 1));
            continue;
        }
        declared.push(s.declaration());
        let output = s.declaration().starts_with("output");
        if matches!(s.role, Role::Clock | Role::ReceiveClock) {
            clocks.push(s.name.clone());
        }
        list.push(match output {
            true => Port::output(&s.name, width),
            false => Port::input(&s.name, width),
        });
    }
    let verilog = format!(
        "module bench({});\n{wires}{top} dut({});\nendmodule\n",
        declared.join(", "),
        connected.join(", ")
    );
    Design {
        top: "bench".into(),
        verilog,
        ports: list,
        clocks,
    }
}

#[test]
fn every_pin_reaches_its_place() {
    let mut rng = seed::rng();
    for b in ALL {
        let ports = b.ports.len() as u32;
        let e = top(b, &b.params(None).expect("in range"), &[]).expect("builds");
        assert!(e.params.board);
        let mut design = bench(b, ports, &e.top);
        let cells = match b.fpga {
            Fpga::Ecp5 { .. } => include_str!("../cells/ecp5.v"),
            Fpga::Artix7 => include_str!("../cells/xc7.v"),
        };
        design.verilog += &(small_core(ports, &e.core) + &e.wrapper + cells);
        let options = Options {
            lint: true,
            ..Options::default()
        };
        let mut dut = Model::build(&design, &options).expect("builds");
        let all = (1 << design.clocks.len()) - 1;
        if b.reset.is_some() {
            dut.poke("reset_n", 0);
            dut.tick(all);
            dut.poke("reset_n", 1);
        }
        for _ in 0..30 {
            let (serial, managed): (bool, Vec<bool>) = (
                rng.random(),
                (0..b.mdio.len()).map(|_| rng.random()).collect(),
            );
            dut.poke("serial_rx", serial.into());
            for (i, m) in managed.iter().enumerate() {
                dut.poke(&format!("mdio{i}_drive"), (*m).into());
            }
            let levels: Vec<(u64, bool)> = (0..ports)
                .map(|_| (rng.random_range(0..16), rng.random()))
                .collect();
            for (i, (data, ctl)) in levels.iter().enumerate() {
                dut.poke(&format!("rgmii{i}_rxd"), *data);
                dut.poke(&format!("rgmii{i}_rx_ctl"), (*ctl).into());
            }
            // The same at both edges until it is at the other side: input cell, core, output cell.
            (0..6).for_each(|_| dut.tick(all));
            for (i, (data, ctl)) in levels.iter().enumerate() {
                assert_eq!(
                    dut.peek(&format!("rgmii{i}_txd")),
                    *data,
                    "{}: port {i}",
                    b.name
                );
                assert_eq!(dut.peek(&format!("rgmii{i}_tx_ctl")), u64::from(*ctl));
                assert_eq!(
                    dut.peek(&format!("rgmii{i}_txc")),
                    u64::from(data.count_ones() % 2)
                );
            }
            assert_eq!(dut.peek("serial_tx"), u64::from(serial));
            for (i, m) in managed.iter().enumerate() {
                assert_eq!(
                    dut.peek(&format!("mdc{i}")),
                    u64::from(*m),
                    "{}: bus {i}",
                    b.name
                );
            }
            // LEDs show the resets of the cycle before.
            let before: Vec<u64> = (0..b.phy_resets.len())
                .map(|i| dut.peek(&format!("phy_reset_n{i}")))
                .collect();
            dut.tick(all);
            for (i, r) in b.phy_resets.iter().enumerate() {
                match r.ports {
                    [] => assert_eq!(before[i], 1, "{}: never reset", b.name),
                    [port] => {
                        for (n, l) in b.leds.iter().enumerate().filter(|l| l.1.port == *port) {
                            let lit = (before[i] == 0) == (l.which == 0);
                            let level = u64::from(lit != l.active_low);
                            assert_eq!(dut.peek(&format!("led{n}")), level, "{}: led{n}", b.name);
                        }
                    }
                    _ => unreachable!("no board shares a reset that it drives"),
                }
            }
        }
    }
}
