//! Compiles generated Verilog with Verilator behind a one-call-per-cycle shim and loads it.
//!
//! # Algorithm
//! [`Model::build`] splits the Verilog into one file per module, runs Verilator on it, generates an
//! `extern "C"` shim ([`shim`]), compiles both into one shared object and loads that. The object is
//! cached under a SHA-256 of everything that shapes it (Verilog, ports, options, Verilator, compiler,
//! processor), so that the second build of the same design is one `dlopen`.
//!
//! # Protocol
//! All inputs live in one packed buffer of 32-bit words and all outputs in another; one foreign call
//! per cycle hands over both. Inputs that are set between ticks are seen by the rising edge of the
//! next [`Model::tick`]; outputs that are read after it are the settled values after that edge.
//! [`Model::eval`] settles combinational paths from inputs to outputs without an edge.
//!
//! ```no_run
//! use smartnic_verilated::{Design, Model, Options, Port};
//! let design = Design {
//!     top: "inverter".into(),
//!     verilog: "module inverter(input wire clk, input wire a, output reg b);\n\
//!               always @(posedge clk) b <= !a;\nendmodule\n".into(),
//!     ports: vec![Port::input("clk", 1), Port::input("a", 1), Port::output("b", 1)],
//!     clocks: vec!["clk".into()],
//! };
//! let mut model = Model::build(&design, &Options::default())?;
//! let (a, b) = (model.input("a")?, model.output("b")?);
//! model.set(a, 0);
//! model.tick(1);
//! assert_eq!(model.get(b), 1);
//! # Ok::<(), smartnic_verilated::Error>(())
//! ```
//!
//! # Limits
//! Ports are plain vectors, in or out (no `inout`); at most 32 clocks; a model belongs to one thread
//! at a time (`Send`, not `Sync`). Verilog that does not settle (a combinational loop) makes the
//! evaluating call panic with Verilator's message.
//!
//! # Cost
//! One call, one store per input word, one load per output word and one Verilator evaluation per tick; a second
//! one, with the clocks low, in a design that looks at more than rising edges, or with a trace. `tests/counter.rs` covers it
//! and prints its measured rate.

mod cache;
mod compile;
mod design;
mod error;
mod fall;
mod model;
pub mod shim;
mod split;
mod tools;

pub use design::{Design, Direction, Opt, Options, Port};
pub use error::Error;
pub use model::{InputId, Model, OutputId};
pub use split::{Unit, split};
pub use tools::{Tools, tools_dir};
