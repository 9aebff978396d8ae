//! Page `board`: the registers around MDIO, serial port, LEDs, PHY resets, watchdog and processor.
//!
//! **Algorithm.** The watchdog counts ticks since the last kick (or restart); at its limit it fires once, and the processor is held in reset
//! for [`RESET_CYCLES`]. While the processor is held (RUN clear) it does not count. PHYs are held in reset for [`RESET_TICKS`] after reset, whatever
//! the firmware does, so that a board whose firmware is broken has PHYs that work by their straps. LEDs go by ticks: blinking changes every 256
//! ticks, traffic shows as blinking of 32 ticks for at least 64.
//!
//! **Links.** A port's link and speed are the PHY's in-band status or what the firmware writes ([`links`]); between two speeds the link is down for a cycle.
//!
//! **Ports.** Register bus; `tick`, `link[P]`, `activity[P]` (pulses), `trap`, `trap_cause[4]`, `trap_pc[32]`; per port `inband{i}`, `inband_up{i}`,
//! `inband_full{i}`, `inband_speed{i}[2]` (levels in the core's domain); pins `mdio_i`, `serial_rx` in; `mdc`, `mdio_o`, `mdio_oe`, `serial_tx`, `phy_reset[P]`
//! (1: in reset), `led_first[P]`, `led_second[P]` (1: lit); `phy_link[P]` and `phy_speed[2P]` (what the card and the pins work by); `cpu_reset`,
//! `watchdog_fired` (a pulse).
//!
//! **Latency.** 2 cycles a register access. **Cost** (ECP5, yosys, 2 ports, with MDIO and serial port): 656 LUT4, 604 FF; 176 MHz routed alone. **Test:** `tests/board.rs`, `tests/board_links.rs`.

use super::{mdio, serial};
use crate::params::Params;
use crate::regbus::{RegFile, field};
use crate::rtl::prim::stretch;
use crate::rtl::{E, Inst, Module, cat, lit, mux, pick};
use smartnic_regs::board as r;

/// Ticks (milliseconds) for which PHYs are held in reset: the 88E1512 asks for 10.
pub const RESET_TICKS: u64 = 20;
/// Cycles for which a restart holds the processor.
pub const RESET_CYCLES: u64 = 16;
/// 1000 Mb/s as `board::LINK` codes it.
pub const GIGABIT: u64 = 2;
/// Baud rate of the serial port after reset.
pub const BAUD: u64 = 115_200;
/// What half a period of MDC is counted in.
const MDC_UNIT: u64 = 4;

/// The divider that gives MDC at most 2.5 MHz from a core clock in Hz.
pub const fn mdc_divider(hz: u64) -> u64 {
    hz.div_ceil(2_500_000 * 2 * MDC_UNIT) - 1
}

/// The divisor of [`BAUD`] for a core clock in Hz.
pub const fn serial_divisor(hz: u64) -> u64 {
    (hz + BAUD / 2) / BAUD - 1
}

/// What a board says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `board::BOARD_ID`.
    pub id: u16,
    /// MDIO buses: one for all PHYs, whose addresses then count as the ports do, or one a port; `None` is the latter.
    pub mdio_buses: Option<u32>,
}

impl From<u16> for Identity {
    fn from(id: u16) -> Identity {
        Identity {
            id,
            mdio_buses: None,
        }
    }
}

/// The page of a board: of its number, with an MDIO bus for each port, or as [`Identity`] says. See the module.
pub fn board_regs(p: &Params, identity: impl Into<Identity>) -> Module {
    let identity: Identity = identity.into();
    let (id, buses) = (identity.id, identity.mdio_buses.unwrap_or(p.ports));
    let m = Module::new("board_regs");
    m.sync();
    let mut rf = RegFile::new(&m, &r::PAGE);
    let tick = m.input("tick", 1);
    let what = u64::from(id) | u64::from(p.ports) << 16 | u64::from(buses) << 20;
    rf.ro(&r::BOARD_ID, &lit(32, what));
    let hz = u64::from(p.core_mhz) * 1_000_000;
    rf.ro(&r::CLOCK, &lit(32, hz));
    rf.rw_array(&r::IMAGE, 4);
    rf.rw(&r::OWNER);
    links(&m, &mut rf, p);
    phy_reset(&m, &mut rf, p.ports, &tick);
    leds(&m, &mut rf, p.ports, &tick);
    management(&m, &mut rf, buses, hz);
    line(&m, &mut rf, hz);
    processor(&m, &mut rf, &tick);
    rf.finish();
    m
}

