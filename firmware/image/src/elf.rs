//! As much of ELF (System V gABI 4, 32 bits, little-endian) as the firmware's file needs.

use crate::Error;

/// EM_RISCV.
const MACHINE: u16 = 243;
const PT_LOAD: u32 = 1;
const SHT_SYMTAB: u32 = 2;
const STT_FUNC: u8 = 2;

/// A file.
pub struct Elf<'a> {
    bytes: &'a [u8],
}

/// A section.
#[derive(Clone, Debug)]
pub struct Section {
    /// Name.
    pub name: String,
    /// Kind.
    kind: u32,
    /// Address.
    pub addr: u32,
    offset: u32,
    /// Bytes.
    pub size: u32,
    link: u32,
}

/// A symbol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// Name, mangled.
    pub name: String,
    /// Address, or value.
    pub value: u32,
    /// Bytes.
    pub size: u32,
    /// It is a function.
    pub function: bool,
}

fn wrong(what: &str) -> Error {
    Error::Elf(what.into())
}

impl<'a> Elf<'a> {
    /// A file's bytes.
    pub fn new(bytes: &'a [u8]) -> Result<Self, Error> {
        let elf = Self { bytes };
        if bytes.get(..6) != Some(&[0x7f, b'E', b'L', b'F', 1, 1]) {
            return Err(wrong("not a little-endian ELF file of 32 bits"));
        }
        if elf.half(18)? != MACHINE {
            return Err(wrong("not for RISC-V"));
        }
        Ok(elf)
    }

    fn half(&self, at: u32) -> Result<u16, Error> {
        let at = at as usize;
        let bytes = self.bytes.get(at..at + 2).ok_or_else(|| wrong("cut off"))?;
        Ok(u16::from_le_bytes([bytes[0], bytes[1]]))
    }
    fn word(&self, at: u32) -> Result<u32, Error> {
        Ok(u32::from(self.half(at)?) | u32::from(self.half(at + 2)?) << 16)
    }
    fn text(&self, at: u32) -> String {
        let bytes = self.bytes.get(at as usize..).unwrap_or_default();
        let end = bytes.iter().position(|b| *b == 0).unwrap_or(0);
        String::from_utf8_lossy(&bytes[..end]).into_owned()
    }

    /// What a loader puts into memory, from the lowest address, which must be 0.
    pub fn image(&self) -> Result<Vec<u8>, Error> {
        let (at, size, count) = (self.word(28)?, self.half(42)?, self.half(44)?);
        let mut image = Vec::new();
        for i in 0..count {
            let p = at + u32::from(size) * u32::from(i);
            let (offset, addr, bytes) = (
                self.word(p + 4)? as usize,
                self.word(p + 12)? as usize,
                self.word(p + 16)? as usize,
            );
            if self.word(p)? != PT_LOAD || bytes == 0 {
                continue;
            }
            let from = self
                .bytes
                .get(offset..offset + bytes)
                .ok_or_else(|| wrong("cut off"))?;
            if addr + bytes > 1 << 20 {
                return Err(wrong("loads something far above the RAM"));
            }
            if image.len() < addr + bytes {
                image.resize(addr + bytes, 0);
            }
            image[addr..addr + bytes].copy_from_slice(from);
        }
        Ok(image)
    }

    /// All sections.
    pub fn sections(&self) -> Result<Vec<Section>, Error> {
        let (at, size) = (self.word(32)?, u32::from(self.half(46)?));
        let (count, names) = (self.half(48)?, u32::from(self.half(50)?));
        let names = self.word(at + size * names + 16)?;
        (0..u32::from(count))
            .map(|i| {
                let s = at + size * i;
                Ok(Section {
                    name: self.text(names + self.word(s)?),
                    kind: self.word(s + 4)?,
                    addr: self.word(s + 12)?,
                    offset: self.word(s + 16)?,
                    size: self.word(s + 20)?,
                    link: self.word(s + 24)?,
                })
            })
            .collect()
    }

    /// All symbols.
    pub fn symbols(&self) -> Result<Vec<Symbol>, Error> {
        let sections = self.sections()?;
        let Some(table) = sections.iter().find(|s| s.kind == SHT_SYMTAB) else {
            return Err(wrong("it has no symbols"));
        };
        let names = sections
            .get(table.link as usize)
            .ok_or_else(|| wrong("no names"))?;
        (0..table.size / 16)
            .map(|i| {
                let s = table.offset + 16 * i;
                Ok(Symbol {
                    name: self.text(names.offset + self.word(s)?),
                    value: self.word(s + 4)?,
                    size: self.word(s + 8)?,
                    function: self.half(s + 12)? as u8 & 15 == STT_FUNC,
                })
            })
            .collect()
    }
}
