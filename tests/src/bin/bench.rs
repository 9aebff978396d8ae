//! Runs the benches that drive the hardware. Started by `cargo xtask bench`, which says how.

use std::process::ExitCode;

fn main() -> ExitCode {
    smartnic_bench::main(smartnic_tests::bench::BENCHES)
}
