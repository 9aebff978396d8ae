//! The spanning tree of a bridge: the machine of `smartnic-slowpath`, told of ports, links, time and BPDUs, and what it wants done.
//!
//! Every bridge has one, which numbers its ports; with `stp_state` 0 and 2 it stands still and is not listened to. States take effect at once, under the
//! machine's lock; BPDUs leave after them, in order, as soon as a data path comes by.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use smartnic_netdev::{Errno, NetdevError};
use smartnic_slowpath::MacAddr;
use smartnic_slowpath::stp::{self, Action, BridgeTimes, StpError};

use crate::bridge::Bridge;
use crate::events::Event;
use crate::flags::Stp;

/// A refusal of the tree, with Linux's code.
pub(crate) fn refused(
    error: StpError,
    argument: &'static str,
    value: impl ToString,
) -> NetdevError {
    let errno = match error {
        StpError::Range { .. } => Errno::Range,
        StpError::TooManyPorts => Errno::ExchangeFull,
        _ => Errno::Invalid,
    };
    NetdevError::new(errno, argument, value, error.to_string())
}

impl Bridge {
    /// Address to which the bridge's BPDUs go.
    pub(crate) fn group_address(&self) -> MacAddr {
        self.tree().settings().group_address
    }

    /// Does what the tree wants, in its order.
    pub(crate) fn carry_out_tree(&self, now: Duration, tree: &mut stp::Bridge) {
        let ports = self.ports.load_full();
        let runs = self.stp() == Stp::On;
        for action in tree.take_actions() {
            match action {
                Action::SetState { port, state } => {
                    if let Some(port) = ports.get(port).filter(|_| runs) {
                        self.set_state(now, port, state);
                    }
                }
                Action::Send { port, frame } => {
                    if runs {
                        self.post(port, frame);
                    }
                }
                Action::Flush { port } => {
                    self.fdb.edit(&self.events).flush_port(port, 0);
                }
                Action::Ageing { time } => {
                    let ageing = self.ageing.load(Relaxed);
                    let short = time.map(|t| t.as_nanos() as u64);
                    self.hold.store(short.unwrap_or(ageing), Relaxed);
                    self.next_age.store(0, Relaxed);
                }
                Action::TopologyChange => self.events.push(|| Event::TopologyChange),
                Action::GuardDisabled { port } => {
                    self.events.push(|| Event::GuardDisabled { port });
                }
                Action::RootInconsistent { port, inconsistent } => {
                    self.events
                        .push(|| Event::RootInconsistent { port, inconsistent });
                }
            }
        }
    }

    /// A BPDU came in; one that is malformed is counted by the machine and changes nothing.
    pub(crate) fn receive_bpdu(&self, now: Duration, port: u16, frame: &[u8]) {
        let mut tree = self.tree();
        let _ = tree.receive(now, port, frame);
        self.carry_out_tree(now, &mut tree);
    }

    /// Tells the tree what is set. Without a tree that runs, times that do not fit together only wait.
    pub(crate) fn apply_tree_settings(&self, now: Duration) -> Result<(), StpError> {
        let mut settings = self.config().tree.clone();
        settings.address = match self.ports.load().list.is_empty() {
            true => MacAddr::default(),
            false => self.address(),
        };
        if self.stp() != Stp::On && settings.times.check().is_err() {
            settings.times = BridgeTimes::default();
        }
        let mut tree = self.tree();
        tree.set_settings(now, settings)?;
        self.carry_out_tree(now, &mut tree);
        Ok(())
    }
}
