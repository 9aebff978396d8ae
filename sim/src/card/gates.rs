//! Clocks of parts that often rest (`smartnic_hdl::top::gated`): left out while nothing could change there.

use smartnic_hdl::top::LINGER;
use smartnic_verilated::{Design, Error, Model, OutputId};

#[derive(Debug)]
struct Gate {
    /// The clock in the model's mask.
    mask: u32,
    wake: OutputId,
    /// Cycles that the clock goes on.
    left: u32,
}

/// The gates of a card; a design without such clocks has none.
#[derive(Debug)]
pub(super) struct Gates {
    gates: Vec<Gate>,
    open: bool,
}

impl Gates {
    /// Clocks `NAME_clock` with an output `NAME_wake`; `open`: none is ever left out.
    pub(super) fn find(design: &Design, model: &Model, open: bool) -> Result<Self, Error> {
        let wakes = design.clocks.iter().enumerate().filter_map(|(bit, clock)| {
            let wake = format!("{}_wake", clock.strip_suffix("_clock")?);
            let there = design.ports.iter().any(|p| p.name == wake);
            there.then_some((bit, wake))
        });
        let gate = |(bit, wake): (usize, String)| {
            Ok(Gate {
                mask: 1 << bit,
                wake: model.output(&wake)?,
                left: LINGER,
            })
        };
        let gates = wakes.map(gate).collect::<Result<_, _>>()?;
        Ok(Gates { gates, open })
    }

    /// The mask of the clocks that rise with the core's in the coming cycle; `pins`: inputs change that no `NAME_wake` tells of.
    pub(super) fn next(&mut self, model: &Model, pins: bool) -> u32 {
        let mut mask = 0;
        for gate in &mut self.gates {
            if self.open || pins || model.get(gate.wake) == 1 {
                gate.left = LINGER;
            }
            if gate.left > 0 {
                gate.left -= 1;
                mask |= gate.mask;
            }
        }
        mask
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smartnic_verilated::{Options, Port};

    #[test]
    fn a_clock_stops_some_time_after_its_wake() {
        let design = Design {
            top: "resting".into(),
            verilog: "module resting(input wire clock, input wire part_clock, input wire set, output reg part_wake, output reg [15:0] edges);\n\
                always @(posedge clock) part_wake <= set;\n\
                always @(posedge part_clock) edges <= edges + 16'd1;\nendmodule\n"
                .into(),
            ports: vec![
                Port::input("clock", 1),
                Port::input("part_clock", 1),
                Port::input("set", 1),
                Port::output("part_wake", 1),
                Port::output("edges", 16),
            ],
            clocks: vec!["clock".into(), "part_clock".into()],
        };
        let mut model = Model::build(&design, &Options::default()).unwrap();
        let (set, edges) = (model.input("set").unwrap(), model.output("edges").unwrap());
        let mut run = |open: bool| {
            let mut gates = Gates::find(&design, &model, open).unwrap();
            let mut seen = vec![];
            // Woken by its own output, and by pins; 200 cycles each.
            for (wakes, pins) in [(false, false), (true, false), (false, true)] {
                let before = model.get(edges);
                for cycle in 0..200 {
                    model.set(set, (wakes && cycle == 0).into());
                    let mask = gates.next(&model, pins && cycle == 0);
                    model.tick(1 | mask);
                }
                seen.push((model.get(edges) - before) as u32);
            }
            seen
        };
        assert_eq!(run(false), [LINGER; 3]);
        assert_eq!(run(true), [200; 3]);
    }
}
