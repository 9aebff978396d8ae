//! `cargo xtask flash --board NAME`: loads a bitstream into a board.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::proc::{command, minutes, run as run_shown, shown};
use crate::{bitstream, boards, paths};

/// Load a board with its bitstream.
#[derive(clap::Args)]
pub struct Args {
    /// The board (see `cargo xtask boards`).
    #[arg(long)]
    board: String,
    /// The bitstream [default: what `cargo xtask bitstream` made].
    #[arg(long)]
    file: Option<PathBuf>,
    /// Write the board's flash memory, so that the board starts with it; without this it is lost with the power.
    #[arg(long)]
    keep: bool,
    /// openFPGALoader's name of the JTAG cable [default: the board's, or the usual one where none is on it].
    #[arg(long)]
    cable: Option<String>,
    /// Print what would be run, and run nothing.
    #[arg(long)]
    dry_run: bool,
}

/// The programs that can do it, the best first.
const LOADERS: [&str; 3] = ["openFPGALoader", "ecpprog", "openocd"];

/// What OpenOCD wants to know of an FT2232 with JTAG on its first channel, and of an ECP5 behind it.
const OPENOCD: &str = "adapter driver ftdi; ftdi vid_pid 0x0403 0x6010; ftdi channel 0; ftdi layout_init 0xfff8 0xfffb; \
     adapter speed 5000; transport select jtag; jtag newtap ecp5 tap -irlen 8";

/// Loads the board, or says what would be run.
pub fn run(args: &Args) -> Result<()> {
    let info = boards::find(&args.board)?;
    let is_ecp5 = info["fpga"]["family"] == "ecp5";
    let file = args
        .file
        .clone()
        .unwrap_or_else(|| bitstream::file(&args.board));
    // The others know no Xilinx.
    let loaders = if is_ecp5 { &LOADERS[..] } else { &LOADERS[..1] };
    let found = loaders.iter().find(|name| paths::which(name).is_some());
    let mut line = load(found.unwrap_or(&loaders[0]), args, &info, &file)?;
    if args.dry_run {
        println!("{}", shown(&line));
        if !file.is_file() {
            println!("(first: cargo xtask bitstream --board {})", args.board);
        }
        if found.is_none() {
            println!("(first: install {})", loaders.join(" or "));
        }
        return Ok(());
    }
    if !file.is_file() {
        bail!(
            "{} is not there; build it: cargo xtask bitstream --board {}",
            file.display(),
            args.board
        );
    }
    if found.is_none() {
        bail!(
            "no program to load a board with: install {}",
            loaders.join(" or ")
        );
    }
    run_shown(&mut line, minutes(10)).map_err(|error| {
        error.context(format!(
            "board {} was not loaded: is it connected, powered, and yours to open (try --dry-run, --cable)?",
            args.board
        ))
    })
}

/// The command line of a loader.
fn load(loader: &str, args: &Args, info: &Value, file: &Path) -> Result<Command> {
    let mut line = command(loader);
    match loader {
        "openFPGALoader" => {
            let usual = info["loader"]["cable"]
                .as_str()
                .context("no loader.cable")?;
            line.args(["--cable", args.cable.as_deref().unwrap_or(usual)]);
            if args.keep {
                let more = info["loader"]["flash"]
                    .as_array()
                    .context("no loader.flash")?;
                line.args(more.iter().filter_map(Value::as_str));
                line.arg("--write-flash");
            }
            line.arg(file);
        }
        "ecpprog" => {
            line.args((!args.keep).then_some("-S"));
            line.arg(file);
        }
        "openocd" => {
            if args.keep {
                bail!(
                    "openocd cannot write the flash of board {}: install openFPGALoader, or leave --keep out",
                    args.board
                );
            }
            let svf = file.with_extension("svf");
            let script = format!("{OPENOCD}; init; svf -quiet {{{}}}; exit", svf.display());
            line.args(["-c", &script]);
        }
        other => bail!("no loader {other}"),
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn args(keep: bool) -> Args {
        Args {
            board: "b".into(),
            file: None,
            keep,
            cable: None,
            dry_run: true,
        }
    }

    #[test]
    fn each_loader_has_its_command_line() {
        let info = json!({ "loader": { "cable": "usb", "flash": ["--board", "it"] } });
        let line =
            |loader, keep| load(loader, &args(keep), &info, Path::new("x.bit")).map(|l| shown(&l));
        assert_eq!(
            line("openFPGALoader", true).unwrap(),
            "openFPGALoader --cable usb --board it --write-flash x.bit"
        );
        assert_eq!(
            line("openFPGALoader", false).unwrap(),
            "openFPGALoader --cable usb x.bit"
        );
        let other = Args {
            cable: Some("other".into()),
            ..args(false)
        };
        let other = load("openFPGALoader", &other, &info, Path::new("x.bit")).unwrap();
        assert_eq!(shown(&other), "openFPGALoader --cable other x.bit");
        assert_eq!(line("ecpprog", false).unwrap(), "ecpprog -S x.bit");
        assert_eq!(line("ecpprog", true).unwrap(), "ecpprog x.bit");
        assert!(
            line("openocd", false)
                .unwrap()
                .contains("svf -quiet {x.svf}")
        );
        assert!(line("openocd", true).is_err());
    }
}
