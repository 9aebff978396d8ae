//! Cables between a guest's interfaces and the card's ports: each carries frames both ways, notes every one, and can be pulled.
//!
//! A cable has two Unix datagram sockets, one datagram a frame: `-netdev dgram` of QEMU is at one end, the card's `dgram:` port at the other, each with a
//! socket of its own. A pulled cable has no socket towards the card, by which the card knows that its link is down; the guest's side of that is QEMU's.

use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, spawn};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::proc::interrupted;

/// Which end put a frame on a cable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum From {
    Card,
    Guest,
}

/// A frame that passed.
pub struct Seen {
    /// The port at the card's end, from 1.
    pub port: usize,
    pub from: From,
    pub frame: Vec<u8>,
}

/// How often a thread looks whether it is to end.
const LOOK: Duration = Duration::from_millis(100);

/// The longest frame, and a byte more.
const FRAME: usize = 16_384;

/// The socket towards the card, while the cable is plugged in.
type CardSide = Arc<Mutex<Option<Arc<UnixDatagram>>>>;

struct Thread {
    end: Arc<AtomicBool>,
    handle: Option<JoinHandle<()>>,
}

impl Thread {
    /// Carries frames off a socket until it is dropped.
    fn carry(
        socket: Arc<UnixDatagram>,
        mut to: impl FnMut(&[u8]) + Send + 'static,
    ) -> Result<Self> {
        socket.set_read_timeout(Some(LOOK))?;
        let end = Arc::new(AtomicBool::new(false));
        let ended = end.clone();
        let handle = spawn(move || {
            let mut frame = vec![0; FRAME];
            while !ended.load(Ordering::Relaxed) {
                match socket.recv(&mut frame) {
                    Ok(length) => to(&frame[..length]),
                    Err(err)
                        if matches!(err.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                    }
                    Err(_) => break,
                }
            }
        });
        let handle = Some(handle);
        Ok(Self { end, handle })
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        if let Some(handle) = self.handle.take() {
            let _ = handle.join();
        }
    }
}

/// A cable; it begins unplugged from the card.
pub struct Cable {
    port: usize,
    dir: PathBuf,
    guest: Arc<UnixDatagram>,
    card: CardSide,
    notes: Sender<Seen>,
    from_card: Option<Thread>,
    /// Kept for its end.
    _from_guest: Thread,
}

impl Cable {
    /// A cable for a port, with its sockets in this folder; what passes is noted.
    pub fn new(dir: &Path, port: usize, notes: Sender<Seen>) -> Result<Self> {
        let guest = Arc::new(bind(&Self::place(dir, port, "to-guest"))?);
        let card = CardSide::default();
        let (side, note) = (card.clone(), notes.clone());
        let far = Self::place(dir, port, "card");
        let from_guest = Thread::carry(guest.clone(), move |frame| {
            let seen = Seen {
                port,
                from: From::Guest,
                frame: frame.to_vec(),
            };
            let _ = note.send(seen);
            let socket = side.lock().ok().and_then(|side| side.clone());
            // Without the other end the frame is lost, as on a wire.
            socket.map(|socket| socket.send_to(frame, &far));
        })?;
        Ok(Self {
            port,
            dir: dir.to_owned(),
            guest,
            card,
            notes,
            from_card: None,
            _from_guest: from_guest,
        })
    }

    fn place(dir: &Path, port: usize, end: &str) -> PathBuf {
        dir.join(format!("{end}{port}"))
    }

    /// What the card's port is to be: `dgram:LOCAL,PEER`.
    pub fn card_spec(&self) -> String {
        let [local, peer] = ["card", "to-card"].map(|end| Self::place(&self.dir, self.port, end));
        format!("dgram:{},{}", local.display(), peer.display())
    }

    /// The port at the card's end.
    pub fn port(&self) -> usize {
        self.port
    }

    /// What QEMU's `-netdev` of this name is to be.
    pub fn guest_spec(&self, netdev: &str) -> String {
        let [local, peer] = ["guest", "to-guest"].map(|end| Self::place(&self.dir, self.port, end));
        format!(
            "dgram,id={netdev},local.type=unix,local.path={},remote.type=unix,remote.path={}",
            local.display(),
            peer.display()
        )
    }

