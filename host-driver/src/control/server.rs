//! The daemon's side of the socket: connections that neither block nor grow without bound.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::json;

use super::wire::{self, Call, MAX_MESSAGE, WireError};

/// Connections at once; more wait.
pub const MAX_CONNECTIONS: usize = 64;
/// A client that said nothing for so long gives its place to others, when all are taken.
const IDLE: Duration = Duration::from_secs(10);
/// Bytes that may wait for a client that does not read; then it is cut off.
const MAX_WAITING: usize = 16 << 20;

/// Identifies a connection.
pub type Token = u64;

/// A connected client.
struct Connection {
    stream: UnixStream,
    input: Vec<u8>,
    output: Vec<u8>,
    monitor: bool,
    closing: bool,
    heard: Instant,
}

/// What a client asked for.
pub struct Asked {
    /// Who.
    pub token: Token,
    /// What.
    pub call: Call,
}

/// The listening socket and its connections.
pub struct ControlServer {
    listener: UnixListener,
    path: PathBuf,
    connections: BTreeMap<Token, Connection>,
    next: Token,
}

impl ControlServer {
    /// Listens at `path`, for the owner only. A socket that nobody serves any more is replaced.
    pub fn bind(path: &Path) -> io::Result<Self> {
        if path.exists() {
            if UnixStream::connect(path).is_ok() {
                let text = format!(
                    "{}: another smartnicd serves this socket; use another --control",
                    path.display()
                );
                return Err(io::Error::new(ErrorKind::AddrInUse, text));
            }
            // Only a socket that nobody serves is ours to take away.
            if !fs::symlink_metadata(path)?.file_type().is_socket() {
                let text = format!(
                    "{}: there is a file that is no socket; name another --control",
                    path.display()
                );
                return Err(io::Error::new(ErrorKind::AlreadyExists, text));
            }
            fs::remove_file(path)?;
        }
        let name = |e: io::Error| io::Error::new(e.kind(), format!("{}: {e}", path.display()));
        let listener = UnixListener::bind(path).map_err(name)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        Ok(Self {
            listener,
            path: path.into(),
            connections: BTreeMap::new(),
            next: 1,
        })
    }

    /// The listening socket, while there is room for another client.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        (self.connections.len() < MAX_CONNECTIONS).then(|| self.listener.as_fd())
    }

    /// The connections' sockets, and whether each has something to write.
    pub fn connections(&self) -> impl Iterator<Item = (Token, BorrowedFd<'_>, bool)> {
        self.connections
            .iter()
            .map(|(token, c)| (*token, c.stream.as_fd(), !c.output.is_empty()))
    }

    /// Accepts whoever waits, as far as there is room; the others wait until somebody goes. When all places are taken,
    /// clients that have said nothing for long lose theirs.
    pub fn accept(&mut self) {
        if self.connections.len() >= MAX_CONNECTIONS {
            self.connections
                .retain(|_, c| c.monitor || c.heard.elapsed() < IDLE);
        }
        while self.connections.len() < MAX_CONNECTIONS {
            // Any other error than an empty queue (EMFILE, ...) is this client's bad luck: the next round tries again.
            let Ok((stream, _)) = self.listener.accept() else {
                return;
            };
            if let Err(error) = stream.set_nonblocking(true) {
                tracing::warn!(%error, "a control connection was turned away");
                continue;
            }
            let connection = Connection {
                stream,
                input: Vec::new(),
                output: Vec::new(),
                monitor: false,
                closing: false,
                heard: Instant::now(),
            };
            self.connections.insert(self.next, connection);
            self.next += 1;
        }
    }

    /// Reads and writes what a connection is ready for; gives the calls that are complete.
    pub fn serve(&mut self, token: Token) -> Vec<Asked> {
        let Some(connection) = self.connections.get_mut(&token) else {
            return Vec::new();
        };
        let mut asked = Vec::new();
        let mut open = connection.write();
        if open && !connection.closing {
            open = connection.read();
            while let Some(message) = wire::take(&mut connection.input) {
                match wire::parse(&message) {
                    Ok(call) => asked.push(Asked { token, call }),
                    Err(error) => {
                        connection.refuse(&error);
                        break;
                    }
                }
            }
            if connection.input.len() > MAX_MESSAGE {
                let reason = format!("a message has at most {MAX_MESSAGE} bytes");
                connection.refuse(&WireError::ours("Malformed", json!({ "reason": reason })));
            }
        }
        // Calls that came before the client hung up are still done; their answers go nowhere.
        if !open {
            self.connections.remove(&token);
        } else {
            self.finish(token);
        }
        asked
    }

    /// Sends a message to a client.
    pub fn send(&mut self, token: Token, message: &[u8]) {
        if let Some(connection) = self.connections.get_mut(&token) {
            connection.output.extend_from_slice(message);
        }
        self.finish(token);
    }

    fn finish(&mut self, token: Token) {
        let Some(connection) = self.connections.get_mut(&token) else {
            return;
        };
        let mut open = connection.write();
        if connection.output.len() > MAX_WAITING {
            tracing::warn!(token, "a control client does not read its answers: cut off");
            open = false;
        }
        if !open || (connection.closing && connection.output.is_empty()) {
            self.connections.remove(&token);
        }
    }

    /// The client wants every change of the FDB from now on.
    pub fn set_monitor(&mut self, token: Token) {
        if let Some(connection) = self.connections.get_mut(&token) {
            connection.monitor = true;
        }
    }

    /// Somebody listens for changes.
    pub fn has_monitors(&self) -> bool {
        self.connections.values().any(|c| c.monitor)
    }

    /// Sends a message to all who listen.
    pub fn broadcast(&mut self, message: &[u8]) {
        let tokens: Vec<Token> = self
            .connections
            .iter()
            .filter(|(_, c)| c.monitor)
            .map(|(t, _)| *t)
            .collect();
        tokens
            .into_iter()
            .for_each(|token| self.send(token, message));
    }
}

impl Connection {
    /// False: the client is gone.
    fn read(&mut self) -> bool {
        let mut chunk = [0; 16 << 10];
        while self.input.len() <= MAX_MESSAGE {
            match self.stream.read(&mut chunk) {
                Ok(0) => return false,
                Ok(n) => {
                    self.heard = Instant::now();
                    self.input.extend_from_slice(&chunk[..n]);
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return e.kind() == ErrorKind::WouldBlock,
            }
        }
        true
    }

    /// False: the client is gone.
    fn write(&mut self) -> bool {
        while !self.output.is_empty() {
            match self.stream.write(&self.output) {
                Ok(0) => return false,
                Ok(n) => drop(self.output.drain(..n)),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return e.kind() == ErrorKind::WouldBlock,
            }
        }
        true
    }

    /// Says what was wrong and ends: what follows a message that makes no sense makes none either.
    fn refuse(&mut self, error: &WireError) {
        self.output.extend_from_slice(&error.message());
        self.input.clear();
        self.closing = true;
    }
}

impl Drop for ControlServer {
    fn drop(&mut self) {
        // Somebody may have removed it already: nothing to do about it.
        let _ = fs::remove_file(&self.path);
    }
}
