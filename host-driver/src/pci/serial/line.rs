//! The line itself: a serial port of the system, 115,200 baud 8N1, without echo, signals or flow control.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{self, BaudRate, ControlFlags, FlushArg, SetArg, SpecialCharacterIndices};

/// Something that carries bytes to a board and back.
pub trait Line: Send {
    /// Sends all of `bytes`.
    fn send(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Waits for bytes; 0: the time is over.
    fn receive(&mut self, most: Duration, bytes: &mut [u8]) -> io::Result<usize>;
}

/// How long the system may take to send a line.
const SEND: Duration = Duration::from_secs(2);

/// A serial port of the system (or a pseudo-terminal).
pub struct Tty(File);

impl Tty {
    /// Opens a port for this program alone.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        let flags = libc::O_NOCTTY | libc::O_NONBLOCK | libc::O_CLOEXEC;
        let file = options.custom_flags(flags).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let reason = "another program uses it";
                return Err(io::Error::new(io::ErrorKind::ResourceBusy, reason));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let mut settings = termios::tcgetattr(&file)?;
        termios::cfmakeraw(&mut settings);
        termios::cfsetspeed(&mut settings, BaudRate::B115200)?;
        use ControlFlags as C;
        settings.control_flags &= !(C::CSIZE | C::CSTOPB | C::PARENB | C::CRTSCTS);
        settings.control_flags |= C::CS8 | C::CREAD | C::CLOCAL;
        settings.control_chars[SpecialCharacterIndices::VMIN as usize] = 0;
        settings.control_chars[SpecialCharacterIndices::VTIME as usize] = 0;
        termios::tcsetattr(&file, SetArg::TCSANOW, &settings)?;
        // What was said before nobody listened to.
        termios::tcflush(&file, FlushArg::TCIOFLUSH)?;
        Ok(Self(file))
    }

    /// Waits until the port is ready for `what`; false: it is not in time.
    fn wait(&self, what: PollFlags, most: Duration) -> io::Result<bool> {
        // A part of a millisecond is one: else a wait would become a spin.
        let most = most.as_micros().div_ceil(1000).min(60_000) as u16;
        let mut fds = [PollFd::new(self.0.as_fd(), what)];
        match poll(&mut fds, PollTimeout::from(most)) {
            Ok(0) | Err(nix::Error::EINTR) => Ok(false),
            Ok(_) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }
}

impl Line for Tty {
    fn send(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.0.write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if !self.wait(PollFlags::POLLOUT, SEND)? {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn receive(&mut self, most: Duration, bytes: &mut [u8]) -> io::Result<usize> {
        if most.is_zero() || !self.wait(PollFlags::POLLIN, most)? {
            return Ok(0);
        }
        match self.0.read(bytes) {
            // Ready, and nothing there: the other end is gone.
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            other => other,
        }
    }
}

/// An error of the line in words that help.
pub(super) fn explain(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::ENOTTY) => "it is no serial port".into(),
        Some(libc::ENOENT) => "there is no such port; see: ls /dev/ttyUSB*".into(),
        Some(libc::EACCES) => format!("{error}; are you in the group dialout?"),
        Some(libc::EIO) => "the line is gone: was it unplugged?".into(),
        _ if error.kind() == io::ErrorKind::UnexpectedEof => {
            "the line is gone: was it unplugged?".into()
        }
        _ => error.to_string(),
    }
}
