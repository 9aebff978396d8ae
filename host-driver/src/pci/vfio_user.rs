//! A card served on a Unix socket in the vfio-user protocol (version 0.1, the specification of libvfio-user).
//!
//! Written here because the `Client` of the crate `vfio_user` 0.1.7 waits for ever on a server that stopped, takes a
//! refused request for a granted one, asserts on sizes that the server sends, and does not give its descriptor to
//! poll; its `Server` is what the tests and the simulated card use at the other end.
//!
//! Register writes are posted: sent without waiting for a reply, in order with everything else on the socket, so that
//! a doorbell costs one system call. A refusal of one of them arrives later and is logged. A server that does not
//! answer within [`TIMEOUT`] is given up: the card counts as gone.
//!
//! Message: header (id u16, command u16, size u32, flags u32, error u32), then the command's structure.

use std::io::{ErrorKind, Read};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::dma::{DmaBuffer, DmaMemory, IovaSpace};
use super::fd::send_with_fds;
use super::in_process::check_range;
use super::{PciError, PciTransport, Vector, new_vectors};

/// How long the server may take to answer.
pub const TIMEOUT: Duration = Duration::from_secs(10);

const HEADER: usize = 16;
const FLAG_TYPE: u32 = 0xf;
const FLAG_REPLY: u32 = 1;
const FLAG_NO_REPLY: u32 = 1 << 4;
const FLAG_ERROR: u32 = 1 << 5;
/// Longest message accepted from the server.
const MAX_MESSAGE: usize = 1 << 20;

/// Region of the configuration space (VFIO_PCI_CONFIG_REGION_INDEX).
const REGION_CONFIG: u32 = 7;
/// Interrupt index of MSI-X (VFIO_PCI_MSIX_IRQ_INDEX).
const IRQ_MSIX: u32 = 2;
/// VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER.
const IRQ_SET_EVENTFD: u32 = 1 << 2 | 1 << 5;
/// VFIO_DEVICE_FLAGS_PCI.
const DEVICE_PCI: u32 = 1 << 1;
/// DMA_MAP: readable and writable by the device.
const DMA_READ_WRITE: u32 = 3;

#[derive(Clone, Copy, Debug)]
#[repr(u16)]
enum Command {
    Version = 1,
    DmaMap = 2,
    DmaUnmap = 3,
    GetInfo = 4,
    GetRegionInfo = 5,
    GetIrqInfo = 7,
    SetIrqs = 8,
    RegionRead = 9,
    RegionWrite = 10,
    Reset = 13,
}

/// A connected card.
pub struct VfioUser {
    stream: UnixStream,
    name: String,
    next_id: u16,
    max_fds: usize,
    vectors: u32,
    sizes: [u64; 3],
    iova: IovaSpace,
    broken: Option<String>,
}

impl VfioUser {
    /// Connects to the server at `path` and asks what it serves.
    pub fn connect(path: &Path) -> Result<Self, PciError> {
        let name = format!("vfio-user:{}", path.display());
        let open = |reason: String| PciError::Open {
            device: name.clone(),
            reason,
        };
        let stream = UnixStream::connect(path).map_err(|e| {
            open(format!(
                "{e}; start the server (smartnic-sim) first, or check the path"
            ))
        })?;
        stream
            .set_read_timeout(Some(TIMEOUT))
            .map_err(|e| open(e.to_string()))?;
        stream
            .set_write_timeout(Some(TIMEOUT))
            .map_err(|e| open(e.to_string()))?;
        let mut card = Self {
            stream,
            name: name.clone(),
            next_id: 0,
            max_fds: 1,
            vectors: 0,
            sizes: [0; 3],
            iova: IovaSpace::default(),
            broken: None,
        };
        card.negotiate()?;
        Ok(card)
    }

