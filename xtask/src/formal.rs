//! `cargo xtask formal`: the promises of the blocks, proven for the Verilog that is synthesised.
//!
//! Each file of `hdl/formal/` is a contract (see [`contract`]): numbered promises, the checks, and a sabotage for each promise. A proof is kept under `target/formal` by
//! the content of what it depends on.

mod contract;
mod prove;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::fpga::tools;
use crate::lint::{emit, verilog_files};
use crate::{paths, setup};
use contract::Contract;
use prove::Prover;

/// Prove the contracts of the hardware's blocks (hdl/formal).
#[derive(clap::Args)]
pub struct Args {
    /// Only this contract [default: all].
    #[arg(long)]
    proof: Option<String>,
    /// Break each promise on purpose, and see its proof fail.
    #[arg(long)]
    sabotage: bool,
}

/// Proves, and prints a line for each module.
pub fn run(args: &Args) -> Result<()> {
    setup::run()?;
    tools::prepare();
    let contracts = chosen(args.proof.as_deref())?;
    let prover = Prover::new()?;
    let mut failed = Vec::new();
    for contract in &contracts {
        println!("{}", contract.name);
        for (n, promise) in &contract.promises {
            println!("  {n}. {promise}");
        }
        let source = source(contract)?;
        for module in &contract.modules {
            let done = if args.sabotage {
                sabotaged(&prover, contract, module, &source)
            } else {
                proven(&prover, contract, module, &source)
            };
            if let Err(error) = done {
                println!("  {module}: {error:#}");
                failed.push(format!("{}/{module}", contract.name));
            }
        }
    }
    match failed.is_empty() {
        true => Ok(()),
        false => bail!("not as promised: {}", failed.join(", ")),
    }
}

fn proven(prover: &Prover, contract: &Contract, module: &str, source: &str) -> Result<()> {
    let proof = prover.prove(contract, module, source)?;
    println!(
        "  {module}: proven; {} bits of registers, {} of memory, {:.0} s",
        proof.register_bits, proof.memory_bits, proof.seconds
    );
    Ok(())
}

fn sabotaged(prover: &Prover, contract: &Contract, module: &str, source: &str) -> Result<()> {
    for change in &contract.sabotage {
        let label = prover.sabotage(contract, module, source, change)?;
        println!("  {module}: {label} fails with `{}`", change.new);
    }
    Ok(())
}

/// The contracts in `hdl/formal`.
fn chosen(name: Option<&str>) -> Result<Vec<Contract>> {
    let dir = paths::root().join("hdl/formal");
    let mut files: Vec<PathBuf> = fs::read_dir(&dir)
        .with_context(|| format!("cannot read {}", dir.display()))?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|file| file.extension().is_some_and(|ext| ext == "sv"))
        .collect();
    files.sort();
    let all: Vec<Contract> = files
        .iter()
        .map(|f| Contract::read(f))
        .collect::<Result<_>>()?;
    let Some(name) = name else { return Ok(all) };
    let known: Vec<String> = all.iter().map(|c| c.name.clone()).collect();
    let found: Vec<_> = all.into_iter().filter(|c| c.name == name).collect();
    if found.is_empty() {
        bail!("proof {name}: unknown; known are {}", known.join(", "));
    }
    Ok(found)
}

/// The Verilog of a contract's block.
fn source(contract: &Contract) -> Result<String> {
    let dir = paths::target().join("formal/verilog").join(&contract.name);
    let mut options = vec!["--block"];
    options.extend(contract.block.iter().map(String::as_str));
    emit(&options, &dir)?;
    let mut text = String::new();
    for file in verilog_files(&dir)? {
        text += &fs::read_to_string(file)?;
    }
    Ok(text)
}