    /// Plugs it into the card.
    pub fn plug(&mut self) -> Result<()> {
        let socket = Arc::new(bind(&Self::place(&self.dir, self.port, "to-card"))?);
        let (guest, note, port) = (self.guest.clone(), self.notes.clone(), self.port);
        let far = Self::place(&self.dir, self.port, "guest");
        self.from_card = Some(Thread::carry(socket.clone(), move |frame| {
            let seen = Seen {
                port,
                from: From::Card,
                frame: frame.to_vec(),
            };
            let _ = note.send(seen);
            let _ = guest.send_to(frame, &far);
        })?);
        self.set_card_side(Some(socket))
    }

    /// Pulls it out of the card.
    pub fn pull(&mut self) -> Result<()> {
        self.set_card_side(None)?;
        self.from_card = None;
        std::fs::remove_file(Self::place(&self.dir, self.port, "to-card"))
            .context("the cable was not plugged in")
    }

    fn set_card_side(&self, socket: Option<Arc<UnixDatagram>>) -> Result<()> {
        let Ok(mut side) = self.card.lock() else {
            bail!("a cable's thread has failed");
        };
        *side = socket;
        Ok(())
    }

    /// Puts a frame on the cable's guest end, as if the guest had sent it.
    pub fn send(&self, frame: &[u8]) -> Result<()> {
        let far = Self::place(&self.dir, self.port, "card");
        let socket = self.card.lock().ok().and_then(|side| side.clone());
        let socket = socket.context("the cable is pulled")?;
        socket
            .send_to(frame, far)
            .context("the card takes no frame")?;
        Ok(())
    }
}

fn bind(place: &Path) -> Result<UnixDatagram> {
    let socket = UnixDatagram::bind(place)
        .with_context(|| format!("cannot make the socket {}", place.display()))?;
    // A full socket is waited for: the card and the guest are slower than a memory copy.
    socket.set_write_timeout(Some(Duration::from_secs(5)))?;
    Ok(socket)
}

/// Frames that passed, in the order in which they were noted.
pub struct Watch(Receiver<Seen>);

impl Watch {
    /// A watch, and what notes for it.
    pub fn new() -> (Sender<Seen>, Self) {
        let (notes, seen) = channel();
        (notes, Self(seen))
    }

    /// Gives each frame to `look` until that has found what it looks for.
    pub fn find<T>(
        &self,
        what: &str,
        limit: Duration,
        mut look: impl FnMut(&Seen) -> Option<T>,
    ) -> Result<T> {
        let end = Instant::now() + limit;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.0.recv_timeout(left.min(LOOK)) {
                Ok(seen) => {
                    if let Some(found) = look(&seen) {
                        return Ok(found);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => bail!("the cables are gone"),
                Err(RecvTimeoutError::Timeout) if interrupted() => bail!("interrupted"),
                Err(RecvTimeoutError::Timeout) if left.is_zero() => {
                    bail!("no {what} within {} s", limit.as_secs())
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Forgets what has passed so far.
    pub fn forget(&self) {
        while self.0.try_recv().is_ok() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cable_carries_notes_and_can_be_pulled() {
        let dir = tempfile::tempdir().unwrap();
        let (notes, watch) = Watch::new();
        let mut cable = Cable::new(dir.path(), 1, notes).unwrap();
        let [guest, card] = ["guest1", "card1"].map(|end| bind(&dir.path().join(end)).unwrap());
        for socket in [&guest, &card] {
            socket
                .set_read_timeout(Some(Duration::from_secs(60)))
                .unwrap();
        }
        let mut frame = [0; 64];
        for _ in 0..2 {
            cable.plug().unwrap();
            guest.send_to(b"up", dir.path().join("to-guest1")).unwrap();
            let len = card.recv(&mut frame).unwrap();
            assert_eq!(&frame[..len], b"up");
            card.send_to(b"down", dir.path().join("to-card1")).unwrap();
            let len = guest.recv(&mut frame).unwrap();
            assert_eq!(&frame[..len], b"down");
            for (from, text) in [(From::Guest, &b"up"[..]), (From::Card, b"down")] {
                let seen = watch.find("frame", Duration::from_secs(60), |seen| {
                    Some((seen.port, seen.from, seen.frame.clone()))
                });
                assert_eq!(seen.unwrap(), (1, from, text.to_vec()));
            }
            cable.pull().unwrap();
            assert!(card.send_to(b"lost", dir.path().join("to-card1")).is_err());
        }
        let none = watch.find("frame", Duration::from_millis(10), |_| Some(()));
        assert!(none.unwrap_err().to_string().contains("no frame"));
    }
}
