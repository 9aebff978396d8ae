//! `smartnic-hdl`: writes the generated Verilog.

use clap::{Parser, Subcommand};
use serde_json::{Value, json};
use smartnic_hdl::board::{self, SystemError};
use smartnic_hdl::boards::{self, Board, BoardError};
use smartnic_hdl::params::Params;
use smartnic_hdl::{blocks, rtl, top};
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
    /// Writes NAME.v and NAME.json (parameters, ports, clocks) for the card, for one block, or for a board, then with what it is around (board_core.v) and its constraint file.
    Emit(Emit),
    /// Lists the blocks that `emit --block` knows.
    Blocks,
    /// Lists the boards that `emit --board` knows.
    Boards {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(clap::Args)]
struct Emit {
    /// Ethernet ports: 2, 4 or 8 [default: 4; with --board all that it has].
    #[arg(long)]
    ports: Option<u32>,
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
    /// Core clock in MHz: 125; on a board also 50, 75 or 100, then without 1000 Mb/s [default: 125, or the board's].
    #[arg(long)]
    core_mhz: Option<u32>,
    /// Only this block (see `blocks`).
    #[arg(long)]
    block: Option<String>,
    /// The board's system: the card with its processor and management, without a board's own cells.
    #[arg(long, conflicts_with = "block")]
    system: bool,
    /// A board's top with its cells, and its constraint file (see `boards`); with --block that block as the board has it.
    #[arg(long, conflicts_with = "system")]
    board: Option<String>,
    /// Image of the firmware (raw binary) for the processor's RAM of --system or --board; without it the RAM is empty.
    #[arg(long, conflicts_with = "block")]
    firmware: Option<PathBuf>,
    /// A file for each module, as lint wants it, instead of one for all.
    #[arg(long)]
    split: bool,
    /// Folder to write to; made if it is missing.
    #[arg(long)]
    out: PathBuf,
}

/// What goes into the folder: file names and texts.
type Files = Vec<(String, String)>;

impl Emit {
    /// The parameters asked for, on top of `d`.
    fn params(&self, d: Params) -> Params {
        Params {
            width: self.width.unwrap_or(d.width),
            fdb_entries: self.fdb_entries.unwrap_or(d.fdb_entries),
            cam: self.cam.unwrap_or(d.cam),
            cells: self.cells.unwrap_or(d.cells),
            lag_groups: self.lag_groups.unwrap_or(d.lag_groups),
            queues: self.queues.unwrap_or(d.queues),
            core_mhz: self.core_mhz.unwrap_or(d.core_mhz),
            ..d
        }
    }

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

    /// The card, its system, or a block.
    fn module(&self) -> Result<Files, String> {
        let p = Params {
            board: self.system,
            ..self.params(Params::for_ports(self.ports.unwrap_or(4)))
        };
        p.check().map_err(|e| e.to_string())?;
        if self.firmware.is_some() && !self.system {
            return Err(
                "--firmware: only a board has a processor; give --system or --board".into(),
            );
        }
        let module = match &self.block {
            Some(name) => block(name, &p)?,
            None if self.system => {
                let image = self.image()?;
                board::board_system(&p, 0u16, &image).map_err(|x| self.named(x))?
            }
            None => top::smartnic(&p).map_err(|e| e.to_string())?,
        };
        Ok(module_files(&module, &p, 0))
    }

    /// A board's top.
    fn board(&self, name: &str) -> Result<Files, String> {
        let said = |e: BoardError| match e {
            BoardError::System(e) => self.named(e),
            e => e.to_string(),
        };
        let b = boards::find(name).map_err(said)?;
        let p = self.params(b.params(self.ports).map_err(said)?);
        if let Some(name) = &self.block {
            if !b.blocks().any(|n| n == name) && blocks::NAMES.contains(&name.as_str()) {
                return Err(format!("block {name}: board {} has no host", b.name));
            }
            return Ok(module_files(&block(name, &p)?, &p, b.lut_ram_bits));
        }
        let image = self.image()?;
        let e = boards::top(b, &p, &image).map_err(said)?;
        let mut info = describe(b);
        info["top"] = json!(e.top);
        info["parameters"] = json!(e.params);
        info["constraints"] = json!(b.constraint_file());
        info["clocks_mhz"] = json!(boards::clocks(b, &p));
        let core = format!("{}.v", e.core.top);
        info["simulated"] = simulated(&core, &e.core);
        Ok(vec![
            (core, e.core.verilog),
            (format!("{}.v", e.top), e.wrapper),
            (format!("{}.json", e.top), pretty(&info)),
            (b.constraint_file(), boards::constraints(b, &p)),
        ])
    }
}

