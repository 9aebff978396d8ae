//! The generator of a test's random numbers.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Seeded by the variable `SEED`, 1 without it; printed, so that a failure can be run again.
pub fn rng() -> ChaCha8Rng {
    let seed = std::env::var("SEED")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(1);
    println!("SEED={seed}");
    ChaCha8Rng::seed_from_u64(seed)
}
