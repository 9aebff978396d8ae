//! The card's configuration space, as the endpoint in front of the card would keep it.
//!
//! Type 0 header and three capabilities (power management, MSI-X, PCI Express), 4,096 bytes with an
//! empty extended space. The identity is 1af4:10f5: 1af4:10f0 to 10ff are open for experiments
//! without registration (QEMU, docs/specs/pci-ids.rst), and no driver of the kernel claims them.

use std::ops::Range;

/// Vendor.
pub const VENDOR: u16 = 0x1af4;
/// Device, from the vendor's range for experiments.
pub const DEVICE: u16 = 0x10f5;
/// Size of the space in bytes.
pub const CONFIG_BYTES: usize = 4096;
/// Vectors of the MSI-X table.
pub const MSIX_VECTORS: u16 = 16;
/// Base address register of the MSI-X table and its pending bits.
pub const MSIX_BAR: u8 = 2;
/// Offset of the pending bits in that region; the table is at 0.
pub const MSIX_PBA: u32 = 0x800;

/// Size in bytes of the region behind a base address register; 0 where there is none.
pub const fn bar_size(bar: usize) -> u32 {
    match bar {
        0 => 64 * 1024,
        2 => 4096,
        _ => 0,
    }
}

const COMMAND: usize = 0x04;
const BAR0: usize = 0x10;
const PM: usize = 0x40;
const MSIX: usize = 0x50;
const EXP: usize = 0x60;
const DEVCTL: usize = EXP + 8;
/// Initiate Function Level Reset, bit 15 of Device Control.
const INITIATE_FLR: u8 = 0x80;

/// What the endpoint tells the card on pins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigPins {
    /// Command.Bus Master Enable: the card may send requests.
    pub bus_master: bool,
    /// Largest payload that the card may send, in bytes: 128 or 256.
    pub max_payload: u16,
    /// Largest read that the card may ask for, in bytes: 128 to 4,096.
    pub max_read_request: u16,
    /// MSI-X Enable.
    pub msix_enable: bool,
    /// MSI-X Function Mask.
    pub msix_mask: bool,
}

/// Configuration space.
#[derive(Clone, Debug)]
pub struct ConfigSpace {
    bytes: Box<[u8; CONFIG_BYTES]>,
    /// One bits can be written.
    writable: Box<[u8; CONFIG_BYTES]>,
}

impl Default for ConfigSpace {
    fn default() -> Self {
        Self::new()
    }
}

