//! The program around benches: names, `--json`, `--seed`, `--runs`.

use std::process::ExitCode;

use clap::Parser;

use crate::Report;

/// What every bench is told.
#[derive(Clone, Debug)]
pub struct Args {
    /// Seeds every random choice; the same seed repeats a bench exactly.
    pub seed: u64,
    /// How often to measure; the median is printed.
    pub runs: u32,
}

/// The error of a bench: whatever stopped it, in words.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// A bench, by name.
pub struct Bench {
    /// The name as typed, and as in [`Row::bench`](crate::Row::bench).
    pub name: &'static str,
    /// What it measures, in a line.
    pub about: &'static str,
    /// Measures and reports.
    pub run: fn(&Args, &mut Report) -> Result<(), Error>,
}

/// Measures.
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

/// Runs the bench that the command line names, or all of them.
#[must_use]
pub fn main(benches: &[Bench]) -> ExitCode {
    let cli = Cli::parse();
    let chosen: Vec<&Bench> = benches
        .iter()
        .filter(|bench| cli.name == "all" || bench.name == cli.name)
        .collect();
    if chosen.is_empty() {
        eprintln!("error: no bench `{}`; there are:", cli.name);
        for bench in benches {
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
    let args = Args {
        seed: cli.seed,
        runs: cli.runs,
    };
    (bench.run)(&args, &mut report)?;
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
