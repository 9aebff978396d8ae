//! The verdict: rules as numbered in `forward`. Three registered stages; one frame a cycle.

use super::{FDB_FIELDS, code, context_fields, join, verdict_fields};
use crate::params::Params;
use crate::regbus::field;
use crate::rtl::{E, Module, bits_for, cat, lit, mux, pick, select_onehot};
use smartnic_regs::port::CONFIG as C;
use smartnic_regs::values::{action, dest, kind, learn, reason, state};

/// The module. Inputs `dec_*` from `lookup`, `config{i}[32]`, `forward_mask{i}[P+1]`, `link[P]`, `collecting[P]`, `action{n}[2]`, `reason{n}[8]`,
/// `forward_enable`; outputs `verdict_valid`, `verdict_source[P+1]` (one-hot), `verdict_*`.
pub fn decide(p: &Params) -> Module {
    let m = Module::new("forward_decide");
    let n = p.sources();
    let np = p.ports;
    let host = n - 1;
    let valid_in = m.input("dec_valid", 1);
    let mut d = std::collections::BTreeMap::new();
    let context = context_fields(n);
    for (f, w) in context.iter().filter(|f| f.0 != "slot").chain(FDB_FIELDS) {
        d.insert(*f, m.input(&format!("dec_{f}"), *w));
    }
    let members: Vec<E> = (0..p.lag_groups)
        .map(|g| m.input(&format!("dec_member_g{g}"), np))
        .collect();
    let configs: Vec<E> = (0..n).map(|i| m.input(&format!("config{i}"), 32)).collect();
    let masks: Vec<E> = (0..n)
        .map(|i| m.input(&format!("forward_mask{i}"), n))
        .collect();
    let (link, collecting) = (m.input("link", np), m.input("collecting", np));
    let actions: Vec<E> = (0..16).map(|i| m.input(&format!("action{i}"), 2)).collect();
    let reasons: Vec<E> = (0..16).map(|i| m.input(&format!("reason{i}"), 8)).collect();
    let enable = m.input("forward_enable", 1);

    // Stage 1: everything that depends on the source alone.
    let by_source = |v: &[E]| -> E {
        let c: Vec<(E, E)> = (0..n as usize)
            .map(|i| (d["source"].bit(i as u32), v[i].clone()))
            .collect();
        select_onehot(v[0].width(), &c)
    };
    let s1 = |name: &str, e: &E| m.delay_if(&valid_in, &format!("s1_{name}"), e);
    let v1 = m.reg("s1_valid", 1, 0);
    m.assign(&v1, &valid_in);
    let cfg = s1("config", &by_source(&configs));
    let mask = s1("mask", &by_source(&masks));
    let c1: std::collections::BTreeMap<&str, E> = d.iter().map(|(k, e)| (*k, s1(k, e))).collect();
    let mem1: Vec<E> = members
        .iter()
        .enumerate()
        .map(|(g, e)| s1(&format!("member{g}"), e))
        .collect();
    let act = s1("action", &pick(&d["reserved_index"], &actions));
    let rsn = s1("reason", &pick(&d["reserved_index"], &reasons));
    let collects = &d["source"].trunc(np) & &collecting;
    let collects = s1("collects", &(collects.any() | d["source"].bit(host)));

    // Stage 2: candidate destinations, and what the source may reach.
    let from_host = c1["source"].bit(host);
    let src_lag = m.named("src_lag", field(&cfg, C::LAG_VALID) & !&from_host);
    let src_group = field(&cfg, C::LAG);
    let mut allowed = vec![];
    let mut same_lag = vec![];
    for i in 0..n {
        let c = &configs[i as usize];
        let mut ok = field(c, C::STATE).eq(state::FORWARDING as u64) & mask.bit(i);
        ok = ok & (!c1["source"].bit(i) | field(&cfg, C::HAIRPIN));
        ok = ok & !(field(&cfg, C::ISOLATED) & field(c, C::ISOLATED));
        if i < np {
            ok = ok & link.bit(i);
            same_lag.push(&src_lag & field(c, C::LAG_VALID) & field(c, C::LAG).eq(&src_group));
        } else {
            same_lag.push(lit(1, 0));
        }
        allowed.push(ok);
    }
    let bits = |v: &[E]| cat(&v.iter().rev().cloned().collect::<Vec<_>>());
    // A flood leaves by every port that is in no LAG and by one member of each LAG.
    let group_bits = bits_for(p.lag_groups as u64);
    // A number of 3 or 4 bits names a group of this card.
    let exists = |number: &E| number.lt(p.lag_groups as u64);
    let of_group = |number: &E| {
        let chosen = pick(&number.slice(0, group_bits), &mem1);
        chosen & exists(number).repl(np)
    };
    let flood: Vec<E> = (0..n)
        .map(|i| {
            let c = &configs[i as usize];
            let uc = !&c1["mc"] & field(c, C::FLOOD_UC);
            let mc = &c1["mc"] & !&c1["bc"] & field(c, C::FLOOD_MC);
            let bc = &c1["bc"] & field(c, C::FLOOD_BC);
            let here = if i < np {
                !field(c, C::LAG_VALID) | of_group(&field(c, C::LAG)).bit(i)
            } else {
                lit(1, 1)
            };
            (uc | mc | bc) & here
        })
        .collect();
    let to_set = |dst: &E| -> E {
        // Destination number to destination set.
        let is_lag = dst.slice(4, 2).eq((dest::LAG >> 4) as u64);
        let is_host = dst.eq(dest::HOST as u64);
        let port = if np == 8 {
            dst.slice(0, 3).decode(8)
        } else {
            dst.slice(0, 3).decode(np)
        };
        let port = mux(dst.slice(3, 3).is_zero(), port, lit(np, 0));
        let lag = mux(&is_lag, of_group(&dst.slice(0, 4)), lit(np, 0));
        cat(&[is_host, port | lag])
    };
    // A multicast set is not resolved by this table: it floods as multicast.
    let known = m.named("known", &c1["da_hit"] & !c1["da_dest"].bit(5));
    let direct = m.named("direct", &c1["direct"] & &from_host);
    let unicast_set = to_set(&c1["da_dest"]);
    let candidates = m.named("candidates", mux(&known, unicast_set, bits(&flood)));
    let direct_set = m.named("direct_set", to_set(&c1["direct_dest"]));
    let lag_of = |dst: &E| dst.slice(4, 2).eq((dest::LAG >> 4) as u64);
    let wanted = mux(&direct, &c1["direct_dest"], &c1["da_dest"]);
    let wants_lag = m.named("wants_lag", lag_of(&wanted) & (&direct | &known));

    let s2 = |name: &str, e: &E| m.delay_if(&v1, &format!("s2_{name}"), e);
    let v2 = m.reg("s2_valid", 1, 0);
    m.assign(&v2, &v1);
    let allowed = m.named("allowed", bits(&allowed));
    let same_lag = m.named("same_lag", bits(&same_lag));
    // What the rules leave, and what of it the global cut takes away: all ports.
    let left = m.named("left", &candidates & &allowed & !&same_lag);
    let cut = m.named("cut", !&enable & !&from_host);
    let set2 = s2("set", &(&left & !cat(&[lit(1, 0), cut.repl(np)])));
    let cut_any = s2("cut_any", &(&cut & left.trunc(np).any()));
    let pruned = s2("pruned", &((&candidates & &same_lag).any() & !&direct));
    let direct2 = s2("direct", &direct);
    let direct_set2 = s2("direct_set", &direct_set);
    let no_member: Vec<E> = (0..p.lag_groups)
        .map(|g| {
            let w = wanted.slice(0, 4).eq_const(g as u64);
            &wants_lag & w & !mem1[g as usize].any()
        })
        .collect();
    let no_member = s2("no_member", &bits(&no_member));
    let st = field(&cfg, C::STATE);
    let forwarding = st.eq(state::FORWARDING as u64);
    let learns = (st.eq(state::LEARNING as u64) | &forwarding) & field(&cfg, C::LEARN).any();
    let fixed = |k: &E, b: u32| k.bit(b.trailing_zeros());
    let black = (&c1["da_hit"] & fixed(&c1["da_kind"], kind::BLACKHOLE))
        | (&c1["sa_hit"] & fixed(&c1["sa_kind"], kind::BLACKHOLE));
    let host_local = m.named(
        "host_local",
        &c1["da_hit"] & c1["da_dest"].eq(dest::HOST as u64),
    );
    let my_dest = mux(
        &from_host,
        lit(6, dest::HOST as u64),
        mux(
            &src_lag,
            cat(&[
                lit(2, (dest::LAG >> 4) as u64),
                lit(1, 0),
                src_group.clone(),
            ]),
            crate::rtl::prim::encode(&c1["source"], 6),
        ),
    );
    let my_dest = m.named("my_dest", my_dest);
    // What needs no change needs no learning: present at the same place and fresh, or not to be moved.
    let pinned = fixed(&c1["sa_kind"], kind::STATIC) | fixed(&c1["sa_kind"], kind::BLACKHOLE);
    let sticky = fixed(&c1["sa_kind"], kind::STICKY);
    let same = c1["sa_dest"].eq(&my_dest);
    let settled = &c1["sa_hit"] & (&pinned | (&same & c1["sa_age"].eq(3)) | (!&same & &sticky));
    let b2 = |name: &str, e: E| s2(name, &e);
    let lost = b2("lost", c1["lost"].clone());
    let disabled = b2("disabled", st.eq(state::DISABLED as u64));
    let not_forwarding = b2("not_forwarding", !&forwarding);
    let bad_source = b2("bad_source", c1["bad_source"].clone());
    let is_reserved = b2(
        "reserved",
        &c1["reserved"] & !&from_host & act.ne(action::FORWARD as u64),
    );
    let act2 = b2("action", act.clone());
    let rsn2 = b2("reason", rsn.clone());
    let no_collect = b2("no_collect", &src_lag & !&collects);
    let black2 = b2("black", black);
    let local2 = b2("local", host_local);
    let learn2 = b2("learn", learns & !settled);
    let insert2 = b2("insert", field(&cfg, C::LEARN).eq(learn::HARDWARE as u64));
    let dest2 = b2("my_dest", my_dest);
    let class2 = b2(
        "class",
        mux(&direct, &c1["direct_class"], field(&cfg, C::CLASS)),
    );
    let source2 = s2("source", &c1["source"]);

    // Stage 3: the first rule that applies.
    let copies = m.named("copies", &is_reserved & act2.eq(action::COPY as u64));
    let is_cut = &cut_any & !set2.any();
    let ends = m.wire("ends", 4); // code of rules 4 to 7
    m.process(|q| {
        q.if_(&no_collect, |q| q.set(&ends, code::NOT_COLLECTING));
        q.elif(&not_forwarding, |q| q.set(&ends, code::STATE));
        q.elif(&black2, |q| q.set(&ends, code::BLACKHOLE));
        q.elif(&is_cut, |q| q.set(&ends, code::CUT));
        q.elif(!set2.any(), |q| q.set(&ends, code::NO_DESTINATION));
    });
    let host_bit = lit(n, 1 << host);
    let (set3, drop3, reason3, class3) = (
        m.wire("final_set", n),
        m.wire("final_drop", 4),
        m.wire("final_reason", 8),
        m.wire("final_class", 3),
    );
    m.process(|q| {
        q.set(&class3, &class2);
        q.set(
            &reason3,
            mux(
                &local2,
                lit(8, reason::LOCAL as u64),
                lit(8, reason::FLOOD as u64),
            ),
        );
        let drop = |q: &mut crate::rtl::Proc, c: u64| q.set(&drop3, c);
        q.if_(&lost, |q| drop(q, code::OVERRUN));
        q.elif(&direct2, |q| {
            q.set(&set3, &direct_set2);
            q.if_(!direct_set2.any(), |q| drop(q, code::NO_DESTINATION));
        });
        q.elif(&disabled, |q| drop(q, code::STATE));
        q.elif(&bad_source, |q| drop(q, code::BAD_SOURCE));
        q.elif(&is_reserved & act2.eq(action::DROP as u64), |q| {
            drop(q, code::RESERVED)
        });
        q.elif(&is_reserved & act2.eq(action::TRAP as u64), |q| {
            q.set(&set3, &host_bit);
            q.set(&reason3, &rsn2);
            q.set(&class3, 1);
        });
        q.else_(|q| {
            q.if_(ends.is_zero(), |q| q.set(&set3, &set2));
            q.if_(&copies, |q| {
                q.set(&reason3, &rsn2);
                q.if_(ends.is_zero(), |q| q.set(&set3, &set2 | &host_bit));
                q.else_(|q| q.set(&set3, &host_bit));
            });
            q.else_(|q| q.set(&drop3, &ends));
        });
    });
    let illegal = &lost | &disabled | &bad_source;
    let by_action = act2.eq(action::DROP as u64) | act2.eq(action::TRAP as u64);
    let early = &disabled | &bad_source | (&is_reserved & by_action);
    let reaches_rule_7 = !&lost & !&direct2 & !early & !&no_collect & !&not_forwarding & !&black2;
    let reaches_rule_7 = m.named("reaches_rule_7", reaches_rule_7);
    let addressed = &reaches_rule_7 | (!&lost & &direct2);
    let learn3 = &learn2 & !illegal & !&direct2 & !&no_collect;

    let valid = m.output_reg("verdict_valid", 1, 0);
    m.assign(&valid, &v2);
    let source = m.output_reg_nr("verdict_source", n);
    m.assign(&source, &source2);
    let fields = verdict_fields(n, p.lag_groups);
    let word = join(&fields, |f| match f {
        "dest" => set3.clone(),
        "class" => class3.clone(),
        "drop" => drop3.clone(),
        "learn" => learn3.clone(),
        "learn_insert" => insert2.clone(),
        "learn_dest" => dest2.clone(),
        "pruned" => &pruned & &reaches_rule_7,
        "no_member" => &no_member & addressed.repl(p.lag_groups),
        "reason" => reason3.clone(),
        f => unreachable!("{f}"),
    });
    let out = m.output_reg_nr("verdict_word", word.width());
    m.assign(&out, &word);
    let idle = m.output_reg("idle", 1, 0);
    m.assign(&idle, !(&valid_in | &v1 | &v2 | &valid));
    m
}
