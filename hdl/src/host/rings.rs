//! The rings' registers and pointers.
//!
//! Addresses and moderation live in LUT RAM (cleared in the 8 cycles after reset), pointers in registers. A ring runs from
//! ENABLE on, once nothing of an earlier life is under way (`busy`); while it does not run its pointers are zero. An error stops a ring:
//! nothing more is taken, what was taken is completed, and clearing ENABLE recovers it.
//!
//! What the host writes is believed in nothing: a size out of range stops the ring, a submission tail that is more than the ring's
//! size ahead of what was taken, or behind what was fetched, stops it, and a completion head that makes no sense counts as a full queue.
//!
//! Vectors over rings are packed, ring 0 lowest. Test: `tests/host.rs`.

use super::Shape;
use crate::regbus::{RegFile, field};
use crate::rtl::{E, Module, any_of, cat, lit, mux, pick, ram};
use smartnic_regs::{Reg, host as page, values::ring_error};

/// Registers that are kept in LUT RAM, with the name of the port that reads them and who reads.
const KEPT: &[(&str, Reg)] = &[
    ("sq_lo", page::SQ_LO),
    ("sq_hi", page::SQ_HI),
    ("cq_lo", page::CQ_LO),
    ("cq_hi", page::CQ_HI),
    ("head_lo", page::HEAD_LO),
    ("head_hi", page::HEAD_HI),
    ("moderation", page::MODERATION),
];

/// Packs values of all rings, ring 0 lowest.
fn pack(values: &[E]) -> E {
    cat(values.iter().rev())
}

