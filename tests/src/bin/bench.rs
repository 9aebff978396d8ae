//! Runs the benches that drive the hardware. Started by `cargo xtask bench`, which says how.

use std::process::ExitCode;

use clap::Parser;
use smartnic_tests::bench::{Args, BENCHES, Bench, Error, Report};

/// Measures the simulated card.
#[derive(Parser)]
struct Cli {
    /// The bench's name, or `all`.
    name: String,
    /// One JSON object a line instead of a table.
    #[arg(long)]
    json: bool,
    /// Seeds every random choice.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How often to measure; the median is printed.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let chosen: Vec<&Bench> = BENCHES
        .iter()
        .filter(|bench| cli.name == "all" || bench.name == cli.name)
        .collect();
    if chosen.is_empty() {
        eprintln!("error: no bench `{}`; there are:", cli.name);
        for bench in BENCHES {
            eprintln!("  {:<10} {}", bench.name, bench.about);
        }
        return ExitCode::from(2);
    }
    for bench in chosen {
        if let Err(err) = measure(bench, &cli) {
            eprintln!("error: bench {}: {err}", bench.name);
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn measure(bench: &Bench, cli: &Cli) -> Result<(), Error> {
    let mut report = Report::new(bench.name);
    report.param("seed", cli.seed);
    (bench.run)(
        &Args {
            seed: cli.seed,
            runs: cli.runs,
        },
        &mut report,
    )?;
    print!(
        "{}",
        if cli.json {
            report.json()
        } else {
            report.table()
        }
    );
    Ok(())
}