/// The block of that name.
fn block(name: &str, p: &Params) -> Result<rtl::Module, String> {
    let known = || blocks::NAMES.join(", ");
    blocks::build(name, p).ok_or_else(|| format!("block {name}: unknown; known are {}", known()))
}

/// A module that is no board's top; its memories of up to `lut_ram_bits` bits are LUT RAM.
fn module_files(module: &rtl::Module, p: &Params, lut_ram_bits: u32) -> Files {
    let mut design = rtl::design(module);
    design.verilog = boards::to_lut_ram(&design.verilog, lut_ram_bits);
    let ports: Vec<Value> = design
        .ports
        .iter()
        .map(|p| {
            let direction = match p.direction {
                smartnic_verilated::Direction::In => "in",
                smartnic_verilated::Direction::Out => "out",
            };
            json!({ "name": p.name, "width": p.width, "direction": direction })
        })
        .collect();
    let file = format!("{}.v", design.top);
    let info = json!({
        "top": design.top, "parameters": p, "ports": ports, "clocks": design.clocks, "simulated": simulated(&file, &design),
    });
    vec![
        (file, design.verilog),
        (format!("{}.json", design.top), pretty(&info)),
    ]
}

/// Which file holds the Verilog that is simulated, and its digest.
fn simulated(file: &str, design: &smartnic_verilated::Design) -> Value {
    json!({ "file": file, "digest": design.digest() })
}

fn pretty(v: &Value) -> String {
    serde_json::to_string_pretty(v).expect("plain data") + "\n"
}

/// What the tools and people want to know of a board.
fn describe(b: &Board) -> Value {
    let fpga = match b.fpga {
        boards::Fpga::Ecp5 {
            device,
            package,
            speed,
        } => json!({ "family": "ecp5", "device": device, "package": package, "speed": speed }),
        boards::Fpga::Artix7 => json!({ "family": "xc7" }),
    };
    json!({
        "board": b.name, "title": b.title, "part": b.part, "fpga": fpga, "ports": b.ports.len(), "phy": b.phy.kind, "works": b.works,
        "loader": { "cable": b.loader.cable, "flash": b.loader.flash, "before": b.loader.before },
        "blocks": b.blocks().collect::<Vec<_>>(),
    })
}

fn list(as_json: bool) {
    if as_json {
        let all: Vec<Value> = boards::ALL.iter().map(|b| describe(b)).collect();
        print!("{}", pretty(&json!(all)));
        return;
    }
    for b in boards::ALL {
        println!(
            "{:<18} {} ports, {:<22} {}: {}",
            b.name,
            b.ports.len(),
            b.part,
            b.title,
            b.works
        );
    }
}

fn emit(e: &Emit) -> Result<(), String> {
    let mut files = match &e.board {
        Some(name) => e.board(name)?,
        None => e.module()?,
    };
    if e.split {
        files = files.into_iter().flat_map(split).collect();
    }
    std::fs::create_dir_all(&e.out).map_err(|x| format!("making {}: {x}", e.out.display()))?;
    for (name, text) in files {
        let path = e.out.join(name);
        std::fs::write(&path, text).map_err(|e| format!("writing {}: {e}", path.display()))?;
    }
    Ok(())
}

/// A file of Verilog as one for each of its modules; another file as it is.
fn split((name, text): (String, String)) -> Files {
    match name.strip_suffix(".v") {
        Some(_) => smartnic_verilated::split(&text)
            .into_iter()
            .map(|unit| (format!("{}.v", unit.name), unit.text))
            .collect(),
        None => vec![(name, text)],
    }
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Blocks => println!("{}", blocks::NAMES.join("\n")),
        Command::Boards { json } => list(json),
        Command::Emit(e) => {
            if let Err(e) = emit(&e) {
                eprintln!("smartnic-hdl: {e}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
