//! Transmit: bytes to nibble pairs and TXC, on the core clock of 125 MHz, or of a slower one for 10 and 100 Mb/s alone.
//!
//! **Algorithm.** TX_CTL shows TX_EN from TXC's rise on and TX_EN ^ TX_ER from its fall on (RGMII 2.0, 3.4). At 1000 Mb/s a byte is a pair. At 100 and 10 Mb/s TXC has [`periods`] core clocks, its
//! halves are equal because the DDR cell can change it in the middle of a clock, and a byte lasts two of its periods, low nibble first, each nibble for a whole one.
//! `tx_ce` asks the MAC for a byte: always, one clock in 10, or one in 100.
//!
//! A new speed is taken between two bytes, while TXC is low, so that TXC has no short pulse. A frame that is on its way then ends on the wire at once: TX_CTL stays low until the MAC's frame
//! is over (3.3: the MAC holds it low until the PHY is at the same speed).
//!
//! **Ports:** `speed[2]`; `gmii_txd[8]`, `gmii_tx_en`, `gmii_tx_er` (registers of the MAC that change after `tx_ce`); `tx_ce`; `txd_rise[4]`, `txd_fall[4]`,
//! `tx_ctl_rise`, `tx_ctl_fall`, `txc_rise`, `txc_fall` (registers).
//!
//! **Latency.** 1 clock from GMII.

use crate::params::GIGABIT_MHZ;
use crate::rtl::{Module, lit, mux};

/// Core clocks in a period of TXC at 10 Mb/s (2.5 MHz) and 100 Mb/s (25 MHz).
pub fn periods(core_mhz: u32) -> [u64; 2] {
    let fast = u64::from(core_mhz) / 25;
    [10 * fast, fast]
}

/// The transmitter on a core clock of `core_mhz`, a multiple of 25; with 125 also for 1000 Mb/s. See the module.
pub fn rgmii_tx(core_mhz: u32) -> Module {
    let m = Module::new("rgmii_tx");
    let period = periods(core_mhz);
    let can = core_mhz == GIGABIT_MHZ;
    m.sync();
    let speed = m.input("speed", 2);
    let (txd, en, er) = (
        m.input("gmii_txd", 8),
        m.input("gmii_tx_en", 1),
        m.input("gmii_tx_er", 1),
    );
    // Place in the byte: clock of TXC's period, and which of the two.
    let mode = m.reg("mode", 2, if can { 2 } else { 1 });
    let gigabit = if can { mode.bit(1) } else { lit(1, 0) };
    let count = m.reg("count", 6, 0);
    let second = m.reg("second", 1, 0);
    let fast = if can { mode.bit(0) } else { mode.any() };
    let last = m.named(
        "last",
        mux(&fast, count.eq(period[1] - 1), count.eq(period[0] - 1)),
    );
    let over = m.named("over", &gigabit | (&last & &second));
    let switches = m.named("switches", &over & mode.ne(&speed));
    let ce = m.output_reg("tx_ce", 1, 0);
    m.process(|p| {
        p.set(&count, &count + 1);
        p.if_(&last | &gigabit, |p| p.set(&count, 0));
        p.if_(&last, |p| p.set(&second, !&second));
        p.if_(&over, |p| {
            p.set(&second, false);
            p.set(&mode, &speed);
        });
        // In the first clock of a byte; its data is here in the next one.
        p.set(&ce, &over);
    });

    // A clock later, beside the data. While TXC is low for long, nothing changes.
    let at = m.delay("count_q", &count);
    let high_nibble = m.reg("second_q", 1, 0);
    m.assign(&high_nibble, &second);
    let gigabit_q = m.reg("gigabit_q", 1, can.into());
    m.assign(&gigabit_q, &gigabit);
    let fast_q = m.delay("fast_q", &fast);
    let [half10, half100] = period.map(|p| p / 2);
    let high = m.named("high", mux(&fast_q, at.lt(half100), at.lt(half10)));
    // An odd period's middle clock is high in its first half.
    let middle = &fast_q & at.eq(half100);
    let first_half = m.named("first_half", &gigabit_q | &high | middle);
    let second_half = m.named("second_half", !&gigabit_q & &high);
    let cut = m.reg("cut", 1, 0);
    m.process(|p| {
        p.if_(!&en, |p| p.set(&cut, false));
        p.if_(&switches & &en, |p| p.set(&cut, true));
    });
    let (en, er) = (m.named("on", &en & !&cut), m.named("error", &er & !&cut));

    let out = |name: &str, width: u32| m.output_reg(name, width, 0);
    let (d0, d1) = (out("txd_rise", 4), out("txd_fall", 4));
    let (c0, c1) = (out("tx_ctl_rise", 1), out("tx_ctl_fall", 1));
    let (t0, t1) = (out("txc_rise", 1), out("txc_fall", 1));
    let nibble = mux(&high_nibble, txd.slice(4, 4), txd.slice(0, 4));
    let (at_rise, at_fall) = (en.clone(), m.named("at_fall", &en ^ &er));
    m.process(|p| {
        p.set(&d0, mux(&gigabit_q, txd.slice(0, 4), &nibble));
        p.set(&d1, mux(&gigabit_q, txd.slice(4, 4), &nibble));
        p.set(&c0, mux(&first_half, &at_rise, &at_fall));
        p.set(&c1, mux(&second_half, &at_rise, &at_fall));
        p.set(&t0, &first_half);
        p.set(&t1, &second_half);
    });
    m
}
