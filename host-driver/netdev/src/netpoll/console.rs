//! The log as UDP datagrams, in the formats of the kernel's netconsole.
//!
//! Basic: the text, cut into pieces of at most 1,000 bytes at line ends where there are any. Extended: each datagram begins with
//! `level,sequence,microseconds,-;`, and a record longer than a datagram goes in fragments with `ncfrag=offset/length` in that header.

use std::time::Duration;

use super::udp::Netpoll;
use crate::error::Result;
use crate::softnet::Softnet;

/// Bytes of text in a datagram.
pub const CHUNK: usize = 1000;

/// One line of a log.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Severity, 0 (emergency) to 7 (debug), as syslog has it.
    pub level: u8,
    /// Number, counting up.
    pub sequence: u64,
    /// Since the start.
    pub time: Duration,
    /// The text, of one or more lines.
    pub text: &'a str,
}

/// Whether each datagram says what it is part of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// Text only.
    Basic,
    /// With a header.
    Extended,
}

/// The largest cut at most `max` that does not split a character.
fn cut(text: &str, max: usize) -> usize {
    (0..=max.min(text.len()))
        .rev()
        .find(|n| text.is_char_boundary(*n))
        .unwrap_or(0)
}

/// The datagrams for a record.
pub fn datagrams(record: &Record<'_>, format: Format) -> Vec<Vec<u8>> {
    match format {
        Format::Basic => basic(record.text),
        Format::Extended => extended(record),
    }
}

fn basic(text: &str) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let mut at = cut(rest, CHUNK);
        if at < rest.len() {
            at = rest[..at].rfind('\n').map_or(at, |n| n + 1);
        }
        let (piece, next) = rest.split_at(at);
        let mut piece = piece.as_bytes().to_vec();
        if next.is_empty() && !piece.ends_with(b"\n") {
            piece.push(b'\n');
        }
        out.push(piece);
        rest = next;
    }
    out
}

fn extended(record: &Record<'_>) -> Vec<Vec<u8>> {
    let head = format!(
        "{},{},{},-",
        record.level,
        record.sequence,
        record.time.as_micros()
    );
    let text = record.text.trim_end_matches('\n');
    if head.len() + 2 + text.len() <= CHUNK {
        return vec![format!("{head};{text}\n").into_bytes()];
    }
    // Room for the longest form of ",ncfrag=offset/length;".
    let room = CHUNK - head.len() - ",ncfrag=/;".len() - 2 * text.len().to_string().len();
    let mut out = Vec::new();
    let mut offset = 0;
    while offset < text.len() {
        let piece = &text[offset..offset + cut(&text[offset..], room)];
        out.push(format!("{head},ncfrag={offset}/{};{piece}", text.len()).into_bytes());
        offset += piece.len();
    }
    out
}

/// Sends a record; gives the number of datagrams.
pub fn write(
    netpoll: &Netpoll,
    net: &mut Softnet,
    record: &Record<'_>,
    format: Format,
) -> Result<usize> {
    let datagrams = datagrams(record, format);
    for datagram in &datagrams {
        netpoll.send_udp(net, datagram)?;
    }
    Ok(datagrams.len())
}
