//! The MAC of one port: GMII 1000 Mb/s full duplex (IEEE 802.3-2022 clauses 3, 4, 31 and 35), and 10/100 by clock enables.
//!
//! [`mac()`] is what the top level instantiates: the crossing from the receive pins (`cdc::gmii_rx`), [`rx::mac_rx`], the packer
//! [`pack::pack`], [`tx::mac_tx`] and the pause machine [`pause::pause`].
//!
//! Ports of `mac` (core domain `clock`/`reset` but for the receive pins):
//!
//! | port | |
//! |---|---|
//! | `rx_clock`, `rx_reset`, `gmii_rxd[8]`, `gmii_rx_dv`, `gmii_rx_er`, `gmii_rx_ce` | receive pins, in their own domain; `gmii_rx_ce` is 1 at 1000 Mb/s |
//! | `gmii_txd[8]`, `gmii_tx_en`, `gmii_tx_er`, `tx_ce` | transmit pins (registers); a byte each cycle in which `tx_ce` is 1 |
//! | `link`, `rx_enable`, `tx_enable`, `pause_rx`, `pause_tx`, `max_frame[14]`, `addr[48]` | levels from page `port` |
//! | `pause_request`, `pause_quanta[16]` | the peer should stop: level, and for how long (512 bit times) |
//! | `byte_valid`, `byte_data[8]`, `byte_sof`, `byte_eof`, `byte_err` | received bytes for the parser |
//! | `in_valid/ready/data/keep/sop/eop/err` | received beats |
//! | `tx_valid/ready/data/keep/sop/eop` | beats to send |
//! | `ev_{counter}` | increments for the counters, see [`EVENTS`]; `ev_drop_link_down`: frames that were here when the link went down |
//! | `idle`, `paused` | nothing will change without new input; the peer has paused us |
//!
//! Latency at 1000 Mb/s: last FCS byte on the pins to `in_eop` 7 core cycles with the clocks in step (up to one less
//! otherwise; one of them is the byte time that shows the end of carrier); first beat at `tx_valid` to TX_EN 3 cycles.
//!
//! Cost at W = 64 on ECP5, as `bench resources` counts: 1,280 LUT4 (21 LUT RAMs of 16 x 4 and 108 carry cells in it), 664 flops, no block
//! RAM; 210 to 228 MHz at -8 (seeds 1 to 3).
//!
//! Tests: `tests/mac_rx.rs`, `tests/mac_tx.rs`, `tests/mac_loop.rs`.

pub mod crc;
pub mod pack;
pub mod pause;
pub mod rx;
pub mod tx;

use crate::cdc::gmii_rx;
use crate::params::Params;
use crate::rtl::Module;
use smartnic_regs::values::counter as c;

/// Bits of the length of a received frame: the longest accepted has 2,008 bytes.
pub const RX_LENGTH_BITS: u32 = 11;
/// Bits of the length of a sent frame.
pub const TX_LENGTH_BITS: u32 = 14;

/// Counter numbers and widths of the increments `ev_{name}` of [`mac()`], where the name is that of
/// `smartnic_regs::values::counter`, lower case.
pub const EVENTS: &[(u32, u32)] = &[
    (c::RX_FRAMES, 1),
    (c::RX_BYTES, RX_LENGTH_BITS),
    (c::RX_UNICAST, 1),
    (c::RX_MULTICAST, 1),
    (c::RX_BROADCAST, 1),
    (c::RX_FCS_ERRORS, 1),
    (c::RX_SYMBOL_ERRORS, 1),
    (c::RX_UNDERSIZE, 1),
    (c::RX_FRAGMENTS, 1),
    (c::RX_OVERSIZE, 1),
    (c::RX_JABBERS, 1),
    (c::RX_FALSE_CARRIER, 1),
    (c::RX_PAUSE, 1),
    (c::RX_64, 1),
    (c::RX_65_127, 1),
    (c::RX_128_255, 1),
    (c::RX_256_511, 1),
    (c::RX_512_1023, 1),
    (c::RX_1024_1518, 1),
    (c::RX_1519_MAX, 1),
    (c::RX_OVERFLOW, 2),
    (c::TX_FRAMES, 1),
    (c::TX_BYTES, TX_LENGTH_BITS),
    (c::TX_UNICAST, 1),
    (c::TX_MULTICAST, 1),
    (c::TX_BROADCAST, 1),
    (c::TX_PAUSE, 1),
    (c::TX_64, 1),
    (c::TX_65_127, 1),
    (c::TX_128_255, 1),
    (c::TX_256_511, 1),
    (c::TX_512_1023, 1),
    (c::TX_1024_1518, 1),
    (c::TX_1519_MAX, 1),
    (c::TX_UNDERRUN, 1),
];

