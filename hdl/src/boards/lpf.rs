//! Lattice preference file, as nextpnr-ecp5 reads it: pins, I/O types, clocks.

use super::signals::{Role, signals};
use super::{Board, clocks};
use crate::params::Params;
use std::fmt::Write as _;

/// The file's text.
pub(super) fn lpf(b: &Board, p: &Params) -> String {
    let mut v = format!(
        "# {} ({}). Made by `smartnic-hdl emit --board {}`; change hdl/src/boards.\n\n",
        b.title, b.part, b.name
    );
    for s in signals(b, p.ports) {
        let extra = match s.role {
            Role::Clock | Role::ClockNegative | Role::ReceiveClock | Role::Receive(_) => {
                " PULLMODE=NONE"
            }
            Role::Transmit(_) | Role::TransmitClock(_) => " PULLMODE=NONE SLEWRATE=FAST",
            Role::SlowInput | Role::Open => " PULLMODE=UP",
            Role::SlowOutput => " PULLMODE=NONE SLEWRATE=SLOW",
        };
        for (name, pin) in s.bits() {
            let _ = writeln!(v, "LOCATE COMP \"{name}\" SITE \"{}\";", pin.ball);
            // A pair has no pull.
            let extra = if pin.io == "LVDS" { "" } else { extra };
            let _ = writeln!(v, "IOBUF PORT \"{name}\" IO_TYPE={}{extra};", pin.io);
        }
    }
    v += "\n";
    for (name, mhz) in clocks(b, p) {
        // The PLL's output is a net, the others are pins.
        let kind = if name == "clock" { "NET" } else { "PORT" };
        let _ = writeln!(v, "FREQUENCY {kind} \"{name}\" {mhz} MHZ;");
    }
    v
}
