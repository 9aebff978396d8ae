//! A small construction layer over rust-hdl.
//!
//! rust-hdl's kernels have no locals, functions, concatenation or conditional operator, and one struct per
//! parameter set (docs/hdl.md has the measurements). Here ordinary Rust code builds a module out of
//! width-checked expressions; the result is a rust-hdl [`Block`](rust_hdl_core::block::Block) whose `hdl()` is made of
//! rust-hdl's AST, and rust-hdl writes the Verilog. Identical modules are merged after emission.

mod bits;
mod block;
mod choose;
mod emit;
mod expr;
mod inst;
mod lower;
mod module;
mod operator;
pub mod prim;
mod process;
pub mod ram;

pub use choose::{all_of, any_of, pick, select_onehot, xor_of};
pub use emit::{design, emit};
pub use expr::{E, Operand, cat, lit, lit_wide, mux};
pub use inst::Inst;
pub use module::{Domain, Module};
pub use process::{Proc, Switch};

/// Bits needed to count from 0 to `n - 1` (at least 1).
pub fn bits_for(n: u64) -> u32 {
    if n <= 2 {
        1
    } else {
        64 - (n - 1).leading_zeros()
    }
}
