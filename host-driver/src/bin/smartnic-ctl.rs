//! smartnic-ctl: shows and configures a smartnic.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use smartnic_driver::cli::args::Cli;
use smartnic_driver::cli::{CliError, run};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let help = matches!(
                error.kind(),
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
            );
            // Help goes to stdout, errors to stderr; if even that fails there is nobody to tell.
            let _ = error.print();
            return ExitCode::from(if help { 0 } else { 1 });
        }
    };
    let mut out = std::io::stdout().lock();
    match run(&cli, &mut out).and_then(|()| Ok(out.flush()?)) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read our output has enough: `smartnic-ctl fdb monitor | head`.
        Err(CliError::Output(e)) if e.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Error: {error}");
            ExitCode::from(error.code())
        }
    }
}
