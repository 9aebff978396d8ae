//! `cargo xtask boards`: what is supported; and, for the other tasks, a board's description.

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::proc::{capture, cargo, minutes};

/// Lists the boards: ports, FPGA, what works.
pub fn run() -> Result<()> {
    print!("{}", ask(&[])?);
    Ok(())
}

/// What the hardware generator says of its boards.
fn ask(options: &[&str]) -> Result<String> {
    let mut list = cargo();
    list.args(["run", "--quiet", "-p", "smartnic-hdl", "--", "boards"]);
    list.args(options);
    capture(&mut list, minutes(15))
}

/// The descriptions of all boards.
pub fn all() -> Result<Value> {
    let text = ask(&["--json"])?;
    serde_json::from_str(&text).context("smartnic-hdl boards --json")
}

/// The description of the board of that name.
pub fn find(name: &str) -> Result<Value> {
    pick(&all()?, name)
}

/// The one of that name among them.
pub fn pick(all: &Value, name: &str) -> Result<Value> {
    let all = all.as_array().context("a list of boards")?;
    if let Some(board) = all.iter().find(|board| board["board"] == name) {
        return Ok(board.clone());
    }
    let known: Vec<_> = all.iter().filter_map(|b| b["board"].as_str()).collect();
    bail!("board {name}: unknown; known are {}", known.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_unknown_board_is_said_with_the_known_ones() {
        let all = json!([{ "board": "a", "ports": 2 }, { "board": "b" }]);
        assert_eq!(pick(&all, "a").unwrap()["ports"], 2);
        let error = pick(&all, "c").unwrap_err().to_string();
        assert_eq!(error, "board c: unknown; known are a, b");
    }
}
