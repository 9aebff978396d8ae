//! Packets of the host, and rules for those of the card.
#![allow(dead_code)]

/// The root complex's requester id.
pub const HOST: u16 = 0x0000;

/// Faults that an address asks for, as bits 47:44.
pub mod fault {
    pub const UR: u64 = 1 << 44;
    pub const CA: u64 = 2 << 44;
    pub const SILENT: u64 = 3 << 44;
    pub const POISON: u64 = 4 << 44;
    /// The completions come, but long after.
    pub const LATE: u64 = 5 << 44;
    /// The second completion (if any) ends in UR.
    pub const SECOND: u64 = 6 << 44;
    /// The byte count is too small by one.
    pub const COUNT: u64 = 7 << 44;
}

/// First byte and end of a request's bytes from its byte enables (2.2.5).
pub fn check_enables(dws: u32, first: u32, last: u32) -> (usize, usize) {
    assert_ne!(first, 0);
    let skip = first.trailing_zeros();
    if dws == 1 {
        assert_eq!(last, 0, "one double word has no last byte enables");
        let end = 32 - first.leading_zeros();
        assert_eq!(first, ((1 << end) - 1) & !((1 << skip) - 1), "holes");
        (skip as usize, end as usize)
    } else {
        assert_eq!(first, 15 & !((1 << skip) - 1), "holes in {first:x}");
        let end = 32 - last.leading_zeros();
        assert_eq!(last, (1 << end) - 1, "holes in {last:x}");
        (skip as usize, (4 * (dws - 1) + end) as usize)
    }
}

/// A memory request from the host: `fmt` 0 read, 2 write.
pub fn request(fmt: u32, addr: u64, dws: u32, be: u32, tag: u32, data: &[u32]) -> Vec<u32> {
    let four = addr >> 32 != 0;
    let mut p = vec![
        (fmt | four as u32) << 29 | (dws & 1023),
        (HOST as u32) << 16 | tag << 8 | be,
    ];
    if four {
        p.push((addr >> 32) as u32);
    }
    p.push(addr as u32);
    p.extend_from_slice(data);
    p
}
