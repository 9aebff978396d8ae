//! The constraint file against the design: nextpnr passes over a line about a port that is not there.
//!
//! Both vendors' files are read as the generator writes them: one line, one thing.

use std::collections::BTreeSet;

use anyhow::{Result, bail};

/// The names that a Lattice preference file gives places to (`LOCATE COMP`), types (`IOBUF PORT`) or a frequency (`FREQUENCY PORT`).
fn named(lpf: &str) -> BTreeSet<&str> {
    let kinds = ["LOCATE COMP ", "IOBUF PORT ", "FREQUENCY PORT "];
    let lines = lpf.lines().map(str::trim);
    let about = lines.filter(|line| kinds.iter().any(|kind| line.starts_with(kind)));
    about.filter_map(|line| line.split('"').nth(1)).collect()
}

/// The names that a Xilinx constraint file gives places to, or a clock: those in `get_ports`, but for patterns of several.
fn named_xdc(xdc: &str) -> BTreeSet<&str> {
    let lines = xdc.lines().map(str::trim);
    let about = lines.filter(|line| {
        line.starts_with("create_clock ") || line.starts_with("set_property -dict {PACKAGE_PIN ")
    });
    about
        .filter_map(|line| line.split_once("[get_ports ")?.1.strip_suffix(']'))
        .map(|name| name.trim_start_matches('{').trim_end_matches('}'))
        .collect()
}

/// Fails if the file of that name and the design have not the same ports, bit for bit.
pub fn agree(file: &str, text: &str, ports: &BTreeSet<String>) -> Result<()> {
    let named = match file.ends_with(".xdc") {
        true => named_xdc(text),
        false => named(text),
    };
    if let Some(name) = named.iter().find(|name| !ports.contains(**name)) {
        bail!("{file} names {name}, but the design has no such port");
    }
    if let Some(port) = ports.iter().find(|port| !named.contains(port.as_str())) {
        bail!("{file} says nothing of port {port}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_too_many_or_too_few_is_named() {
        let ports = ["clk", "led[0]", "led[1]"].map(str::to_owned).into();
        let place = |name: &str| format!("LOCATE COMP \"{name}\" SITE \"A1\";\n");
        let mut lpf = ["clk", "led[0]", "led[1]"].map(place).concat();
        lpf += "# LOCATE COMP \"note\" SITE \"A2\";\nFREQUENCY NET \"clock\" 125 MHZ;\n";
        agree("b.lpf", &lpf, &ports).unwrap();
        let more = lpf.clone() + "  FREQUENCY PORT \"clk2\" 25 MHZ;\n";
        let error = agree("b.lpf", &more, &ports).unwrap_err().to_string();
        assert_eq!(error, "b.lpf names clk2, but the design has no such port");
        let fewer = lpf.replace("led[1]", "led[0]");
        let error = agree("b.lpf", &fewer, &ports).unwrap_err().to_string();
        assert_eq!(error, "b.lpf says nothing of port led[1]");
    }

    #[test]
    fn xilinx_files_too() {
        let ports = ["clk", "led[0]", "led[1]"].map(str::to_owned).into();
        let place = |name: &str| {
            format!(
                "set_property -dict {{PACKAGE_PIN A1 IOSTANDARD LVCMOS33}} [get_ports {{{name}}}]\n"
            )
        };
        let mut xdc = ["clk", "led[0]", "led[1]"].map(place).concat();
        xdc += "create_clock -period 8.000 -name clk [get_ports clk]\n\
                set_output_delay -clock clk -max 1.000 [get_ports {led[*] other}]\n";
        agree("b.xdc", &xdc, &ports).unwrap();
        let more = xdc.clone() + "create_clock -period 40.000 -name c [get_ports clk2]\n";
        let error = agree("b.xdc", &more, &ports).unwrap_err().to_string();
        assert_eq!(error, "b.xdc names clk2, but the design has no such port");
        let error = agree("b.xdc", &(xdc.clone() + &place("led[2]")), &ports).unwrap_err();
        assert!(error.to_string().contains("names led[2]"), "{error}");
        let fewer = xdc.replace("led[1]", "led[0]");
        let error = agree("b.xdc", &fewer, &ports).unwrap_err().to_string();
        assert_eq!(error, "b.xdc says nothing of port led[1]");
    }
}
