//! A wire between two attachments.

use smartnic_sim::gmii::{Driver, Monitor, Received, Transmission};

/// Passes a transmission over a wire.
pub fn wire(t: Transmission) -> Option<Received> {
    let (mut driver, mut monitor) = (Driver::new(), Monitor::new());
    driver.send(t);
    let mut out = None;
    while driver.busy() {
        out = out.or(monitor.clock(driver.clock()));
    }
    out.or(monitor.clock(driver.clock()))
}
