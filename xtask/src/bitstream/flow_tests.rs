//! The whole way to a bitstream on small designs: what it makes, what it refuses, and that it leaves nothing half-made.

use serde_json::json;
use tempfile::TempDir;

use super::*;

/// Pins of the LFE5U-25F in its CABGA256.
const PINS: &str = "LOCATE COMP \"clk\" SITE \"P6\";\nIOBUF PORT \"clk\" IO_TYPE=LVCMOS33;\n\
                    LOCATE COMP \"q\" SITE \"T6\";\nIOBUF PORT \"q\" IO_TYPE=LVCMOS33;\n";

/// A counter of 24 bits.
const COUNTER: &str = "module small(input wire clk, output reg q);\nreg [23:0] n;\n\
                       always @(posedge clk) begin n <= n + 1; q <= n[23]; end\nendmodule\n";

fn design(dir: &TempDir, verilog: &str, pins: &str, mhz: u32) -> Design {
    let source = dir.path().join("source");
    fs::create_dir_all(&source).unwrap();
    fs::write(source.join("small.v"), verilog).unwrap();
    let lpf = format!("{pins}FREQUENCY PORT \"clk\" {mhz} MHZ;\n");
    fs::write(source.join("small.lpf"), lpf).unwrap();
    let finished = dir.path().join("small.bit");
    // What an earlier design left.
    fs::write(&finished, "old").unwrap();
    Design {
        progress: Progress {
            board: "small".into(),
            start: Instant::now(),
        },
        info: json!({
            "title": "Small", "part": "LFE5U-25F-6BG256C", "top": "small", "parameters": { "ports": 0 },
            "fpga": { "family": "ecp5", "device": "25k", "package": "CABGA256", "speed": 6 },
            "constraints": "small.lpf", "clocks_mhz": { "clk": mhz }, "simulated": { "file": "small.v", "digest": "" },
        }),
        source,
        base: dir.path().join("base"),
        finished,
    }
}

/// What is said of a design that does not become a bitstream.
fn refused(verilog: &str, pins: &str, mhz: u32) -> String {
    let dir = tempfile::tempdir().unwrap();
    let design = design(&dir, verilog, pins, mhz);
    let error = design.build(1).unwrap_err();
    assert!(!design.finished.exists(), "{error:#}");
    let said = format!("{error:#}");
    assert_eq!(said.lines().count(), 1, "{said}");
    said
}

#[test]
fn a_design_becomes_a_bitstream_once() {
    setup::run().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let design = design(&dir, COUNTER, PINS, 50);
    design.build(1).unwrap();
    let bits = fs::read(&design.finished).unwrap();
    assert!(bits.len() > 10_000, "{} bytes", bits.len());
    assert!(design.finished.with_extension("svf").is_file());
    // The second time nothing is made again.
    let made = design.synthesised().unwrap();
    fs::write(made.dir.join("board-1.bit"), "kept").unwrap();
    design.build(1).unwrap();
    assert_eq!(fs::read(&design.finished).unwrap(), b"kept");
    // Another seed is another place.
    design.build(2).unwrap();
    assert_ne!(fs::read(&design.finished).unwrap(), b"kept");
}

#[test]
fn what_cannot_be_built_is_said_in_a_line() {
    setup::run().unwrap();
    let said = refused(
        COUNTER,
        &format!("{PINS}LOCATE COMP \"led\" SITE \"R6\";\n"),
        50,
    );
    assert_eq!(said, "small.lpf names led, but the design has no such port");
    let said = refused(COUNTER, &PINS.replace("P6", "ZZ99"), 50);
    assert!(
        said.contains("do not agree") && said.contains("ZZ99"),
        "{said}"
    );
    let said = refused(COUNTER, PINS, 1000);
    assert!(
        said.starts_with("timing is not met: clock clk reaches ") && said.contains(", from n"),
        "{said}"
    );
    let memory = "module small(input wire clk, output reg q);\nreg [16:0] a;\nreg [35:0] m [0:131071];\nreg [35:0] w;\n\
                  always @(posedge clk) begin a <= a + 1; if (w[0]) m[a] <= {w[34:0], q}; w <= m[~a]; q <= ^w; end\nendmodule\n";
    let said = refused(memory, PINS, 50);
    assert!(
        said.starts_with("the design does not fit the FPGA"),
        "{said}"
    );
}
