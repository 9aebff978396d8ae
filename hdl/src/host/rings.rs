//! The rings: their state, one ring a cycle.
//!
//! Algorithm: the words of all rings ([`super::state`]) lie in a LUT RAM of 8. A slot counter goes round; in its cycle a ring's word is read, the
//! next cycle everything that happened to the ring in the last 8 cycles (`Held`: one place for each kind of event) is put into it and it is
//! written back. Two stages later the engines see what they decide by, all from registers (`e_*`): differences of pointers, whether
//! there is room, whether a batch is ripe, whether an interrupt is due. So there is one adder and one comparison of a kind, however many rings there are.
//!
//! An engine looks at the rings in turn, in step with `e_ring`; after it has told of something it did (`NAME_valid`), it looks
//! again when `NAME_settling` is clear, up to 11 cycles later.
//!
//! A ring runs from ENABLE on, once nothing of an earlier life is under way; then its pointers are zero. An error stops a ring:
//! nothing more is taken, what was taken is completed, and clearing ENABLE recovers it. BUSY tells whether it runs or anything is under way.
//!
//! What the host writes is believed in nothing: a size out of range stops the ring; so does a submission tail that is, in any round, more than the
//! ring's size ahead of what was taken or fetched, before anything is read by it; a completion head that makes no sense counts as a full queue.
//!
//! Reset clears the words in 8 cycles. Test: `tests/host.rs`.

use super::state::{Fields, Held, RING, width};
use super::{AHEAD, BATCH, QUIET, Shape};
use crate::rtl::{E, Module, all_of, any_of, lit, mux, pick, ram};
use smartnic_regs::{Field, host as page, values::ring_error};

/// Registers by their number in the stride.
fn number(reg: &smartnic_regs::Reg) -> u64 {
    u64::from(reg.addr - page::PAGE.base) / 4
}

fn put(value: &E, field: Field) -> E {
    value.zext(32).shl(field.lsb)
}