/// The rings of a host port. Ports: `reg_*`; `busy`; pulses with ring numbers of the engines; packed pointers; `sq_ring` -> `sq`, `cq_ring` -> `cq`,
/// `head`, `moderation`; `dma_event`, `read_timeout`, `vector_test`, `vectors_pending`.
pub fn rings(s: Shape) -> Module {
    let m = Module::new("host_rings");
    m.sync();
    let n = s.rings();
    let mut rf = RegFile::new(&m, &page::PAGE);
    let busy = m.input("busy", n);
    let index_in = |name: &str| m.input(name, 3);
    let (fetched_by, fetched_ring) = (m.input("fetch_count", 3), index_in("fetch_ring"));
    let (fill, fill_ring) = (m.input("fill", 1), index_in("fill_ring"));
    let (rx_take, rx_made) = (m.input("rx_take", s.queues), m.input("rx_made", s.queues));
    let (tx_take, tx_made) = (m.input("tx_take", s.queues), m.input("tx_made", s.queues));
    let (flushed_by, flushed_ring) = (m.input("flush_count", 3), index_in("flush_ring"));
    let pulse = |name: &str| {
        let seen = m.reg(&format!("{name}_q"), 1, 0);
        m.assign(&seen, m.input(name, 1));
        seen
    };
    let fails = [
        (
            pulse("fetch_fail"),
            m.delay("fetch_fail_ring", &fill_ring),
            ring_error::SUBMISSION,
        ),
        (
            pulse("data_fail"),
            m.delay("data_fail_ring_q", &index_in("data_fail_ring")),
            ring_error::DATA,
        ),
    ];
    let no_buffer_by = m.input("no_buffer", s.queues);

    // Registers in LUT RAM: one copy for the bus, one for the engine.
    let sweep = m.reg("sweep", 4, 0);
    m.assign(&sweep, mux(sweep.bit(3), &sweep, &sweep + 1));
    let sweeping = m.named("sweeping", !sweep.bit(3));
    let (sq_ring, cq_ring) = (index_in("sq_ring"), index_in("cq_ring"));
    for (name, reg) in KEPT {
        let copies: Vec<_> = (0..2)
            .map(|i| m.inst(&format!("{name}{i}"), &ram::lut(32, 8)))
            .collect();
        let (hit, index, data) = rf.array(reg, 3, |index| {
            copies[0].drive("raddr", index);
            copies[0].port("rdata")
        });
        let reader = if name.starts_with("sq") {
            &sq_ring
        } else {
            &cq_ring
        };
        copies[1].drive("raddr", reader);
        for c in &copies {
            c.drive("we", &hit | &sweeping)
                .drive("waddr", mux(&sweeping, sweep.slice(0, 3), &index))
                .drive("wdata", mux(&sweeping, lit(32, 0), &data));
        }
        m.output_of(name, copies[1].port("rdata"));
    }

    // Control and doorbells.
    let per = |name: &str, width: u32| -> Vec<E> {
        (0..n)
            .map(|r| m.reg(&format!("{name}_r{r}"), width, 0))
            .collect()
    };
    let (enable, size) = (per("enable", 1), per("size", 4));
    let (running, stopped, code) = (per("running", 1), per("stopped", 1), per("code", 4));
    let (tail, cq_head) = (per("tail", 16), per("cq_head", 16));
    let (fetched, filled, taken) = (per("fetched", 16), per("filled", 4), per("taken", 16));
    let (made, written) = (per("made", 32), per("written", 3));
    let no_buffer: Vec<E> = (0..s.queues)
        .map(|r| m.reg(&format!("no_buffer_r{r}"), 32, 0))
        .collect();
    let controls: Vec<E> = (0..n as usize)
        .map(|r| cat([&size[r], &lit(7, 0), &enable[r]]).zext(32))
        .collect();
    let of = |index: &E, values: &[E]| {
        let mut v = values.to_vec();
        v.resize(8, lit(values[0].width(), 0));
        pick(index, &v)
    };
    let (set_control, control_ring, control_data) =
        rf.array(&page::CONTROL, 3, |i| of(i, &controls));
    let tails: Vec<E> = tail.iter().map(|t| t.zext(32)).collect();
    let (ring_tail, tail_ring, tail_data) = rf.array(&page::SQ_TAIL, 3, |i| of(i, &tails));
    let heads: Vec<E> = cq_head.iter().map(|t| t.zext(32)).collect();
    let (ring_head, head_ring, head_data) = rf.array(&page::CQ_HEAD, 3, |i| of(i, &heads));
    let states: Vec<E> = (0..n as usize)
        .map(|r| cat([&taken[r], &lit(8, 0), &code[r], &lit(3, 0), &stopped[r]]))
        .collect();
    rf.array(&page::STATUS, 3, |i| of(i, &states));
    rf.array(&page::NO_BUFFER, 3, |i| of(i, &no_buffer));

    // A doorbell is judged in the three cycles after it is written: operands, differences, verdict. Until then, nothing of
    // that ring is fetched (`halted`).
    let judge = m.reg("judge", 1, 0);
    m.assign(&judge, &ring_tail);
    let judged_ring = m.delay("judged_ring", &tail_ring);
    let judged_tail = m.delay("judged_tail", &tail_data.slice(0, 16));
    let judged_size = m.delay("judged_size", &of(&tail_ring, &size));
    let before = [("ahead_taken", &taken), ("ahead_fetched", &fetched)].map(|(name, counts)| {
        let count = m.delay(&format!("{name}_of"), &of(&tail_ring, counts));
        m.delay(name, &(&judged_tail - count))
    });
    let limit = m.delay("limit", &lit(16, 1).shl_by(&judged_size));
    let weigh = m.reg("weigh", 1, 0);
    m.assign(&weigh, &judge);
    let weighed_ring = m.delay("weighed_ring", &judged_ring);
    let wild = m.reg("wild", 1, 0);
    m.assign(
        &wild,
        &weigh & (before[0].gt(&limit) | before[1].gt(&limit)),
    );
    let wild_ring = m.delay("wild_ring", &weighed_ring);
    let verdict = m.reg("verdict", 1, 0);
    m.assign(&verdict, &weigh);
    let mut halted = vec![];
    let mut raised = vec![];
    for r in 0..n as usize {
        let q = r % s.queues as usize;
        let here = |e: &E, ring: &E| e & ring.eq(r as u64);
        let (take, make) = if r < s.queues as usize {
            (rx_take.bit(q as u32), rx_made.bit(q as u32))
        } else {
            (tx_take.bit(q as u32), tx_made.bit(q as u32))
        };
        let mut errors = vec![
            (size[r].lt(2), ring_error::SIZE),
            (here(&wild, &wild_ring), ring_error::DOORBELL),
        ];
        errors.extend(fails.iter().map(|(f, ring, code)| (here(f, ring), *code)));
        let fresh: Vec<(E, u64)> = errors
            .into_iter()
            .enumerate()
            .map(|(i, (e, c))| {
                let e = e & &enable[r] & !&stopped[r];
                (m.named(&format!("error{i}_r{r}"), e), c as u64)
            })
            .collect();
        raised.push(any_of(1, fresh.iter().map(|f| &f.0)));
        let held = m.reg(&format!("held_r{r}"), 1, 0);
        m.assign(
            &held,
            here(&ring_tail, &tail_ring) | here(&judge, &judged_ring) | here(&weigh, &weighed_ring),
        );
        halted.push(&stopped[r] | held);
        m.process(|p| {
            p.if_(here(&set_control, &control_ring), |p| {
                p.set(&enable[r], field(&control_data, page::CONTROL::ENABLE));
                p.set(&size[r], field(&control_data, page::CONTROL::SIZE_LOG2));
            });
            p.set(
                &running[r],
                &enable[r] & (&running[r] | !busy.bit(r as u32)),
            );
            p.if_(here(&ring_tail, &tail_ring), |p| {
                p.set(&tail[r], tail_data.slice(0, 16))
            });
            p.if_(here(&ring_head, &head_ring), |p| {
                p.set(&cq_head[r], head_data.slice(0, 16))
            });
            for (e, c) in fresh.iter().rev() {
                p.if_(e, |p| {
                    p.set(&stopped[r], true);
                    p.set(&code[r], *c);
                });
            }
            p.if_(!&enable[r], |p| {
                p.set(&tail[r], 0);
                p.set(&cq_head[r], 0);
                p.set(&stopped[r], false);
                p.set(&code[r], 0);
            });
        });
        m.process(|p| {
            p.if_(fetched_ring.eq(r as u64), |p| {
                p.set(&fetched[r], &fetched[r] + fetched_by.zext(16))
            });
            p.if_(here(&fill, &fill_ring), |p| {
                p.set(&filled[r], &filled[r] + 1)
            });
            p.if_(&take, |p| p.set(&taken[r], &taken[r] + 1));
            p.if_(&make, |p| p.set(&made[r], &made[r] + 1));
            p.if_(flushed_ring.eq(r as u64), |p| {
                p.set(&written[r], &written[r] + &flushed_by)
            });
            p.if_(!&running[r], |p| {
                p.set(&fetched[r], 0);
                p.set(&filled[r], 0);
                p.set(&taken[r], 0);
                p.set(&made[r], 0);
                p.set(&written[r], 0);
            });
        });
        if r < s.queues as usize {
            let lost = no_buffer_by.bit(q as u32);
            m.assign(&no_buffer[q], &no_buffer[q] + lost.zext(32));
        }
    }
    for (name, values) in [
        ("size", &size),
        ("running", &running),
        ("stopped", &stopped),
        ("halted", &halted),
        ("tail", &tail),
        ("cq_head", &cq_head),
        ("fetched", &fetched),
        ("filled", &filled),
        ("taken", &taken),
        ("made", &made),
        ("written", &written),
    ] {
        m.output_of(name, pack(values));
    }
    let error = m.output_reg("error", 1, 0);
    m.assign(&error, any_of(1, &raised));
    let settled = m.output_reg("settled", 1, 0);
    let mut pending = vec![judge, weigh, verdict];
    pending.extend(fails.iter().map(|f| f.0.clone()));
    let same = |r: usize| running[r].eq(&enable[r]);
    let all: Vec<E> = (0..n as usize).map(same).collect();
    m.assign(
        &settled,
        crate::rtl::all_of(&all) & !&sweeping & !any_of(1, &pending),
    );

    // DMA.
    rf.w1c(&page::DMA_STATUS, &m.input("dma_event", 5));
    m.output_of("read_timeout", rf.rw(&page::READ_TIMEOUT));
    let pending = m.input("vectors_pending", 16);
    let (test, bits) = rf.rwh(&page::VECTOR_TEST, &pending.zext(32));
    let vector_test = m.output_reg("vector_test", 16, 0);
    m.assign(&vector_test, bits.slice(0, 16) & test.repl(16));
    rf.finish();
    m
}
