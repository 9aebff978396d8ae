//! Fuzz target of `wire/bpdu.rs`: no bytes make the parser panic, and what it accepts survives writing and reading.
//!
//! `cargo test` runs the corpus in `tests/__fuzz__` and a number of random inputs; `cargo bolero test` goes on for as long as wanted.

use smartnic_slowpath::wire::bpdu::{Bpdu, BpduFrame};

#[test]
fn bpdu() {
    bolero::check!().for_each(|bytes: &[u8]| {
        if let Ok(frame) = BpduFrame::parse(bytes) {
            assert_eq!(BpduFrame::parse(&frame.emit()), Ok(frame));
        }
        // Random bytes rarely have the headers: the BPDU by itself as well.
        if let Ok(bpdu) = Bpdu::parse(bytes) {
            assert_eq!(Bpdu::parse(&bpdu.emit()), Ok(bpdu));
        }
    });
}
