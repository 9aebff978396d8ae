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
    let file = args
        .file
        .clone()
        .unwrap_or_else(|| bitstream::file(&args.board));
    let loaders = loaders(&info);
    let found = loaders.iter().find(|name| paths::which(name).is_some());
    let mut line = load(found.unwrap_or(&loaders[0]), args, &info, &file)?;
    let before = info["loader"]["before"].as_str();
    let missing = [
        missing_file(&file, &args.board),
        missing_program(found.is_none(), loaders),
    ];
    let mut missing = missing.into_iter().flatten();
    if args.dry_run {
        println!("{}", shown(&line));
        missing
            .chain(before.map(str::to_owned))
            .for_each(|first| println!("(first: {first})"));
        return Ok(());
    }
    match missing.next() {
        Some(first) => bail!("{first}"),
        None => start(&mut line, &args.board, before),
    }
}

/// The programs that can load a board. The others than the first know no Xilinx, and only FT2232 cables.
fn loaders(info: &Value) -> &'static [&'static str] {
    let others = info["fpga"]["family"] == "ecp5" && info["loader"]["cable"] == "ft2232";
    if others { &LOADERS } else { &LOADERS[..1] }
}

fn missing_file(file: &Path, board: &str) -> Option<String> {
    let missing = !file.is_file();
    missing.then(|| {
        format!(
            "{} is not there; build it: cargo xtask bitstream --board {board}",
            file.display()
        )
    })
}

fn missing_program(missing: bool, loaders: &[&str]) -> Option<String> {
    missing.then(|| {
        format!(
            "no program to load the board with: install {}",
            loaders.join(" or ")
        )
    })
}

/// Runs the loader; when it fails, says what the reason may be.
fn start(line: &mut Command, board: &str, before: Option<&str>) -> Result<()> {
    run_shown(line, minutes(10)).map_err(|error| {
        let before = before.map(|text| format!("; {text}")).unwrap_or_default();
        error.context(format!(
            "board {board} was not loaded: is it connected, powered, and yours to open (try --dry-run, --cable{before})?"
        ))
    })
}

/// The command line of a loader.
fn load(loader: &str, args: &Args, info: &Value, file: &Path) -> Result<Command> {
    let mut line = command(loader);
    if let (Some(cable), false) = (&args.cable, loader == LOADERS[0]) {
        bail!(
            "--cable {cable} is a name of {}, and here is only {loader}: install the former, or leave --cable out",
            LOADERS[0]
        );
    }
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
        let openocd = line("openocd", false).unwrap();
        assert!(
            openocd.starts_with("openocd -c 'adapter driver ftdi; ")
                && openocd.ends_with(" svf -quiet {x.svf}; exit'")
        );
        assert!(line("openocd", true).is_err());
        let other = Args {
            cable: Some("other".into()),
            ..args(false)
        };
        let error = load("ecpprog", &other, &info, Path::new("x.bit")).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("--cable other is a name of openFPGALoader")
        );
    }

    #[test]
    fn each_board_has_its_loaders() {
        let info = |family: &str, cable: &str| json!({ "fpga": { "family": family }, "loader": { "cable": cable } });
        assert_eq!(loaders(&info("ecp5", "ft2232")), LOADERS);
        assert_eq!(loaders(&info("ecp5", "ft232RL")), ["openFPGALoader"]);
        assert_eq!(loaders(&info("xc7", "ft2232")), ["openFPGALoader"]);
    }

    #[test]
    fn what_is_missing_is_said_in_a_line() {
        let here = tempfile::tempdir().unwrap();
        let file = here.path().join("b.bit");
        let said = missing_file(&file, "b").unwrap();
        assert!(said.ends_with("b.bit is not there; build it: cargo xtask bitstream --board b"));
        std::fs::write(&file, "bits").unwrap();
        assert_eq!(missing_file(&file, "b"), None);
        let said = missing_program(true, &LOADERS).unwrap();
        assert!(said.ends_with("install openFPGALoader or ecpprog or openocd"));
        assert_eq!(missing_program(false, &LOADERS), None);
        // A loader that finds no board.
        let error = start(&mut command("false"), "b", Some("a jumper")).unwrap_err();
        let said = format!("{error:#}");
        assert!(
            said.starts_with("board b was not loaded: is it connected,")
                && said.contains("; a jumper)"),
            "{said}"
        );
        assert!(
            said.contains("`false` failed") && said.lines().count() == 1,
            "{said}"
        );
        start(&mut command("true"), "b", None).unwrap();
    }
}
