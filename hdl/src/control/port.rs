//! Pages `port` and `reserved`: configuration registers, handed out as plain levels.
//!
//! Each register is an output of the same name in lower case with its index. Link changes are latched here. Test: `tests/control.rs`.

use crate::params::Params;
use crate::regbus::{RegFile, field};
use crate::rtl::{E, Module, cat, lit};
use smartnic_regs::values::{learn, state};
use smartnic_regs::{Reg, port as r, reserved as res};

/// `port::CONFIG` of a board's ports at reset: forwarding, learning and flooding, so that a board whose firmware does not run still switches.
pub const BOARD_CONFIG: u32 = r::CONFIG::STATE.put(state::FORWARDING)
    | r::CONFIG::LEARN.put(learn::HARDWARE)
    | r::CONFIG::FLOOD_UC.put(1)
    | r::CONFIG::FLOOD_MC.put(1)
    | r::CONFIG::FLOOD_BC.put(1);

/// Page `port`. Inputs `link_in[P]`, `paused[P]`; outputs `config{i}[32]`, `forward_mask{i}[P+1]` for every source, and for
/// every port `mac{i}[32]`, `addr{i}[48]`; `link[P]` (not forced down); `link_changed` (a pulse for each change). On a board also the input `speed[2P]`
/// (as `port::STATUS` has it), and the ports forward from reset on ([`BOARD_CONFIG`]), to each other.
pub fn port(p: &Params) -> Module {
    let m = Module::new("port_regs");
    let (link_in, paused) = (m.input("link_in", p.ports), m.input("paused", p.ports));
    let mut rf = RegFile::new(&m, &r::PAGE);
    // What reset gives: on a board, its ports stand alone.
    let at_reset = |i: u32, reg: &Reg, alone: u32| match p.board && i < p.ports {
        true => alone,
        false => reg.reset,
    };
    for i in 0..p.sources() {
        let v = rf.rw_reset_at(&r::CONFIG, i, at_reset(i, &r::CONFIG, BOARD_CONFIG));
        m.output_of(&format!("config{i}"), v);
    }
    for i in 0..p.sources() {
        let ports = at_reset(i, &r::FORWARD_MASK, (1 << p.ports) - 1);
        let v = rf.rw_reset_at(&r::FORWARD_MASK, i, ports);
        m.output_of(&format!("forward_mask{i}"), v.trunc(p.sources()));
    }
    let mac = rf.rw_array(&r::MAC, p.ports);
    for (i, v) in mac.iter().enumerate() {
        m.output_of(&format!("mac{i}"), v);
    }
    let lo = rf.rw_array(&r::ADDR_LO, p.ports);
    let hi = rf.rw_array(&r::ADDR_HI, p.ports);
    for i in 0..p.ports as usize {
        m.output_of(&format!("addr{i}"), cat(&[hi[i].trunc(16), lo[i].clone()]));
    }
    let up: Vec<E> = (0..p.ports)
        .rev()
        .map(|i| link_in.bit(i) & !field(&mac[i as usize], r::MAC::LINK_DOWN))
        .collect();
    let link = m.output_reg("link", p.ports, 0);
    m.assign(&link, cat(&up));
    let before = m.reg("link_before", p.ports, 0);
    m.assign(&before, &link);
    let change = m.named("change", &link ^ &before);
    rf.w1c(&r::LINK_CHANGED, &change);
    let pulse = m.output_reg("link_changed", 1, 0);
    m.assign(&pulse, change.any());
    let speed = p.board.then(|| m.input("speed", 2 * p.ports));
    for i in 0..p.ports {
        // Without PHYs the ports are GMII at gigabit: speed 2.
        let speed = speed.as_ref().map_or(lit(2, 2), |s| s.slice(2 * i, 2));
        let status = cat(&[speed, lit(2, 0), paused.bit(i), link.bit(i)]);
        rf.ro_at(&r::STATUS, i, &status);
    }
    rf.finish();
    m
}

/// Page `reserved`. Outputs `action{n}[2]`, `reason{n}[8]` for n of 0 to 15.
pub fn reserved() -> Module {
    let m = Module::new("reserved_regs");
    let mut rf = RegFile::new(&m, &res::PAGE);
    for (i, v) in rf.rw_array(&res::ACTION, 16).iter().enumerate() {
        m.output_of(&format!("action{i}"), field(v, res::ACTION::ACTION));
        let reason = field(v, res::ACTION::REASON);
        let usual = lit(
            8,
            (smartnic_regs::values::reason::RESERVED + i as u32) as u64,
        );
        m.output_of(
            &format!("reason{i}"),
            crate::rtl::mux(reason.any(), &reason, &usual),
        );
    }
    rf.finish();
    m
}
