//! The header in front of the image, and its check.
//!
//! | offset | word |
//! |---|---|
//! | 0 | the jump to the start: the processor begins at 0 |
//! | 4 | [`MAGIC`] |
//! | 8 | bytes of the image, header included: a multiple of 4 |
//! | 12 | CRC-32 (IEEE 802.3) of the image, this word counted as zero; `cargo xtask firmware` fills it in |
//! | 16 | version, as [`crate::VERSION_WORD`] |
//! | 20 | major version of the register map that it needs |
//!
//! The image is never written, so the check holds at every start, however often the watchdog restarts the processor.

/// The letters SNFW.
pub const MAGIC: u32 = 0x534e_4657;
/// Bytes of the header.
pub const HEADER_BYTES: usize = 24;
/// Where the CRC stands.
pub const CRC_AT: usize = 12;

/// Why an image is not started. The numbers are what `board::IMAGE` 1 then holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// No magic number.
    Magic = 0x10,
    /// A length that it cannot have.
    Length = 0x11,
    /// The CRC is wrong.
    Crc = 0x12,
    /// Header and code are of different versions.
    Version = 0x13,
    /// The card's register map has another major version.
    Map = 0x14,
}

/// What `board::IMAGE` 1 holds while the firmware runs.
pub const RUNNING: u32 = 1;

/// CRC-32 of four bits: reflected polynomial 0xEDB88320.
const NIBBLES: [u32; 16] = {
    let mut table = [0; 16];
    let mut i = 0;
    while i < 16 {
        let (mut crc, mut bit) = (i as u32, 0);
        while bit < 4 {
            crc = crc >> 1 ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
            bit += 1;
        }
        table[i] = crc;
        i += 1;
    }
    table
};

/// CRC-32 over words, each from its lowest byte; `skip` is the word that counts as zero. The table by bytes, 1 KiB, is made on the stack: in the image it would take
/// more room than all of its check.
#[inline(never)]
pub fn crc(words: impl Iterator<Item = u32>, skip: usize) -> u32 {
    let mut table = [0; 256];
    for (byte, crc) in (0u32..).zip(&mut table) {
        let low = byte >> 4 ^ NIBBLES[(byte & 15) as usize];
        *crc = low >> 4 ^ NIBBLES[(low & 15) as usize];
    }
    let mut crc = u32::MAX;
    for (i, word) in words.enumerate() {
        crc ^= if i == skip { 0 } else { word };
        for _ in 0..4 {
            crc = crc >> 8 ^ table[(crc & 255) as usize];
        }
    }
    !crc
}

/// Checks an image of `room` bytes at most, whose words `word` gives. The map's major version is what the card says.
pub fn check(word: impl Fn(usize) -> u32, room: usize, map_major: u32) -> Result<u32, Fault> {
    if word(1) != MAGIC {
        return Err(Fault::Magic);
    }
    let bytes = word(2) as usize;
    if bytes < HEADER_BYTES || bytes > room || !bytes.is_multiple_of(4) {
        return Err(Fault::Length);
    }
    let stated = word(CRC_AT / 4);
    if crc((0..bytes / 4).map(&word), CRC_AT / 4) != stated {
        return Err(Fault::Crc);
    }
    if word(4) != crate::VERSION_WORD {
        return Err(Fault::Version);
    }
    if word(5) != crate::MAP_MAJOR || map_major != crate::MAP_MAJOR {
        return Err(Fault::Map);
    }
    Ok(stated)
}
