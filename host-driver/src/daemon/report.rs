//! What others are told without asking again: monitors and netconsoles.

use serde_json::{Value, json};
use smartnic_netdev::netpoll::console::Record;

use super::Daemon;
use super::log::{Entry, Log};
use crate::control::server::Topic;
use crate::control::{show, wire};

impl Daemon {
    /// Does what came from consoles, and sends them what was logged.
    pub(super) fn serve_consoles(&mut self) {
        self.switch.obey();
        let entries = self.log.as_ref().map(Log::take).unwrap_or_default();
        let records: Vec<Record<'_>> = entries.iter().map(Entry::record).collect();
        self.switch.log(&records);
    }

    /// Tells who listens what happened in the FDB and to links.
    pub(super) fn report(&mut self) {
        let notices = self.switch.take_notices();
        if self.control.has_monitors(Topic::Fdb) {
            for notice in &notices {
                let event = show::fdb_event(&self.switch, notice);
                self.tell(Topic::Fdb, json!({ "event": event }));
            }
        }
        self.switch.hear_bridges(
            self.control.has_monitors(Topic::Fdb) || self.control.has_monitors(Topic::Mdb),
        );
        for change in self.switch.take_fdb_changes() {
            let event = show::fdb_change(&change);
            self.tell(Topic::Fdb, json!({ "event": event }));
        }
        for event in self.switch.take_mdb_notices() {
            self.tell(Topic::Mdb, event);
        }
        let (messages, lost) = self.switch.take_link_events();
        if self.control.has_monitors(Topic::Links) {
            if lost {
                tracing::warn!("links changed faster than could be told");
            }
            for message in &messages {
                let event = show::link_event(&self.switch, message);
                self.tell(Topic::Links, event);
            }
        }
    }

    fn tell(&mut self, topic: Topic, event: Value) {
        self.control.broadcast(topic, &wire::reply(event, true));
    }
}
