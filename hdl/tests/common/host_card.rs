//! Endpoint core and host port as one design.

use smartnic_hdl::params::Params;
use smartnic_hdl::rtl::Module;
use smartnic_hdl::{host::host_port, pcie::pcie_endpoint_core};

/// Endpoint core and host port joined as `top` does it.
pub fn card(p: &Params) -> Module {
    let m = Module::new("host_card");
    m.sync();
    let core = m.inst("core", &pcie_endpoint_core(p));
    let port = m.inst("port", &host_port(p));
    let between = |n: &str| {
        ["reg_", "rd0_", "rd1_", "rdata0_", "rdata1_", "wr_"]
            .iter()
            .any(|x| n.starts_with(x))
            || [
                "flr",
                "dma_event",
                "read_timeout",
                "vector_test",
                "vectors_pending",
            ]
            .contains(&n)
    };
    // An input of the one is an output of the other.
    for (a, b) in [(&core, &port), (&port, &core)] {
        let names = [
            "reg_valid",
            "reg_write",
            "reg_addr",
            "reg_wdata",
            "reg_ack",
            "reg_rdata",
            "flr",
            "dma_event",
            "read_timeout",
            "vector_test",
            "vectors_pending",
        ];
        let buses = ["rd0", "rd1", "rdata0", "rdata1", "wr"];
        let fields = [
            "valid", "ready", "addr", "len", "data", "keep", "last", "err", "sop", "eop", "irq",
        ];
        let all = buses
            .iter()
            .flat_map(|b| fields.map(|f| format!("{b}_{f}")));
        for n in names.iter().map(|n| n.to_string()).chain(all) {
            b.drive_all(&n, |rest| a.port(&format!("{n}{rest}")));
        }
        a.expose(|n| !between(n) && n != "idle");
    }
    core.drive("host_reset", m.input("host_reset", 1));
    m.output_of("idle", core.port("idle") & port.port("idle"));
    m
}

/// A frame that the buffer hands to the host.
#[derive(Clone, Debug)]
pub struct Out {
    pub data: Vec<u8>,
    pub meta: [u32; 4],
    pub source: u32,
    pub class: u32,
}

impl Out {
    /// Sets a field of the metadata.
    pub fn set_meta(&mut self, name: &str, value: u32) {
        let mut wide = self
            .meta
            .iter()
            .rev()
            .fold(0u128, |a, x| a << 32 | *x as u128);
        let mut lsb = 0;
        for (n, w) in smartnic_hdl::meta::FIELDS {
            if *n == name {
                let mask = ((1u128 << w) - 1) << lsb;
                wide = wide & !mask | (value as u128) << lsb & mask;
            }
            lsb += w;
        }
        (0..4).for_each(|i| self.meta[i] = (wide >> (32 * i)) as u32);
    }
}

/// A frame that the host port handed to the switch.
#[derive(Clone, Debug, PartialEq)]
pub struct In {
    pub data: Vec<u8>,
    pub err: bool,
    pub direct: Option<(u32, u32)>,
}

/// One ring as the driver sees it.
#[derive(Clone, Debug, Default)]
pub struct Ring {
    pub index: u32,
    pub log2: u32,
    pub sq: u64,
    pub cq: u64,
    pub head: u64,
    pub tail: u16,
    pub seen: u32,
}
