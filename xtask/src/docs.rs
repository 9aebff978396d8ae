//! `cargo xtask docs`: the reference page of the registers, out of the register map itself.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use smartnic_regs::{Access, PAGES, Page, Reg, msix};

use crate::paths;

fn file() -> PathBuf {
    paths::root().join("docs/registers.md")
}

/// Writes the page.
pub fn run() -> Result<()> {
    fs::write(file(), page()).with_context(|| format!("cannot write {}", file().display()))
}

/// Fails when the page in the repository is not the map's.
pub fn check() -> Result<()> {
    if fs::read_to_string(file()).unwrap_or_default() != page() {
        bail!("docs/registers.md is not what the register map says; type: cargo xtask docs");
    }
    Ok(())
}

fn page() -> String {
    let mut text = String::from(
        "# Registers\n\nMade by `cargo xtask docs` from `regs/`; change it there.\n\n\
         BAR0 holds 32-bit registers in pages of 4 KiB, one for each hardware block. BAR2 holds the MSI-X\n\
         table and its pending bits. A register that does not exist reads as zero.\n\n\
         Access: `ro` read only; `rw` keeps what is written; `wo` a write is a pulse, reads are zero;\n\
         `w1c` writing a one clears the bit; `rwh` reads what the hardware drives, a write is a pulse.\n",
    );
    for page in PAGES {
        describe(&mut text, page, "BAR0");
    }
    describe(&mut text, &msix::PAGE, "BAR2");
    text
}

fn describe(text: &mut String, page: &Page, bar: &str) {
    let _ = writeln!(
        text,
        "\n## `{}` at {bar} + 0x{:04x}\n\n{}\n",
        page.name,
        page.base,
        page.doc.trim()
    );
    let _ = writeln!(
        text,
        "| address | register | access | reset | bits | meaning |"
    );
    let _ = writeln!(text, "|---|---|---|---|---|---|");
    for reg in page.regs {
        let address = address(reg);
        let (access, reset) = (access(reg.access), format!("0x{:x}", reg.reset));
        let doc = cell(reg.doc);
        let _ = writeln!(
            text,
            "| {address} | `{}` | {access} | {reset} | | {doc} |",
            reg.name
        );
        for field in reg.fields {
            let high = field.lsb + field.width - 1;
            let bits = if field.width == 1 {
                high.to_string()
            } else {
                format!("{high}:{}", field.lsb)
            };
            let _ = writeln!(
                text,
                "| | `.{}` | | | {bits} | {} |",
                field.name,
                cell(field.doc)
            );
        }
    }
}

fn address(reg: &Reg) -> String {
    if reg.count == 1 {
        return format!("0x{:04x}", reg.addr);
    }
    format!("0x{:04x} + {} i, i < {}", reg.addr, reg.stride, reg.count)
}

const fn access(access: Access) -> &'static str {
    match access {
        Access::Ro => "ro",
        Access::Rw => "rw",
        Access::Wo => "wo",
        Access::W1c => "w1c",
        Access::Rwh => "rwh",
    }
}

/// Text that stays in its cell.
fn cell(doc: &str) -> String {
    doc.trim().replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_register_and_field_is_in_the_page() {
        let text = page();
        for reg in PAGES.iter().flat_map(|page| page.regs) {
            assert!(
                text.contains(&format!("0x{:04x}", reg.addr)),
                "{}",
                reg.name
            );
            for field in reg.fields {
                assert!(
                    text.contains(&format!("`.{}`", field.name)),
                    "{}.{}",
                    reg.name,
                    field.name
                );
            }
        }
        assert!(text.contains("BAR2 + 0x0000"));
    }

    #[test]
    fn a_bar_in_a_text_does_not_end_its_cell() {
        assert_eq!(cell("a | b "), "a \\| b");
    }
}
