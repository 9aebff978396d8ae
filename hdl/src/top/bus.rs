//! The register bus, and what a board adds to the card.

use super::Top;
use crate::rtl::{E, any_of, cat};

/// A request on the bus: names and widths.
const REQUEST: [(&str, u32); 4] = [("valid", 1), ("write", 1), ("addr", 16), ("wdata", 32)];

impl Top<'_> {
    /// The register bus: requests to all, answers or-ed.
    pub(super) fn bus(&self) {
        let m = &self.m;
        let slaves = [
            &self.global,
            &self.port,
            &self.reserved,
            &self.fdb,
            &self.lag,
            &self.buffer,
            &self.stats,
            &self.host,
        ];
        // A register stage each way: the blocks lie all over the chip.
        let request: Vec<E> = REQUEST
            .iter()
            .map(|&(n, width)| {
                let from = match self.p.board {
                    true => m.input(&format!("reg_{n}"), width),
                    false => self.pcie.port(&format!("reg_{n}")),
                };
                let name = format!("bus_{n}");
                if n != "valid" {
                    return m.delay(&name, &from);
                }
                let r = m.reg(&name, 1, 0);
                m.assign(&r, &from);
                r
            })
            .collect();
        for s in slaves {
            for ((n, _), e) in REQUEST.iter().zip(&request) {
                s.drive(&format!("reg_{n}"), e);
            }
        }
        let acks: Vec<E> = slaves.iter().map(|s| s.port("reg_ack")).collect();
        let data: Vec<E> = slaves.iter().map(|s| s.port("reg_rdata")).collect();
        let ack = m.reg("bus_ack", 1, 0);
        m.assign(&ack, any_of(1, &acks));
        let rdata = m.delay("bus_rdata", &any_of(32, &data));
        if !self.p.board {
            self.pcie.drive("reg_ack", &ack).drive("reg_rdata", &rdata);
            return;
        }
        m.output_of("reg_ack", &ack);
        m.output_of("reg_rdata", &rdata);
        for (n, _) in REQUEST {
            m.output_of(
                &format!("mmio_reg_{n}"),
                self.pcie.port(&format!("reg_{n}")),
            );
        }
        for (n, width) in [("ack", 1), ("rdata", 32)] {
            self.pcie.drive(
                &format!("reg_{n}"),
                m.input(&format!("mmio_reg_{n}"), width),
            );
        }
    }

    /// Speeds in; tick, links and traffic out.
    pub(super) fn board(&self) {
        let m = &self.m;
        let speeds: Vec<E> = (0..self.p.ports)
            .rev()
            .map(|i| m.input(&format!("speed{i}"), 2))
            .collect();
        self.port.drive("speed", cat(&speeds));
        m.output_of("tick", self.global.port("tick"));
        m.output_of("link_up", self.port.port("link"));
        let activity = m.output_reg("activity", self.p.ports, 0);
        let moved = |i: &crate::rtl::Inst| i.port("ev_rx_frames") | i.port("ev_tx_frames");
        let moved: Vec<E> = self.macs.iter().rev().map(moved).collect();
        m.assign(&activity, cat(&moved));
    }
}
