//! The daemon's side of the socket: connections that neither block nor grow without bound.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv};
use serde_json::json;

use super::wire::{self, Call, MAX_MESSAGE, WireError};

/// Connections at once; more wait.
pub const MAX_CONNECTIONS: usize = 64;
/// A client that said nothing for so long gives its place to others, when all are taken.
const IDLE: Duration = Duration::from_secs(10);
/// Bytes that may wait for a client that does not read; then it is cut off.
const MAX_WAITING: usize = 16 << 20;

/// How long nobody is accepted after the system had no room for another client.
const FULL: Duration = Duration::from_millis(500);

/// Identifies a connection.
pub type Token = u64;

/// What a client listens to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Topic {
    /// Changes of the FDB.
    Fdb,
    /// What happens to links.
    Links,
    /// Changes of the multicast databases.
    Mdb,
}

/// A connected client.
struct Connection {
    stream: UnixStream,
    input: Vec<u8>,
    output: Vec<u8>,
    monitor: Option<Topic>,
    closing: bool,
    /// Nothing is read at the moment.
    held: bool,
    heard: Instant,
}

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wants {
    /// Calls: not while one takes long, and not from a client that is about to be cut off.
    pub input: bool,
    /// Room for answers.
    pub output: bool,
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
    /// No client is accepted until then: the system had no room for one.
    full: Option<Instant>,
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
        let listener = listen(path).map_err(name)?;
        listener.set_nonblocking(true)?;
        Ok(Self {
            listener,
            path: path.into(),
            connections: BTreeMap::new(),
            next: 1,
            full: None,
        })
    }

    /// The listening socket, while there is room for another client.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        let room = self.connections.len() < MAX_CONNECTIONS && !self.is_full();
        room.then(|| self.listener.as_fd())
    }

    fn is_full(&self) -> bool {
        self.full.is_some_and(|end| Instant::now() < end)
    }

    /// The connections' sockets, and what each waits for.
    pub fn connections(&self) -> impl Iterator<Item = (Token, BorrowedFd<'_>, Wants)> {
        self.connections.iter().map(|(token, c)| {
            let wants = Wants {
                input: !c.held && !c.closing,
                output: !c.output.is_empty(),
            };
            (*token, c.stream.as_fd(), wants)
        })
    }

    /// Reads no more from a client, or again.
    pub fn hold(&mut self, token: Token, hold: bool) {
        if let Some(connection) = self.connections.get_mut(&token) {
            connection.held = hold;
        }
    }

    /// Whether the client is still there.
    pub fn is_open(&self, token: Token) -> bool {
        self.connections.contains_key(&token)
    }

    /// Accepts whoever waits, as far as there is room; the others wait until somebody goes. When all places are taken,
    /// clients that have said nothing for long lose theirs.
    pub fn accept(&mut self) {
        if self.is_full() {
            return;
        }
        if self.connections.len() >= MAX_CONNECTIONS {
            self.connections
                .retain(|_, c| c.monitor.is_some() || c.heard.elapsed() < IDLE);
        }
        while self.connections.len() < MAX_CONNECTIONS {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(e) if [ErrorKind::WouldBlock, ErrorKind::Interrupted].contains(&e.kind()) => {
                    return;
                }
                // Out of descriptors or memory: whoever waits stays in the queue, and would wake us without end.
                Err(error) => {
                    tracing::warn!(%error, "no control connection can be accepted at the moment");
                    self.full = Some(Instant::now() + FULL);
                    return;
                }
            };
            if let Err(error) = stream.set_nonblocking(true) {
                tracing::warn!(%error, "a control connection was turned away");
                continue;
            }
            let connection = Connection {
                stream,
                input: Vec::new(),
                output: Vec::new(),
                monitor: None,
                closing: false,
                held: false,
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
        if open && connection.held {
            open = !connection.hung_up();
        } else if open && !connection.closing {
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

    /// The client wants to hear of this from now on.
    pub fn set_monitor(&mut self, token: Token, topic: Topic) {
        if let Some(connection) = self.connections.get_mut(&token) {
            connection.monitor = Some(topic);
        }
    }

    /// Somebody listens to this.
    pub fn has_monitors(&self, topic: Topic) -> bool {
        self.connections.values().any(|c| c.monitor == Some(topic))
    }

    /// Sends a message to all who listen to this.
    pub fn broadcast(&mut self, topic: Topic, message: &[u8]) {
        let tokens: Vec<Token> = self
            .connections
            .iter()
            .filter(|(_, c)| c.monitor == Some(topic))
            .map(|(t, _)| *t)
            .collect();
        tokens
            .into_iter()
            .for_each(|token| self.send(token, message));
    }
}

/// A listening socket at `path`, for the owner only from the first moment on: it is made in a folder that nobody else may enter, and
/// gets its name when its mode is set.
fn listen(path: &Path) -> io::Result<UnixListener> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
    let private = tempfile::Builder::new()
        .prefix(".")
        .rand_bytes(4)
        .permissions(fs::Permissions::from_mode(0o700))
        .tempdir_in(folder.unwrap_or(Path::new(".")))?;
    let made = private.path().join("s");
    let listener = UnixListener::bind(&made)?;
    fs::set_permissions(&made, fs::Permissions::from_mode(0o600))?;
    // Unlike a rename this takes no other daemon's socket away.
    fs::hard_link(&made, path)?;
    Ok(listener)
}

impl Connection {
    /// The client has closed its end. What it sent before is left where it is.
    fn hung_up(&self) -> bool {
        let peek = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
        match recv(self.stream.as_raw_fd(), &mut [0], peek) {
            Ok(n) => n == 0,
            Err(e) => !matches!(e, Errno::EAGAIN | Errno::EINTR),
        }
    }

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
