//! A card: identification, resets, rings, tables, counters.
//!
//! Registers come from `smartnic_regs` alone. The driver believes nothing the card says about a length or an index:
//! see [`ring`].

pub mod buffer;
pub mod caps;
pub mod error;
pub mod fdb;
pub mod fill;
pub mod host;
pub mod lag;
pub mod mmio;
pub mod port;
pub mod ring;
pub mod ring_device;
pub mod stats;
pub mod steering;

pub use caps::Caps;
pub use error::{DeviceError, RingFault};
pub use mmio::Mmio;
pub use smartnic_slowpath::MacAddr;
pub use steering::Steering;

use smartnic_regs::{board, global, reserved};

use crate::pci::{PciTransport, enable_bus_master};
use fdb::Fdb;
use host::HostPort;
use lag::Lag;
use port::Ports;
use stats::Stats;

/// A card that was probed.
pub struct Device {
    mmio: Mmio,
    caps: Caps,
}

impl Device {
    /// Identifies the card behind `transport` and lets it do DMA. Nothing is reset: the switch goes on forwarding.
    pub fn probe(transport: Box<dyn PciTransport>) -> Result<Self, DeviceError> {
        let mut mmio = Mmio::new(transport);
        if mmio.transport().has_dma() {
            enable_bus_master(mmio.transport())?;
        }
        let caps = Caps::probe(&mut mmio)?;
        // A card that answers reads but swallows writes would fail later in ways that are hard to understand.
        for pattern in [0x5555_aaaa, !0x5555_aaaa] {
            mmio.write(global::SCRATCH, pattern)?;
            let value = mmio.read(global::SCRATCH)?;
            if value != pattern {
                return Err(DeviceError::Capability {
                    name: "SCRATCH",
                    value,
                    range: "what was written",
                });
            }
        }
        Ok(Self { mmio, caps })
    }

    /// What the card is.
    pub fn caps(&self) -> &Caps {
        &self.caps
    }
    /// The registers, for what has no accessor.
    pub fn mmio(&mut self) -> &mut Mmio {
        &mut self.mmio
    }
    /// The transport, for its description and hang-up descriptor.
    pub fn transport(&self) -> &dyn PciTransport {
        self.mmio.transport_ref()
    }
    /// Still there? A card that is gone is an error.
    pub fn check_alive(&mut self) -> Result<(), DeviceError> {
        let magic = self.mmio.read(global::MAGIC)?;
        if magic != global::MAGIC.reset {
            return Err(DeviceError::NotSmartnic {
                magic,
                expected: global::MAGIC.reset,
            });
        }
        Ok(())
    }

    /// Resets ports, tables, buffer and counters, and waits until the tables are cleared. Rings go on.
    pub fn reset_switch(&mut self) -> Result<(), DeviceError> {
        self.mmio
            .write(global::RESET, global::RESET::SWITCH.put(1))?;
        self.mmio
            .wait(
                global::STATUS,
                global::STATUS::READY,
                1,
                "the reset of the switch",
            )
            .map(|_| ())
    }
    /// Takes the switch over: a board's firmware then leaves its tables alone. On a board the ports forward from a reset on, and the driver starts
    /// from ports that do nothing: forwarding is cut until that is so. Cards without a board have nothing to take.
    pub fn take_over(&mut self) -> Result<(), DeviceError> {
        let id = self.mmio.read(board::BOARD_ID)?;
        if board::BOARD_ID::BOARD.get(id) == 0 {
            return self.reset_switch();
        }
        let serial = u32::from(!self.mmio.transport_ref().has_dma());
        let owner = board::OWNER::HOST.put(1) | board::OWNER::SERIAL.put(serial);
        self.mmio.write(board::OWNER, owner)?;
        self.set_forward(false)?;
        self.reset_switch()?;
        for source in 0..=self.caps.ports {
            let mut ports = self.ports();
            ports.configure(source, &port::PortConfig::default())?;
            ports.set_forward_mask(source, 0)?;
        }
        self.set_forward(true)
    }

    /// Resets rings, DMA and MSI-X, as a function-level reset does. The switch goes on forwarding.
    pub fn reset_host(&mut self) -> Result<(), DeviceError> {
        host::reset(&mut self.mmio)
    }
    /// Core clock cycles since power on.
    pub fn cycles(&mut self) -> Result<u64, DeviceError> {
        let low = self.mmio.read(global::CYCLES_LO)?;
        Ok(u64::from(self.mmio.read(global::CYCLES_HI)?) << 32 | u64::from(low))
    }
    /// Whether the switch is ready, and whether anything is in flight.
    pub fn status(&mut self) -> Result<(bool, bool), DeviceError> {
        let status = self.mmio.read(global::STATUS)?;
        Ok((
            global::STATUS::READY.get(status) == 1,
            global::STATUS::IDLE.get(status) == 1,
        ))
    }
    /// The global cut: false stops all forwarding between ports, for diagnosis.
    pub fn set_forward(&mut self, on: bool) -> Result<(), DeviceError> {
        self.mmio
            .write(global::CONTROL, global::CONTROL::FORWARD.put(on.into()))
    }
    /// Whether frames are forwarded at all.
    pub fn forward(&mut self) -> Result<bool, DeviceError> {
        Ok(global::CONTROL::FORWARD.get(self.mmio.read(global::CONTROL)?) == 1)
    }
    /// What happens to frames to 01:80:C2:00:00:0n: `values::action`. The reason given to the host is
    /// `values::reason::RESERVED` plus n.
    pub fn set_reserved(&mut self, n: u32, action: u32) -> Result<(), DeviceError> {
        if action > 3 {
            return Err(DeviceError::Range {
                what: "action",
                value: action.into(),
                range: "0 to 3".into(),
            });
        }
        self.mmio
            .write_at(reserved::ACTION, n, reserved::ACTION::ACTION.put(action))
    }

    /// Divides the packet buffer among sources and destinations.
    pub fn share_buffer(&mut self) -> Result<(), DeviceError> {
        buffer::BufferShares::for_card(&self.caps).write(&mut self.mmio, &self.caps)
    }

    /// The forwarding database.
    pub fn fdb(&mut self) -> Fdb<'_> {
        Fdb::new(&mut self.mmio, &self.caps)
    }
    /// The LAG groups.
    pub fn lag(&mut self) -> Lag<'_> {
        Lag::new(&mut self.mmio, &self.caps)
    }
    /// The ports.
    pub fn ports(&mut self) -> Ports<'_> {
        Ports::new(&mut self.mmio, &self.caps)
    }
    /// The counters.
    pub fn stats(&mut self) -> Stats<'_> {
        Stats::new(&mut self.mmio, &self.caps)
    }
    /// Chooses the receive rings. A reset of the host side leaves ring 0 for all.
    pub fn set_steering(&mut self, steering: &Steering) -> Result<(), DeviceError> {
        steering.write(&mut self.mmio, &self.caps)
    }
    /// The choice of receive rings.
    pub fn steering(&mut self) -> Result<Steering, DeviceError> {
        Steering::read(&mut self.mmio, &self.caps)
    }
    /// Starts rings and interrupts.
    pub fn start_host(&mut self, config: &host::HostConfig) -> Result<HostPort, DeviceError> {
        HostPort::start(&mut self.mmio, &self.caps, config)
    }
}
