//! Bonds in software over devices of the core.

mod balance;
mod common;
mod join;
mod lacp;
mod modes;
mod stacked;
