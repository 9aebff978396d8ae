//! A MAC behind RGMII whose pins meet, at three speeds.
#[path = "common/mac.rs"]
mod mac;
#[path = "common/rgmii.rs"]
mod phy;

use phy::Phy;
use rand::Rng;
use smartnic_hdl::mac::mac as mac_block;
use smartnic_hdl::params::Params;
use smartnic_hdl::rgmii::rgmii;
use smartnic_hdl::rtl::{Module, design};
use smartnic_verilated::Model;
use std::collections::VecDeque;

/// A MAC with its RGMII.
fn station(core_mhz: u32) -> Module {
    let m = Module::new("station");
    m.sync();
    m.domain("rx");
    let mac = m.inst("mac", &mac_block(&Params::for_ports(2)));
    let pins = m.inst("pins", &rgmii(core_mhz));
    for n in [
        "gmii_rxd",
        "gmii_rx_dv",
        "gmii_rx_er",
        "gmii_rx_ce",
        "tx_ce",
    ] {
        mac.drive(n, pins.port(n));
    }
    for n in ["gmii_txd", "gmii_tx_en", "gmii_tx_er"] {
        pins.drive(n, mac.port(n));
    }
    let of_pins = [
        "rxd_", "rx_ctl_", "txd_", "tx_ctl_", "txc_", "speed", "inband",
    ];
    pins.expose(|n| of_pins.iter().any(|s| n.starts_with(s)));
    mac.expose(|n| !n.starts_with("gmii_") && n != "tx_ce");
    m
}

/// Frames through the MAC, out of the pins, back into them on a receive clock made of TXC, and through the MAC.
#[test]
fn a_loop_of_pins_carries_frames_at_each_speed() {
    run(125, &[2, 1, 0]);
}

/// On a slower core clock.
#[test]
fn without_gigabit() {
    run(50, &[1, 0]);
    run(75, &[0, 1]);
}

fn run(core_mhz: u32, speeds: &[u64]) {
    let mut dut = Model::build(&design(&station(core_mhz)), &mac::lint()).expect("builds");
    let mut rng = mac::rng();
    for (n, v) in [
        ("link", 1),
        ("rx_enable", 1),
        ("tx_enable", 1),
        ("max_frame", 1518),
        ("in_ready", 1),
    ] {
        dut.poke(n, v);
    }
    for n in ["reset", "rx_reset"] {
        dut.poke(n, 1);
    }
    (0..4).for_each(|_| dut.tick(3));
    for n in ["reset", "rx_reset"] {
        dut.poke(n, 0);
    }
    let mut phy = Phy::default();
    for speed in speeds.repeat(3) {
        dut.poke("speed", speed);
        let (mut sent, mut got): (Vec<Vec<u8>>, Vec<Vec<u8>>) = (vec![], vec![]);
        let mut beats = VecDeque::new();
        for _ in 0..[2, 6, 20][speed as usize] {
            let length = rng.random_range(14..150);
            let mut f = mac::random_frame(&mut rng, length);
            f[0] = 2;
            for (i, b) in f.chunks(8).enumerate() {
                let data = b.iter().rev().fold(0, |w, b| w << 8 | u64::from(*b));
                beats.push_back((data, (1u64 << b.len()) - 1, i == 0, (i + 1) * 8 >= length));
            }
            f.resize(length.max(60), 0);
            sent.push(f);
        }
        let mut frame = vec![];
        // In the first period after a change the clock is neither here nor there.
        let mut clocks = -300i32;
        while got.len() < sent.len() {
            clocks += 1;
            assert!(
                clocks < 200_000,
                "{} of {} at speed {speed}",
                got.len(),
                sent.len()
            );
            let beat = if clocks < 0 {
                None
            } else {
                beats.front().copied()
            };
            dut.poke("tx_valid", beat.is_some().into());
            if let Some((data, keep, sop, eop)) = beat {
                for (n, v) in [
                    ("data", data),
                    ("keep", keep),
                    ("sop", sop.into()),
                    ("eop", eop.into()),
                ] {
                    dut.poke(&format!("tx_{n}"), v);
                }
                dut.eval();
                if dut.peek("tx_ready") == 1 {
                    beats.pop_front();
                }
            }
            let edge = match phy.pairs.pop() {
                Some((data, ctl)) => {
                    for (n, i) in [("rise", 0), ("fall", 1)] {
                        dut.poke(&format!("rxd_{n}"), data[i].into());
                        dut.poke(&format!("rx_ctl_{n}"), ctl[i].into());
                    }
                    2
                }
                None => 0,
            };
            dut.tick(1 | edge);
            phy.clock(&dut);
            if dut.peek("byte_valid") == 1 {
                frame.push(dut.peek("byte_data") as u8);
                if dut.peek("byte_eof") == 1 {
                    assert_eq!(
                        dut.peek("byte_err"),
                        0,
                        "frame {} at speed {speed}",
                        got.len()
                    );
                    got.push(std::mem::take(&mut frame));
                }
            }
        }
        assert_eq!(got, sent, "at speed {speed}");
    }
}
