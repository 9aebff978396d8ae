//! How deep the stack gets: from the machine code, so that nothing is taken on trust.
//!
//! Each function's frame is the sum of what its instructions take from `sp` (a large one is taken in two steps); calls are followed (`jal`, `auipc` with `jalr`, jumps out of the function). Code that could go
//! anywhere (a call through a register), takes what cannot be read off (`sp` less a register), or calls itself, is refused. A jump through a register that
//! is no call is one of a `match` inside the function.

use std::collections::{BTreeMap, BTreeSet};

use crate::Error;
use crate::elf::{Elf, Symbol};

const SP: u32 = 2;
const RA: u32 = 1;

/// A function as the machine has it.
#[derive(Debug, Default)]
struct Function {
    name: String,
    frame: u32,
    calls: BTreeSet<u32>,
}

/// The deepest stack from address 0 on, and the calls that lead to it.
pub fn depth(elf: &Elf<'_>) -> Result<(u32, String), Error> {
    depth_of(&elf.image()?, elf.symbols()?)
}

/// The same, of the bytes from address 0 on and the functions among `symbols`.
pub fn depth_of(image: &[u8], mut symbols: Vec<Symbol>) -> Result<(u32, String), Error> {
    let mut functions = BTreeMap::new();
    symbols.retain(|s| s.function && s.size > 0);
    let first = symbols.iter().map(|s| s.value).min();
    let start = Symbol {
        name: "_start".into(),
        value: 0,
        size: first.ok_or_else(|| Error::Elf("it has no functions".into()))?,
        function: true,
    };
    for symbol in std::iter::once(&start).chain(&symbols) {
        functions.insert(symbol.value, read(image, symbol)?);
    }
    walk(&functions, 0, &mut vec![])
}

fn read(image: &[u8], symbol: &Symbol) -> Result<Function, Error> {
    let mut f = Function {
        name: symbol.name.clone(),
        ..Function::default()
    };
    let refuse = |pc: u32, what: &str| {
        let name = &symbol.name;
        Error::Elf(format!("{name} at {pc:#x} {what}: its stack has no bound"))
    };
    let (from, end) = (symbol.value, symbol.value + symbol.size);
    // Values that `auipc` has put into registers.
    let mut upper = [None; 32];
    // The words between the header's jump and the code behind it are no instructions.
    let header = if from == 0 {
        4..smartnic_firmware::image::HEADER_BYTES as u32
    } else {
        0..0
    };
    for pc in (from..end).step_by(4).filter(|pc| !header.contains(pc)) {
        let bytes = image.get(pc as usize..pc as usize + 4);
        let i = bytes
            .and_then(|b| b.try_into().ok())
            .map(u32::from_le_bytes);
        let i = i.ok_or_else(|| refuse(pc, "is cut off"))?;
        let (rd, rs1) = (i >> 7 & 31, i >> 15 & 31);
        let imm_i = ((i as i32) >> 20) as u32;
        match i & 127 {
            0x13 if rd == SP && rs1 == SP && i >> 12 & 7 == 0 => {
                f.frame += (imm_i as i32).wrapping_neg().max(0) as u32;
            }
            0x17 => {
                upper[rd as usize] = Some(pc.wrapping_add(i & 0xffff_f000));
                continue;
            }
            0x6f => {
                let imm = (i >> 31 << 20)
                    | (i >> 12 & 255) << 12
                    | (i >> 20 & 1) << 11
                    | (i >> 21 & 1023) << 1;
                let target = pc.wrapping_add(((imm << 11) as i32 >> 11) as u32);
                if rd != 0 || !(from..end).contains(&target) {
                    f.calls.insert(target);
                }
            }
            0x67 => match (upper[rs1 as usize], rd, rs1) {
                (Some(base), ..) => {
                    f.calls.insert(base.wrapping_add(imm_i) & !1);
                }
                (None, 0, _) => {}
                (None, RA, _) => return Err(refuse(pc, "calls through a register")),
                _ => return Err(refuse(pc, "calls in an unknown way")),
            },
            // `la sp`: the start sets it.
            0x13 | 0x33 | 0x37 | 0x03 if rd == SP && from != 0 => {
                return Err(refuse(pc, "sets sp in an unknown way"));
            }
            _ => {}
        }
        let writes = !matches!(i & 127, 0x63 | 0x23);
        if writes {
            upper[rd as usize] = None;
        }
    }
    Ok(f)
}

fn walk(
    functions: &BTreeMap<u32, Function>,
    at: u32,
    path: &mut Vec<u32>,
) -> Result<(u32, String), Error> {
    let f = functions
        .get(&at)
        .ok_or_else(|| Error::Elf(format!("something calls {at:#x}, where no function begins")))?;
    if path.contains(&at) {
        return Err(Error::Elf(format!(
            "{} calls itself: its stack has no bound",
            f.name
        )));
    }
    path.push(at);
    let mut deepest = (0, String::new());
    for call in &f.calls {
        deepest = deepest.max(walk(functions, *call, path)?);
    }
    path.pop();
    let name = plain(&f.name);
    let calls = if deepest.1.is_empty() {
        name
    } else {
        format!("{name} > {}", deepest.1)
    };
    Ok((f.frame + deepest.0, calls))
}

/// The last part of a mangled name: enough to find it.
fn plain(name: &str) -> String {
    let mut rest = name.strip_prefix("_ZN").unwrap_or("");
    let mut parts = vec![];
    while let Some(end) = rest.find(|c: char| !c.is_ascii_digit()).filter(|e| *e > 0) {
        let Some((part, more)) = rest[..end]
            .parse()
            .ok()
            .and_then(|n| rest[end..].split_at_checked(n))
        else {
            break;
        };
        parts.push(part);
        rest = more;
    }
    // The last one is the hash.
    parts.pop();
    let from = parts.len().saturating_sub(2);
    if parts.is_empty() {
        name.into()
    } else {
        parts[from..].join("::")
    }
}
