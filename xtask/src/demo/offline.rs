//! The demo without root: the same card, daemon and bridge, but the hosts are captures.
//!
//! What the three hosts would send (ARP, pings, a file in TCP segments, flows to the LAG) is written
//! as captures first, then played into the ports over Unix datagram sockets. Every frame must come
//! out where a switch sends it, once, and nowhere else.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::Lost;
use super::frames::{Station, arp, echo, tcp, udp};
use super::pcapng::{self, Packet};
use crate::proc::interrupted;

/// How many ports the card has.
const PORTS: usize = 4;

/// The ports of the LAG, counted from 0.
const LAG: [usize; 2] = [2, 3];

/// How long a frame may take through the simulated card.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long to watch for frames that should not come.
const AFTERMATH: Duration = Duration::from_millis(300);

/// Frames on their way at a time: a Unix datagram socket holds ten.
const WINDOW: usize = 8;

const fn station(last: u8) -> Station {
    Station {
        mac: [2, 0x5a, 0x1c, 0, 0, last],
        ip: Ipv4Addr::new(10, 77, 0, last),
    }
}

const H1: Station = station(1);
const H2: Station = station(2);
const H3: Station = station(3);

/// The address of the host behind the LAG.
pub const LAG_HOST: Ipv4Addr = H3.ip;

/// Where a frame must come out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Expect {
    /// Every port but the one that it came in by, and one of the LAG's.
    Flood,
    /// This port alone.
    Port(usize),
    /// One port of the LAG alone.
    Lag,
}

/// A frame of the script.
#[derive(Clone, Debug)]
pub struct Step {
    /// The port that it goes into, counted from 0.
    pub from: usize,
    /// The frame.
    pub frame: Vec<u8>,
    /// Where it must come out.
    pub expect: Expect,
}

/// A part of the script, which goes out with so many frames on their way at a time.
pub struct Act {
    /// What it shows.
    pub name: String,
    window: usize,
    /// Source and destination port, if it is one flow to the LAG.
    pub flow: Option<(u16, u16)>,
    /// Its frames.
    pub steps: Vec<Step>,
}

impl Act {
    fn new(name: impl Into<String>, window: usize) -> Self {
        Self {
            name: name.into(),
            window,
            flow: None,
            steps: Vec::new(),
        }
    }

    fn step(&mut self, from: usize, expect: Expect, frame: Vec<u8>) {
        self.steps.push(Step {
            from,
            frame,
            expect,
        });
    }
}

