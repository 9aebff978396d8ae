//! The arbiter of the register bus: two masters, a bus with holes; every answer, fairness, and one request at a time.
#[path = "common/seed.rs"]
mod seed;

use rand::Rng;
use smartnic_hdl::board::{HOLE, WORST, arbiter};
use smartnic_hdl::rtl::design;
use smartnic_verilated::{Model, Options};

/// What a register holds, by the request that reads it.
fn value(write: bool, addr: u32, wdata: u32) -> u32 {
    ((addr * 0x9e37) ^ wdata).wrapping_mul(0x2545_f491) ^ u32::from(write)
}

#[derive(Default)]
struct Master {
    /// The request that waits, and since when.
    asked: Option<(u64, bool, u32, u32)>,
    answers: u64,
    holes: u64,
    worst: u64,
}

#[test]
fn every_request_is_answered_once_and_in_turn() {
    let options = Options {
        lint: true,
        ..Options::default()
    };
    let mut dut = Model::build(&design(&arbiter()), &options).expect("builds");
    let mut rng = seed::rng();
    let mut masters = [Master::default(), Master::default()];
    // The bus: the request on it, the cycle of its answer (never: a hole), and its master.
    let mut bus: Option<(u64, Option<u64>, usize)> = None;
    let mut last = None;
    for now in 0..120_000u64 {
        let load = [5, 100, 30][(now / 20_000 % 3) as usize];
        let reset = now == 0 || rng.random_range(0..8_000) == 0;
        dut.poke("reset", reset.into());
        for (i, m) in masters.iter_mut().enumerate() {
            let ask = !reset && m.asked.is_none() && rng.random_range(0..100) < load;
            dut.poke(&format!("m{i}_reg_valid"), ask.into());
            if ask {
                // The top bit of the address tells whose it is.
                let addr = (i as u32) << 15 | rng.random_range(0..1 << 15);
                let (write, wdata) = (rng.random(), rng.random());
                m.asked = Some((now, write, addr, wdata));
                dut.poke(&format!("m{i}_reg_write"), u64::from(write));
                dut.poke(&format!("m{i}_reg_addr"), addr.into());
                dut.poke(&format!("m{i}_reg_wdata"), wdata.into());
            }
        }
        let mut answer = None;
        if let Some((from, Some(at), i)) = bus
            && at == now
        {
            let (_, write, addr, wdata) = masters[i].asked.expect("it asked");
            answer = Some(value(write, addr, wdata));
            assert!(now - from <= 48);
        }
        dut.poke("reg_ack", answer.is_some().into());
        dut.poke("reg_rdata", answer.unwrap_or(0).into());
        dut.tick(1);
        if reset {
            for m in &mut masters {
                m.asked = None;
            }
            (bus, last) = (None, None);
            continue;
        }
        // Answers of this edge.
        for (i, m) in masters.iter_mut().enumerate() {
            let get = |n: &str| dut.peek(&format!("m{i}_reg_{n}"));
            if get("ack") == 0 {
                assert_eq!((get("rdata"), get("error")), (0, 0));
                continue;
            }
            let (since, write, addr, wdata) = m.asked.take().expect("an answer to a request");
            let (from, at, owner) = bus.take().expect("it was on the bus");
            assert_eq!(owner, i);
            let want = match at {
                Some(at) => {
                    assert_eq!(at, now, "passed on at once");
                    (value(write, addr, wdata), 0)
                }
                None => {
                    assert_eq!(now - from, HOLE - 1, "nobody answers");
                    m.holes += 1;
                    (0, 1)
                }
            };
            assert_eq!((get("rdata") as u32, get("error")), want);
            m.answers += 1;
            m.worst = m.worst.max(now + 1 - since);
        }
        if dut.peek("reg_valid") == 1 {
            assert!(bus.is_none(), "one request at a time");
            let addr = dut.peek("reg_addr") as u32;
            let i = (addr >> 15) as usize;
            let (since, write, want, wdata) = masters[i].asked.expect("it asked");
            let got = (dut.peek("reg_write"), addr, dut.peek("reg_wdata") as u32);
            assert_eq!(got, (write.into(), want, wdata));
            // Fair: the other one, if it waited as long, comes first after this one had its turn.
            let other = masters[1 - i].asked.map(|o| o.0);
            assert!(
                last != Some(i) || other.is_none_or(|o| o + 1 >= now || o > since),
                "the turn of the other"
            );
            last = Some(i);
            let hole = rng.random_range(0..6) == 0;
            let range = if rng.random() { 1..=3 } else { 46..=48 };
            let delay = rng.random_range(range);
            bus = Some((now + 1, (!hole).then_some(now + 1 + delay), i));
        }
        for m in &masters {
            assert!(
                m.asked.is_none_or(|a| now - a.0 <= WORST),
                "an answer in time"
            );
        }
    }
    for m in &masters {
        println!(
            "{} answers, {} holes, longest wait {}",
            m.answers, m.holes, m.worst
        );
        assert!(m.answers > 800 && m.holes > 100 && m.worst > WORST - 8 && m.worst <= WORST);
    }
}
