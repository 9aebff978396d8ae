//! The card as a vfio-user device on a Unix socket (protocol 0.1, as libvfio-user specifies it).
//!
//! One client at a time owns the function; the next is served when it has left, and finds the
//! function reset: vectors, mappings and configuration space as after power-up, while the switch goes
//! on forwarding. A client is QEMU's `vfio-user-pci`, or the driver itself.
//!
//! Cost: a register read is a round trip over the socket and about 150 simulated cycles over the
//! default link (measured: 50 us with the smallest card); writes are posted.

mod backend;
mod layout;

use crate::card::CardError;
use crate::card::runner::CardHandle;
use backend::Backend;
use std::io::ErrorKind;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use vfio_user::{Error as ProtocolError, Server};

/// Why the card cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The socket.
    #[error("cannot serve the card on `{path}`: {source}")]
    Socket {
        /// Its path.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Somebody serves there already.
    #[error(
        "cannot serve the card on `{path}`: another process answers there; choose another path"
    )]
    InUse {
        /// The path.
        path: PathBuf,
    },
}

#[derive(Default)]
struct State {
    stop: AtomicBool,
    connected: AtomicBool,
}

/// A server in a thread of its own.
pub struct VfioUserServer {
    path: PathBuf,
    listener: OwnedFd,
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

impl VfioUserServer {
    /// Serves a card at `path`. A socket that a dead process left there is replaced.
    pub fn start(path: &Path, card: CardHandle) -> Result<Self, ServeError> {
        let fail = |source| ServeError::Socket {
            path: path.into(),
            source,
        };
        match UnixStream::connect(path) {
            Ok(_) => return Err(ServeError::InUse { path: path.into() }),
            Err(e)
                if e.kind() == ErrorKind::ConnectionRefused
                    && std::fs::symlink_metadata(path).is_ok_and(|m| m.file_type().is_socket()) =>
            {
                std::fs::remove_file(path).map_err(fail)?;
            }
            Err(_) => {}
        }
        let listener = OwnedFd::from(UnixListener::bind(path).map_err(fail)?);
        let served = listener.try_clone().map_err(fail)?;
        let server = Server::from_owned_fd(served, true, layout::interrupts(), layout::regions());
        let state = Arc::new(State::default());
        let inner = state.clone();
        let builder = std::thread::Builder::new().name("smartnic-vfio-user".into());
        let thread = builder
            .spawn(move || serve(&server, card, &inner))
            .map_err(fail)?;
        Ok(VfioUserServer {
            path: path.into(),
            listener,
            state,
            thread: Some(thread),
        })
    }

    /// Whether a client has said anything since the last one left.
    pub fn connected(&self) -> bool {
        self.state.connected.load(Ordering::Acquire)
    }

    /// Where the card is served.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for VfioUserServer {
    /// Takes no new client. One that is there keeps its connection until it leaves or the card stops.
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::Release);
        // Wakes the thread out of its wait for a client; there is nothing to do if that fails.
        let _ =
            nix::sys::socket::shutdown(self.listener.as_raw_fd(), nix::sys::socket::Shutdown::Both);
        let _ = std::fs::remove_file(&self.path);
        if let Some(thread) = self.thread.take().filter(|_| !self.connected()) {
            // It has nothing to return.
            let _ = thread.join();
        }
    }
}

fn serve(server: &Server, card: CardHandle, state: &State) {
    while !state.stop.load(Ordering::Acquire) {
        let mut backend = Backend::new(card.clone(), &state.connected);
        // The protocol crate asserts on some malformed messages; that ends the client, not the card.
        let served = catch_unwind(AssertUnwindSafe(|| server.run(&mut backend)));
        state.connected.store(false, Ordering::Release);
        match served {
            Ok(Ok(())) => tracing::info!("the vfio-user client has left"),
            Ok(Err(ProtocolError::SocketAccept(error))) => {
                if !state.stop.load(Ordering::Acquire) {
                    tracing::error!("no further vfio-user client can come: {error}");
                }
                return;
            }
            Ok(Err(error)) => tracing::warn!("the vfio-user client was cut off: {error}"),
            Err(end) if end.is::<backend::CardStopped>() => {
                tracing::info!("the card has stopped: the vfio-user client was hung up on");
                return;
            }
            Err(_) => tracing::error!("the vfio-user client was cut off: malformed message"),
        }
        if let Err(CardError::Stopped) = card.post(|card| card.root().disconnect()) {
            return;
        }
    }
}
