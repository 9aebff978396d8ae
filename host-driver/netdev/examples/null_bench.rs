//! What the frame path costs: `cargo run --release -p smartnic-netdev --example null_bench`.

use std::time::Duration;

use smartnic_netdev::null::{Case, measure};

fn main() -> Result<(), smartnic_netdev::NetdevError> {
    println!(
        "{:>5} {:>6} {:>5} {:>14} {:>9}",
        "size", "queues", "batch", "frames/s", "ns/frame"
    );
    for (size, queues) in [(64, 1), (64, 4), (1518, 1)] {
        for batch in [1, 4, 16, 64, 256] {
            let figure = measure(
                Case {
                    size,
                    queues,
                    batch,
                },
                Duration::from_millis(500),
            )?;
            let ns = 1e9 / figure.frames_per_s;
            println!(
                "{size:>5} {queues:>6} {batch:>5} {:>14.0} {ns:>9.1}",
                figure.frames_per_s
            );
        }
    }
    Ok(())
}
