//! `cargo xtask lacp-guest`: a kernel bond in 802.3ad is the partner of a bond on the simulated card.
//!
//! ```text
//! guest (Debian 6.12, QEMU)                          simulated card, smartnicd
//! bond0 in br0, 802.3ad   eth0  ---- cable ----  port 1
//!                         eth1  ---- cable ----  port 2   bond0, 802.3ad, in the bridge br0
//!                         eth2  ---- cable ----  port 3
//! a host of its own       eth3  ---- cable ----  port 4                   in br0
//! ```
//!
//! The cables are this program's, so that it sees which member each end chose for each frame:
//!
//! 1. Both ends aggregate three members.
//! 2. For every hash policy the guest sends the frames of `lag-vectors` through its bond, and the card gets the same frames at port 4: kernel and card take
//!    the same member for each, and so does the driver's own hash. What the card does not hash by (`encap*`) it must refuse.
//! 3. A TCP connection runs from the host at port 4 to the one behind the bond while the member that carries its data is pulled, and then the one that
//!    carries its acknowledgements: it survives both.
//! 4. A member leaves at either end: each says goodbye (a LACPDU that does not aggregate), and the other needs no timeout to know.
//!
//! No root is needed, and no network once the guest's parts are there. Every wait is bounded.

mod cable;
mod judge;
mod machine;

use std::collections::HashMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use smartnic_slowpath::bond::HashPolicy;
use smartnic_slowpath::wire::lacp::State;
use smartnic_slowpath::wire::slow::SlowPdu;

use crate::demo::card::{self, Card, Run};
use crate::guest::Guest;
use crate::lag_vectors::data;
use crate::proc::interrupted;
use crate::setup::{self, step};
use cable::{Cable, From, Watch};
use judge::{agree, carries, of_the_flow};
use machine::Machine;

/// See a kernel's bond as the LACP partner of a bond on the simulated card.
#[derive(clap::Args)]
pub struct Args {
    /// Seeds the addresses, ports and lengths of the frames.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Kernel modules that the guest loads, in this order.
const MODULES: &[&str] = &[
    "llc",
    "stp",
    "bridge",
    "tls",
    "bonding",
    "tun",
    "failover",
    "net_failover",
    "virtio_net",
];

/// How many frames of each kind.
const FRAMES_OF_A_KIND: usize = 4;

/// The ports of the bond, and the one behind which the host is.
const MEMBERS: std::ops::RangeInclusive<usize> = 1..=3;
const HOST: usize = 4;

/// The bond's name, at either end.
const BOND: &str = "bond0";

/// The TCP connection's port at the host behind the bond.
const SERVICE: u16 = 7000;

/// Frames of the connection that must pass before something is done to it, and after.
const PASSED: usize = 50;

/// How long anything may take: seconds on an idle machine.
const LIMIT: Duration = Duration::from_secs(300);

/// After this long a frame is sent again: Ethernet may lose one, and a busy machine's queues do.
const AGAIN: Duration = Duration::from_secs(10);

/// Fetches what is needed and runs it.
pub fn run(args: &Args) -> Result<()> {
    setup::run()?;
    play(&fetch()?, args.seed)
}

/// Runs it if the guest can be had, else gives why not: for a run among others.
pub fn run_if_possible() -> Result<Option<String>> {
    match fetch() {
        Ok(guest) => play(&guest, 1).map(|()| None),
        Err(_) if interrupted() => bail!("interrupted"),
        Err(why) => Ok(Some(format!("{why:#}"))),
    }
}

fn fetch() -> Result<Guest> {
    Guest::fetch().context("the guest (QEMU and Debian's kernel 6.12) cannot be had here")
}

fn play(guest: &Guest, seed: u64) -> Result<()> {
    let programs = card::build(false)?;
    let scratch = card::scratch()?;
    let frames: Vec<Vec<u8>> = data::frames(seed, FRAMES_OF_A_KIND)
        .into_iter()
        .map(|frame| frame.bytes)
        .collect();
    let start = Instant::now();

    let (notes, watch) = Watch::new();
    let cables = (1..=HOST).map(|port| Cable::new(scratch.path(), port, notes.clone()));
    let mut cables = cables.collect::<Result<Vec<_>>>()?;
    let specs: Vec<_> = cables.iter().map(Cable::card_spec).collect();
    let run = Run {
        name: "lacp-guest",
        scratch: scratch.path(),
        card: None,
        host: None,
        wave: false,
    };
    let card = Card::start(&programs, &run, &specs)?;
    let machine = step("the guest", || {
        let image = scratch.path().join("initramfs.cpio");
        let bytes: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
        guest.initramfs(&image, MODULES, &bytes)?;
        let mut qemu = guest.qemu(&image, "lacp")?;
        for (number, cable) in (0..).zip(&cables) {
            let netdev = format!("n{}", cable.port());
            qemu.arg("-netdev").arg(cable.guest_spec(&netdev));
            qemu.arg("-device").arg(format!(
                "virtio-net-pci,netdev={netdev},mac=52:54:00:00:00:{number:02x},speed=1000,duplex=full,romfile="
            ));
        }
        Machine::boot(qemu, scratch.path(), &card.outputs.join("guest.log"))
    })?;
    for cable in &mut cables {
        cable.plug()?;
    }
    let mut bench = Bench {
        card,
        machine,
        cables,
        watch,
    };
    println!(
        "kernel {}, up after {:.1} s",
        bench.machine.kernel,
        start.elapsed().as_secs_f64()
    );
    bench.make_bond()?;
    let began = Instant::now();
    bench.aggregated(MEMBERS.count())?;
    println!(
        "three members aggregate after {:.1} s",
        began.elapsed().as_secs_f64()
    );
    bench.choices(&frames)?;
    bench.flow()?;
    bench.goodbyes()?;
    bench.machine.quit()?;
    bench.card.stop()?;
    println!(
        "lacp-guest passed in {:.1} s",
        start.elapsed().as_secs_f64()
    );
    Ok(())
}

/// Both ends and the cables between them.
struct Bench {
    card: Card,
    machine: Machine,
    cables: Vec<Cable>,
    watch: Watch,
}

impl Bench {
    fn ctl(&self, line: &str) -> Result<String> {
        self.card.ctl(&line.split_whitespace().collect::<Vec<_>>())
    }

