//! Lines in, answers out: buffers of fixed size, words, hexadecimal numbers, the checksum.

use super::Fault;
use crate::VERSION;

/// Longest request, without its end.
pub const LINE_BYTES: usize = 80;
/// Longest answer, with its end.
pub const ANSWER_BYTES: usize = 192;

/// The line that comes in.
pub struct Line {
    bytes: [u8; LINE_BYTES],
    /// Characters that came: more than there is room for is [`Fault::TooLong`].
    count: usize,
}

impl Line {
    pub fn new() -> Self {
        Self {
            bytes: [0; LINE_BYTES],
            count: 0,
        }
    }
    pub fn clear(&mut self) {
        self.count = 0;
    }
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
    pub fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.count) {
            *place = byte;
        }
        self.count = self.count.saturating_add(1);
    }
    /// What came.
    pub fn bytes(&self) -> Result<&[u8], Fault> {
        self.bytes.get(..self.count).ok_or(Fault::TooLong)
    }
}

/// Splits a checksum off: `*` and two digits at the end, the XOR of all before. True: there was one, and it is right.
pub fn check(line: &[u8]) -> Result<(&[u8], bool), Fault> {
    let Some((body, [b'*', high, low])) = line.split_last_chunk() else {
        return Ok((line, false));
    };
    let stated = number(&[*high, *low]).map_err(|_| Fault::Checksum)?;
    let sum = body.iter().fold(0, |sum, byte| sum ^ u32::from(*byte));
    if sum == stated {
        Ok((body, true))
    } else {
        Err(Fault::Checksum)
    }
}

/// A hexadecimal number of at most 32 bits.
pub fn number(word: &[u8]) -> Result<u32, Fault> {
    if word.is_empty() || word.len() > 8 {
        return Err(Fault::Usage);
    }
    let mut value = 0;
    for byte in word {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            _ => return Err(Fault::Usage),
        };
        value = value << 4 | u32::from(digit);
    }
    Ok(value)
}

/// The words of a line that are still to be read.
pub struct Words<'a>(pub &'a [u8]);

impl<'a> Words<'a> {
    /// The next word; empty at the end.
    pub fn take(&mut self) -> &'a [u8] {
        while let Some((b' ' | b'\t', rest)) = self.0.split_first() {
            self.0 = rest;
        }
        let end = self.0.iter().position(|b| matches!(b, b' ' | b'\t'));
        let (word, rest) = self
            .0
            .split_at_checked(end.unwrap_or(self.0.len()))
            .unwrap_or((self.0, &[]));
        self.0 = rest;
        word
    }
    /// The next word as a number of at most `most`.
    pub fn number(&mut self, most: u32) -> Result<u32, Fault> {
        match number(self.take())? {
            value if value <= most => Ok(value),
            _ => Err(Fault::Range),
        }
    }
    /// The same, if there is another word.
    pub fn maybe(&mut self, most: u32) -> Result<Option<u32>, Fault> {
        let rest = self.0;
        if self.take().is_empty() {
            return Ok(None);
        }
        self.0 = rest;
        self.number(most).map(Some)
    }
    /// Nothing may follow.
    pub fn end(&mut self) -> Result<(), Fault> {
        if self.take().is_empty() {
            Ok(())
        } else {
            Err(Fault::Usage)
        }
    }
}

/// The answer that goes out.
pub struct Answer {
    bytes: [u8; ANSWER_BYTES],
    length: usize,
    at: usize,
}

impl Answer {
    pub fn new() -> Self {
        Self {
            bytes: [0; ANSWER_BYTES],
            length: 0,
            at: 0,
        }
    }
    pub fn clear(&mut self) {
        (self.length, self.at) = (0, 0);
    }
    pub fn is_sent(&self) -> bool {
        self.at >= self.length
    }
    /// The next character to send.
    pub fn next(&self) -> Option<u8> {
        self.bytes.get(..self.length)?.get(self.at).copied()
    }
    pub fn sent(&mut self) {
        self.at += 1;
    }

    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.length) {
            *place = byte;
            self.length += 1;
        }
    }
    fn space(&mut self) {
        if self.length > 0 {
            self.push(b' ');
        }
    }
    fn digits(&mut self, value: u32, count: u32) {
        for i in (0..count).rev() {
            let digit = (value >> (4 * i) & 15) as u8;
            self.push(if digit < 10 {
                b'0' + digit
            } else {
                b'a' + digit - 10
            });
        }
    }
    /// Characters behind the last word.
    pub fn more(&mut self, text: &str) {
        text.bytes().for_each(|b| self.push(b));
    }
    /// A word.
    pub fn word(&mut self, text: &str) {
        self.space();
        self.more(text);
    }
    /// A number of `count` digits.
    pub fn hex(&mut self, value: u32, count: u32) {
        self.space();
        self.digits(value, count);
    }
    /// A number of `count` digits behind the last word.
    pub fn glued(&mut self, value: u32, count: u32) {
        self.digits(value, count);
    }
    /// A decimal number behind the last word.
    pub fn decimal(&mut self, value: u32) {
        let (mut rest, mut power) = (value, 1_000_000_000u32);
        let mut shown = false;
        // Without a division: the processor has none.
        for next in [
            100_000_000,
            10_000_000,
            1_000_000,
            100_000,
            10_000,
            1_000,
            100,
            10,
            1,
            0,
        ] {
            let mut digit = 0;
            while rest >= power {
                rest -= power;
                digit += 1;
            }
            shown |= digit > 0 || next == 0;
            if shown {
                self.push(b'0' + digit);
            }
            power = next;
        }
    }
    /// The firmware's version.
    pub fn version(&mut self) {
        self.word("smartnic-firmware");
        self.space();
        let [major, minor, patch] = VERSION;
        self.decimal(major.into());
        self.more(".");
        self.decimal(minor.into());
        self.more(".");
        self.decimal(patch.into());
    }
    /// The end of the line, with a checksum if the request had one.
    pub fn end(&mut self, checked: bool) {
        // An answer that fills the buffer is cut so that its end has room.
        self.length = self.length.min(ANSWER_BYTES - 5);
        if checked {
            let body = self.bytes.get(..self.length).unwrap_or(&[]);
            let sum = body.iter().fold(0, |sum, byte| sum ^ u32::from(*byte));
            self.push(b'*');
            self.digits(sum, 2);
        }
        self.push(b'\r');
        self.push(b'\n');
    }
}
