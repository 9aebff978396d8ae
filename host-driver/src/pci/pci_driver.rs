//! The kernel's VFIO by way of the crate `pci-driver`: `pci-driver:DOMAIN:BUS:DEVICE.FUNCTION`.
//!
//! Only what enters the kernel differs from `vfio:`: this implements [`Kernel`], and [`super::vfio::Vfio`] does the rest, so that its tests hold for both. The crate's
//! traits for devices and regions are sealed: cards in this process or behind vfio-user cannot be put below them.

use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;

use pci_driver::backends::vfio::VfioPciDevice;
use pci_driver::device::PciDevice;
use pci_driver::regions::{OwningPciRegion, PciRegion, Permissions};

use super::Vector;
use super::dma::DmaBuffer;
use super::vfio::{Kernel, REGION_CONFIG};

/// A function that `pci-driver` has opened.
pub struct PciDriver {
    device: VfioPciDevice,
    /// BAR 0 to BAR 5.
    bars: [Option<OwningPciRegion>; 6],
}

impl PciDriver {
    /// Opens the function with this folder in sysfs, which must be bound to vfio-pci.
    pub fn open(sysfs: &Path) -> std::io::Result<Self> {
        let device = VfioPciDevice::open(sysfs)?;
        let bars = std::array::from_fn(|index| device.bar(index));
        Ok(Self { device, bars })
    }

    fn bar(&self, region: u32) -> Option<&OwningPciRegion> {
        self.bars.get(region as usize)?.as_ref()
    }
}

impl Kernel for PciDriver {
    fn region_size(&self, region: u32) -> u64 {
        if region == REGION_CONFIG {
            return self.device.config().len();
        }
        self.bar(region).map_or(0, PciRegion::len)
    }
    fn region_read(&self, region: u32, offset: u64) -> u32 {
        let read = if region == REGION_CONFIG {
            self.device.config().read_le_u32(offset).ok()
        } else {
            self.bar(region)
                .and_then(|bar| bar.read_le_u32(offset).ok())
        };
        // As a dead bus reads.
        read.unwrap_or(u32::MAX)
    }
    fn region_write(&self, region: u32, offset: u64, value: u32) {
        let written = if region == REGION_CONFIG {
            self.device.config().write_le_u32(offset, value)
        } else {
            self.bar(region)
                .map_or(Ok(()), |bar| bar.write_le_u32(offset, value))
        };
        if let Err(error) = written {
            tracing::warn!(region, offset, %error, "a register write was refused");
        }
    }
    fn dma_map(&self, iova: u64, buffer: &DmaBuffer) -> Result<(), String> {
        let (length, address) = (buffer.len(), buffer.base());
        // SAFETY: the memory stays mapped here until after `dma_unmap` or the device is closed (`Vfio` holds an Arc of
        // the buffer until then), and no reference into it is ever made: see `DmaBuffer`.
        unsafe {
            self.device
                .iommu()
                .map(iova, length, address.cast(), Permissions::ReadWrite)
        }
        .map_err(|e| e.to_string())
    }
    fn dma_unmap(&self, iova: u64, bytes: usize) -> Result<(), String> {
        let iommu = self.device.iommu();
        iommu.unmap(iova, bytes).map_err(|e| e.to_string())
    }
    fn vectors(&self) -> u32 {
        self.device.interrupts().msi_x().max() as u32
    }
    fn enable_msix(&self, vectors: &[Vector]) -> Result<(), String> {
        // The kernel takes references of its own.
        let eventfds: Vec<_> = vectors.iter().map(|v| v.as_fd().as_raw_fd()).collect();
        let mechanism = self.device.interrupts();
        mechanism
            .msi_x()
            .enable(&eventfds)
            .map_err(|e| e.to_string())
    }
    fn reset(&self) {
        if let Err(error) = self.device.reset() {
            tracing::warn!(%error, "the function was not reset");
        }
    }
}
