//! Capture files: a port that plays one and records another, and the writer that [`super::wrap`] uses.
//!
//! Reads pcapng and the older pcap; writes pcapng with nanoseconds of simulated time, one interface,
//! frames without FCS, direction and FCS errors in the flags word (pcapng, section 4.3.1).

use super::{Attachment, PortError, station_frame};
use crate::gmii::{Received, Transmission};
use pcap_file::DataLink;
use pcap_file::pcap::PcapReader;
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption, InterfaceTsResolution,
};
use pcap_file::pcapng::{Block, PcapNgBlock, PcapNgReader, PcapNgWriter};
use std::borrow::Cow;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Which way a frame went, seen from the file's owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Towards it.
    Inbound = 1,
    /// Away from it.
    Outbound = 2,
}

/// FCS error and symbol error, bits 24 and 31 of the flags word.
const FLAG_FCS: u32 = 1 << 24;
const FLAG_SYMBOL: u32 = 1 << 31;

/// Writes frames into a pcapng file.
pub struct CaptureWriter {
    path: PathBuf,
    writer: PcapNgWriter<BufWriter<File>>,
}

fn problem(path: &Path, error: impl std::fmt::Display) -> PortError {
    PortError::Capture {
        path: path.display().to_string(),
        problem: error.to_string(),
    }
}

impl CaptureWriter {
    /// Creates the file; `name` is its interface's name.
    pub fn create(path: &Path, name: &str) -> Result<Self, PortError> {
        let file = File::create(path).map_err(|e| problem(path, e))?;
        let mut writer = PcapNgWriter::new(BufWriter::new(file)).map_err(|e| problem(path, e))?;
        let interface = InterfaceDescriptionBlock {
            linktype: DataLink::ETHERNET,
            snaplen: 0,
            options: vec![
                InterfaceDescriptionOption::IfName(Cow::Borrowed(name)),
                InterfaceDescriptionOption::IfTsResol(InterfaceTsResolution::NANO),
            ],
        };
        writer
            .write_block(&interface.into_block())
            .map_err(|e| problem(path, e))?;
        Ok(CaptureWriter {
            path: path.into(),
            writer,
        })
    }

    /// Appends a frame; `now` in nanoseconds.
    pub fn write(
        &mut self,
        now: u64,
        way: Way,
        frame: &[u8],
        fcs_ok: bool,
        error: bool,
    ) -> Result<(), PortError> {
        let faults = if fcs_ok { 0 } else { FLAG_FCS } | if error { FLAG_SYMBOL } else { 0 };
        let block = EnhancedPacketBlock {
            interface_id: 0,
            timestamp: Duration::from_nanos(now),
            original_len: frame.len() as u32,
            data: Cow::Borrowed(frame),
            options: vec![EnhancedPacketOption::Flags(way as u32 | faults)],
        };
        self.writer
            .write_block(&block.into_block())
            .map_err(|e| problem(&self.path, e))?;
        Ok(())
    }

    /// Writes out what is buffered.
    pub fn flush(&mut self) -> Result<(), PortError> {
        std::io::Write::flush(self.writer.get_mut()).map_err(|e| problem(&self.path, e))
    }
}

/// Reads every Ethernet frame of a pcap or pcapng file.
pub fn read_frames(path: &Path) -> Result<Vec<Vec<u8>>, PortError> {
    let mut file = File::open(path).map_err(|e| problem(path, e))?;
    let mut magic = [0; 4];
    file.read_exact(&mut magic).map_err(|e| problem(path, e))?;
    file.seek(SeekFrom::Start(0))
        .map_err(|e| problem(path, e))?;
    let file = BufReader::new(file);
    if magic == [0x0a, 0x0d, 0x0d, 0x0a] {
        read_pcapng(path, file)
    } else {
        read_pcap(path, file)
    }
}

fn wrong_link(path: &Path, link: DataLink) -> PortError {
    problem(path, format!("its link type is {link:?}, not Ethernet"))
}

fn read_pcapng(path: &Path, file: impl Read) -> Result<Vec<Vec<u8>>, PortError> {
    let mut reader = PcapNgReader::new(file).map_err(|e| problem(path, e))?;
    let mut frames = Vec::new();
    while let Some(block) = reader.next_block() {
        let (block, _) = block.map_err(|e| problem(path, e))?;
        match block {
            Block::InterfaceDescription(i) if i.linktype != DataLink::ETHERNET => {
                return Err(wrong_link(path, i.linktype));
            }
            Block::EnhancedPacket(p) => frames.push(p.data.into_owned()),
            Block::SimplePacket(p) => frames.push(p.data.into_owned()),
            _ => {}
        }
    }
    Ok(frames)
}

fn read_pcap(path: &Path, file: impl Read) -> Result<Vec<Vec<u8>>, PortError> {
    let mut reader = PcapReader::new(file).map_err(|e| problem(path, e))?;
    if reader.header().datalink != DataLink::ETHERNET {
        return Err(wrong_link(path, reader.header().datalink));
    }
    let mut frames = Vec::new();
    while let Some(packet) = reader.next_packet() {
        frames.push(packet.map_err(|e| problem(path, e))?.data().to_vec());
    }
    Ok(frames)
}

/// A port that plays a file, back to back, and records what comes out.
pub struct CaptureFile {
    input: Option<PathBuf>,
    frames: VecDeque<Vec<u8>>,
    output: Option<CaptureWriter>,
    /// Frames played.
    pub played: u64,
    /// Frames recorded.
    pub recorded: u64,
}

impl CaptureFile {
    /// Opens both files; either may be missing.
    pub fn open(input: Option<&Path>, output: Option<&Path>) -> Result<Self, PortError> {
        let frames = input.map(read_frames).transpose()?.unwrap_or_default();
        let output = output
            .map(|path| CaptureWriter::create(path, "smartnic"))
            .transpose()?;
        let input = input.map(Path::to_path_buf);
        Ok(CaptureFile {
            input,
            frames: frames.into(),
            output,
            played: 0,
            recorded: 0,
        })
    }
}

impl Attachment for CaptureFile {
    fn poll(&mut self, _now: u64) -> Result<Option<Transmission>, PortError> {
        let next = self.frames.pop_front();
        self.played += u64::from(next.is_some());
        Ok(next.map(station_frame))
    }

    fn deliver(&mut self, now: u64, frame: &Received) -> Result<(), PortError> {
        self.recorded += 1;
        match &mut self.output {
            Some(out) => out.write(now, Way::Inbound, &frame.frame, frame.fcs_ok, frame.error),
            None => Ok(()),
        }
    }

    fn finished(&self) -> bool {
        self.frames.is_empty()
    }

    fn close(&mut self) -> Result<(), PortError> {
        self.output.as_mut().map_or(Ok(()), CaptureWriter::flush)
    }

    fn summary(&self) -> String {
        let input = self
            .input
            .as_ref()
            .map_or("nothing".into(), |p| p.display().to_string());
        format!(
            "capture: {} frames of {input} played, {} recorded",
            self.played, self.recorded
        )
    }
}
