//! What a client is told about the device: regions and interrupts of vfio-pci.

use crate::pcie::config::{CONFIG_BYTES, MSIX_VECTORS, bar_size};
use vfio_bindings::bindings::vfio::{
    VFIO_IRQ_INFO_EVENTFD, VFIO_IRQ_INFO_NORESIZE, VFIO_PCI_CONFIG_REGION_INDEX,
    VFIO_PCI_MSIX_IRQ_INDEX, VFIO_PCI_NUM_IRQS, VFIO_PCI_NUM_REGIONS, VFIO_REGION_INFO_FLAG_READ,
    VFIO_REGION_INFO_FLAG_WRITE, vfio_region_info,
};
use vfio_user::{IrqInfo, ServerRegion};

/// Bytes of a region; 0 if it is not there.
pub(super) fn region_size(index: u32) -> u64 {
    match index {
        VFIO_PCI_CONFIG_REGION_INDEX => CONFIG_BYTES as u64,
        bar @ 0..=5 => bar_size(bar as usize).into(),
        _ => 0,
    }
}

/// All regions: none can be mapped, every access comes as a message.
pub(super) fn regions() -> Vec<ServerRegion> {
    let region = |index: u32| {
        let size = region_size(index);
        let access = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
        ServerRegion {
            region_info: vfio_region_info {
                argsz: size_of::<vfio_region_info>() as u32,
                flags: if size > 0 { access } else { 0 },
                index,
                cap_offset: 0,
                size,
                offset: 0,
            },
            sparse_areas: Vec::new(),
            mmap_fd: None,
        }
    };
    (0..VFIO_PCI_NUM_REGIONS).map(region).collect()
}

/// All interrupts: MSI-X alone.
pub(super) fn interrupts() -> Vec<IrqInfo> {
    let interrupt = |index: u32| {
        let count = if index == VFIO_PCI_MSIX_IRQ_INDEX {
            MSIX_VECTORS.into()
        } else {
            0
        };
        IrqInfo {
            index,
            flags: VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE,
            count,
        }
    };
    (0..VFIO_PCI_NUM_IRQS).map(interrupt).collect()
}
