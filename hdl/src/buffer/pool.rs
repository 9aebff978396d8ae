//! Accounting of cells: who may take one, and the registers of page `queue`.
//!
//! Algorithm: a source's first GUARANTEE cells are its own; further ones come out of the pool of SHARED cells. A freed cell
//! goes to the pool first while its source has cells of it. `used` counts all cells of a source, `own` the guaranteed ones,
//! so the pool's use is the sum of the differences, whatever the registers are changed to while cells are out.
//!
//! What is written above the number of cells (LIMIT: above the longest ring) becomes that number. LIMIT is given to the queues as `limit{d}`.
//! `pause_request` is a level for each source: set above PAUSE_ON, cleared below PAUSE_OFF. Latency: `admit` follows a change of `own` at once (ingress holds it for the cycle
//! after a grant, and grants a source at most every second cycle), `pool_ok` follows the pool's use at once, and SHARED after one cycle. Cost: about 40 LUT4 a source. Test: `tests/buffer`.

use crate::params::Params;
use crate::regbus::RegFile;
use crate::rtl::prim::step;
use crate::rtl::{E, Module, any_of, cat, mux};
use smartnic_regs::queue;

/// The accounting of `params.sources()` sources over `params.cells` cells; a queue holds at most `ring` cells.
pub(crate) fn pool(params: &Params, ring: u64) -> Module {
    let (s, cells) = (params.sources(), params.cells as u64);
    let b = params.cell_bits() + 1;
    let m = Module::new("buffer_pool");
    let (take, take_source) = (m.input("take", 1), m.input("take_source", s));
    let take_own = m.input("take_own", 1);
    let (freed, freed_source) = (m.input("freed", 1), m.input("freed_source", 4));
    let waiting: Vec<E> = (0..s)
        .map(|d| m.input(&format!("waiting{d}"), b + 1))
        .collect();
    let fault = m.input("fault", 2);

    let mut regs = RegFile::new(&m, &queue::PAGE);
    let mut most = |reg, i, most| regs.rw_most_at(reg, i, most);
    let guarantee: Vec<E> = (0..s)
        .map(|i| most(&queue::GUARANTEE, i, params.cells))
        .collect();
    let limit: Vec<E> = (0..s)
        .map(|i| most(&queue::LIMIT, i, ring as u32))
        .collect();
    let shared = most(&queue::SHARED, 0, params.cells);
    let on = most(&queue::PAUSE_ON, 0, params.cells);
    let off = most(&queue::PAUSE_OFF, 0, params.cells);
    regs.w1c(&queue::FAULT, &fault);

    let pool_used = m.reg("pool_used", b, 0);
    let free = m.reg("free", b, cells);
    let free_min = m.reg("free_min", b, cells);
    regs.ro(&queue::FREE, &free);
    regs.ro(&queue::FREE_MIN, &free_min);

    let taken_pool = m.named("taken_pool", &take & !&take_own);
    let mut freed_pool = vec![];
    let (mut admit, mut pause) = (vec![], vec![]);
    for i in 0..s {
        let used = m.output_reg(&format!("used{i}"), b, 0);
        let own = m.reg(&format!("own{i}"), b, 0);
        m.output_of(&format!("limit{i}"), limit[i as usize].resize(b));
        regs.ro_at(&queue::USED, i, &used);
        regs.ro_at(&queue::WAITING, i, &waiting[i as usize]);
        let up = m.named(&format!("up{i}"), &take & take_source.bit(i));
        let down = m.named(&format!("down{i}"), &freed & freed_source.eq(i as u64));
        let of_pool = m.named(&format!("of_pool{i}"), own.ne(&used));
        let own_up = &up & &take_own;
        let own_down = &down & !&of_pool;
        freed_pool.push(&down & &of_pool);
        m.process(|p| {
            p.if_(up.ne(&down), |p| p.set(&used, step(&used, &up)));
            p.if_(own_up.ne(&own_down), |p| p.set(&own, step(&own, &own_up)));
        });
        admit.push(m.named(&format!("admit{i}"), own.lt(&guarantee[i as usize])));
        let held = m.reg(&format!("pause{i}"), 1, 0);
        m.process(|p| {
            p.if_(used.gt(&on), |p| p.set(&held, true));
            p.elif(used.lt(&off), |p| p.set(&held, false));
        });
        pause.push(held);
    }
    let freed_pool = m.named("freed_pool", any_of(1, &freed_pool));
    m.process(|p| {
        p.if_(taken_pool.ne(&freed_pool), |p| {
            p.set(&pool_used, step(&pool_used, &taken_pool))
        });
        p.if_(take.ne(&freed), |p| p.set(&free, step(&free, &freed)));
        p.if_(free.lt(&free_min), |p| p.set(&free_min, &free));
    });
    let joined = |v: &[E]| cat(v.iter().rev());
    m.output_of("admit", joined(&admit));
    // The comparison waits beside each value that the use can have next.
    let pool_ok = m.output_reg("pool_ok", 1, 0);
    let [more, less, same] = [
        ("more_ok", (&pool_used + 1).lt(&shared)),
        ("less_ok", !shared.lt(&pool_used)),
        ("same_ok", pool_used.lt(&shared)),
    ]
    .map(|(name, ok)| m.named(name, ok));
    let changed = mux(&taken_pool, more, less);
    m.assign(&pool_ok, mux(taken_pool.ne(&freed_pool), changed, same));
    m.output_of("pause_request", joined(&pause));
    regs.finish();
    m
}
