//! A network of bridges: segments with delay, loss and cuts, one clock, and a look for loops after each change of a port's state.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::time::Duration;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use smartnic_slowpath::MacAddr;
use smartnic_slowpath::stp::{
    Action, Bridge, BridgeSettings, Link, PointToPoint, PortSettings, PortState, Protocol,
};
use smartnic_slowpath::wire::bpdu::{Bpdu, BpduFrame, BridgeId};

pub const MS: Duration = Duration::from_millis(1);
pub const SECOND: Duration = Duration::from_secs(1);
/// Events that a failure's report has.
const TRACE: usize = 60;

/// A cable, or a hub.
pub struct Segment {
    pub ends: Vec<(usize, u16)>,
    pub delay: Duration,
    pub speed: u32,
    /// Carrier, at all ends.
    pub up: bool,
    /// Carrier, but no frame gets through.
    pub mute: bool,
    /// Probability that a frame is lost.
    pub loss: f64,
    /// Counts cuts: what is on its way then is lost.
    cuts: u32,
}

pub struct Node {
    pub bridge: Bridge,
    pub on: bool,
    /// Segment of each port.
    pub cables: BTreeMap<u16, usize>,
    pub states: BTreeMap<u16, PortState>,
    /// Everything that the bridge asked for but sending, with the time.
    pub log: Vec<(Duration, Action)>,
}

