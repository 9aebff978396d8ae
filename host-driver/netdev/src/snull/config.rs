//! The parameters of the teaching pair.

use std::time::Duration;

/// How received frames go up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// From the interrupt, one by one.
    Interrupt,
    /// Polled with a budget, the interrupt masked meanwhile.
    Polled,
}

/// The module's parameters.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Every so many frames the transmitter locks up; 0: never.
    pub lockup: u32,
    /// After which time the watchdog acts.
    pub timeout: Duration,
    /// How received frames go up.
    pub mode: Mode,
    /// Packets of each transmitter.
    pub pool_size: usize,
    /// Names from `eth%d` instead of sn0 and sn1.
    pub eth: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            lockup: 0,
            timeout: Duration::from_millis(50),
            mode: Mode::Interrupt,
            pool_size: 8,
            eth: false,
        }
    }
}
