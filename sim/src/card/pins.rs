//! The ports of the generated top, looked up once (docs/architecture.md, "Top").

use crate::gmii::Pins;
use crate::pcie::root::{CARD_ID, Drive};
use crate::pcie::{Beat, ConfigPins};
use smartnic_verilated::{Design, Error, InputId, Model, OutputId};

/// Pins of one Ethernet port.
#[derive(Clone, Copy, Debug)]
struct Port {
    rxd: InputId,
    rx_dv: InputId,
    rx_er: InputId,
    txd: OutputId,
    tx_en: OutputId,
    tx_er: OutputId,
    link: InputId,
    reset: InputId,
}

/// All pins of a card.
#[derive(Debug)]
pub(super) struct CardPins {
    ports: Vec<Port>,
    reset: InputId,
    idle: OutputId,
    rx: [InputId; 5],
    rx_ready: OutputId,
    tx: [OutputId; 4],
    tx_ready: InputId,
    cfg: [InputId; 7],
}

/// Number of Ethernet ports of a design: as many as have a receive clock.
pub(super) fn count_ports(design: &Design) -> usize {
    let clock = |i: usize| design.clocks.contains(&format!("rx{i}_clock"));
    (0..).take_while(|i| clock(*i)).count()
}

impl CardPins {
    pub(super) fn find(model: &Model, ports: usize) -> Result<Self, Error> {
        let input = |name: &str| model.input(name);
        let output = |name: &str| model.output(name);
        let port = |i: usize| {
            Ok(Port {
                rxd: input(&format!("gmii_rxd{i}"))?,
                rx_dv: input(&format!("gmii_rx_dv{i}"))?,
                rx_er: input(&format!("gmii_rx_er{i}"))?,
                txd: output(&format!("gmii_txd{i}"))?,
                tx_en: output(&format!("gmii_tx_en{i}"))?,
                tx_er: output(&format!("gmii_tx_er{i}"))?,
                link: input(&format!("link{i}"))?,
                reset: input(&format!("rx{i}_reset"))?,
            })
        };
        Ok(CardPins {
            ports: (0..ports).map(port).collect::<Result<_, Error>>()?,
            reset: input("reset")?,
            idle: output("idle")?,
            rx: [
                input("tlp_rx_valid")?,
                input("tlp_rx_data")?,
                input("tlp_rx_keep")?,
                input("tlp_rx_last")?,
                input("tlp_rx_bar")?,
            ],
            rx_ready: output("tlp_rx_ready")?,
            tx: [
                output("tlp_tx_valid")?,
                output("tlp_tx_data")?,
                output("tlp_tx_keep")?,
                output("tlp_tx_last")?,
            ],
            tx_ready: input("tlp_tx_ready")?,
            cfg: [
                input("cfg_requester_id")?,
                input("cfg_bus_master")?,
                input("cfg_mps")?,
                input("cfg_mrrs")?,
                input("cfg_msix_enable")?,
                input("cfg_msix_mask")?,
                input("cfg_flr")?,
            ],
        })
    }

    pub(super) fn set_reset(&self, model: &mut Model, on: bool) {
        model.set(self.reset, on.into());
        for port in &self.ports {
            model.set(port.reset, on.into());
        }
    }

    pub(super) fn idle(&self, model: &Model) -> bool {
        model.get(self.idle) == 1
    }

    pub(super) fn set_link(&self, model: &mut Model, port: usize, up: bool) {
        model.set(self.ports[port].link, up.into());
    }

    pub(super) fn set_rx(&self, model: &mut Model, port: usize, pins: Pins) {
        let p = &self.ports[port];
        model.set(p.rxd, pins.data.into());
        model.set(p.rx_dv, pins.valid.into());
        model.set(p.rx_er, pins.error.into());
    }

    pub(super) fn tx(&self, model: &Model, port: usize) -> Pins {
        let p = &self.ports[port];
        Pins {
            data: model.get(p.txd) as u8,
            valid: model.get(p.tx_en) == 1,
            error: model.get(p.tx_er) == 1,
        }
    }

    /// The card's beat, if it is valid, and whether it takes one.
    pub(super) fn tlp(&self, model: &Model) -> (Option<Beat>, bool) {
        let [valid, data, keep, last] = self.tx;
        let beat = (model.get(valid) == 1).then(|| Beat {
            data: model.get(data),
            keep: model.get(keep) as u8,
            last: model.get(last) == 1,
        });
        (beat, model.get(self.rx_ready) == 1)
    }

    pub(super) fn set_tlp(&self, model: &mut Model, drive: &Drive) {
        let beat = drive.rx.unwrap_or_default();
        let values = [
            drive.rx.is_some().into(),
            beat.data,
            beat.keep.into(),
            beat.last.into(),
            drive.rx_bar.into(),
        ];
        for (id, value) in self.rx.into_iter().zip(values) {
            model.set(id, value);
        }
        model.set(self.tx_ready, drive.tx_ready.into());
        model.set(self.cfg[6], drive.flr.into());
    }

    pub(super) fn set_config(&self, model: &mut Model, pins: &ConfigPins) {
        // The encodings of Device Control: 0 is 128 bytes.
        let code = |bytes: u16| u64::from((bytes / 128).ilog2());
        let values = [
            CARD_ID.into(),
            pins.bus_master.into(),
            code(pins.max_payload),
            code(pins.max_read_request),
            pins.msix_enable.into(),
            pins.msix_mask.into(),
        ];
        for (id, value) in self.cfg.into_iter().zip(values) {
            model.set(id, value);
        }
    }
}
