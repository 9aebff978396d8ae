//! `smartnic-hdl`: writes the generated Verilog.

use clap::{Parser, Subcommand};
use smartnic_hdl::params::Params;
use smartnic_hdl::{
    blocks,
    board::{self, SystemError},
    top,
};
use std::path::PathBuf;
use std::process::ExitCode;

/// Generates the hardware of the smartnic.
#[derive(Parser)]
#[command(name = "smartnic-hdl", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Writes NAME.v and NAME.json (parameters, ports, clocks) for the card or for one block.
    Emit(Emit),
    /// Lists the blocks that `emit --block` knows.
    Blocks,
}

#[derive(clap::Args)]
struct Emit {
    /// Ethernet ports: 2, 4 or 8.
    #[arg(long, default_value_t = 4)]
    ports: u32,
    /// Beat width in bits: 64 or 128 [default: 64, 128 for 8 ports].
    #[arg(long)]
    width: Option<u32>,
    /// Entries in the FDB's tables.
    #[arg(long)]
    fdb_entries: Option<u32>,
    /// Entries in the FDB's CAM.
    #[arg(long)]
    cam: Option<u32>,
    /// Cells of 64 bytes in the packet buffer.
    #[arg(long)]
    cells: Option<u32>,
    /// LAG groups.
    #[arg(long)]
    lag_groups: Option<u32>,
    /// Receive rings, and as many transmit rings.
    #[arg(long)]
    queues: Option<u32>,
    /// Only this block (see `blocks`).
    #[arg(long)]
    block: Option<String>,
    /// The board's system: the card with its processor and management, without a board's own cells.
    #[arg(long, conflicts_with = "block")]
    system: bool,
    /// Image of the firmware (raw binary) for the processor's RAM; without it the RAM is empty.
    #[arg(long, requires = "system")]
    firmware: Option<PathBuf>,
    /// Folder to write to; made if it is missing.
    #[arg(long)]
    out: PathBuf,
}

impl Emit {
    fn params(&self) -> Params {
        let d = Params::for_ports(self.ports);
        Params {
            width: self.width.unwrap_or(d.width),
            fdb_entries: self.fdb_entries.unwrap_or(d.fdb_entries),
            cam: self.cam.unwrap_or(d.cam),
            cells: self.cells.unwrap_or(d.cells),
            lag_groups: self.lag_groups.unwrap_or(d.lag_groups),
            queues: self.queues.unwrap_or(d.queues),
            ..d
        }
    }
}

impl Emit {
    /// The firmware's bytes; none without a file.
    fn image(&self) -> Result<Vec<u8>, String> {
        let Some(file) = &self.firmware else {
            return Ok(vec![]);
        };
        std::fs::read(file).map_err(|x| format!("reading {}: {x}", file.display()))
    }
    /// What is wrong, with the file's name where it is the firmware.
    fn named(&self, error: SystemError) -> String {
        match (&error, &self.firmware) {
            (SystemError::Image(_), Some(file)) => format!("{}: {error}", file.display()),
            _ => error.to_string(),
        }
    }
}

fn emit(e: &Emit) -> Result<(), String> {
    let p = e.params();
    p.check().map_err(|e| e.to_string())?;
    let module = match &e.block {
        Some(name) => blocks::build(name, &p).ok_or_else(|| {
            format!(
                "block {name}: unknown; known are {}",
                blocks::NAMES.join(", ")
            )
        })?,
        None if e.system => {
            let image = e.image()?;
            board::board_system(&p, 0, &image).map_err(|x| e.named(x))?
        }
        None => top::smartnic(&p).map_err(|e| e.to_string())?,
    };
    let design = smartnic_hdl::rtl::design(&module);
    let ports: Vec<serde_json::Value> = design
        .ports
        .iter()
        .map(|p| {
            let direction = match p.direction {
                smartnic_verilated::Direction::In => "in",
                smartnic_verilated::Direction::Out => "out",
            };
            serde_json::json!({ "name": p.name, "width": p.width, "direction": direction })
        })
        .collect();
    let info = serde_json::json!({
        "top": design.top, "parameters": p, "ports": ports, "clocks": design.clocks,
    });
    let write = |name: String, text: &str| {
        let path = e.out.join(name);
        std::fs::write(&path, text).map_err(|e| format!("writing {}: {e}", path.display()))
    };
    std::fs::create_dir_all(&e.out).map_err(|x| format!("making {}: {x}", e.out.display()))?;
    write(format!("{}.v", design.top), &design.verilog)?;
    write(
        format!("{}.json", design.top),
        &(serde_json::to_string_pretty(&info).expect("plain data") + "\n"),
    )
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Blocks => {
            println!("{}", blocks::NAMES.join("\n"));
            ExitCode::SUCCESS
        }
        Command::Emit(e) => match emit(&e) {
            Ok(()) => ExitCode::SUCCESS,
            Err(e) => {
                eprintln!("smartnic-hdl: {e}");
                ExitCode::FAILURE
            }
        },
    }
}