/// What the hosts send, in order.
pub fn script(file_bytes: usize, flows: u16) -> Vec<Act> {
    let mut meet = Act::new("ARP between h1, h2 and h3", 1);
    meet.step(0, Expect::Flood, arp(H1, H2.ip, None));
    meet.step(1, Expect::Port(0), arp(H2, H1.ip, Some(H1.mac)));
    meet.step(LAG[0], Expect::Flood, arp(H3, H1.ip, None));
    meet.step(0, Expect::Lag, arp(H1, H3.ip, Some(H3.mac)));
    let mut pings = Act::new("ping h1 -> h2, h1 -> h3", 1);
    for sequence in 1..=3 {
        pings.step(0, Expect::Port(1), echo(H1, H2, 8, sequence));
        pings.step(1, Expect::Port(0), echo(H2, H1, 0, sequence));
        pings.step(0, Expect::Lag, echo(H1, H3, 8, sequence));
        // The far end of a LAG may answer by either member, and has not moved when it does.
        pings.step(
            LAG[usize::from(sequence % 2)],
            Expect::Port(0),
            echo(H3, H1, 0, sequence),
        );
    }
    let mut file = Act::new(format!("file of {} KiB h1 -> h2", file_bytes >> 10), WINDOW);
    let content: Vec<u8> = (0..file_bytes as u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    for (number, chunk) in content.chunks(1460).enumerate() {
        file.step(
            0,
            Expect::Port(1),
            tcp(H1, H2, (4000, 8000), 1 + 1460 * number as u32, chunk),
        );
    }
    let mut acts = vec![meet, pings, file];
    for flow in 0..flows {
        let ports = (super::hosts::FLOW_SOURCE + flow, 8001 + flow);
        let mut act = Act::new(format!("flow h1:{} -> h3:{}", ports.0, ports.1), 1);
        act.flow = Some(ports);
        for number in 0..4_u8 {
            act.step(0, Expect::Lag, udp(H1, H3, ports, &[number; 32]));
        }
        acts.push(act);
    }
    acts
}

/// The far ends of the card's cables.
pub struct Wires {
    sockets: Vec<UnixDatagram>,
    cards: Vec<PathBuf>,
    /// How often each frame came out of each port.
    arrived: BTreeMap<Vec<u8>, [u32; PORTS]>,
}

impl Wires {
    /// Binds the hosts' ends in a folder; [`Wires::specs`] tells the simulator its own.
    pub fn new(folder: &Path) -> Result<Self> {
        let mut wires = Self {
            sockets: Vec::new(),
            cards: Vec::new(),
            arrived: BTreeMap::new(),
        };
        for port in 0..PORTS {
            let socket = UnixDatagram::bind(folder.join(format!("host-{port}")))?;
            socket.set_nonblocking(true)?;
            wires.sockets.push(socket);
            wires.cards.push(folder.join(format!("card-{port}")));
        }
        Ok(wires)
    }

    /// What the simulator plugs into each port.
    pub fn specs(folder: &Path) -> Vec<String> {
        let spec = |port| format!("dgram:{0}/card-{port},{0}/host-{port}", folder.display());
        (0..PORTS).map(spec).collect()
    }

    fn receive(&mut self) -> Result<()> {
        let mut frame = [0; 2048];
        for (port, socket) in self.sockets.iter().enumerate() {
            loop {
                match socket.recv(&mut frame) {
                    Ok(length) => {
                        self.arrived.entry(frame[..length].to_vec()).or_default()[port] += 1;
                    }
                    Err(err) if err.kind() == ErrorKind::WouldBlock => break,
                    Err(err) => return Err(err).context("receiving from the card"),
                }
            }
        }
        Ok(())
    }

    fn complete(&self, step: &Step) -> bool {
        let copies: u32 = self
            .arrived
            .get(&step.frame)
            .map_or(0, |ports| ports.iter().sum());
        copies
            >= if step.expect == Expect::Flood {
                flood_ports(step.from).1
            } else {
                1
            }
    }

    /// Plays an act and returns the time from its first frame in to its last frame out.
    pub fn play(&mut self, act: &Act) -> Result<Duration> {
        let start = Instant::now();
        let mut done = 0;
        for next in 0..act.steps.len() {
            self.wait(act, &mut done, (next + 1).saturating_sub(act.window))?;
            let step = &act.steps[next];
            self.sockets[step.from]
                .send_to(&step.frame, &self.cards[step.from])
                .with_context(|| format!("sending into port {}", step.from + 1))?;
        }
        self.wait(act, &mut done, act.steps.len())?;
        Ok(start.elapsed())
    }

    /// Waits until the first `count` steps have come out.
    fn wait(&mut self, act: &Act, done: &mut usize, count: usize) -> Result<()> {
        let start = Instant::now();
        loop {
            self.receive()?;
            while *done < count && self.complete(&act.steps[*done]) {
                *done += 1;
            }
            if *done >= count {
                return Ok(());
            }
            if interrupted() {
                bail!("interrupted");
            }
            if start.elapsed() > PATIENCE {
                let step = &act.steps[*done];
                let (frame, port) = (*done + 1, step.from + 1);
                let lost = format!("{}: frame {frame} into port {port} was lost", act.name);
                self.unicast()?;
                return Err(Lost { what: lost, cut: 0 }.into());
            }
            std::thread::sleep(Duration::from_micros(50));
        }
    }

    /// After a loss: what was lost may have been flooded, and its copy to the host goes its way even with forwarding cut. A
    /// unicast to a station that the hardware has learned has one way only.
    fn unicast(&self) -> Result<()> {
        self.sockets[1]
            .send_to(&echo(H2, H1, 8, u16::MAX), &self.cards[1])
            .context("sending into port 2")?;
        std::thread::sleep(AFTERMATH);
        Ok(())
    }

    /// Once all is played: that every frame came out where it must, once, and nothing else came.
    pub fn verify(&mut self, script: &[Act]) -> Result<()> {
        std::thread::sleep(AFTERMATH);
        self.receive()?;
        let mut faults = Vec::new();
        for step in script.iter().flat_map(|act| &act.steps) {
            let ports = self.arrived.get(&step.frame).copied().unwrap_or_default();
            if !allowed(step, ports) {
                faults.push(format!(
                    "a frame into port {}, expected {:?}, came out as {ports:?}",
                    step.from + 1,
                    step.expect
                ));
            }
        }
        let sent: usize = script.iter().map(|act| act.steps.len()).sum();
        if self.arrived.len() > sent {
            faults.push(format!(
                "{} frames came out that nobody sent",
                self.arrived.len() - sent
            ));
        }
        match faults.first() {
            None => Ok(()),
            Some(first) => bail!("{} frames went astray; the first: {first}", faults.len()),
        }
    }
}

/// The plain ports that a flooded frame must come out of, and how many copies there are in all.
fn flood_ports(from: usize) -> ([bool; 2], u32) {
    let plain = [from != 0, from != 1];
    let lag = u32::from(!LAG.contains(&from));
    (
        plain,
        plain.iter().map(|&out| u32::from(out)).sum::<u32>() + lag,
    )
}

/// Whether a frame may have come out of these ports so often.
fn allowed(step: &Step, ports: [u32; PORTS]) -> bool {
    let members = ports[LAG[0]] + ports[LAG[1]];
    let plain = [ports[0], ports[1]];
    match step.expect {
        Expect::Port(port) => ports.iter().sum::<u32>() == 1 && ports[port] == 1,
        Expect::Lag => plain == [0, 0] && members == 1,
        Expect::Flood => {
            let (wanted, _) = flood_ports(step.from);
            plain == wanted.map(u32::from) && members == u32::from(!LAG.contains(&step.from))
        }
    }
}

/// Writes what each port's hosts send as a capture, in the order of the script.
pub fn write_inputs(script: &[Act], folder: &Path) -> Result<()> {
    for port in 0..PORTS {
        let steps = script.iter().flat_map(|act| &act.steps).enumerate();
        let packets: Vec<_> = steps
            .filter(|(_, step)| step.from == port)
            .map(|(at, step)| Packet {
                time_ns: 100_000 * at as u64,
                frame: step.frame.clone(),
            })
            .collect();
        fs::write(
            folder.join(format!("hosts-port{}.pcapng", port + 1)),
            pcapng::write(&packets),
        )?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "offline_tests.rs"]
mod tests;
