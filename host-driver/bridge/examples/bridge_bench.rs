//! What the bridge costs: `cargo run --release -p smartnic-bridge --example bridge_bench`.

use std::time::Duration;

use smartnic_bridge::measure::{Way, forwarding, learning};
use smartnic_netdev::null::Case;

fn main() -> Result<(), smartnic_netdev::NetdevError> {
    let time = Duration::from_millis(500);
    println!(
        "{:>9} {:>5} {:>14} {:>9}",
        "way", "batch", "frames/s", "ns/frame"
    );
    for way in [Way::Known, Way::Filtered, Way::Flooded] {
        for batch in [1, 64] {
            let case = Case {
                size: 64,
                queues: 1,
                batch,
            };
            let figure = forwarding(case, way, time)?;
            let (word, ns) = (format!("{way:?}"), 1e9 / figure.frames_per_s);
            println!(
                "{word:>9} {batch:>5} {:>14.0} {ns:>9.1}",
                figure.frames_per_s
            );
        }
    }
    for stations in [8_192, 100_000] {
        let l = learning(stations, time);
        println!(
            "{stations} stations: {:.0} new, {:.0} moved, {:.0} known, {:.0} aged a second",
            l.new_per_s, l.moved_per_s, l.known_per_s, l.aged_per_s
        );
    }
    Ok(())
}