/// The name of a counter: its port here is `ev_{name}`.
pub fn counter_name(number: u32) -> &'static str {
    c::NAMES
        .iter()
        .find(|(n, _)| *n == number)
        .map(|(_, name)| *name)
        .unwrap_or_else(|| panic!("there is no counter {number}"))
}

/// The MAC of one port. See the module.
pub fn mac(params: &Params) -> Module {
    let m = Module::new("mac");
    let core = m.sync();
    let rx_domain = m.domain("rx");
    let w = params.width;
    let level = |name: &str, width: u32| m.input(name, width);
    let (link, rx_enable, tx_enable) = (
        level("link", 1),
        level("rx_enable", 1),
        level("tx_enable", 1),
    );
    let tx_ce = level("tx_ce", 1);

    // Receive.
    let cross = m.inst("gmii", &gmii_rx());
    cross
        .drive("clock", &core.clock)
        .drive("reset", &core.reset)
        .drive("rx_clock", &rx_domain.clock)
        .drive("rx_reset", &rx_domain.reset);
    for (pin, width) in [
        ("gmii_rxd", 8),
        ("gmii_rx_dv", 1),
        ("gmii_rx_er", 1),
        ("gmii_rx_ce", 1),
    ] {
        cross.drive(pin, level(pin, width));
    }
    let rx = m.inst("rx", &rx::mac_rx());
    rx.drive_all("sample_", |n| cross.port(&format!("sample_{n}")));
    rx.drive("enable", &link & &rx_enable)
        .drive("max_frame", level("max_frame", 14));
    let pack = m.inst("pack", &pack::pack(w));
    pack.drive_all("byte_", |n| rx.port(&format!("byte_{n}")));
    for n in ["valid", "data", "sof", "eof", "err"] {
        m.output_of(&format!("byte_{n}"), rx.port(&format!("byte_{n}")));
    }
    for n in ["valid", "data", "keep", "sop", "eop", "err"] {
        m.output_of(&format!("in_{n}"), pack.port(&format!("in_{n}")));
    }
    pack.drive("in_ready", level("in_ready", 1));

    // Transmit.
    let pause = m.inst("pause", &pause::pause());
    pause
        .drive("tx_ce", &tx_ce)
        .drive("enable", &link & &tx_enable)
        .drive("obey", &link & level("pause_rx", 1))
        .drive("send", level("pause_tx", 1))
        .drive("pause_valid", rx.port("pause_valid"))
        .drive("pause_quanta", rx.port("pause_quanta"))
        .drive("request", level("pause_request", 1))
        .drive("request_quanta", level("pause_quanta", 16));
    let tx = m.inst("tx", &tx::mac_tx(w));
    tx.drive("tx_ce", &tx_ce)
        .drive("enable", &link & &tx_enable)
        .drive("flush", !&link)
        .drive("paused", pause.port("paused"))
        .drive("pause_request", pause.port("frame_request"))
        .drive("pause_quanta", pause.port("frame_quanta"))
        .drive("pause_addr", level("addr", 48));
    pause.drive("frame_start", tx.port("pause_start"));
    for (n, width) in [
        ("tx_valid", 1),
        ("tx_data", w),
        ("tx_keep", w / 8),
        ("tx_sop", 1),
        ("tx_eop", 1),
    ] {
        tx.drive(n, level(n, width));
    }
    for n in ["tx_ready", "gmii_txd", "gmii_tx_en", "gmii_tx_er"] {
        m.output_of(n, tx.port(n));
    }

    // Events.
    for (number, width) in EVENTS {
        let port = format!("ev_{}", counter_name(*number));
        let value = if *number == c::RX_OVERFLOW {
            rx.port(&port).zext(2) + pack.port("overflow").zext(2)
        } else if rx.has(&port) {
            rx.port(&port)
        } else {
            tx.port(&port)
        };
        assert_eq!(value.width(), *width, "{port}");
        m.output_of(&port, value);
    }
    let lost = format!("ev_{}", counter_name(c::DROP_LINK_DOWN));
    m.output_of(&lost, tx.port(&lost));
    m.output_of("paused", pause.port("paused"));
    let busy = !rx.port("idle") | !pack.port("idle") | !tx.port("idle") | !pause.port("idle");
    let idle = m.output_reg("idle", 1, 0);
    m.assign(&idle, !busy);
    m
}
