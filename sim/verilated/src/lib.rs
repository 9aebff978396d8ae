//! Compiles generated Verilog with Verilator behind a one-call-per-cycle shim and loads it.
