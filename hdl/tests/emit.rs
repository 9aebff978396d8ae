//! The emit program: files, parameters, and refusals by name and range.

use smartnic_hdl::boards;
use smartnic_hdl::cpu::rv32i;
use smartnic_hdl::params::Params;
use smartnic_hdl::rtl::design;
use smartnic_hdl::top;
use smartnic_verilated::{Design, Model, Options};
use std::process::{Command, Output};

fn emit(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_smartnic-hdl"))
        .args(args)
        .output()
        .expect("runs")
}

#[test]
fn writes_verilog_and_parameters() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path();
    let out = dir.to_str().expect("a path of text");
    let run = emit(&["emit", "--ports", "2", "--block", "forward", "--out", out]);
    assert!(
        run.status.success(),
        "{}",
        String::from_utf8_lossy(&run.stderr)
    );
    let verilog = std::fs::read_to_string(dir.join("forward.v")).expect("written");
    assert!(verilog.contains("module forward("));
    let json = std::fs::read_to_string(dir.join("forward.json")).expect("written");
    let info: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(info["top"], "forward");
    assert_eq!(info["parameters"]["ports"], 2);
    assert_eq!(info["clocks"], serde_json::json!(["clock"]));
    let again = emit(&["emit", "--ports", "2", "--block", "forward", "--out", out]);
    assert!(again.status.success());
    let second = std::fs::read_to_string(dir.join("forward.v")).expect("written");
    assert_eq!(verilog, second, "the same parameters give the same text");
    // A board has its own parameters, and small memories of its own.
    let board = ["--board", "colorlight-5a-75b"];
    let run = emit(&[&["emit", "--block", "forward", "--out", out], &board[..]].concat());
    assert!(run.status.success());
    let json = std::fs::read_to_string(dir.join("forward.json")).expect("written");
    let info: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(info["parameters"]["core_mhz"], 50);
    let run = emit(&[&["emit", "--block", "host_port", "--out", out], &board[..]].concat());
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(!run.status.success() && said.contains("board colorlight-5a-75b has no host"));
}

/// The digest of what is synthesised is that of the model that runs.
#[test]
fn synthesis_gets_what_is_simulated() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path();
    let out = dir.to_str().expect("a path of text");
    assert!(
        emit(&["emit", "--block", "cpu", "--out", out])
            .status
            .success()
    );
    let json = std::fs::read_to_string(dir.join("rv32i.json")).expect("written");
    let info: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let verilog = std::fs::read_to_string(dir.join("rv32i.v")).expect("written");
    let model = Model::build(&design(&rv32i()), &Options::default()).expect("builds");
    assert_eq!(info["simulated"]["digest"], model.verilog_digest());
    let written = Design {
        verilog,
        ..design(&rv32i())
    };
    assert_eq!(written.digest(), model.verilog_digest());
}

#[test]
fn refuses_parameters_by_name_and_range() {
    let cases: [(&[&str], &str); 7] = [
        (
            &["--ports", "3"],
            "parameter ports = 3: allowed are 2, 4, 8",
        ),
        (
            &["--ports", "8", "--width", "64"],
            "parameter width = 64: allowed are",
        ),
        (
            &["--fdb-entries", "5000"],
            "parameter fdb-entries = 5000: allowed are",
        ),
        (
            &["--cam", "100"],
            "parameter cam = 100: allowed are 8 to 64",
        ),
        (&["--cells", "100"], "parameter cells = 100: allowed are"),
        (
            &["--lag-groups", "5"],
            "parameter lag-groups = 5: allowed are 1 to 4",
        ),
        (
            &["--queues", "0"],
            "parameter queues = 0: allowed are 1 to 4",
        ),
    ];
    for (args, want) in cases {
        let run = emit(&[&["emit", "--out", "unused"], args].concat());
        let said = String::from_utf8_lossy(&run.stderr);
        assert!(
            !run.status.success() && said.contains(want),
            "{args:?}: {said}"
        );
        assert_eq!(said.lines().count(), 1, "one line: {said}");
    }
    let run = emit(&["emit", "--block", "nothing", "--out", "unused"]);
    assert!(String::from_utf8_lossy(&run.stderr).contains("block nothing: unknown; known are"));
}

#[test]
fn refuses_firmware_that_does_not_fit() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("image");
    std::fs::write(&file, vec![1; 16385]).expect("written");
    let name = file.to_str().expect("a path of text");
    let run = emit(&["emit", "--system", "--firmware", name, "--out", "unused"]);
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(
        !run.status.success() && said.contains("16385 bytes"),
        "{said}"
    );
    assert!(said.contains(name) && said.lines().count() == 1, "{said}");
    std::fs::remove_file(&file).expect("removed");
    let run = emit(&["emit", "--system", "--firmware", name, "--out", "unused"]);
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(!run.status.success() && said.contains("reading"), "{said}");
}

