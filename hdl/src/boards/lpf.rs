//! Lattice preference file, as nextpnr-ecp5 reads it: pins, I/O types, clocks.

use super::Board;
use super::signals::{Role, signals};
use std::fmt::Write as _;

/// The core clock in MHz; a receive clock at 1000 Mb/s has the same.
pub(super) const CORE_MHZ: u32 = 125;

/// The file's text.
pub(super) fn lpf(b: &Board, ports: u32) -> String {
    let mut v = format!(
        "# {} ({}). Made by `smartnic-hdl emit --board {}`; change hdl/src/boards.\n\n",
        b.title, b.part, b.name
    );
    for s in signals(b, ports) {
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
    let _ = writeln!(v, "FREQUENCY PORT \"clk_in\" {} MHZ;", b.clock.mhz);
    let _ = writeln!(v, "FREQUENCY NET \"clock\" {CORE_MHZ} MHZ;");
    for i in 0..ports {
        let _ = writeln!(v, "FREQUENCY PORT \"rgmii{i}_rxc\" {CORE_MHZ} MHZ;");
    }
    v
}
