//! Pages `port` and `reserved`: configuration registers, handed out as plain levels.
//!
//! Each register is an output of the same name in lower case with its index. Link changes are latched here. Test: `tests/control.rs`.

use crate::params::Params;
use crate::regbus::{RegFile, field};
use crate::rtl::{E, Module, cat, lit};
use smartnic_regs::{port as r, reserved as res};

/// Page `port`. Inputs `link_in[P]`, `paused[P]`; outputs `config{i}[32]`, `forward_mask{i}[P+1]` for every source, and for
/// every port `mac{i}[32]`, `addr{i}[48]`; `link[P]` (not forced down); `link_changed` (a pulse for each change).
pub fn port(p: &Params) -> Module {
    let m = Module::new("port_regs");
    let (link_in, paused) = (m.input("link_in", p.ports), m.input("paused", p.ports));
    let mut rf = RegFile::new(&m, &r::PAGE);
    for (i, v) in rf.rw_array(&r::CONFIG, p.sources()).iter().enumerate() {
        m.output_of(&format!("config{i}"), v);
    }
    for (i, v) in rf
        .rw_array(&r::FORWARD_MASK, p.sources())
        .iter()
        .enumerate()
    {
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
    for i in 0..p.ports {
        // Gigabit only until there are PHYs: speed 2.
        let status = cat(&[lit(2, 2), lit(2, 0), paused.bit(i), link.bit(i)]);
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
