//! Fuzz target of the bond: no sequence of settings, members, links, frames and times makes it panic, loop, send on a
//! member that has no carrier, or wait for a time that has passed.
//!
//! `cargo test` runs the corpus in `tests/__fuzz__` and a number of random inputs; `cargo bolero test` goes on for as
//! long as wanted.

#[path = "common/bond_base.rs"]
mod bond_base;

use std::time::Duration;

use bond_base::{bond, device};
use smartnic_slowpath::bond::{Bond, Tx, Way};
use smartnic_slowpath::lacp::Link;

const MODES: [&str; 7] = [
    "balance-rr",
    "active-backup",
    "balance-xor",
    "broadcast",
    "802.3ad",
    "balance-tlb",
    "balance-alb",
];
const VALUES: [&str; 16] = [
    "0",
    "1",
    "2",
    "100",
    "port1",
    "",
    "default",
    "all",
    "layer3+4",
    "follow",
    "better",
    "fast",
    "+10.0.0.1",
    "10.0.0.1,10.0.0.2",
    "port2:3",
    "02:00:00:00:00:09",
];

/// Six bytes a step: what, who, two values, and time; frames take the bytes that follow.
#[test]
fn bond_machine() {
    bolero::check!().for_each(|bytes: &[u8]| {
        let Some((first, mut rest)) = bytes.split_first() else {
            return;
        };
        let (mut bond, mut devices) = bond(MODES[usize::from(*first) % 7], &[("miimon", "100")], 2);
        bond.set_ips(&["10.0.0.9".parse().unwrap()]);
        let mut now = Duration::ZERO;
        let names: Vec<_> = Bond::option_names().collect();
        let mut carriers = [false, true, true, false, false];
        while let Some((step, tail)) = rest.split_first_chunk::<6>() {
            rest = tail;
            let [what, who, a, b, c, time] = *step;
            let id = u32::from(who % 5);
            now += Duration::from_millis(u64::from(time) * 20);
            let link = (a & 1 != 0).then_some(Link {
                speed: [0, 100, 1000, 2500][usize::from(b % 4)],
                full_duplex: b & 4 == 0,
            });
            match what % 9 {
                0 => {
                    bond.set_link(now, id, link);
                    carriers[id as usize] = link.is_some();
                }
                1 => {
                    let mut device = device(id);
                    device.link = link;
                    device.sets_address = b & 16 == 0;
                    if bond.enslave(now, &mut devices, Way::Link, &device).is_ok() {
                        carriers[id as usize] = link.is_some();
                    }
                }
                2 => drop(bond.release(now, &mut devices, id)),
                3 => {
                    let name = names[usize::from(a) % names.len()];
                    drop(bond.set(now, name, VALUES[usize::from(b) % 16]));
                }
                4 => bond.close(now, &mut devices),
                5 => bond.open(now),
                6 => {
                    let length = usize::from(a).min(rest.len());
                    let mut frame = rest[..length].to_vec();
                    match bond.transmit(now, &mut frame, u16::from(c % 4)) {
                        Tx::One(id) => assert!(carriers[id as usize]),
                        Tx::Each(all) => assert!(all.iter().all(|id| carriers[*id as usize])),
                        Tx::Drop => {}
                    }
                }
                7 => {
                    // A frame of a kind that the bond looks into, and random behind it.
                    let mut frame = vec![1, 0x80, 0xc2, 0, 0, 2, 2, 0, 0, 0, 3, b];
                    frame.extend([[0x88, 0x09], [8, 6], [8, 0], [0x81, 0]][usize::from(c % 4)]);
                    frame.extend([1, 1, 1, 20]);
                    frame.extend(&rest[..usize::from(a).min(rest.len())]);
                    bond.receive(now, id, &mut frame);
                }
                _ => bond.tick(now),
            }
            while bond.poll().is_some() {}
            if let Some(t) = bond.next_deadline() {
                now = now.max(t);
                bond.tick(now);
                assert!(
                    bond.next_deadline().is_none_or(|later| later > now),
                    "{:?}",
                    bond.next_deadline()
                );
            }
            let plan = bond.plan();
            assert_eq!(plan.members.len(), bond.slaves().len());
            let known = |id: &Option<u32>| id.is_none_or(|id| bond.slaves().contains(&id));
            assert!(plan.buckets.iter().all(known) && known(&bond.active_slave()));
        }
    });
}