#[test]
fn writes_a_board_with_its_constraints() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path();
    let out = dir.to_str().expect("a path of text");
    let image = dir.join("firmware.bin");
    std::fs::write(&image, 0xdead_beef_u32.to_le_bytes()).expect("written");
    let firmware = image.to_str().expect("a path of text");
    let args = [
        "emit",
        "--board",
        "colorlight-5a-75b",
        "--firmware",
        firmware,
        "--out",
        out,
    ];
    let run = emit(&args);
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}");
    let read = |name: &str| std::fs::read_to_string(dir.join(name)).expect("written");
    assert!(read("colorlight_5a_75b.v").contains("module colorlight_5a_75b("));
    let core = read("board_core.v");
    assert!(core.contains("mem[0] = 32'hdeadbeef;"));
    let info: serde_json::Value =
        serde_json::from_str(&read("colorlight_5a_75b.json")).expect("JSON");
    assert_eq!(info["top"], "colorlight_5a_75b");
    assert_eq!(info["constraints"], "colorlight-5a-75b.lpf");
    assert_eq!(info["fpga"]["device"], "25k");
    assert_eq!(info["clocks_mhz"]["rgmii1_rxc"], 125);
    assert_eq!(info["parameters"]["cells"], 256);
    // What goes to synthesis is what the tests of boards simulate.
    let board = boards::find("colorlight-5a-75b").expect("a board");
    let p = board.params(None).expect("in range");
    let simulated = boards::top(board, &p, &0xdead_beef_u32.to_le_bytes()).expect("builds");
    assert_eq!(core, simulated.core.verilog);
    assert_eq!(info["simulated"]["file"], "board_core.v");
    assert_eq!(info["simulated"]["digest"], simulated.core.digest());
    assert!(read("colorlight-5a-75b.lpf").contains("LOCATE COMP \"clk_in\" SITE \"P6\";"));

    let refusals: [(&[&str], &str); 4] = [
        (
            &["--board", "nothing"],
            "board nothing: unknown; known are versa-ecp5-5g,",
        ),
        (
            &["--board", "versa-ecp5-5g", "--ports", "4"],
            "board versa-ecp5-5g has 2 ports: 4 are asked for",
        ),
        (
            &["--board", "ecp5-85f", "--ports", "3"],
            "parameter ports = 3: allowed are",
        ),
        (
            &["--firmware", "none"],
            "--firmware: only a board has a processor",
        ),
    ];
    for (args, want) in refusals {
        let run = emit(&[&["emit", "--out", "unused"], args].concat());
        let said = String::from_utf8_lossy(&run.stderr);
        assert!(
            !run.status.success() && said.contains(want),
            "{args:?}: {said}"
        );
        assert_eq!(said.lines().count(), 1, "one line: {said}");
    }
    let list = emit(&["boards", "--json"]);
    let all: serde_json::Value = serde_json::from_slice(&list.stdout).expect("JSON");
    assert_eq!(all.as_array().map(Vec::len), Some(4));
}

/// The card of the simulator is the card that is synthesised: clocks that may be left out are its clock under other names, and outputs say when.
/// Nothing else differs.
#[test]
fn the_card_with_gates_is_the_card() {
    for ports in [2, 4, 8] {
        let p = Params::for_ports(ports);
        let [plain, gated] = [top::smartnic(&p), top::gated(&p)]
            .map(|m| design(&m.expect("parameters in range")).verilog);
        let gates = ["host", "tables"];
        let one_clock = |line: &str| {
            gates.iter().fold(line.to_string(), |line, name| {
                line.replace(&format!("= {name}_clock;"), "= clock;")
                    .replace(&format!(",{name}_clock"), "")
                    .replace(&format!(",{name}_wake"), "")
            })
        };
        // Declarations and assignments of the ports that only the simulator has.
        let of_gates = |line: &str| {
            gates.iter().any(|name| {
                line.contains(&format!("{name}_clock")) || line.contains(&format!("{name}_wake"))
            })
        };
        let kept: Vec<String> = gated
            .lines()
            .map(one_clock)
            .filter(|line| !of_gates(line))
            .collect();
        // Instances come in another order of their clocks, in the top alone.
        let top = |text: &str| text.find("module smartnic(").expect("the top");
        assert_eq!(plain[..top(&plain)], gated[..top(&gated)], "{ports} ports");
        let sorted = |text: &str| {
            let mut lines: Vec<String> = vec![];
            for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
                // What is left of a process in which a wake was assigned.
                match lines.last().is_some_and(|l| l == "always @(*) begin") && line == "end" {
                    true => drop(lines.pop()),
                    false => lines.push(line.into()),
                }
            }
            lines.sort_unstable();
            lines
        };
        let kept = kept.join("\n");
        let (plain, kept) = (sorted(&plain[top(&plain)..]), sorted(&kept[top(&kept)..]));
        for (a, b) in plain.iter().zip(&kept) {
            assert_eq!(a, b, "{ports} ports");
        }
        assert_eq!(plain.len(), kept.len(), "{ports} ports");
        assert_eq!(
            gated.matches("= host_clock;").count(),
            3,
            "pcie, host, parser"
        );
        assert_eq!(gated.matches("= tables_clock;").count(), 2, "fdb, lag");
    }
}