fn phy_reset(m: &Module, rf: &mut RegFile, ports: u32, tick: &E) {
    let hold = rf.rw(&r::PHY_RESET);
    let left = m.reg("phy_reset_left", 5, RESET_TICKS);
    m.process(|p| p.if_(tick & left.any(), |p| p.set(&left, &left - 1)));
    let out = m.output_reg("phy_reset", ports, (1 << ports) - 1);
    m.assign(&out, hold.trunc(ports) | left.any().repl(ports));
}

fn leds(m: &Module, rf: &mut RegFile, ports: u32, tick: &E) {
    let (link, activity) = (m.input("link", ports), m.input("activity", ports));
    let time = m.reg("led_time", 9, 0);
    m.process(|p| p.if_(tick, |p| p.set(&time, &time + 1)));
    let round = m.named("led_round", tick & time.slice(0, 6).all());
    // Traffic in this round, and in the one before.
    let seen = m.reg("led_seen", ports, 0);
    let busy = m.reg("led_busy", ports, 0);
    m.process(|p| {
        p.set(&seen, &seen | &activity);
        p.if_(&round, |p| {
            p.set(&seen, &activity);
            p.set(&busy, &seen);
        });
    });
    let modes = rf.rw_array(&r::LEDS, ports);
    let (slow, fast) = (time.bit(8), time.bit(5));
    for (name, of) in [
        ("led_first", r::LEDS::FIRST),
        ("led_second", r::LEDS::SECOND),
    ] {
        let lit_by: Vec<E> = (0..ports)
            .rev()
            .map(|i| {
                let (link, busy) = (link.bit(i), busy.bit(i));
                let shown = [
                    lit(1, 0),
                    lit(1, 1),
                    slow.clone(),
                    link.clone(),
                    &busy & &fast,
                    link & !(&busy & &fast),
                    lit(1, 0),
                    lit(1, 0),
                ];
                pick(&field(&modes[i as usize], of), &shown)
            })
            .collect();
        let out = m.output_reg(name, ports, 0);
        m.assign(&out, cat(&lit_by));
    }
}

/// Link and speed of every port: go to the card and to the pins.
fn links(m: &Module, rf: &mut RegFile, p: &Params) {
    let ports = p.ports;
    let up_out = m.output_reg("phy_link", ports, 0);
    let start = if p.gigabit() { GIGABIT } else { GIGABIT - 1 };
    let starts = (0..ports).fold(0, |all, i| all | start << (2 * i));
    let speed_out = m.output_reg("phy_speed", 2 * ports, starts);
    let (mut ups, mut speeds) = (vec![], vec![]);
    for i in 0..ports {
        let control = rf.rw_at(&r::LINK, i);
        let inband = m.input(&format!("inband{i}"), 1);
        let of = |name: &str, width: u32| {
            m.input(&format!("inband_{name}{i}"), width) & inband.repl(width)
        };
        let (up, full, speed) = (of("up", 1), of("full", 1), of("speed", 2));
        let follow = m.named(
            &format!("follow{i}"),
            field(&control, r::LINK::INBAND) & &inband,
        );
        let asked = field(&control, r::LINK::SPEED);
        // There is no speed 3.
        let asked = cat(&[asked.bit(1), asked.bit(0) & !asked.bit(1)]);
        // A core that is too slow for it has no link at 1000 Mb/s.
        let (too_fast, asks_too_fast) = match p.gigabit() {
            true => (speed.all(), lit(1, 0)),
            false => (speed.bit(1), asked.bit(1)),
        };
        let usable = m.named(&format!("usable{i}"), &up & &full & !too_fast);
        let now = speed_out.slice(2 * i, 2);
        // Without link the PHY's speed means nothing: the last one stays.
        let said = mux(&usable, &speed, &now);
        let next = m.named(&format!("speed_next{i}"), mux(&follow, said, asked));
        let up_by_register = field(&control, r::LINK::UP) & !asks_too_fast;
        let wanted = mux(&follow, &usable, up_by_register);
        ups.push(wanted & next.eq(&now));
        let seen = cat(&[speed, lit(1, 0), full, up, inband]);
        let status = cat(&[seen, lit(2, 0), now, lit(3, 0), up_out.bit(i)]);
        rf.ro_at(&r::LINK_STATUS, i, &status);
        speeds.push(next);
    }
    ups.reverse();
    speeds.reverse();
    m.assign(&up_out, cat(&ups));
    m.assign(&speed_out, cat(&speeds));
}

fn expose_pins(i: &Inst, pins: &[&str]) {
    i.expose(|n| pins.contains(&n));
}

