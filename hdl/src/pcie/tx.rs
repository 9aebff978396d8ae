//! Puts packets on the link: completions, read requests, posted packets.
//!
//! Order (PCIe 2.4.1): posted packets go in the order in which they were made. A completion or a read request carries a `mark`, the
//! number of posted packets that were made, or in the making, when it arose, and waits until that many have been sent.
//! Among those that may go, completions are first, then reads (client 0 first, then in turn), then posted packets:
//! they cannot starve the posted ones, since the host's requests and our tags are few. Without bus master enable only
//! completions go, and they wait for nothing. A packet that was begun is always finished. What was chosen and is withdrawn before its first
//! beat (a function-level reset, bus master enable cleared) is not begun.
//!
//! The choice is a cycle of its own: in one with the link's and the sources' handshakes it was the longest path of the whole core.
//!
//! Throughput: a beat a cycle, 2 cycles between packets. Outputs are registers. Tests: `tests/pcie.rs`, `tests/pcie_dma.rs`.

use super::{MARK_BITS, REQUEST};
use crate::rtl::{E, Module, cat, lit, mux};

/// The arbiter. Ports: `cpl_*` of [`super::mmio`], `r{c}_*` of two [`super::read`] clients, `p_*` of [`super::write`], `tlp_tx_*`.
pub fn tlp_tx() -> Module {
    let m = Module::new("tlp_tx");
    m.sync();
    let requester = m.input("cfg_requester_id", 16);
    let master = m.delay("bus_master", &m.input("cfg_bus_master", 1));
    let sent = m.input("sent_count", MARK_BITS);
    let ready = m.input("tlp_tx_ready", 1);
    let valid = m.output_reg("tlp_tx_valid", 1, 0);
    let (data, keep) = (
        m.output_reg_nr("tlp_tx_data", 64),
        m.output_reg_nr("tlp_tx_keep", 2),
    );
    let last = m.output_reg_nr("tlp_tx_last", 1);
    let go = m.named("go", !&valid | &ready);
    // Once reached, a mark stays so: found a cycle ahead, for the packet that is still there.
    let reached = |name: &str, stays: E, mark: &E| {
        let seen = m.reg(&format!("{name}_reached"), 1, 0);
        m.assign(&seen, stays & !(&sent - mark).bit(MARK_BITS - 1));
        seen
    };

    // Completion.
    let field = |name: &str| {
        let width = REQUEST.iter().find(|f| f.0 == name).expect("a field").1;
        m.input(&format!("cpl_{name}"), width)
    };
    let cpl_valid = m.input("cpl_valid", 1);
    let (kind, locked, pair, address) = (
        field("kind"),
        field("locked"),
        field("pair"),
        field("address"),
    );
    let (tag, asker, attr, tc) = (field("tag"), field("requester"), field("attr"), field("tc"));
    let payload = field("payload");
    let (mark, result) = (m.input("cpl_mark", MARK_BITS), m.input("cpl_result", 64));
    let refused = m.named("refused", kind.eq(super::REQ_UNSUPPORTED));
    let answered = !&refused;
    let length = mux(&refused, lit(10, 0), mux(&pair, lit(10, 2), lit(10, 1)));
    let cpl0 = cat(&[
        lit(1, 0),
        answered.clone(),
        lit(1, 0),
        lit(4, 5),
        locked,
        lit(1, 0),
        tc,
        lit(6, 0),
        attr,
        lit(2, 0),
        length,
    ]);
    let status = mux(&refused, lit(3, 1), lit(3, 0));
    let cpl1 = cat(&[requester.clone(), status, lit(1, 0), payload.slice(0, 12)]);
    let cpl2 = cat(&[
        asker,
        tag,
        lit(1, 0),
        address.slice(0, 5),
        payload.slice(12, 2),
    ]);
    let cpl_ready = m.output("cpl_ready", 1);
    let cpl_reached = reached("cpl", &cpl_valid & !&cpl_ready, &mark);
    let cpl_may = m.named("cpl_may", &cpl_valid & (!&master | cpl_reached));

    // Read requests.
    let turn = m.reg("turn", 1, 0);
    let reads: Vec<Vec<E>> = (0..2)
        .map(|c| {
            let i = |n: &str, w| m.input(&format!("r{c}_{n}"), w);
            vec![
                i("valid", 1),
                i("addr", 64),
                i("dws", 8),
                i("first_be", 4),
                i("last_be", 4),
                i("tag", 8),
                i("mark", MARK_BITS),
            ]
        })
        .collect();
    let may = |c: usize| {
        m.named(
            &format!("read{c}_may"),
            // A client takes three cycles from one request to the next.
            &reads[c][0]
                & &master
                & reached(&format!("read{c}"), reads[c][0].clone(), &reads[c][6]),
        )
    };
    let (may0, may1) = (may(0), may(1));
    // Which client is next; once it is chosen, which one it was.
    let next1 = m.named("next1", &may1 & (!&may0 | &turn));
    let pick1 = m.reg_nr("pick1", 1);
    let of = |field: usize, by: &E| mux(by, &reads[1][field], &reads[0][field]);
    // Kept here, so that the client may be reset while its request waits for the link.
    let read_addr = m.reg_nr("read_addr", 64);
    let wide = of(1, &pick1).slice(32, 32).any();
    let read0 = cat(&[lit(2, 0), wide, lit(19, 0), of(2, &pick1).zext(10)]);
    let read1 = cat(&[requester, of(5, &pick1), of(4, &pick1), of(3, &pick1)]);
    let low = cat(&[read_addr.slice(2, 30), lit(2, 0)]);
    let four = m.named("four", read_addr.slice(32, 32).any());

    // Posted packets.
    let (p_valid, p_data) = (m.input("p_valid", 1), m.input("p_data", 64));
    let (p_keep, p_last) = (m.input("p_keep", 2), m.input("p_last", 1));

    let state = m.reg("state", 3, 0);
    let (choose, cpl_a, cpl_b, cpl_c, read_a, read_b, posted) = (0, 1, 2, 3, 4, 5, 6);
    let reads_may = m.named("reads_may", &may0 | &may1);
    // The link has a part of the posted packet.
    let begun = m.reg("begun", 1, 0);
    let wanted = m.named("read_wanted", mux(&pick1, &may1, &may0));
    let posts = m.named("posts", state.eq(posted) & (&begun | &master));
    m.output_of("p_ready", &go & &posts);
    let ends_cpl = &go & ((state.eq(cpl_b) & !(&answered & &pair)) | state.eq(cpl_c));
    m.assign(&cpl_ready, ends_cpl);
    let starts_read = m.named("starts_read", &go & state.eq(read_a) & &wanted);
    m.output_of("r0_ready", &starts_read & !&pick1);
    m.output_of("r1_ready", &starts_read & &pick1);
    m.process(|p| {
        p.if_(&go, |p| {
            p.set(&valid, false);
            p.set(&keep, 3);
            p.set(&last, false);
            p.switch(&state, |s| {
                s.case(cpl_a, |p| {
                    p.set(&valid, true);
                    p.set(&data, cat([&cpl1, &cpl0]));
                    p.set(&state, cpl_b);
                });
                s.case(read_a, |p| {
                    p.set(&data, cat([&read1, &read0]));
                    p.set(&read_addr, of(1, &pick1));
                    p.set(&valid, &wanted);
                    p.set(&state, mux(&wanted, lit(3, read_b), lit(3, choose)));
                    p.if_(&wanted, |p| p.set(&turn, !&pick1));
                });
                s.case(cpl_b, |p| {
                    p.set(&valid, true);
                    p.set(&data, cat(&[result.slice(0, 32), cpl2.clone()]));
                    p.set(&keep, mux(&answered, lit(2, 3), lit(2, 1)));
                    p.set(&last, !(&answered & &pair));
                    p.set(
                        &state,
                        mux(&answered & &pair, lit(3, cpl_c), lit(3, choose)),
                    );
                });
                s.case(cpl_c, |p| {
                    p.set(&valid, true);
                    p.set(&data, result.slice(32, 32).zext(64));
                    p.set(&keep, 1);
                    p.set(&last, true);
                    p.set(&state, choose);
                });
                s.case(read_b, |p| {
                    p.set(&valid, true);
                    p.set(
                        &data,
                        mux(&four, cat([&low, &read_addr.slice(32, 32)]), low.zext(64)),
                    );
                    p.set(&keep, mux(&four, lit(2, 3), lit(2, 1)));
                    p.set(&last, true);
                    p.set(&state, choose);
                });
                s.case(posted, |p| {
                    let moves = &p_valid & (&begun | &master);
                    p.set(&valid, &moves);
                    p.set(&data, &p_data);
                    p.set(&keep, &p_keep);
                    p.set(&last, &p_last);
                    p.set(&begun, &begun | &moves);
                    p.if_(mux(&moves, &p_last, !&begun), |p| {
                        p.set(&begun, false);
                        p.set(&state, choose);
                    });
                });
            });
        });
        p.if_(state.eq(choose), |p| {
            p.set(&pick1, &next1);
            p.if_(&cpl_may, |p| p.set(&state, cpl_a));
            p.elif(&reads_may, |p| p.set(&state, read_a));
            p.elif(&p_valid & &master, |p| p.set(&state, posted));
        });
    });
    let quiet = m.output_reg("idle", 1, 0);
    m.assign(
        &quiet,
        state.eq(choose) & !&valid & !&cpl_valid & !&reads_may,
    );
    m
}
