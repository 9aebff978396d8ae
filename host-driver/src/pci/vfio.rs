//! A card behind the kernel's VFIO: a function bound to vfio-pci, reached through its group and a container.
//!
//! Everything that enters the kernel goes through the [`Kernel`] trait, which `vfio-ioctls` implements here and a test
//! replaces: the logic above it (sizes, alignment, vectors, memory) is then the same with and without hardware. A
//! function-level reset happens when the kernel opens and closes the device, and on [`PciTransport::reset`].

use std::os::fd::{AsFd, FromRawFd, IntoRawFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use vfio_ioctls::{VfioContainer, VfioDevice, VfioOps};
use vmm_sys_util::eventfd::EventFd;

use super::dma::{DmaBuffer, DmaMemory, IovaSpace};
use super::in_process::check_range;
use super::pci_driver::PciDriver;
use super::{PciError, PciTransport, Vector, new_vectors};

/// Region of the configuration space (VFIO_PCI_CONFIG_REGION_INDEX).
pub(super) const REGION_CONFIG: u32 = 7;
/// Interrupt index of MSI-X (VFIO_PCI_MSIX_IRQ_INDEX).
const IRQ_MSIX: u32 = 2;

/// What the kernel does for us.
pub trait Kernel: Send {
    /// Bytes of a region; 0: there is none.
    fn region_size(&self, region: u32) -> u64;
    /// Reads four bytes of a region; all ones if the device does not answer.
    fn region_read(&self, region: u32, offset: u64) -> u32;
    /// Writes four bytes of a region.
    fn region_write(&self, region: u32, offset: u64, value: u32);
    /// Lets the device reach `buffer` at `iova`.
    fn dma_map(&self, iova: u64, buffer: &DmaBuffer) -> Result<(), String>;
    /// Ends that.
    fn dma_unmap(&self, iova: u64, bytes: usize) -> Result<(), String>;
    /// MSI-X vectors of the device.
    fn vectors(&self) -> u32;
    /// Enables vectors from 0 on with these eventfds.
    fn enable_msix(&self, vectors: &[Vector]) -> Result<(), String>;
    /// Function-level reset.
    fn reset(&self);
}

/// The real kernel, through `vfio-ioctls`.
pub struct Ioctls {
    container: Arc<VfioContainer>,
    device: VfioDevice,
}

impl Kernel for Ioctls {
    fn region_size(&self, region: u32) -> u64 {
        self.device.get_region_size(region)
    }
    fn region_read(&self, region: u32, offset: u64) -> u32 {
        // The crate logs a failed read and leaves the buffer as it was: all ones, as a dead bus reads.
        let mut bytes = [0xff; 4];
        self.device.region_read(region, &mut bytes, offset);
        u32::from_le_bytes(bytes)
    }
    fn region_write(&self, region: u32, offset: u64, value: u32) {
        self.device
            .region_write(region, &value.to_le_bytes(), offset);
    }
    fn dma_map(&self, iova: u64, buffer: &DmaBuffer) -> Result<(), String> {
        // SAFETY: the memory stays mapped here until after `dma_unmap` or the device is closed (`Vfio` holds an Arc of
        // the buffer until then), and no reference into it is ever made: see `DmaBuffer`.
        unsafe {
            self.container
                .vfio_dma_map(iova, buffer.len(), buffer.base())
        }
        .map_err(|e| e.to_string())
    }
    fn dma_unmap(&self, iova: u64, bytes: usize) -> Result<(), String> {
        VfioOps::vfio_dma_unmap(self.container.as_ref(), iova, bytes).map_err(|e| e.to_string())
    }
    fn vectors(&self) -> u32 {
        self.device
            .get_irq_info(IRQ_MSIX)
            .map_or(0, |irq| irq.count)
    }
    fn enable_msix(&self, vectors: &[Vector]) -> Result<(), String> {
        let copies: Vec<EventFd> = vectors
            .iter()
            .map(|v| v.as_fd().try_clone_to_owned())
            // SAFETY: a descriptor of our own that nobody else holds, of an eventfd.
            .map(|r| r.map(|fd| unsafe { EventFd::from_raw_fd(fd.into_raw_fd()) }))
            .collect::<Result<_, _>>()
            .map_err(|e| e.to_string())?;
        self.device
            .enable_msix(copies.iter().collect())
            .map_err(|e| e.to_string())
    }
    fn reset(&self) {
        self.device.reset();
    }
}

/// A card behind a [`Kernel`].
pub struct Vfio<K: Kernel = Ioctls> {
    kernel: K,
    name: String,
    iova: IovaSpace,
    // Kept until the device is closed: the card may write there up to that moment.
    memory: Vec<DmaMemory>,
}

impl Vfio<Ioctls> {
    /// Opens the function at `address` (0000:01:00.0), which must be bound to vfio-pci.
    pub fn open(address: &str) -> Result<Self, PciError> {
        let name = format!("vfio:{address}");
        let path = bound(&name, address)?;
        let fail = |error: String| refused(&name, error);
        let container = VfioContainer::new(None).map_err(|e| fail(e.to_string()))?;
        let container = Arc::new(container);
        let device =
            VfioDevice::new(&path, container.clone(), false).map_err(|e| fail(e.to_string()))?;
        Ok(Self::new(&name, Ioctls { container, device }))
    }
}

impl Vfio<PciDriver> {
    /// The same through the crate `pci-driver`.
    pub fn open_pci_driver(address: &str) -> Result<Self, PciError> {
        let name = format!("pci-driver:{address}");
        let path = bound(&name, address)?;
        let kernel = PciDriver::open(&path).map_err(|e| refused(&name, e.to_string()))?;
        Ok(Self::new(&name, kernel))
    }
}

fn refused(name: &str, reason: String) -> PciError {
    PciError::Open {
        device: name.into(),
        reason,
    }
}

/// The folder in sysfs of the function at `address`, which must be bound to vfio-pci.
fn bound(name: &str, address: &str) -> Result<PathBuf, PciError> {
    let path: PathBuf = Path::new("/sys/bus/pci/devices").join(address);
    if !path.exists() {
        let reason = "there is no such PCI function; see lspci -D";
        return Err(refused(name, reason.into()));
    }
    let driver = path.join("driver").read_link().ok();
    let driver = driver.as_deref().and_then(Path::file_name);
    if driver.is_none_or(|d| d != "vfio-pci") {
        let reason =
            "it is not bound to vfio-pci; bind it with: driverctl set-override ADDRESS vfio-pci";
        return Err(refused(name, reason.into()));
    }
    Ok(path)
}

impl<K: Kernel> Vfio<K> {
    /// A card behind `kernel`.
    pub fn new(name: &str, kernel: K) -> Self {
        Self {
            kernel,
            name: name.into(),
            iova: IovaSpace::default(),
            memory: Vec::new(),
        }
    }

    fn check(&self, bar: u8, offset: u32) -> Result<(), PciError> {
        check_range(bar, offset)?;
        let size = self.kernel.region_size(bar.into());
        if u64::from(offset) + 4 > size {
            return Err(PciError::Range { bar, offset, size });
        }
        Ok(())
    }

    fn memory_error(bytes: usize, reason: String) -> PciError {
        PciError::Memory {
            bytes,
            source: std::io::Error::other(reason),
        }
    }
}

impl<K: Kernel> PciTransport for Vfio<K> {
    fn describe(&self) -> String {
        self.name.clone()
    }
    fn read32(&mut self, bar: u8, offset: u32) -> Result<u32, PciError> {
        self.check(bar, offset)?;
        Ok(self.kernel.region_read(bar.into(), offset.into()))
    }
    fn write32(&mut self, bar: u8, offset: u32, value: u32) -> Result<(), PciError> {
        self.check(bar, offset)?;
        self.kernel.region_write(bar.into(), offset.into(), value);
        Ok(())
    }
    fn config_read32(&mut self, offset: u16) -> Result<u32, PciError> {
        Ok(self.kernel.region_read(REGION_CONFIG, (offset & !3).into()))
    }
    fn config_write32(&mut self, offset: u16, value: u32) -> Result<(), PciError> {
        self.kernel
            .region_write(REGION_CONFIG, (offset & !3).into(), value);
        Ok(())
    }
    fn dma_map(&mut self, buffer: Arc<DmaBuffer>) -> Result<DmaMemory, PciError> {
        let iova = self.iova.take(buffer.len());
        self.kernel
            .dma_map(iova, &buffer)
            .map_err(|e| Self::memory_error(buffer.len(), e))?;
        let memory = DmaMemory::new(buffer, iova);
        self.memory.push(memory.clone());
        Ok(memory)
    }
    fn dma_free(&mut self, memory: DmaMemory) -> Result<(), PciError> {
        self.kernel
            .dma_unmap(memory.iova(), memory.len())
            .map_err(|e| Self::memory_error(memory.len(), e))?;
        self.memory.retain(|m| m.iova() != memory.iova());
        Ok(())
    }
    fn interrupts(&mut self, count: u32) -> Result<Vec<Vector>, PciError> {
        let offered = self.kernel.vectors();
        let vectors = if count <= offered {
            new_vectors(count)?
        } else {
            Vec::new()
        };
        if count > offered || self.kernel.enable_msix(&vectors).is_err() {
            return Err(PciError::Vectors {
                device: self.name.clone(),
                wanted: count,
                offered,
            });
        }
        Ok(vectors)
    }
    fn reset(&mut self) -> Result<(), PciError> {
        self.kernel.reset();
        Ok(())
    }
}