/// The rings of a host port. Ports: `op_*` of [`super::bus`]; events of the engines: `ask_*` (submissions asked for), `fill_*`
/// (submissions that are here), `take_*` (a transmit submission was taken), `made_*` (a completion was made; receive: taken too), `flush_*`
/// (completions written), `signal_*` (interrupt raised), `missed` with `missed_ring`; `busy` (a bit for each ring); `works` (an engine has work); `now`.
/// Outputs: `e_*`, `running` (a bit for each ring), `error` (pulse), `idle`.
pub fn rings(s: Shape) -> Module {
    let m = Module::new("host_rings");
    m.sync();
    let n = s.rings();
    let now = m.input("now", 64);
    let slot = m.reg("slot", RING, 0);
    m.assign(&slot, &slot + 1);
    let round = m.reg("round", 3, 0);
    m.assign(&round, &round + slot.all().zext(3));
    let at = m.reg("at", RING, 0);
    m.assign(&at, &slot);
    let sweep = m.reg("sweep", 5, 0);
    m.assign(&sweep, mux(sweep.bit(4), &sweep, &sweep + 1));
    let swept = sweep.bit(4);

    let store = m.inst("words", &ram::lut(width(), 8));
    store.drive("raddr", &slot);
    let word = m.delay("word", &store.port("rdata"));
    let cur = Fields::split(&word);
    let c = |name: &str| cur.get(name).clone();

    // Events.
    let held = |name: &str, values: &[(&str, u32)]| Held::new(&m, name, &slot, values);
    let ask = held("ask", &[("count", 3)]);
    let fill = held("fill", &[("count", 3), ("fail", 1)]);
    let take = held("take", &[]);
    let made = held("made", &[("urgent", 1), ("fail", 1)]);
    let flush = held("flush", &[("count", 3)]);
    let signal = held("signal", &[]);
    let exists = m.named("exists", at.zext(4).lt(n as u64));
    let is_rx = m.named("is_rx", at.zext(4).lt(s.queues as u64));

    // The host's accesses.
    let (op_valid, op_write) = (m.input("op_valid", 1), m.input("op_write", 1));
    let (op_ring, op_reg) = (m.input("op_ring", RING), m.input("op_reg", 4));
    let op_data = m.input("op_data", 32);
    let op = m.named("op", &op_valid & op_ring.eq(&at) & &swept);
    m.output_of("op_done", &op);
    let wr = |reg: &smartnic_regs::Reg| {
        let name = format!("wr_{}", reg.name.to_lowercase());
        m.named(
            &name,
            all_of(&[
                op.clone(),
                op_write.clone(),
                exists.clone(),
                op_reg.eq(number(reg)),
            ]),
        )
    };
    let data = |f: Field| op_data.slice(f.lsb, f.width);
    let (wr_control, wr_tail) = (wr(&page::CONTROL), wr(&page::SQ_TAIL));
    let (wr_head, wr_moderation) = (wr(&page::CQ_HEAD), wr(&page::MODERATION));

    // Running, and from when.
    let busy = m.input("busy", n);
    // A cycle old: a ring that was stopped starts two rounds later at the earliest.
    let engine = m.delay("engine_busy", &busy.zext(8).bit_at(&slot));
    let open = any_of(
        1,
        &[
            c("filled").ne(c("fetched").slice(0, 4)),
            // Frames under way are few.
            c("taken").slice(0, 6).ne(c("made").slice(0, 6)),
            engine,
        ],
    );
    let open = m.named("open", open);
    let starts = m.named("starts", c("enable") & !c("running") & !&open);
    let clear = m.named("clear", &starts | !&swept);
    let enable = mux(&wr_control, data(page::CONTROL::ENABLE), c("enable"));
    let enable = m.named("enable_next", enable & &swept);
    let running = m.named("running_next", &enable & (c("running") | &starts));
    let fresh = |e: E| {
        let width = e.width();
        e & (!&clear).repl(width)
    };

    // Errors.
    let wild = m.reg("wild", 8, 0);
    let errors = [
        (c("size").lt(2), ring_error::SIZE),
        (wild.bit_at(&at), ring_error::DOORBELL),
        (fill.is("fail"), ring_error::SUBMISSION),
        (made.is("fail"), ring_error::DATA),
    ];
    let any = any_of(1, errors.iter().map(|e| &e.0));
    let stops = all_of(&[c("enable"), !c("stopped"), any, swept.clone()]);
    let stops = m.named("stops", stops);
    let code = errors.iter().rev().fold(lit(4, 0), |other, (e, code)| {
        mux(e, lit(4, u64::from(*code)), other)
    });
    let error = m.output_reg("error", 1, 0);
    m.assign(&error, &stops);

    // Frames that were dropped: a few may come between two rounds.
    let (missed, missed_ring) = (m.input("missed", 1), m.input("missed_ring", 2));
    let counts: Vec<E> = (0..s.queues)
        .map(|r| {
            let count = m.reg(&format!("missed_r{r}"), 3, 0);
            let mine = m.named(&format!("misses_r{r}"), &missed & missed_ring.eq(r as u64));
            let passes = at.eq(r as u64) & &swept;
            m.assign(&count, mux(passes, lit(3, 0), count.clone()) + mine.zext(3));
            count
        })
        .collect();
    let mut of_ring = counts.clone();
    of_ring.resize(8, lit(3, 0));
    let lost = m.named("lost", pick(&at, &of_ring));

    // The next word.
    let live = |e: E| {
        let width = e.width();
        e & c("running").repl(width)
    };
    let on = |e: E| {
        let width = e.width();
        e & c("enable").repl(width)
    };
    let done = &made.here & &is_rx;
    let sum = m.named(
        "waiting_sum",
        c("waiting").zext(9) + flush.value("count").zext(9),
    );
    let kept = mux(sum.bit(8), lit(8, 255), sum.slice(0, 8));
    let keeps = c("urgent") & !(&signal.here & c("pend").is_zero());
    // A ring that gathers interrupts can wait four times as long for its group of completions to fill.
    let gathers = c("limit").slice(1, 7).any();
    let passes = round.bit(0) & (!gathers | round.slice(1, 2).all());
    let elapsed = c("quiet") + (passes & !c("quiet").all()).zext(3);
    let begins = &flush.here & c("waiting").is_zero();
    let next = Fields::new(|name| {
        let value = match name {
            "enable" => enable.clone(),
            "size" => mux(&wr_control, data(page::CONTROL::SIZE_LOG2), c(name)) & swept.repl(4),
            "tail" => on(mux(&wr_tail, op_data.slice(0, 16), c(name))),
            "cq_head" => on(mux(&wr_head, op_data.slice(0, 16), c(name))),
            "limit" => mux(&wr_moderation, data(page::MODERATION::COUNT), c(name)) & swept.repl(8),
            "patience" => {
                mux(&wr_moderation, data(page::MODERATION::TIME), c(name)) & swept.repl(16)
            }
            "running" => running.clone(),
            "stopped" => on(c(name) | &stops),
            "code" => on(mux(&stops, &code, c(name))),
            "fetched" => fresh(c(name) + ask.value("count").zext(16)),
            "filled" => fresh(c(name) + fill.value("count").zext(4)),
            "taken" => fresh(c(name) + (&take.here | &done).zext(16)),
            "made" => fresh(c(name) + made.here.zext(32)),
            "pend" => live(c(name) + made.here.zext(3) - flush.value("count")),
            "waiting" => live(kept.clone() & (!&signal.here).repl(8)),
            "since" => mux(&begins, now.slice(6, 16), c(name)),
            "urgent" => live(&keeps | made.is("urgent")),
            "quiet" => elapsed.clone() & (!&made.here).repl(3),
            "no_buffer" => (c(name) + lost.zext(32)) & swept.repl(32),
            other => panic!("{other} is not a field"),
        };
        m.named(&format!("next_{name}"), value)
    });
    store
        .drive("we", true)
        .drive("waddr", &at)
        .drive("wdata", next.join());
    let runs = m.output_reg("running", n, 0);
    // A cycle late: the bus write that starts or stops a ring comes from far.
    let (kept, kept_at, kept_value) = (
        m.reg("runs_kept", 1, 0),
        m.delay("runs_at", &at),
        m.delay("runs_value", &running),
    );
    m.assign(&kept, &exists);
    m.process(|p| p.if_(&kept, |p| p.set_slice_at(&runs, &kept_at, &kept_value)));

    // What is read.
    let status = [
        put(&live(c("taken")), page::STATUS::HEAD),
        put(&on(c("code")), page::STATUS::ERROR),
        put(&(c("running") | &open), page::STATUS::BUSY),
        put(&on(c("stopped")), page::STATUS::STOPPED),
    ];
    let control = [
        put(&c("enable"), page::CONTROL::ENABLE),
        put(&c("size"), page::CONTROL::SIZE_LOG2),
    ];
    let moderation = [
        put(&c("limit"), page::MODERATION::COUNT),
        put(&c("patience"), page::MODERATION::TIME),
    ];
    let values = [
        (&page::CONTROL, any_of(32, &control)),
        (&page::SQ_TAIL, on(c("tail")).zext(32)),
        (&page::CQ_HEAD, on(c("cq_head")).zext(32)),
        (&page::STATUS, any_of(32, &status)),
        (&page::MODERATION, any_of(32, &moderation)),
        (&page::NO_BUFFER, c("no_buffer")),
    ];
    let read: Vec<E> = values
        .iter()
        .map(|(reg, value)| value & op_reg.eq(number(reg)).repl(32))
        .collect();
    m.output_of("op_value", any_of(32, &read));

    views(&m, &next, &at, &now, &wild, &swept);

    // Nothing has happened for three rounds, and no timer runs.
    let holds = [&ask, &fill, &take, &made, &flush, &signal];
    let mut active: Vec<E> = holds.iter().map(|h| h.valid.clone()).collect();
    active.extend([
        op_valid,
        missed,
        !&swept,
        m.input("works", 1),
        stops.clone(),
        c("enable").ne(c("running")),
        c("running") & (c("pend").any() | c("waiting").any()),
    ]);
    let active = m.named("active", any_of(1, &active));
    // What is active comes from everywhere: a register of its own, before it begins the count again.
    let was_active = m.delay("was_active", &active);
    let calm = m.reg("calm", 5, 0);
    m.process(|p| {
        p.if_(&was_active, |p| p.set(&calm, 0));
        p.elif(!calm.all(), |p| p.set(&calm, &calm + 1));
    });
    m.output_of("idle", calm.all() & !&was_active & !&active);
    m
}