impl Node {
    pub fn id(&self) -> BridgeId {
        self.bridge.status().bridge_id
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Arrival {
    at: Duration,
    order: u64,
    segment: usize,
    cuts: u32,
    to: (usize, u16),
    frame: Vec<u8>,
}

pub struct Net {
    pub now: Duration,
    pub nodes: Vec<Node>,
    pub segments: Vec<Segment>,
    pub rng: ChaCha8Rng,
    /// A loop is a failure (else it is only looked for by the test).
    pub loops_fail: bool,
    /// When a port's state changed last.
    pub last_change: Duration,
    /// Since when there is a loop.
    loop_since: Option<Duration>,
    /// Loops that came and went: when, and how long.
    pub loops: Vec<(Duration, Duration)>,
    /// Keeps what is sent, with the time, if it is there.
    pub record: Option<Vec<(Duration, Vec<u8>)>>,
    /// Frames sent in all.
    pub sent: u64,
    arrivals: BinaryHeap<Reverse<Arrival>>,
    /// What happened last, for a failure's report.
    trace: VecDeque<String>,
}

impl Net {
    pub fn new(rng: ChaCha8Rng) -> Self {
        Self {
            now: Duration::ZERO,
            nodes: Vec::new(),
            segments: Vec::new(),
            rng,
            loops_fail: std::env::var_os("STP_LOOPS").is_none(),
            last_change: Duration::ZERO,
            loop_since: None,
            loops: Vec::new(),
            record: None,
            sent: 0,
            arrivals: BinaryHeap::new(),
            trace: VecDeque::new(),
        }
    }

    fn note(&mut self, what: impl FnOnce() -> String) {
        if self.trace.len() == TRACE {
            self.trace.pop_front();
        }
        self.trace.push_back(format!("{:?} {}", self.now, what()));
    }

    /// A bridge, off; its address is its number.
    pub fn bridge(&mut self, protocol: Protocol, priority: u16) -> usize {
        let n = self.nodes.len();
        let address = MacAddr([2, 0, 0, 0, 0, n as u8]);
        let mut settings = BridgeSettings::new(address, protocol);
        settings.priority = priority;
        self.nodes.push(Node {
            bridge: Bridge::new(settings).unwrap(),
            on: false,
            cables: BTreeMap::new(),
            states: BTreeMap::new(),
            log: Vec::new(),
        });
        n
    }

    /// A new port of each of these bridges on one segment: a cable where there are two, else a hub.
    pub fn join(&mut self, ends: &[usize], delay: Duration, speed: u32) -> usize {
        let with: Vec<_> = ends.iter().map(|b| (*b, PortSettings::default())).collect();
        self.join_with(&with, delay, speed)
    }

    pub fn join_with(
        &mut self,
        ends: &[(usize, PortSettings)],
        delay: Duration,
        speed: u32,
    ) -> usize {
        let s = self.segments.len();
        let mut list = Vec::new();
        for (b, settings) in ends {
            let mut settings = settings.clone();
            if ends.len() > 2 {
                settings.point_to_point = PointToPoint::No;
            }
            let node = &mut self.nodes[*b];
            let address = MacAddr([2, 0, 0, 0, *b as u8 + 1, s as u8]);
            let port = node.bridge.add_port(self.now, address, settings).unwrap();
            node.cables.insert(port, s);
            list.push((*b, port));
        }
        self.segments.push(Segment {
            ends: list.clone(),
            delay,
            speed,
            up: false,
            mute: false,
            loss: 0.0,
            cuts: 0,
        });
        list.iter().for_each(|(b, _)| self.obey(*b));
        s
    }

    /// Plugs a segment in, or cuts it.
    pub fn plug(&mut self, s: usize, up: bool) {
        self.segments[s].up = up;
        self.segments[s].cuts += u32::from(!up);
        for (b, port) in self.segments[s].ends.clone() {
            let mut link = Link::up(self.segments[s].speed);
            link.up = up;
            let bridge = &mut self.nodes[b].bridge;
            bridge.set_link(self.now, port, link).unwrap();
            self.obey(b);
        }
        self.look_for_loops();
    }

    /// Switches a bridge on or off.
    pub fn switch(&mut self, b: usize, on: bool) {
        self.nodes[b].on = on;
        self.nodes[b].bridge.set_running(self.now, on);
        self.obey(b);
    }

    /// Switches everything on and plugs it in.
    pub fn start(&mut self) {
        (0..self.nodes.len()).for_each(|b| self.switch(b, true));
        (0..self.segments.len()).for_each(|s| self.plug(s, true));
    }

    /// Changes something on a bridge and carries out what it asks for.
    pub fn tell<T>(&mut self, b: usize, tell: impl FnOnce(&mut Bridge, Duration) -> T) -> T {
        let told = tell(&mut self.nodes[b].bridge, self.now);
        self.obey(b);
        told
    }

    /// Carries out what a bridge asks for, in order.
    pub fn obey(&mut self, b: usize) {
        for action in self.nodes[b].bridge.take_actions() {
            match &action {
                Action::Send { port, frame } => {
                    self.send(b, *port, frame);
                    continue;
                }
                Action::SetState { port, state } => {
                    let was = self.nodes[b].states.insert(*port, *state);
                    assert_ne!(was, Some(*state), "an action without effect");
                    self.last_change = self.now;
                    self.note(|| format!("{b}.{port} is {state:?}"));
                    self.look_for_loops();
                }
                _ => {}
            }
            self.nodes[b].log.push((self.now, action));
        }
    }

    fn send(&mut self, b: usize, port: u16, frame: &[u8]) {
        let parsed = BpduFrame::parse(frame).expect("a bridge sends only valid BPDUs");
        assert_eq!(parsed.emit(), frame);
        let state = self.nodes[b].states[&port];
        assert_ne!(state, PortState::Disabled, "sent on a disabled port");
        let s = self.nodes[b].cables[&port];
        self.note(|| format!("{b}.{port} sends {}", brief(&parsed.bpdu)));
        let segment = &self.segments[s];
        self.sent += 1;
        if let Some(record) = &mut self.record {
            record.push((self.now, frame.to_vec()));
        }
        if !segment.up || segment.mute {
            return;
        }
        for to in segment.ends.iter().filter(|end| **end != (b, port)) {
            if segment.loss > 0.0 && self.rng.random_bool(segment.loss) {
                continue;
            }
            self.arrivals.push(Reverse(Arrival {
                at: self.now + segment.delay,
                order: self.sent,
                segment: s,
                cuts: segment.cuts,
                to: *to,
                frame: frame.to_vec(),
            }));
        }
    }

    /// When something happens next.
    fn next(&self) -> Option<Duration> {
        let deadlines = self.nodes.iter().filter_map(|n| n.bridge.next_deadline());
        let arrival = self.arrivals.peek().map(|a| a.0.at);
        deadlines.chain(arrival).min()
    }

    /// Runs until a time.
    pub fn run_until(&mut self, end: Duration) {
        while let Some(at) = self.next().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            if let Some(Reverse(a)) = self.arrivals.peek()
                && a.at <= self.now
            {
                let Reverse(a) = self.arrivals.pop().expect("just seen");
                let (b, port) = a.to;
                if self.segments[a.segment].cuts == a.cuts && self.nodes[b].on {
                    self.note(|| {
                        let bpdu = BpduFrame::parse(&a.frame).unwrap().bpdu;
                        format!("{b}.{port} receives {}", brief(&bpdu))
                    });
                    let bridge = &mut self.nodes[b].bridge;
                    bridge.receive(self.now, port, &a.frame).unwrap();
                    self.obey(b);
                }
                continue;
            }
            for b in 0..self.nodes.len() {
                let bridge = &mut self.nodes[b].bridge;
                if bridge.next_deadline().is_some_and(|due| due <= self.now) {
                    bridge.poll(self.now);
                    let next = bridge.next_deadline();
                    assert!(next.is_none_or(|next| next > self.now), "polls for nothing");
                    self.obey(b);
                }
            }
        }
        self.now = end;
    }

    /// Runs for a time and says how long after its beginning the last port changed its state.
    pub fn settle(&mut self, time: Duration) -> Duration {
        let begin = self.now;
        self.last_change = begin;
        self.run_until(begin + time);
        self.last_change - begin
    }

    pub fn forwards(&self, b: usize, port: u16) -> bool {
        let node = &self.nodes[b];
        let segment = &self.segments[node.cables[&port]];
        node.on
            && segment.up
            && !segment.mute
            && node.states.get(&port) == Some(&PortState::Forwarding)
    }

    /// Whether a frame could go round: a cycle of bridges and segments over forwarding ports.
    pub fn has_loop(&self) -> bool {
        let mut parent: Vec<usize> = (0..self.nodes.len() + self.segments.len()).collect();
        fn top(parent: &[usize], mut x: usize) -> usize {
            while parent[x] != x {
                x = parent[x];
            }
            x
        }
        for (s, segment) in self.segments.iter().enumerate() {
            for &(b, port) in &segment.ends {
                if !self.forwards(b, port) {
                    continue;
                }
                let (one, other) = (top(&parent, b), top(&parent, self.nodes.len() + s));
                if one == other {
                    return true;
                }
                parent[one] = other;
            }
        }
        false
    }

    fn look_for_loops(&mut self) {
        let now = self.has_loop();
        match self.loop_since {
            None if now => {
                self.loop_since = Some(self.now);
                assert!(
                    !self.loops_fail,
                    "a loop at {:?}: {}",
                    self.now,
                    self.dump()
                );
            }
            Some(since) if !now => {
                self.loops.push((since, self.now - since));
                self.loop_since = None;
            }
            _ => {}
        }
    }

    pub fn dump(&self) -> String {
        let mut text: String = self.trace.iter().map(|line| format!("\n{line}")).collect();
        for (b, node) in self.nodes.iter().enumerate().filter(|(_, n)| n.on) {
            let status = node.bridge.status();
            text += &format!(
                "\n{b} {:?} root {} cost {}:",
                status.protocol, status.designated_root, status.root_path_cost
            );
            for (port, s) in &node.cables {
                let p = node.bridge.port_status(*port).unwrap();
                let others: Vec<_> = self.segments[*s].ends.iter().map(|e| e.0).collect();
                text += &format!(
                    "  {port} on {others:?} {:?} {:?} cost {}",
                    p.role, p.state, p.path_cost
                );
            }
        }
        text
    }
}

/// A BPDU in a line.
fn brief(bpdu: &Bpdu) -> String {
    let Some(m) = bpdu.message() else {
        return "TCN".to_owned();
    };
    let kind = match bpdu {
        Bpdu::Rst {
            role,
            proposal,
            agreement,
            learning,
            forwarding,
            ..
        } => format!(
            "RST {role:?}{}{}{}{}",
            if *proposal { " proposal" } else { "" },
            if *agreement { " agreement" } else { "" },
            if *learning { " learning" } else { "" },
            if *forwarding { " forwarding" } else { "" },
        ),
        _ => "Config".to_owned(),
    };
    format!(
        "{kind} root {} cost {} bridge {} port {:x} age {}",
        m.root,
        m.root_path_cost,
        m.bridge,
        m.port,
        m.message_age.0 / 256
    )
}
