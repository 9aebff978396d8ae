//! Transmit, first half: from submissions to data reads.
//!
//! The transmit rings are looked at in turn, one a cycle; each turn takes one submission, if its completion will have room. The submission is
//! checked (length 14 to 9,216, a destination that exists and lives); its data is read by DMA client 1, up to 8 frames ahead. What is needed
//! when the data arrives waits in a queue for [`super::send`]. A submission that fails the check is only completed.
//! Cost: up to 24 cycles a frame. Two block RAMs. Test: `tests/host.rs`.

use super::Shape;
use crate::pcie::fifo::fifo;
use crate::rtl::{E, Module, any_of, bits_for, cat, lit, mux, ram};
use smartnic_regs::Field;
use smartnic_regs::ring::{completion as c, submission as sub};
use smartnic_regs::values::dest;

/// Longest frame that the host may send, without FCS.
pub const LONGEST: u64 = 9216;
/// Shortest frame that the host may send, without FCS.
pub const SHORTEST: u64 = 14;
/// What is kept of a frame while its data is read: names and widths, lowest first.
pub(crate) const KEPT: &[(&str, u32)] = &[
    ("ring", 3),
    ("status", 8),
    ("urgent", 1),
    ("direct", 1),
    ("dest", 6),
    ("class", 3),
    ("length", 16),
    ("cookie", 32),
];

/// Takes submissions. `ports` Ethernet ports, `groups` LAG groups (`lag_live`: those with a live member). Ports: `e_*` and event `take_*` of [`super::rings`],
/// `desc_*`, `rd_*` of DMA client 1, `kept_*` to [`super::send`], `busy`, `idle`.
pub fn transmit(s: Shape, ports: u32, groups: u32) -> Module {
    let m = Module::new("host_transmit");
    m.sync();
    let q = s.queues;
    let live = m.input("lag_live", groups);

    let index = m.reg("index", 2, 0);
    let ring = m.named("ring", index.zext(3) + q as u64);
    let state = m.reg("state", 3, 0);
    let (look, load, check, ask) = (0, 1, 2, 3);
    let place = m.reg_nr("place", 3);
    let step = m.reg_nr("step", 2);

    let r = m.inst("submissions", &ram::block(64, (q as u64 * 16).max(2)));
    let desc_ring = m.input("desc_ring", 3);
    let wide = bits_for((q as u64 * 16).max(2));
    let target = cat([&(&desc_ring - q as u64), &m.input("desc_place", 4)]);
    r.drive("we", m.input("desc_valid", 1) & desc_ring.ge(q as u64))
        .drive("waddr", target.slice(0, wide))
        .drive("wdata", m.input("desc_data", 64))
        .drive("ren", true)
        .drive(
            "raddr",
            cat(&[index.clone(), place.clone(), step.bit(0)]).slice(0, wide),
        );
    let fetched = m.delay("fetched_q", &r.port("rdata"));

    let (addr, word2, cookie) = (
        m.reg_nr("addr", 64),
        m.reg_nr("word2", 32),
        m.reg_nr("cookie", 32),
    );
    let get = |f: Field| word2.slice(f.lsb, f.width);
    let length = get(sub::LENGTH);
    let to = get(sub::DEST);
    let fits = length.ge(SHORTEST) & length.le(LONGEST);
    let group = to.slice(0, 4);
    let group_lives = (0..groups).map(|g| group.eq(g as u64) & live.bit(g));
    let lives = any_of(1, &group_lives.collect::<Vec<_>>());
    let to_port = to.lt(ports as u64);
    let to_group = to.slice(4, 2).eq((dest::LAG >> 4) as u64) & lives;
    let direct = get(sub::DIRECT);
    let reaches = !&direct | to_port | to_group;
    let status = mux(
        fits,
        mux(reaches, lit(8, c::OK.into()), lit(8, c::BAD_DEST.into())),
        lit(8, c::BAD_LENGTH.into()),
    );
    let status_q = m.reg_nr("status", 8);
    let fine = m.named("fine", status_q.eq(u64::from(c::OK)));
    let kept_width: u32 = KEPT.iter().map(|k| k.1).sum();
    let f = m.inst("kept", &fifo(kept_width, 16));
    let ready = m.input("rd_ready", 1);
    let roomy = m.named("roomy", f.port("level").lt(8));
    let goes = m.named("goes", state.eq(ask) & &roomy & (!&fine | &ready));
    let next = mux(index.eq(q as u64 - 1), lit(2, 0), &index + 1);
    let settling = m.input("take_settling", 1);
    let (e_ring, e_take) = (m.input("e_ring", 3), m.input("e_take", 1));
    let turn = m.named("turn", state.eq(look) & !&settling & e_ring.eq(&ring));
    m.process(|p| {
        p.switch(&state, |s| {
            s.case(look, |p| {
                // There is room for the completion of whatever was taken.
                p.set(&place, m.input("e_taken", 3));
                p.set(&step, 0);
                p.if_(&turn, |p| {
                    p.if_(&e_take & &roomy, |p| p.set(&state, load));
                    p.else_(|p| p.set(&index, &next));
                });
            });
            s.case(load, |p| {
                p.set(&step, &step + 1);
                p.if_(step.eq(2), |p| p.set(&addr, &fetched));
                p.if_(step.eq(3), |p| {
                    p.set(&word2, fetched.slice(0, 32));
                    p.set(&cookie, fetched.slice(32, 32));
                    p.set(&state, check);
                });
            });
            s.case(check, |p| {
                p.set(&status_q, &status);
                p.set(&state, ask);
            });
            s.default(|p| {
                p.if_(&goes, |p| {
                    p.set(&index, &next);
                    p.set(&state, look);
                })
            });
        });
    });
    m.output_of("rd_valid", state.eq(ask) & &fine & &roomy);
    m.output_of("rd_addr", &addr);
    m.output_of("rd_len", length.slice(0, 14));
    let kept = |name: &str| match name {
        "ring" => ring.clone(),
        "status" => status_q.clone(),
        "urgent" => get(sub::URGENT),
        "direct" => direct.clone(),
        "dest" => to.clone(),
        "class" => get(sub::CLASS),
        "length" => length.clone(),
        _ => cookie.clone(),
    };
    let entry: Vec<E> = KEPT.iter().rev().map(|k| kept(k.0)).collect();
    f.drive("in_valid", &goes)
        .drive("in_data", cat(&entry))
        .drive("out_ready", m.input("kept_ready", 1));
    m.output_of("kept_valid", f.port("out_valid"));
    m.output_of("kept_data", f.port("out_data"));
    m.output_of("take_valid", &goes);
    m.output_of("take_ring", &ring);
    // Frames under way are told by the pointers; here, what they do not tell yet.
    let engaged = m.named("engaged", state.ne(look) | &settling);
    let busy_ring = m.reg_nr("busy_ring", 3);
    m.process(|p| p.if_(state.eq(load), |p| p.set(&busy_ring, &ring)));
    let of = mux(state.eq(look), &busy_ring, &ring);
    m.output_of("busy", of.decode(s.rings()) & engaged.repl(s.rings()));
    let idle = m.output_reg("idle", 1, 0);
    m.assign(&idle, !(f.port("out_valid") | &engaged));
    m
}
