//! What the program logs, for whoever wants to send it on: a layer of `tracing` that keeps the latest records.

use std::collections::VecDeque;
use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use smartnic_netdev::netpoll::console::Record;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Records that wait; with more the oldest are lost.
const WAITING: usize = 1024;

/// A record of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Severity as syslog has it: 3 (error), 4 (warning), 6 (info), 7 (debug).
    pub level: u8,
    /// Number, counting up over those that were lost too.
    pub sequence: u64,
    /// Since the start.
    pub time: Duration,
    /// The text.
    pub text: String,
}

impl Entry {
    /// As netconsole has it.
    pub fn record(&self) -> Record<'_> {
        Record {
            level: self.level,
            sequence: self.sequence,
            time: self.time,
            text: &self.text,
        }
    }
}

#[derive(Debug, Default)]
struct Records {
    entries: VecDeque<Entry>,
    last: u64,
}

/// The latest records. Clones share them.
#[derive(Clone, Debug)]
pub struct Log {
    start: Instant,
    records: Arc<Mutex<Records>>,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            records: Arc::default(),
        }
    }
}

impl Log {
    fn records(&self) -> MutexGuard<'_, Records> {
        // It is whole at every statement.
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what was logged since the last call.
    pub fn take(&self) -> Vec<Entry> {
        self.records().entries.drain(..).collect()
    }

    /// Keeps a record.
    pub fn push(&self, level: u8, text: String) {
        let mut records = self.records();
        if records.entries.len() == WAITING {
            records.entries.pop_front();
        }
        records.last += 1;
        let entry = Entry {
            level,
            sequence: records.last,
            time: self.start.elapsed(),
            text,
        };
        records.entries.push_back(entry);
    }
}

impl<S: Subscriber> Layer<S> for Log {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let level = match *event.metadata().level() {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            _ => 7,
        };
        let mut text = Text::default();
        event.record(&mut text);
        self.push(level, text.message + &text.fields);
    }
}

/// A record's text: the message, and its fields behind it.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Writing to a string does not fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[test]
    fn records_have_their_fields_and_the_oldest_go() {
        let log = Log::default();
        let subscriber = tracing_subscriber::registry().with(log.clone());
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(port = 3, "the link is gone");
        });
        let entries = log.take();
        assert_eq!(
            (entries[0].level, entries[0].text.as_str()),
            (4, "the link is gone port=3")
        );
        for n in 0..WAITING + 2 {
            log.push(6, n.to_string());
        }
        let entries = log.take();
        assert_eq!((entries.len(), entries[0].sequence), (WAITING, 4));
        assert!(log.take().is_empty());
    }
}
