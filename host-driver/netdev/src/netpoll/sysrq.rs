//! The magic sequence: commands to a daemon that answers nothing else any more.
//!
//! `\x1bsysrq ` then, if one is set, the secret and a space, then one key, and the port's number where the key wants one:
//! `\x1bsysrq s3cret p2`. It may come cut in any way; whatever does not match starts over. The secret keeps stray datagrams out; it goes over the wire in the clear and
//! protects from nobody who listens.

/// What begins it: an escape, so that no text in a log is taken for it.
pub const MAGIC: &[u8] = b"\x1bsysrq ";

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command {
    /// `h`: say what there is.
    Help,
    /// `d`: dump the state of everything into the log.
    DumpState,
    /// `t`: write all tables of the card again.
    ResyncTables,
    /// `p` and a number: reset this port.
    ResetPort(u16),
}

/// Text for [`Command::Help`].
pub const HELP: &str = "sysrq: h help, d dump state, t resync tables, pN reset port N";

/// Reads a stream of bytes, in pieces of any size.
#[derive(Clone, Debug)]
pub struct Parser {
    /// Magic, secret and space.
    prefix: Vec<u8>,
    matched: usize,
    port: Option<Option<u16>>,
    refused: u64,
}

impl Parser {
    /// A parser that wants this secret (or none) after the magic.
    pub fn new(secret: Option<&str>) -> Self {
        let mut prefix = MAGIC.to_vec();
        if let Some(secret) = secret {
            prefix.extend_from_slice(secret.as_bytes());
            prefix.push(b' ');
        }
        Self {
            prefix,
            matched: 0,
            port: None,
            refused: 0,
        }
    }

    /// Sequences that began right and had a wrong key.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Takes a piece; gives the commands that were completed in it. A port's number ends with the first byte that is no digit, or with the piece.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Command> {
        let mut commands = Vec::new();
        for byte in bytes {
            self.byte(*byte, &mut commands);
        }
        if let Some(Some(port)) = self.port {
            commands.push(Command::ResetPort(port));
            self.port = None;
        }
        commands
    }

    fn byte(&mut self, byte: u8, commands: &mut Vec<Command>) {
        if let Some(number) = self.port {
            if byte.is_ascii_digit() {
                let grown = u32::from(number.unwrap_or(0)) * 10 + u32::from(byte - b'0');
                match u16::try_from(grown) {
                    Ok(n) => self.port = Some(Some(n)),
                    Err(_) => {
                        self.port = None;
                        self.refused += 1;
                    }
                }
                return;
            }
            self.port = None;
            match number {
                Some(port) => commands.push(Command::ResetPort(port)),
                None => self.refused += 1,
            }
        }
        if self.matched == self.prefix.len() {
            self.matched = 0;
            match byte {
                b'h' => commands.push(Command::Help),
                b'd' => commands.push(Command::DumpState),
                b't' => commands.push(Command::ResyncTables),
                b'p' => self.port = Some(None),
                _ => self.refused += 1,
            }
        } else if self.prefix[self.matched] == byte {
            self.matched += 1;
        } else {
            // The magic's first byte occurs in it once only, so that a new start is the only other match.
            self.matched = usize::from(self.prefix[0] == byte);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_in_any_pieces() {
        let mut p = Parser::new(Some("s3cret"));
        assert_eq!(
            p.feed(b"noise \x1bsysrq s3cret d\x1bsysrq s3cret h"),
            [Command::DumpState, Command::Help]
        );
        let whole = b"\x1b\x1bsysrq s3cret p12 \x1bsysrq s3cret t";
        for split in 0..whole.len() {
            let mut p = Parser::new(Some("s3cret"));
            let mut got = p.feed(&whole[..split]);
            // Inside of a number the piece's end is the number's end.
            let in_number = split == 17;
            got.extend(p.feed(&whole[split..]));
            let port = if in_number { 1 } else { 12 };
            assert_eq!(
                got,
                [Command::ResetPort(port), Command::ResyncTables],
                "split at {split}"
            );
        }
        assert_eq!(p.feed(b"\x1bsysrq wrong d"), []);
        assert_eq!(p.feed(b"\x1bsysrq s3cret x"), []);
        assert_eq!(p.feed(b"\x1bsysrq s3cret p99999 d"), []);
        assert_eq!(p.feed(b"\x1bsysrq s3cret px"), []);
        assert_eq!(p.refused(), 3);
        assert_eq!(Parser::new(None).feed(b"\x1bsysrq d"), [Command::DumpState]);
    }
}
