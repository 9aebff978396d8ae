//! Binary operators: as text and in rust-hdl's AST.

use super::expr::BinOp;
use rust_hdl_core::ast::VerilogOp;

/// As Verilog's text.
pub(super) fn op_text(op: BinOp) -> &'static str {
    match op {
        BinOp::Add => "+",
        BinOp::Sub => "-",
        BinOp::Mul => "*",
        BinOp::And => "&",
        BinOp::Or => "|",
        BinOp::Xor => "^",
        BinOp::Eq => "==",
        BinOp::Ne => "!=",
        BinOp::Lt => "<",
        BinOp::Le => "<=",
        BinOp::Gt => ">",
        BinOp::Ge => ">=",
    }
}

/// In rust-hdl's AST.
pub(super) fn ast_op(op: BinOp) -> VerilogOp {
    match op {
        BinOp::Add => VerilogOp::Add,
        BinOp::Sub => VerilogOp::Sub,
        BinOp::Mul => VerilogOp::Mul,
        BinOp::And => VerilogOp::BitAnd,
        BinOp::Or => VerilogOp::BitOr,
        BinOp::Xor => VerilogOp::BitXor,
        BinOp::Eq => VerilogOp::Eq,
        BinOp::Ne => VerilogOp::Ne,
        BinOp::Lt => VerilogOp::Lt,
        BinOp::Le => VerilogOp::Le,
        BinOp::Gt => VerilogOp::Gt,
        BinOp::Ge => VerilogOp::Ge,
    }
}
