//! The daemon's calls without the daemon: this process opens the card itself, for as long as it runs.
//!
//! What only reads finds the card as it stands: it is not reset, so that one may look at what an earlier command or program left at
//! work. The first call that changes something resets the switch and starts from nothing, as smartnicd does, since names of bridges and lags are not in the
//! hardware. What was set up goes on forwarding in hardware after this process ends; what needs a driver (a bridge's TAP, slow-path learning,
//! a lag's buckets after a link change) does not.
//!
//! One program at a time has the card: while smartnicd serves it, opening fails. Covered by `tests/driver/local.rs`.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::service::{Outcome, handle};
use super::wire::{Call, WireError};
use super::{NAME, show};
use crate::device::MacAddr;
use crate::device::host::HostConfig;
use crate::netdev::NetError;
use crate::pci::DeviceSpec;
use crate::switch::Switch;

/// How often a monitor looks at the event ring.
const LOOK: Duration = Duration::from_millis(20);

/// A card in this process.
pub struct Local {
    switch: Switch,
    /// The card is as it was found.
    untouched: bool,
}

impl Local {
    /// Opens a card and leaves it as it is.
    pub fn open(spec: &DeviceSpec) -> Result<Self, NetError> {
        let transport = spec.open().map_err(|e| NetError::Device(e.into()))?;
        let host = HostConfig {
            moderation_count: 1,
            ..HostConfig::default()
        };
        let base = MacAddr::random(&mut rand::rng());
        Ok(Self {
            switch: Switch::observe(transport, host, base)?,
            untouched: true,
        })
    }

    /// Does a call and gives the parameters of its reply.
    pub fn call(&mut self, method: &str, parameters: Value) -> Result<Value, WireError> {
        let reads = ["Get", "List", "Monitor"];
        if self.untouched && !reads.iter().any(|verb| method.starts_with(verb)) {
            self.switch.restart()?;
            self.untouched = false;
        }
        match self.handle(method, parameters, false)? {
            Outcome::Reply(reply) => Ok(reply),
            Outcome::Listing(mut listing) => loop {
                if let Some(reply) = listing.step(&mut self.switch, Instant::now() + LOOK)? {
                    return Ok(reply);
                }
            },
            Outcome::Monitor(_) => Ok(json!({})),
        }
    }

    fn handle(
        &mut self,
        method: &str,
        parameters: Value,
        more: bool,
    ) -> Result<Outcome, WireError> {
        let call = Call {
            method: format!("{NAME}.{method}"),
            parameters: match parameters {
                Value::Object(fields) => Some(fields),
                _ => Some(Map::new()),
            },
            oneway: false,
            more,
            upgrade: false,
        };
        handle(&mut self.switch, &call)
    }

    /// Gives every change of the FDB to `each` until that gives false.
    pub fn monitor(&mut self, mut each: impl FnMut(Value) -> bool) -> Result<(), WireError> {
        self.handle("MonitorFdb", json!({}), true)?;
        self.switch.needs_rings()?;
        loop {
            self.switch.poll()?;
            for notice in self.switch.take_notices() {
                let event = show::fdb_event(&self.switch, &notice);
                if !each(json!({ "event": event })) {
                    return Ok(());
                }
            }
            std::thread::sleep(LOOK);
        }
    }
}