    fn negotiate(&mut self) -> Result<(), PciError> {
        let offer = br#"{"capabilities":{"max_msg_fds":16,"max_data_xfer_size":1048576}}"#;
        let mut body = vec![0, 0, 1, 0];
        body.extend_from_slice(offer);
        body.push(0);
        let reply = self.call(Command::Version, &body, &[], 4)?;
        if word16(&reply, 0) != 0 {
            return Err(self.protocol(format!(
                "version {}.{}, wanted 0.x",
                word16(&reply, 0),
                word16(&reply, 2)
            )));
        }
        let text = reply[4..].split(|&b| b == 0).next().unwrap_or(&[]);
        if let Ok(json) = serde_json::from_slice::<serde_json::Value>(text) {
            self.max_fds = json["capabilities"]["max_msg_fds"]
                .as_u64()
                .unwrap_or(1)
                .clamp(1, 16) as usize;
        }
        let info = self.call(Command::GetInfo, &words(&[16, 0, 0, 0]), &[], 16)?;
        if word32(&info, 4) & DEVICE_PCI == 0 {
            return Err(self.protocol("it serves no PCI device".into()));
        }
        for bar in [0u32, 2] {
            let info = self.call(
                Command::GetRegionInfo,
                &words(&[32, 0, bar, 0, 0, 0, 0, 0]),
                &[],
                32,
            )?;
            self.sizes[bar as usize] =
                u64::from(word32(&info, 16)) | u64::from(word32(&info, 20)) << 32;
        }
        let irq = self.call(Command::GetIrqInfo, &words(&[16, 0, IRQ_MSIX, 0]), &[], 16)?;
        self.vectors = word32(&irq, 12);
        Ok(())
    }

    fn protocol(&mut self, reason: String) -> PciError {
        self.broken = Some(reason.clone());
        // Nothing that is said after a broken message can be understood: end the conversation.
        let _ = self.stream.shutdown(Shutdown::Both);
        PciError::Protocol {
            device: self.name.clone(),
            reason,
        }
    }

    fn lost(&mut self, error: std::io::Error) -> PciError {
        let reason = match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                format!("no answer within {} s", TIMEOUT.as_secs())
            }
            ErrorKind::UnexpectedEof => "the server closed the socket".into(),
            _ => error.to_string(),
        };
        self.broken = Some(reason.clone());
        let _ = self.stream.shutdown(Shutdown::Both);
        PciError::Gone {
            device: self.name.clone(),
            reason,
        }
    }

    fn send(
        &mut self,
        command: Command,
        flags: u32,
        body: &[u8],
        fds: &[BorrowedFd<'_>],
    ) -> Result<u16, PciError> {
        if let Some(reason) = &self.broken {
            return Err(PciError::Gone {
                device: self.name.clone(),
                reason: reason.clone(),
            });
        }
        let id = self.next_id;
        self.next_id = id.wrapping_add(1);
        let mut message = Vec::with_capacity(HEADER + body.len());
        message.extend_from_slice(&id.to_le_bytes());
        message.extend_from_slice(&(command as u16).to_le_bytes());
        message.extend_from_slice(&words(&[(HEADER + body.len()) as u32, flags, 0]));
        message.extend_from_slice(body);
        send_with_fds(&self.stream, &message, fds).map_err(|e| self.lost(e))?;
        Ok(id)
    }

    /// Sends a request and gives the reply's body, at least `least` bytes of it.
    fn call(
        &mut self,
        command: Command,
        body: &[u8],
        fds: &[BorrowedFd<'_>],
        least: usize,
    ) -> Result<Vec<u8>, PciError> {
        let id = self.send(command, 0, body, fds)?;
        loop {
            let mut header = [0; HEADER];
            (&self.stream)
                .read_exact(&mut header)
                .map_err(|e| self.lost(e))?;
            let size = word32(&header, 4) as usize;
            let flags = word32(&header, 8);
            if !(HEADER..=MAX_MESSAGE).contains(&size) || flags & FLAG_TYPE != FLAG_REPLY {
                return Err(self.protocol(format!("reply of {size} bytes with flags {flags:#x}")));
            }
            let mut reply = vec![0; size - HEADER];
            (&self.stream)
                .read_exact(&mut reply)
                .map_err(|e| self.lost(e))?;
            let (got, errno) = (word16(&header, 0), word32(&header, 12));
            if got != id {
                // Only a posted write that was refused is answered out of turn.
                if flags & FLAG_ERROR != 0 && word16(&header, 2) == Command::RegionWrite as u16 {
                    tracing::warn!(device = %self.name, errno, "a posted register write was refused");
                    continue;
                }
                return Err(self.protocol(format!("reply to message {got}, expected {id}")));
            }
            if flags & FLAG_ERROR != 0 {
                return Err(PciError::Refused {
                    device: self.name.clone(),
                    what: command.what(),
                    errno,
                });
            }
            if reply.len() < least {
                return Err(self.protocol(format!(
                    "reply to {command:?} has {} bytes, {least} needed",
                    reply.len()
                )));
            }
            return Ok(reply);
        }
    }

    fn check(&self, bar: u8, offset: u32) -> Result<(), PciError> {
        check_range(bar, offset)?;
        let size = self.sizes[usize::from(bar)];
        if u64::from(offset) + 4 > size {
            return Err(PciError::Range { bar, offset, size });
        }
        Ok(())
    }

    fn region_read(&mut self, region: u32, offset: u64) -> Result<u32, PciError> {
        let body = access(region, offset);
        let reply = self.call(Command::RegionRead, &body, &[], 16)?;
        // A server may answer with fewer bytes than asked for: that is no register value.
        if word32(&reply, 12) != 4 || reply.len() != 20 {
            return Err(self.protocol(format!("{} bytes for a read of 4", reply.len() - 16)));
        }
        Ok(word32(&reply, 16))
    }

    fn region_write(&mut self, region: u32, offset: u64, value: u32) -> Result<(), PciError> {
        let mut body = access(region, offset);
        body.extend_from_slice(&value.to_le_bytes());
        self.send(Command::RegionWrite, FLAG_NO_REPLY, &body, &[])
            .map(|_| ())
    }
}

impl Command {
    fn what(self) -> &'static str {
        match self {
            Command::Version => "agree on a version",
            Command::DmaMap => "map DMA memory",
            Command::DmaUnmap => "unmap DMA memory",
            Command::GetInfo => "describe the device",
            Command::GetRegionInfo => "describe a region",
            Command::GetIrqInfo => "describe its interrupts",
            Command::SetIrqs => "enable interrupts",
            Command::RegionRead => "read a register",
            Command::RegionWrite => "write a register",
            Command::Reset => "reset",
        }
    }
}

