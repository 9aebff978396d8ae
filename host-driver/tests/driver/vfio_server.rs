//! The fake card behind a vfio-user socket: the server of the crate `vfio_user` in a thread.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;

use nix::sys::eventfd::EventFd;
use smartnic_driver::pci::DmaBuffer;
use vfio_bindings::bindings::vfio::{VFIO_PCI_NUM_IRQS, VFIO_PCI_NUM_REGIONS, vfio_region_info};
use vfio_user::{DmaMapFlags, DmaUnmapFlags, IrqInfo, Server, ServerBackend, ServerRegion};

use crate::fake::Fake;

struct Backend {
    card: Fake,
    windows: Vec<u64>,
}

impl ServerBackend for Backend {
    fn region_read(&mut self, region: u32, offset: u64, data: &mut [u8]) -> io::Result<()> {
        let mut state = self.card.state();
        let value = match region {
            0 => state.read(offset as u32),
            7 => state.config.get(&(offset as u16)).copied().unwrap_or(0),
            _ => state.msix.get(&(offset as u32)).copied().unwrap_or(0),
        };
        data.copy_from_slice(&value.to_le_bytes()[..data.len()]);
        Ok(())
    }
    fn region_write(&mut self, region: u32, offset: u64, data: &[u8]) -> io::Result<()> {
        let value = u32::from_le_bytes(
            data.try_into()
                .map_err(|_| io::Error::other("four bytes"))?,
        );
        match region {
            0 => self.card.state().write(offset as u32, value),
            7 => drop(self.card.state().config.insert(offset as u16, value)),
            _ => drop(self.card.state().msix.insert(offset as u32, value)),
        }
        Ok(())
    }
    fn dma_map(
        &mut self,
        _: DmaMapFlags,
        offset: u64,
        address: u64,
        size: u64,
        fd: Option<File>,
    ) -> io::Result<()> {
        let file = fd.ok_or_else(|| io::Error::other("no descriptor"))?;
        assert_eq!(offset, 0);
        let memory =
            DmaBuffer::from_fd(OwnedFd::from(file), size as usize).map_err(io::Error::other)?;
        self.card.state().map(address, Arc::new(memory));
        self.windows.push(address);
        Ok(())
    }
    fn dma_unmap(&mut self, _: DmaUnmapFlags, address: u64, _: u64) -> io::Result<()> {
        self.card.state().unmap(address);
        self.windows.retain(|w| *w != address);
        Ok(())
    }
    fn reset(&mut self) -> io::Result<()> {
        self.card.state().function_reset();
        Ok(())
    }
    fn set_irqs(
        &mut self,
        index: u32,
        _: u32,
        start: u32,
        count: u32,
        fds: Vec<File>,
    ) -> io::Result<()> {
        if index != 2 || fds.len() != count as usize {
            return Err(io::Error::other("MSI-X only, a descriptor for each vector"));
        }
        // SAFETY: each is an eventfd that the client sent, owned by nobody else here.
        let own = |fd: File| Arc::new(unsafe { EventFd::from_owned_fd(OwnedFd::from(fd)) });
        self.card
            .state()
            .connect_vectors_from(start, fds.into_iter().map(own).collect());
        Ok(())
    }
}

/// Serves `card` at `path` to `clients` clients, one after the other.
pub fn serve(card: Fake, path: &Path, clients: usize) -> std::thread::JoinHandle<()> {
    let listener = UnixListener::bind(path).unwrap();
    std::thread::spawn(move || {
        let irqs = (0..VFIO_PCI_NUM_IRQS).map(|index| IrqInfo {
            index,
            flags: 1,
            count: if index == 2 { 16 } else { 0 },
        });
        let region = |index: u32| ServerRegion {
            region_info: vfio_region_info {
                argsz: 32,
                index,
                flags: 3,
                size: [0x1_0000, 0, 0x1000, 0, 0, 0, 0, 0x1000, 0][index as usize],
                ..Default::default()
            },
            sparse_areas: Vec::new(),
            mmap_fd: None,
        };
        let server = Server::from_owned_fd(
            OwnedFd::from(listener),
            true,
            irqs.collect(),
            (0..VFIO_PCI_NUM_REGIONS).map(region).collect(),
        );
        for _ in 0..clients {
            let mut backend = Backend {
                card: card.clone(),
                windows: Vec::new(),
            };
            // An error ends this client's session, as a hang-up does.
            let _ = server.run(&mut backend);
            // The memory goes with the client, and closing resets the function.
            let mut state = card.state();
            state.function_reset();
            backend.windows.iter().for_each(|iova| state.unmap(*iova));
        }
    })
}