fn management(m: &Module, rf: &mut RegFile, buses: u32, hz: u64) {
    let i = m.inst("mdio", &mdio(buses));
    let (start, command) = rf.wo(&r::MDIO_COMMAND);
    i.drive("start", start)
        .drive("write", field(&command, r::MDIO_COMMAND::WRITE))
        .drive("phy", field(&command, r::MDIO_COMMAND::PHY))
        .drive("regad", field(&command, r::MDIO_COMMAND::REGISTER))
        .drive("wdata", field(&command, r::MDIO_COMMAND::DATA));
    let width = i.port("bus").width();
    i.drive("bus", field(&command, r::MDIO_COMMAND::BUS).trunc(width));
    let clock = rf.rw_reset_at(&r::MDIO_CLOCK, 0, mdc_divider(hz) as u32);
    i.drive("divider", field(&clock, r::MDIO_CLOCK::DIVIDER));
    let status = cat(&[i.port("busy"), i.port("no_answer"), i.port("data")]);
    rf.ro(&r::MDIO_STATUS, &status);
    expose_pins(&i, &["mdc", "mdio_o", "mdio_oe", "mdio_i"]);
}

fn line(m: &Module, rf: &mut RegFile, hz: u64) {
    let i = m.inst("serial", &serial());
    let divisor = rf.rw_reset_at(&r::SERIAL_DIVISOR, 0, serial_divisor(hz) as u32);
    i.drive("divisor", field(&divisor, r::SERIAL_DIVISOR::DIVISOR));
    let take = rf.read_strobe(&r::SERIAL_DATA, 0);
    i.drive("rx_take", take);
    // The data of an empty queue is an old character: not shown.
    let valid = i.port("rx_valid");
    let value = cat(&[valid.clone(), i.port("rx_data") & valid.repl(8)]);
    let (send, value) = rf.rwh(&r::SERIAL_DATA, &value);
    i.drive("tx_valid", send)
        .drive("tx_data", field(&value, r::SERIAL_DATA::DATA));
    let state = ["tx_idle", "tx_ready", "rx_valid"].map(|n| i.port(n));
    rf.ro(&r::SERIAL_STATUS, &cat(&state));
    let errors = ["overruns", "framing_errors"].map(|n| i.port(n));
    rf.ro(&r::SERIAL_ERRORS, &cat(&errors));
    expose_pins(&i, &["serial_rx", "serial_tx"]);
}

fn processor(m: &Module, rf: &mut RegFile, tick: &E) {
    let control = rf.rw(&r::CPU_CONTROL);
    let run = field(&control, r::CPU_CONTROL::RUN);
    let (restart, _) = rf.wo(&r::CPU_RESTART);
    let limit = rf.rw(&r::WATCHDOG);
    let limit = field(&limit, r::WATCHDOG::LIMIT);
    let (kick, _) = rf.wo(&r::WATCHDOG_KICK);

    let since = m.reg("watchdog_since", 16, 0);
    let reached = m.reg("watchdog_reached", 1, 0);
    let fired = m.output_reg("watchdog_fired", 1, 0);
    let fresh = m.named("watchdog_fresh", &kick | &restart | &fired | !&run);
    m.assign(&reached, since.ge(&limit) & limit.any());
    let restarts = m.reg("restarts", 32, 0);
    // `reached` is a cycle old: after a kick or a firing it does not count.
    let late = m.delay("watchdog_fresh_q", &fresh);
    m.process(|p| {
        p.if_(tick & !since.all(), |p| p.set(&since, &since + 1));
        p.if_(&fresh, |p| p.set(&since, 0));
        p.set(&fired, &reached & !&fresh & !late);
        p.if_(&fired, |p| p.set(&restarts, &restarts + 1));
    });
    rf.ro(&r::RESTARTS, &restarts);

    let start = m.named("cpu_start", &restart | &fired);
    let starting = stretch(m, "cpu_starting", &start, RESET_CYCLES);
    let reset = m.output_reg("cpu_reset", 1, 1);
    m.assign(&reset, starting | !&run);

    let (trap, cause) = (m.input("trap", 1), m.input("trap_cause", 4));
    let pc = m.input("trap_pc", 32);
    let before = m.reg("trap_before", 1, 0);
    m.assign(&before, &trap);
    let (last_cause, last_pc) = (m.reg("last_cause", 4, 0), m.reg("last_pc", 32, 0));
    let traps = m.reg("traps", 8, 0);
    m.process(|p| {
        p.if_(&trap & !&before, |p| {
            p.set(&last_cause, &cause);
            p.set(&last_pc, &pc);
            p.if_(!traps.all(), |p| p.set(&traps, &traps + 1));
        });
    });
    let status = cat(&[traps, last_cause, lit(2, 0), reset, trap]);
    rf.ro(&r::CPU_STATUS, &status);
    rf.ro(&r::CPU_TRAP_PC, &last_pc);
}
