//! The constraint file against the design: nextpnr passes over a line about a port that is not there.

use std::collections::BTreeSet;

use anyhow::{Result, bail};

/// The names that a Lattice preference file gives places to (`LOCATE COMP`), types (`IOBUF PORT`) or a frequency (`FREQUENCY PORT`).
fn named(lpf: &str) -> BTreeSet<&str> {
    let kinds = ["LOCATE COMP ", "IOBUF PORT ", "FREQUENCY PORT "];
    let lines = lpf.lines().map(str::trim);
    let about = lines.filter(|line| kinds.iter().any(|kind| line.starts_with(kind)));
    about.filter_map(|line| line.split('"').nth(1)).collect()
}

/// Fails if the file of that name and the design have not the same ports, bit for bit.
pub fn agree(file: &str, lpf: &str, ports: &BTreeSet<String>) -> Result<()> {
    let named = named(lpf);
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
}
