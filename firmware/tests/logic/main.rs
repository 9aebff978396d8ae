//! The firmware's logic on the host, against a board at register level.

#[path = "../common/board.rs"]
mod mock;
#[path = "../common/phy.rs"]
mod phy;

mod bridge;
mod image;
mod links;
mod serial;
