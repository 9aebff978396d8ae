//! Generates the C++ between a Verilated model and Rust.
//!
//! The shim owns the simulation context, the model and the trace file. Its functions return 0, or 1
//! with a text behind `sn_error` when Verilator called `vl_fatal` (which would otherwise abort the
//! process). Buffers are packed 32-bit words: each port takes `ceil(width / 32)` words, lowest bits
//! first, in the order of the design's ports, clocks left out.

use crate::design::{Design, Port};
use std::fmt::Write;

/// Verilator's C++ name of a Verilog name: what is not a letter, digit or single underscore becomes
/// `__0` and two hexadecimal digits.
pub fn cpp_name(verilog: &str) -> String {
    let mut out = String::new();
    let mut previous_underscore = false;
    for c in verilog.bytes() {
        let underscore = c == b'_';
        if c.is_ascii_alphanumeric() || (underscore && !previous_underscore) {
            out.push(c as char);
            previous_underscore = underscore;
        } else {
            write!(out, "__0{c:02X}").expect("writing to a string");
            previous_underscore = false;
        }
    }
    out
}

/// The shim's source for a design whose model class is `V` + its top's C++ name.
pub fn source(design: &Design, trace: bool) -> String {
    let class = class(design);
    let mut load = String::new();
    let mut at = 0;
    for port in design.data_inputs() {
        load_port(&mut load, port, at);
        at += port.words();
    }
    let mut store = String::new();
    at = 0;
    for port in design.outputs() {
        store_port(&mut store, port, at);
        at += port.words();
    }
    let mut clocks = String::new();
    for (bit, clock) in design.clocks.iter().enumerate() {
        let name = cpp_name(clock);
        writeln!(clocks, "    m.{name} = (mask >> {bit}) & 1u;").expect("writing to a string");
    }
    include_str!("shim.cpp")
        .replace("@TRACE@", if trace { "1" } else { "0" })
        .replace("@CLASS@", &class)
        .replace("@LOAD@", load.trim_end())
        .replace("@STORE@", store.trim_end())
        .replace("@CLOCKS@", clocks.trim_end())
}

/// Name of the model's class and the prefix of its files.
pub fn class(design: &Design) -> String {
    format!("V{}", cpp_name(&design.top))
}

fn load_port(out: &mut String, port: &Port, at: usize) {
    let name = cpp_name(&port.name);
    let line = match port.width {
        // Verilator's fields hold exactly the port's bits: anything above would be read as well.
        1..=32 => format!("    m.{name} = in[{at}] & 0x{:x}u;", ones(port.width)),
        33..=64 => format!(
            "    m.{name} = (in[{at}] | (uint64_t)in[{}] << 32) & 0x{:x}ull;",
            at + 1,
            ones(port.width)
        ),
        _ => {
            let (words, top) = (port.words(), (port.width - 1) % 32 + 1);
            format!(
                "    std::memcpy(&m.{name}[0], in + {at}, 4 * {words});\n    m.{name}[{}] &= 0x{:x}u;",
                words - 1,
                ones(top)
            )
        }
    };
    writeln!(out, "{line}").expect("writing to a string");
}

fn store_port(out: &mut String, port: &Port, at: usize) {
    let name = cpp_name(&port.name);
    let line = match port.width {
        1..=32 => format!("    out[{at}] = m.{name};"),
        33..=64 => format!(
            "    out[{at}] = (uint32_t)m.{name};\n    out[{}] = (uint32_t)(m.{name} >> 32);",
            at + 1
        ),
        _ => format!(
            "    std::memcpy(out + {at}, &m.{name}[0], 4 * {});",
            port.words()
        ),
    };
    writeln!(out, "{line}").expect("writing to a string");
}

fn ones(width: u32) -> u64 {
    u64::MAX >> (64 - width)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_encoded_as_verilator_does() {
        assert_eq!(cpp_name("rx_data"), "rx_data");
        assert_eq!(cpp_name("mac$rx"), "mac__024rx");
        assert_eq!(cpp_name("a__b"), "a___05Fb");
    }
}
