//! Fuzz targets: the control socket's calls, rings and events of a hostile card, both ends of the serial line.
//!
//! `cargo test` runs the corpora in `__fuzz__` beside each file and a number of random inputs; `cargo xtask soak` goes on for as long as wanted.

mod calls;
mod control;
mod rings;
mod serial;

/// Choices out of bytes: 0 once they are used up, so that every input is one.
pub struct Input<'a>(pub &'a [u8]);

impl Input<'_> {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }
    pub fn word(&mut self) -> u32 {
        u32::from_le_bytes([self.byte(), self.byte(), self.byte(), self.byte()])
    }
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::from(self.byte()) % from.len()]
    }
    /// True one time in `n`.
    pub fn one_in(&mut self, n: u8) -> bool {
        self.byte() % n == 1
    }
}