fn words(values: &[u32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// The structure of REGION_READ and REGION_WRITE for four bytes.
fn access(region: u32, offset: u64) -> Vec<u8> {
    words(&[offset as u32, (offset >> 32) as u32, region, 4])
}

fn word16(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn word32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

impl PciTransport for VfioUser {
    fn describe(&self) -> String {
        self.name.clone()
    }
    fn read32(&mut self, bar: u8, offset: u32) -> Result<u32, PciError> {
        self.check(bar, offset)?;
        self.region_read(bar.into(), offset.into())
    }
    fn write32(&mut self, bar: u8, offset: u32, value: u32) -> Result<(), PciError> {
        self.check(bar, offset)?;
        self.region_write(bar.into(), offset.into(), value)
    }
    fn config_read32(&mut self, offset: u16) -> Result<u32, PciError> {
        self.region_read(REGION_CONFIG, (offset & !3).into())
    }
    fn config_write32(&mut self, offset: u16, value: u32) -> Result<(), PciError> {
        self.region_write(REGION_CONFIG, (offset & !3).into(), value)
    }
    fn dma_map(&mut self, buffer: Arc<DmaBuffer>) -> Result<DmaMemory, PciError> {
        let iova = self.iova.take(buffer.len());
        let size = buffer.len() as u64;
        let body = words(&[
            32,
            DMA_READ_WRITE,
            0,
            0,
            iova as u32,
            (iova >> 32) as u32,
            size as u32,
            (size >> 32) as u32,
        ]);
        self.call(Command::DmaMap, &body, &[buffer.fd()], 0)?;
        Ok(DmaMemory::new(buffer, iova))
    }
    fn dma_free(&mut self, memory: DmaMemory) -> Result<(), PciError> {
        let (iova, size) = (memory.iova(), memory.len() as u64);
        let body = words(&[
            24,
            0,
            iova as u32,
            (iova >> 32) as u32,
            size as u32,
            (size >> 32) as u32,
        ]);
        self.call(Command::DmaUnmap, &body, &[], 0).map(|_| ())
    }
    fn interrupts(&mut self, count: u32) -> Result<Vec<Vector>, PciError> {
        if count > self.vectors {
            return Err(PciError::Vectors {
                device: self.name.clone(),
                wanted: count,
                offered: self.vectors,
            });
        }
        let vectors = new_vectors(count)?;
        let mut start = 0;
        for group in vectors.chunks(self.max_fds) {
            let fds: Vec<_> = group.iter().map(|v| v.as_fd()).collect();
            let body = words(&[20, IRQ_SET_EVENTFD, IRQ_MSIX, start, fds.len() as u32]);
            self.call(Command::SetIrqs, &body, &fds, 0)?;
            start += fds.len() as u32;
        }
        Ok(vectors)
    }
    fn reset(&mut self) -> Result<(), PciError> {
        self.call(Command::Reset, &[], &[], 0).map(|_| ())
    }
    fn hangup_fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.stream.as_fd())
    }
}