    fn make_bond(&self) -> Result<()> {
        let mut lines = vec![
            format!("link add {BOND} type bond mode 802.3ad miimon 100 lacp_rate fast"),
            "link add br0 type bridge".to_owned(),
        ];
        lines.extend(MEMBERS.map(|port| format!("link set port{port} master {BOND}")));
        lines.extend(
            [format!("port{HOST}"), BOND.to_owned()]
                .map(|port| format!("link set {port} master br0 up")),
        );
        lines.push("link set br0 up".to_owned());
        lines.iter().try_for_each(|line| self.ctl(line).map(drop))
    }

    /// Waits until so many members, and no others, carry frames at both ends, and the guest's bond has ours as its partner.
    fn aggregated(&mut self, members: usize) -> Result<()> {
        let end = Instant::now() + LIMIT;
        loop {
            let shown: Vec<Value> = serde_json::from_str(&self.ctl("-j -d link show")?)?;
            let working: Vec<_> = shown.iter().filter(|link| carries(link)).collect();
            let theirs = self.machine.ask_init("state", "state")?;
            let said: Vec<_> = theirs.split_whitespace().collect();
            let ours = shown.iter().find(|link| link["ifname"] == BOND);
            let address = ours.and_then(|link| link["address"].as_str());
            if working.len() == members
                && said.first() == Some(&members.to_string().as_str())
                && said.last().copied() == address
            {
                return Ok(());
            }
            ensure!(!interrupted(), "interrupted");
            ensure!(
                Instant::now() < end,
                "not {members} members within {} s: here {working:?}, the guest says {theirs}",
                LIMIT.as_secs()
            );
            // Each look reads the counters of all ports: the daemon has LACP to see to as well.
            sleep(Duration::from_millis(500));
        }
    }

    /// For every policy: the kernel's member for each frame, the card's, and the driver's.
    fn choices(&mut self, frames: &[Vec<u8>]) -> Result<()> {
        for policy in HashPolicy::ALL {
            let word = serde_json::to_value(policy)?;
            let word = word.as_str().context("a policy's name")?;
            self.machine.tell(&format!("policy {word}"))?;
            let kernel = self.kernels_choices(frames)?;
            let software = frames
                .iter()
                .map(|frame| MEMBERS.start() + policy.hash(frame) as usize % MEMBERS.count());
            agree(word, "driver", &kernel, software)?;
            let set = self.ctl(&format!(
                "link set {BOND} type bond xmit_hash_policy {word}"
            ));
            if matches!(policy, HashPolicy::Encap23 | HashPolicy::Encap34) {
                match set {
                    Err(err) if format!("{err:#}").contains("EOPNOTSUPP") => {}
                    other => bail!(
                        "the card cannot hash by {word}, and the driver did not refuse it: {other:?}"
                    ),
                }
                println!(
                    "{word:<12} {} frames: kernel and driver agree",
                    frames.len()
                );
                continue;
            }
            set?;
            let card = frames.iter().map(|frame| self.cards_choice(frame));
            agree(word, "card", &kernel, card.collect::<Result<Vec<_>>>()?)?;
            println!(
                "{word:<12} {} frames: kernel, driver and card agree",
                frames.len()
            );
        }
        Ok(())
    }

