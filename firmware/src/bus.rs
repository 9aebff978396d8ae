//! The card's registers, as the firmware sees them: by their descriptions in the register map, never by an offset.

use smartnic_regs::Reg;

/// BAR0. A register that does not exist must not be touched: the processor stops on it.
pub trait Bus {
    /// Reads the register at byte address `addr` of BAR0.
    fn read(&mut self, addr: u32) -> u32;
    /// Writes it.
    fn write(&mut self, addr: u32, value: u32);

    /// Reads a register.
    #[inline(always)]
    fn get(&mut self, reg: Reg) -> u32 {
        self.read(reg.at(0))
    }
    /// Reads the `index`-th of an array.
    #[inline(always)]
    fn get_at(&mut self, reg: Reg, index: u32) -> u32 {
        self.read(reg.at(index))
    }
    /// Writes a register.
    #[inline(always)]
    fn set(&mut self, reg: Reg, value: u32) {
        self.write(reg.at(0), value);
    }
    /// Writes the `index`-th of an array.
    #[inline(always)]
    fn set_at(&mut self, reg: Reg, index: u32, value: u32) {
        self.write(reg.at(index), value);
    }
}
