//! The ports of a board's top with their pins, from which the top and the constraints are written.

use super::{Board, Pin};

/// What a signal is for: its attributes and constraints follow from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The board's clock; its negative half.
    Clock,
    /// The negative half of the clock.
    ClockNegative,
    /// A receive clock.
    ReceiveClock,
    /// Receive data or control of a port.
    Receive(u32),
    /// Transmit data or control of a port.
    Transmit(u32),
    /// A transmit clock of a port.
    TransmitClock(u32),
    /// An input without a clock that is pulled up.
    SlowInput,
    /// An output without a clock.
    SlowOutput,
    /// In and out, pulled up, without a clock.
    Open,
}

/// A port of the top.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    /// Its name.
    pub name: String,
    /// Its pins, bit 0 first; one for a scalar.
    pub pins: Vec<Pin>,
    /// What it is for.
    pub role: Role,
}

impl Signal {
    /// Name and pin of each bit, as constraint files write them.
    pub fn bits(&self) -> Vec<(String, Pin)> {
        match self.pins.as_slice() {
            [one] => vec![(self.name.clone(), *one)],
            many => (0..)
                .zip(many)
                .map(|(i, p): (u32, _)| (format!("{}[{i}]", self.name), *p))
                .collect(),
        }
    }
    /// As the top declares it.
    pub fn declaration(&self) -> String {
        let direction = match self.role {
            Role::Open => "inout",
            Role::Transmit(_) | Role::TransmitClock(_) | Role::SlowOutput => "output",
            _ => "input",
        };
        match self.pins.len() {
            1 => format!("{direction} wire {}", self.name),
            n => format!("{direction} wire [{}:0] {}", n - 1, self.name),
        }
    }
}

/// All ports of the top of `b` with its first `ports` ports.
pub fn signals(b: &Board, ports: u32) -> Vec<Signal> {
    let mut out = vec![];
    let mut add = |name: String, pins: &[Pin], role: Role| {
        out.push(Signal {
            name,
            pins: pins.to_vec(),
            role,
        });
    };
    let clock = b.clock.pin;
    add("clk_in".into(), &[clock], Role::Clock);
    if let Some(ball) = b.clock.negative {
        let negative = Pin { ball, ..clock };
        add("clk_in_n".into(), &[negative], Role::ClockNegative);
    }
    if let Some(reset) = b.reset {
        add("reset_n".into(), &[reset], Role::SlowInput);
    }
    for (i, p) in (0..ports).zip(b.ports) {
        let at = |ball: &'static str| Pin { ball, io: p.io };
        let mut pin = |name: &str, balls: &[&'static str], role: Role| {
            let pins: Vec<Pin> = balls.iter().map(|n| at(n)).collect();
            add(format!("rgmii{i}_{name}"), &pins, role);
        };
        pin("rxc", &[p.rxc], Role::ReceiveClock);
        pin("rxd", &p.rxd, Role::Receive(i));
        pin("rx_ctl", &[p.rx_ctl], Role::Receive(i));
        pin("txc", &[p.txc], Role::TransmitClock(i));
        pin("txd", &p.txd, Role::Transmit(i));
        pin("tx_ctl", &[p.tx_ctl], Role::Transmit(i));
    }
    for i in 0..buses(b, ports) {
        let bus = &b.mdio[i];
        add(format!("mdc{i}"), &[bus.mdc], Role::SlowOutput);
        add(format!("mdio{i}"), &[bus.mdio], Role::Open);
    }
    for (i, r) in b.phy_resets.iter().enumerate() {
        if r.ports.iter().all(|p| *p < ports) {
            add(format!("phy_reset_n{i}"), &[r.pin], Role::SlowOutput);
        }
    }
    add("serial_rx".into(), &[b.serial.rx], Role::SlowInput);
    add("serial_tx".into(), &[b.serial.tx], Role::SlowOutput);
    for (i, l) in b.leds.iter().enumerate() {
        if l.port < ports {
            add(format!("led{i}"), &[l.pin], Role::SlowOutput);
        }
    }
    out
}

/// Management buses in use: one for all ports, or one each.
pub(super) fn buses(b: &Board, ports: u32) -> usize {
    match b.mdio.len() {
        1 => 1,
        n => n.min(ports as usize),
    }
}
