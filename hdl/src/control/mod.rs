//! Configuration: the pages `global`, `port` and `reserved`.

mod global;
mod port;

pub use global::global;
pub use port::{BOARD_CONFIG, port, reserved};