    fn kernels_choices(&mut self, frames: &[Vec<u8>]) -> Result<Vec<usize>> {
        let mut wanted: HashMap<&[u8], usize> = frames.iter().map(Vec::as_slice).zip(0..).collect();
        let mut choices = vec![0; frames.len()];
        let end = Instant::now() + LIMIT;
        while !wanted.is_empty() {
            self.aggregated(MEMBERS.count())?;
            self.watch.forget();
            self.machine.tell("frames")?;
            let taken = self.watch.find("choice for every frame", AGAIN, |seen| {
                if seen.from == From::Guest
                    && MEMBERS.contains(&seen.port)
                    && let Some(at) = wanted.remove(&seen.frame[..])
                {
                    choices[at] = seen.port;
                }
                wanted.is_empty().then_some(())
            });
            if interrupted() || Instant::now() > end {
                taken.with_context(|| {
                    let mut missing: Vec<_> = wanted.values().collect();
                    missing.sort();
                    format!("the guest's bond sent all frames but {missing:?}")
                })?;
            }
        }
        Ok(choices)
    }

    fn cards_choice(&self, frame: &[u8]) -> Result<usize> {
        let end = Instant::now() + LIMIT;
        loop {
            self.watch.forget();
            self.cable(HOST).send(frame)?;
            let taken = self
                .watch
                .find("frame out of the card's bond", AGAIN, |seen| {
                    let is_it = seen.from == From::Card
                        && MEMBERS.contains(&seen.port)
                        && seen.frame == frame;
                    is_it.then_some(seen.port)
                });
            if taken.is_ok() || interrupted() || Instant::now() > end {
                return taken;
            }
        }
    }

    fn cable(&self, port: usize) -> &Cable {
        &self.cables[port - 1]
    }

    /// Pulls a cable at both ends, or plugs it in again.
    fn plug(&mut self, port: usize, plugged: bool) -> Result<()> {
        self.machine.set_link(&format!("n{port}"), plugged)?;
        let cable = &mut self.cables[port - 1];
        if plugged { cable.plug() } else { cable.pull() }
    }

    /// A connection loses the member of its data, then that of its acknowledgements.
    fn flow(&mut self) -> Result<()> {
        self.machine.tell("flow start")?;
        for (what, from) in [("data", From::Card), ("acknowledgements", From::Guest)] {
            let member = self.carrier(from, None)?;
            let pulled = Instant::now();
            self.plug(member, false)?;
            let other = self.carrier(from, Some(member))?;
            let time = pulled.elapsed().as_secs_f64();
            self.aggregated(MEMBERS.count() - 1)?;
            self.plug(member, true)?;
            self.aggregated(MEMBERS.count())?;
            println!(
                "port {member} pulled: after {time:.2} s {PASSED} frames of {what} had gone by port {other}"
            );
        }
        let bytes = self.machine.ask_init("flow stop", "flow")?;
        println!("the connection carried {bytes} bytes, whole and in order");
        Ok(())
    }

    /// The member by which this end sends the connection's frames, once so many have gone by it in a row; not this one.
    fn carrier(&self, from: From, not: Option<usize>) -> Result<usize> {
        self.watch.forget();
        let (mut member, mut count) = (0, 0);
        self.watch.find("frames of the connection", LIMIT, |seen| {
            let counts = seen.from == from
                && MEMBERS.contains(&seen.port)
                && of_the_flow(seen)
                && Some(seen.port) != not;
            if counts {
                count = if seen.port == member { count + 1 } else { 1 };
                member = seen.port;
            }
            (counts && count == PASSED).then_some(member)
        })
    }

    /// A member leaves at the guest's end, then one at ours.
    fn goodbyes(&mut self) -> Result<()> {
        self.watch.forget();
        self.machine.tell("release eth0")?;
        self.goodbye(1, From::Guest)?;
        self.aggregated(2)?;
        self.machine.tell("enslave eth0")?;
        self.aggregated(3)?;
        self.watch.forget();
        self.ctl("link set port2 nomaster")?;
        self.goodbye(2, From::Card)?;
        self.aggregated(2)?;
        self.ctl(&format!("link set port2 master {BOND}"))?;
        self.aggregated(3)?;
        println!("a member that leaves says goodbye, at either end");
        Ok(())
    }

    fn goodbye(&self, port: usize, from: From) -> Result<()> {
        self.watch
            .find("LACPDU that does not aggregate", LIMIT, |seen| {
                let Ok(SlowPdu::Lacp(pdu)) = SlowPdu::parse_frame(&seen.frame) else {
                    return None;
                };
                let state = pdu.actor.state;
                let gone = !state.has(State::AGGREGATION) && !state.has(State::SYNCHRONIZATION);
                (seen.port == port && seen.from == from && gone).then_some(())
            })
    }
}