/// The stages behind the word: what the engines see of a ring, and whether its doorbell is wild.
fn views(m: &Module, next: &Fields, at: &E, now: &E, wild: &E, swept: &E) {
    let seen = |name: &str| m.delay(&format!("v_{name}"), next.get(name));
    let v = Fields::new(seen);
    let v = |name: &str| v.get(name).clone();
    let v_ring = m.delay("v_ring", at);

    // Differences.
    let d = |name: &str, value: E| m.delay(&format!("d_{name}"), &value);
    let ring = d("ring", v_ring);
    let run = d("run", v("running"));
    let takes = d("takes", v("running") & !v("stopped"));
    let limit = d("limit", lit(16, 1).shl_by(&v("size")));
    let (ahead, behind) = (
        d("ahead", v("tail") - v("fetched")),
        d("behind", v("tail") - v("taken")),
    );
    let used = d("used", v("taken") - v("cq_head"));
    let room = d(
        "free",
        lit(4, AHEAD.into()) - (v("fetched") - v("taken")).slice(0, 4),
    );
    let here = d("here", v("filled").ne(v("taken").slice(0, 4)));
    let first = d("first", v("made") - v("pend").zext(32));
    let count = d("count", v("pend"));
    let ripe = d("ripe", v("quiet").ge(QUIET / 16) | v("urgent"));
    let age = d("age", now.slice(6, 16) - v("since"));
    let patience = d("patience", v("patience"));
    let many = v("limit").le(1) | v("waiting").ge(v("limit")) | v("urgent");
    let many = d("many", many);
    let unsignalled = d("unsignalled", v("waiting").any() & v("running"));
    let [fetched, taken, made, size] = ["fetched", "taken", "made", "size"].map(|n| d(n, v(n)));

    // Verdicts.
    let e = |name: &str, value: E| {
        let o = m.output_reg_nr(&format!("e_{name}"), value.width());
        m.assign(&o, value);
    };
    // What makes an engine act is clear from reset on until no stage holds anything of before.
    let acts = |name: &str, value: E| {
        let o = m.output_reg(&format!("e_{name}"), 1, 0);
        m.assign(&o, value & swept);
    };
    e("ring", ring.clone());
    let group = lit(3, 4) - fetched.slice(0, 2).zext(3);
    let some = mux(ahead.ge(group.zext(16)), &group, ahead.slice(0, 3));
    let some = m.named("some", some);
    let is_wild = &run & (ahead.gt(&limit) | behind.gt(&limit));
    let is_wild = m.named("is_wild", is_wild);
    m.process(|p| p.set_slice_at(wild, &ring, &is_wild));
    e("wild", is_wild);
    acts("fetch", &takes & ahead.any() & room.ge(some.zext(4)));
    e("fetch_count", some);
    e("fetched", fetched);
    let fits = m.named("fits", used.lt(&limit));
    acts("take", all_of(&[takes.clone(), here.clone(), fits.clone()]));
    acts("coming", all_of(&[takes, behind.any(), fits]));
    e("taken", taken.slice(0, 3));
    let low = first.slice(0, 2).zext(3);
    let full = m.named("full", (&low + &count).ge(BATCH as u64));
    acts("write", &run & count.any() & (&ripe | &full));
    // A write ends with its group of four, so never runs over the ring's end.
    e("count", mux(&full, lit(3, BATCH.into()) - &low, &count));
    e("first", first);
    e("space", count.lt(BATCH as u64));
    e("made", made.slice(0, 16));
    e("size", size);
    acts("due", unsignalled & (many | age.ge(&patience)));
}
