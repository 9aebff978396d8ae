//! The image for the board's processor: the way in, and the registers behind [`Bus`].
//!
//! A broken image stops here: it says why in `board::IMAGE` 1, touches nothing else, and the processor stops at an EBREAK (`board::CPU_STATUS`). The switch goes on
//! with what its registers hold. The watchdog starts the processor again, in case the fault has gone.
#![no_std]
#![no_main]

use core::arch::{asm, global_asm};
use smartnic_firmware::image::{self, Fault};
use smartnic_firmware::{App, Bus, MAP_MAJOR, VERSION_WORD};
use smartnic_regs::{board, global};

/// Where the processor sees BAR0 (`soc::REGISTERS` of the hardware).
const REGISTERS: usize = 0x1000_0000;

/// The registers themselves.
struct Registers;

impl Bus for Registers {
    #[inline(always)]
    fn read(&mut self, addr: u32) -> u32 {
        let at = (REGISTERS + addr as usize) as *const u32;
        // SAFETY: an aligned address in the 64 KiB of registers, which are no memory of Rust's.
        unsafe { at.read_volatile() }
    }
    #[inline(always)]
    fn write(&mut self, addr: u32, value: u32) {
        let at = (REGISTERS + addr as usize) as *mut u32;
        // SAFETY: as in `read`.
        unsafe { at.write_volatile(value) }
    }
}

global_asm!(
    include_str!("start.s"),
    enter = sym enter,
    version = const VERSION_WORD,
    map = const MAP_MAJOR,
);

/// The `index`-th word of the image.
fn image_word(index: usize) -> u32 {
    // SAFETY: the image lies in RAM from address 0 on and is never written; whoever calls stays within `RAM_BYTES`. An access to address 0 is
    // meant, so the pointer is hidden from the compiler, for which it would be null.
    unsafe {
        let mut at = index * 4;
        asm!("/* {0} */", inout(reg) at, options(nomem, nostack, preserves_flags));
        let value: u32;
        asm!("lw {0}, 0({1})", out(reg) value, in(reg) at, options(readonly, nostack));
        value
    }
}

unsafe extern "C" {
    static __image_room: u8;
}

/// Beside the way in: little code stands between a broken image and its check.
#[unsafe(link_section = ".start.enter")]
extern "C" fn enter() -> ! {
    let mut bus = Registers;
    let map = global::VERSION::MAJOR.get(bus.get(global::VERSION));
    // A symbol of the linker: its address is a number, nothing is read.
    let room = &raw const __image_room as usize;
    match image::check(image_word, room, map) {
        Ok(crc) => run(&mut bus, crc),
        Err(fault) => stop(&mut bus, fault),
    }
}

fn run(bus: &mut Registers, crc: u32) -> ! {
    let mut app = App::new(bus, crc);
    loop {
        app.turn(bus);
    }
}

fn stop(bus: &mut Registers, fault: Fault) -> ! {
    bus.set_at(board::IMAGE, 1, fault as u32);
    loop {
        // SAFETY: stops the processor, which touches no memory.
        unsafe { asm!("ebreak", options(nomem, nostack)) };
    }
}

unsafe extern "C" {
    /// Nowhere defined: an image in which something can panic does not link.
    fn a_panic_is_reachable() -> !;
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: never linked, so never called.
    unsafe { a_panic_is_reachable() }
}
