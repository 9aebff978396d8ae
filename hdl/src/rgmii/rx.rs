//! Receive: nibble pairs to bytes, on the receive clock (125, 25 or 2.5 MHz).
//!
//! **Algorithm.** RX_DV is RX_CTL at the rise, RX_ER whether RX_CTL differs at the fall (RGMII 2.0, 3.4). At 1000 Mb/s a pair is a byte, low nibble first. At 10 and 100 Mb/s a clock carries
//! one nibble (that of the rise), low one first, and nothing tells where a byte begins: a PHY may swallow any number of the preamble's nibbles. So nibbles
//! are paired from the first one on until the SFD's: the first 0xD after nothing but 0x5 ends a byte, always 0xD5, whichever half was due, and
//! the next nibble begins one. So a preamble of an odd number of nibbles loses one of them, and the frame is whole. A frame that ends in mid-byte loses that nibble, as
//! 802.3 4.2.4.2.1 has it.
//!
//! **In-band status** (RGMII 2.0, 3.4.1): while RX_CTL is low at both edges the nibble of the rise is link (bit 0), speed (2:1) and full duplex (3). It counts when it has stood for
//! [`STATUS_CLOCKS`] clocks in a row, fewer than a gap between frames has.
//!
//! **Ports:** `clock`, `reset` of the receive domain; `rxd_rise[4]`, `rxd_fall[4]`, `rx_ctl_rise`, `rx_ctl_fall`, `speed[2]`; `gmii_rxd[8]`, `gmii_rx_dv`, `gmii_rx_er`, `gmii_rx_ce` (registers); `status[4]`.
//! False carrier (802.3 table 35-2: RX_ER with 0x0E, in MII with 0xE) comes out as GMII has it at every speed.
//!
//! **Latency.** 2 clocks from the cell; at 10/100 from a byte's second nibble.

use crate::rtl::{Module, cat, lit, mux};

/// Clocks in a row in which the in-band status must be the same.
pub const STATUS_CLOCKS: u64 = 8;
/// The SFD's nibbles.
const SFD: [u64; 2] = [0x5, 0xd];

/// The receiver. See the module.
pub fn rgmii_rx() -> Module {
    let m = Module::new("rgmii_rx");
    m.sync();
    let pin = |name: &str, width: u32| m.delay(&format!("{name}_q"), &m.input(name, width));
    let (rise, fall) = (pin("rxd_rise", 4), pin("rxd_fall", 4));
    let (dv, other) = (pin("rx_ctl_rise", 1), pin("rx_ctl_fall", 1));
    let er = m.named("er", &dv ^ &other);
    let gigabit = m.delay("gigabit", &m.input("speed", 2).bit(1));

    // A nibble that waits for the other half of its byte.
    let low = m.reg_nr("low", 4);
    let (waits, low_er) = (m.reg("waits", 1, 0), m.reg_nr("low_er", 1));
    // Nothing but the preamble's nibbles so far.
    let preamble = m.reg("preamble", 1, 1);
    let sfd = m.named("sfd", &preamble & rise.eq(SFD[1]));
    let whole = m.named("whole", &waits | &sfd);
    m.process(|p| {
        p.set(&low, &rise);
        p.set(&low_er, &er);
        p.set(&waits, &dv & !&whole & !&gigabit);
        p.set(&preamble, !&dv | (&preamble & rise.eq(SFD[0])));
    });
    let data = m.output_reg("gmii_rxd", 8, 0);
    let flags = ["gmii_rx_dv", "gmii_rx_er", "gmii_rx_ce"].map(|n| m.output_reg(n, 1, 0));
    let half = mux(&sfd, lit(4, SFD[0]), &low);
    let slow = mux(&dv, cat(&[rise.clone(), half]), rise.zext(8));
    m.process(|p| {
        p.set(
            &data,
            mux(&gigabit, cat(&[fall.clone(), rise.clone()]), slow),
        );
        p.set(&flags[0], &dv);
        p.set(&flags[1], &er | (&dv & &waits & &low_er));
        p.set(&flags[2], &gigabit | !&dv | &whole);
    });

    let status = m.output_reg("status", 4, 0);
    let stood = m.reg("stood", 3, 0);
    let last = m.reg_nr("last", 4);
    let silent = m.named("silent", !&dv & !&other);
    let same = m.named("same", &silent & rise.eq(&last));
    m.process(|p| {
        p.set(&last, &rise);
        p.if_(&same & !stood.all(), |p| p.set(&stood, &stood + 1));
        p.if_(!&same, |p| p.set(&stood, 0));
        p.if_(&same & stood.ge(STATUS_CLOCKS - 2), |p| {
            p.set(&status, &rise)
        });
    });
    m
}
