//! The fixture as a design.

use smartnic_sim::card::CardSettings;
use smartnic_verilated::{Design, Options, Port};

/// How the fixture is built: with waves, so that one model serves all tests.
pub fn settings() -> CardSettings {
    CardSettings {
        model: Options {
            trace: true,
            ..Options::default()
        },
        ..CardSettings::default()
    }
}

/// The fixture's design.
pub fn fixture() -> Design {
    let inputs = [
        ("clock", 1),
        ("reset", 1),
        ("rx0_clock", 1),
        ("rx0_reset", 1),
        ("rx1_clock", 1),
        ("rx1_reset", 1),
        ("gmii_rxd0", 8),
        ("gmii_rx_dv0", 1),
        ("gmii_rx_er0", 1),
        ("gmii_rxd1", 8),
        ("gmii_rx_dv1", 1),
        ("gmii_rx_er1", 1),
        ("link0", 1),
        ("link1", 1),
        ("tlp_rx_valid", 1),
        ("tlp_rx_data", 64),
        ("tlp_rx_keep", 2),
        ("tlp_rx_last", 1),
        ("tlp_rx_bar", 3),
        ("tlp_tx_ready", 1),
        ("cfg_requester_id", 16),
        ("cfg_bus_master", 1),
        ("cfg_mps", 3),
        ("cfg_mrrs", 3),
        ("cfg_msix_enable", 1),
        ("cfg_msix_mask", 1),
        ("cfg_flr", 1),
    ];
    let outputs = [
        ("gmii_txd0", 8),
        ("gmii_tx_en0", 1),
        ("gmii_tx_er0", 1),
        ("gmii_txd1", 8),
        ("gmii_tx_en1", 1),
        ("gmii_tx_er1", 1),
        ("tlp_rx_ready", 1),
        ("tlp_tx_valid", 1),
        ("tlp_tx_data", 64),
        ("tlp_tx_keep", 2),
        ("tlp_tx_last", 1),
        ("idle", 1),
    ];
    let inputs = inputs
        .into_iter()
        .map(|(name, width)| Port::input(name, width));
    let outputs = outputs
        .into_iter()
        .map(|(name, width)| Port::output(name, width));
    Design {
        top: "fixture".into(),
        verilog: include_str!("../fixture/card.v").into(),
        ports: inputs.chain(outputs).collect(),
        clocks: ["clock", "rx0_clock", "rx1_clock"]
            .map(String::from)
            .to_vec(),
    }
}
