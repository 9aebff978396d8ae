//! GMII pins driven and watched in plain Rust (IEEE 802.3-2022 clause 35), apart from the design.
//!
//! [`Driver`] turns frames into one [`Pins`] per 125 MHz clock; [`Monitor`] turns pins back into
//! frames and says what was wrong with each. Block tests and benches connect either to the side of
//! the device that they test. Both compute the FCS with their own bitwise CRC and share no code with
//! the hardware.
//!
//! Protocol: call [`Driver::clock`] once per cycle, set the pins, tick, and hand the device's pins
//! of that cycle to [`Monitor::clock`]. Cycles count from 0 with each call.

mod driver;
mod monitor;

pub use driver::{Driver, Sent, Trailer, Transmission};
pub use monitor::{Monitor, Received};

/// Bytes of 0x55 before the start-of-frame delimiter.
pub const PREAMBLE: usize = 7;
/// The start-of-frame delimiter.
pub const SFD: u8 = 0xd5;
/// Smallest gap that a transmitter may leave, in byte times (802.3 clause 4.4.2).
pub const INTER_FRAME_GAP: u64 = 12;
/// Data value of a false carrier indication while `error` is set without `valid` (table 35-2).
pub const FALSE_CARRIER: u8 = 0x0e;

/// One direction of GMII at one clock edge: (RXD, RX_DV, RX_ER) or (TXD, TX_EN, TX_ER).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pins {
    /// RXD or TXD.
    pub data: u8,
    /// RX_DV or TX_EN.
    pub valid: bool,
    /// RX_ER or TX_ER.
    pub error: bool,
}

/// The FCS of a frame as the number whose bytes go to the wire lowest first (802.3 clause 3.2.9).
pub fn fcs(frame: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in frame {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                crc >> 1 ^ 0xedb8_8320
            } else {
                crc >> 1
            };
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(transmissions: Vec<Transmission>) -> (Vec<Received>, Vec<Sent>, Monitor) {
        let (mut driver, mut monitor) = (Driver::new(), Monitor::new());
        transmissions.into_iter().for_each(|t| driver.send(t));
        let mut received = Vec::new();
        while driver.busy() {
            received.extend(monitor.clock(driver.clock()));
        }
        received.extend(monitor.clock(driver.clock()));
        (
            received,
            std::iter::from_fn(|| driver.take_sent()).collect(),
            monitor,
        )
    }

    #[test]
    fn fcs_has_the_standards_check_value() {
        assert_eq!(fcs(b"123456789"), 0xcbf4_3926);
        // 802.3 clause 3.2.9: data and FCS together leave the constant residue.
        let mut frame = vec![7u8; 60];
        let trailer = fcs(&frame).to_le_bytes();
        frame.extend(trailer);
        assert_eq!(!fcs(&frame), 0xdebb_20e3);
    }

    #[test]
    fn frames_gaps_and_times_come_out_as_they_went_in() {
        let frames: Vec<Vec<u8>> = (60..80).map(|n| (0..n as u8).collect()).collect();
        let gap = |i: usize| 8 + i as u64;
        let sends = frames.iter().enumerate();
        let sends = sends
            .map(|(i, f)| Transmission::new(f.clone()).gap(gap(i)))
            .collect();
        let (received, sent, _) = wire(sends);
        assert_eq!(received.len(), frames.len());
        for (i, (r, s)) in received.iter().zip(&sent).enumerate() {
            assert_eq!((&r.frame, r.gap, r.fcs_ok), (&frames[i], gap(i), true));
            assert_eq!((r.start, r.end), (s.start, s.end));
            assert_eq!(r.end - r.start + 1, 8 + frames[i].len() as u64 + 4);
            assert_eq!(r.check(1518).is_ok(), gap(i) >= 12);
        }
    }

    /// `gen:gap=N` comes from a command line.
    #[test]
    fn a_gap_without_end_takes_no_room() {
        let mut driver = Driver::new();
        driver.clock();
        driver.send(Transmission::new([0; 60]).gap(u64::MAX));
        assert!((0..1000).all(|_| driver.clock() == Pins::default()));
        assert!(driver.busy());
    }

    #[test]
    fn every_fault_is_seen() {
        let frame = vec![0x5a; 64];
        let good = || Transmission::new(frame.clone());
        let (r, _, monitor) = wire(vec![
            good().bad_fcs(0x8000_0000),
            good().error_at(67..68),
            Transmission::new(vec![1; 20]),
            Transmission::new(vec![1; 1515]),
            Transmission {
                preamble: 3,
                ..good()
            },
            Transmission {
                sfd: false,
                ..good()
            },
            good().gap(0),
            good().false_carrier(5),
            Transmission {
                trailer: Trailer::None,
                frame: vec![9, 9],
                ..good()
            },
        ]);
        let faults: Vec<_> = r
            .iter()
            .map(|r| r.check(1518).err().unwrap_or_default())
            .collect();
        assert_eq!(faults[0], "bad FCS");
        assert_eq!(faults[1], "error pin set");
        assert_eq!(faults[2], "24 bytes, allowed are 64 to 1518");
        assert_eq!(faults[3], "1519 bytes, allowed are 64 to 1518");
        assert_eq!(faults[4], "preamble of 3 bytes");
        // Without an SFD, and with the next frame right behind it, all is one piece without a frame.
        assert!(faults[5].contains("no SFD"), "{}", faults[5]);
        assert_eq!((faults[6].as_str(), r[6].gap), ("", 17));
        assert_eq!(
            (r[7].frame.as_slice(), r[7].fcs_ok),
            ([9, 9].as_slice(), false)
        );
        assert_eq!(monitor.false_carriers, 1);
    }
}