impl ConfigSpace {
    /// The space after a reset.
    pub fn new() -> Self {
        let mut c = ConfigSpace {
            bytes: Box::new([0; CONFIG_BYTES]),
            writable: Box::new([0; CONFIG_BYTES]),
        };
        c.put(0x00, &VENDOR.to_le_bytes());
        c.put(0x02, &DEVICE.to_le_bytes());
        // Memory space, bus master, parity, SERR, INTx disable.
        c.allow(COMMAND, &0x0546u16.to_le_bytes());
        c.put(0x06, &0x0010u16.to_le_bytes()); // status: capability list
        c.put(0x08, &[0x01, 0x00, 0x00, 0x02]); // revision 1, Ethernet controller
        c.allow(0x0c, &[0xff]); // cache line size: kept, without effect
        for bar in 0..6 {
            let mask = !(bar_size(bar).wrapping_sub(1)) * u32::from(bar_size(bar) > 0);
            c.allow(BAR0 + 4 * bar, &mask.to_le_bytes());
        }
        c.put(0x2c, &VENDOR.to_le_bytes());
        c.put(0x2e, &DEVICE.to_le_bytes());
        c.put(0x34, &[PM as u8]);
        c.allow(0x3c, &[0xff]); // interrupt line: a scratch register, there is no INTx
        // Power management 1.2 (version 3): D0 and D3hot, no soft reset between them.
        c.put(PM, &[0x01, MSIX as u8, 0x03, 0x00, 0x08, 0x00]);
        c.allow(PM + 4, &[0x03]);
        c.put(MSIX, &[0x11, EXP as u8]);
        c.put(MSIX + 2, &(MSIX_VECTORS - 1).to_le_bytes());
        c.allow(MSIX + 2, &0xc000u16.to_le_bytes());
        c.put(MSIX + 4, &u32::from(MSIX_BAR).to_le_bytes());
        c.put(MSIX + 8, &(MSIX_PBA | u32::from(MSIX_BAR)).to_le_bytes());
        // PCI Express capability version 2, endpoint.
        c.put(EXP, &[0x10, 0x00, 0x02, 0x00]);
        // Device: payload to 256 bytes, role-based error reporting, function level reset.
        c.put(EXP + 4, &0x1000_8001u32.to_le_bytes());
        c.put(DEVCTL, &0x2010u16.to_le_bytes()); // reads to 512, relaxed ordering allowed
        c.allow(DEVCTL, &0x78ffu16.to_le_bytes());
        // Link: 2.5 GT/s, one lane.
        c.put(EXP + 0x0c, &0x0000_0011u32.to_le_bytes());
        c.allow(EXP + 0x10, &0x01c3u16.to_le_bytes());
        c.put(EXP + 0x12, &0x0011u16.to_le_bytes());
        c
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn allow(&mut self, at: usize, mask: &[u8]) {
        self.writable[at..at + mask.len()].copy_from_slice(mask);
    }

    fn half(&self, at: usize) -> u16 {
        u16::from_le_bytes([self.bytes[at], self.bytes[at + 1]])
    }

    /// Reads bytes; what lies outside the space reads as ones.
    pub fn read(&self, offset: usize, out: &mut [u8]) {
        for (i, byte) in out.iter_mut().enumerate() {
            *byte = offset
                .checked_add(i)
                .and_then(|at| self.bytes.get(at))
                .copied()
                .unwrap_or(0xff);
        }
    }

    /// Writes bytes through the write masks. Returns true if a function level reset was asked for;
    /// the caller then resets the card, and this space by [`ConfigSpace::reset`].
    pub fn write(&mut self, offset: usize, data: &[u8]) -> bool {
        let mut flr = false;
        for (i, byte) in data.iter().enumerate() {
            let Some(at) = offset.checked_add(i).filter(|at| *at < CONFIG_BYTES) else {
                break;
            };
            let mask = self.writable[at];
            self.bytes[at] = self.bytes[at] & !mask | byte & mask;
            flr |= at == DEVCTL + 1 && byte & INITIATE_FLR != 0;
        }
        flr
    }

    /// Puts every register back to its value after reset.
    pub fn reset(&mut self) {
        *self = Self::new();
    }

    /// Does what firmware and vfio do before a driver comes: largest payload and read request, and
    /// memory space on. Bus mastering stays off: the driver turns it on. Sizes are powers of two from 128; what is above the card's 256 (payload) or
    /// 4,096 (reads) is cut to it.
    pub fn start(&mut self, max_payload: u16, max_read_request: u16) {
        let code = |bytes: u16, most: u16| (bytes.clamp(128, most) / 128).ilog2() as u16;
        let control = self.half(DEVCTL) & !0x70e0;
        let control = control | code(max_payload, 256) << 5 | code(max_read_request, 4096) << 12;
        self.put(DEVCTL, &control.to_le_bytes());
        let command = self.half(COMMAND) | 0x0002;
        self.put(COMMAND, &command.to_le_bytes());
    }

    /// Turns MSI-X on or off.
    pub fn set_msix_enable(&mut self, on: bool) {
        self.bytes[MSIX + 3] = self.bytes[MSIX + 3] & 0x7f | u8::from(on) << 7;
    }

    /// The pins.
    pub fn pins(&self) -> ConfigPins {
        let control = self.half(DEVCTL);
        let msix = self.half(MSIX + 2);
        ConfigPins {
            bus_master: self.half(COMMAND) & 4 != 0 && self.bytes[PM + 4] & 3 == 0,
            // Values that the specification reserves act as the largest that the card supports.
            max_payload: 128 << (control >> 5 & 7).min(1),
            max_read_request: 128 << (control >> 12 & 7).min(5),
            msix_enable: msix & 0x8000 != 0,
            msix_mask: msix & 0x4000 != 0,
        }
    }

    /// Whether the card answers memory accesses.
    pub fn memory_space(&self) -> bool {
        self.half(COMMAND) & 2 != 0 && self.bytes[PM + 4] & 3 == 0
    }

    /// Bytes of the MSI-X capability's control word, for who watches writes to it.
    pub fn msix_control() -> Range<usize> {
        MSIX + 2..MSIX + 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<const N: usize>(c: &ConfigSpace, at: usize) -> [u8; N] {
        let mut out = [0; N];
        c.read(at, &mut out);
        out
    }

    #[test]
    fn capabilities_are_linked() {
        let c = ConfigSpace::new();
        assert_eq!(read(&c, 0), [0xf4, 0x1a, 0xf5, 0x10]);
        let (mut at, mut ids) = (usize::from(read::<1>(&c, 0x34)[0]), vec![]);
        while at != 0 {
            let [id, next] = read(&c, at);
            ids.push(id);
            at = next.into();
        }
        assert_eq!(ids, [0x01, 0x11, 0x10]);
        assert_eq!(read(&c, CONFIG_BYTES - 1), [0, 0xff]);
        assert_eq!(read(&c, usize::MAX), [0xff, 0xff]);
    }

    #[test]
    fn bars_are_sized_as_software_does() {
        let mut c = ConfigSpace::new();
        for (bar, size) in [(0, 0x1_0000), (1, 0), (2, 0x1000), (3, 0)] {
            assert!(!c.write(0x10 + 4 * bar, &[0xff; 4]));
            let value = u32::from_le_bytes(read(&c, 0x10 + 4 * bar));
            assert_eq!(value, if size == 0 { 0 } else { !(size - 1) }, "bar {bar}");
        }
        c.write(0, &[0; 4]);
        assert_eq!(read(&c, 0), [0xf4, 0x1a], "identity is read-only");
    }

    #[test]
    fn pins_follow_the_registers() {
        let mut c = ConfigSpace::new();
        let reset = ConfigPins {
            bus_master: false,
            max_payload: 128,
            max_read_request: 512,
            msix_enable: false,
            msix_mask: false,
        };
        assert_eq!(c.pins(), reset);
        c.start(512, 4096);
        let started = ConfigPins {
            max_payload: 256,
            max_read_request: 4096,
            ..reset
        };
        assert_eq!(c.pins(), started);
        assert!(c.memory_space());
        c.write(COMMAND, &[0x06]);
        let started = ConfigPins {
            bus_master: true,
            ..started
        };
        c.write(ConfigSpace::msix_control().start, &[0xff, 0xff]);
        assert_eq!(
            c.pins(),
            ConfigPins {
                msix_enable: true,
                msix_mask: true,
                ..started
            }
        );
        c.set_msix_enable(false);
        assert!(!c.pins().msix_enable && c.pins().msix_mask);
        c.write(PM + 4, &[3]);
        assert!(!c.pins().bus_master && !c.memory_space(), "D3hot");
        assert!(c.write(DEVCTL, &[0xff, 0xff]), "function level reset");
        assert_eq!(read(&c, DEVCTL), [0xff, 0x78], "its bit reads 0");
        assert_eq!(
            (c.pins().max_payload, c.pins().max_read_request),
            (256, 4096)
        );
        c.reset();
        assert_eq!(c.pins(), reset);
    }
}
