//! What `smartnic-sim` says to mistakes: one line on standard error that names the argument, and a
//! status that is not 0, before anything is built.

use std::process::Command;

fn refused(args: &[&str]) -> String {
    let out = Command::new(env!("CARGO_BIN_EXE_smartnic-sim"))
        .args(args)
        .output()
        .unwrap();
    assert!(!out.status.success(), "{args:?}");
    assert!(out.stdout.is_empty(), "{args:?}");
    String::from_utf8(out.stderr).unwrap()
}

#[test]
fn mistakes_are_named() {
    for (args, expected) in [
        (&["--ports", "3"][..], "ports"),
        (&["--port", "tap:x"], "N=WHAT"),
        (&["--port", "0=tap:x"], "N=WHAT"),
        (&["--port", "1=wifi:x"], "`wifi` is not a kind of port"),
        (
            &["--port", "5=gen:", "--ports", "4"],
            "port 5: the card has ports 1 to 4",
        ),
        (
            &["--port", "1=gen:", "--port", "1=gen:"],
            "port 1 is plugged in twice",
        ),
        (&["--port", "1=gen:size=1"], "`1` is not 64 to 9216"),
        (&["--faults", "1=drop:x"], "`x` is not a number"),
        (
            &["--faults", "2=drop:5", "--port", "1=gen:"],
            "port 2 has faults, but nothing is plugged in",
        ),
    ] {
        let text = refused(args);
        assert!(text.contains(expected), "{args:?}: {text}");
    }
}

#[test]
fn help_explains_the_attachments() {
    let out = Command::new(env!("CARGO_BIN_EXE_smartnic-sim"))
        .arg("--help")
        .output()
        .unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    for word in [
        "tap:NAME",
        "if:NAME",
        "pcap:IN,OUT",
        "dgram:LOCAL,PEER",
        "gen:",
        "--socket",
        "--wave",
    ] {
        assert!(text.contains(word), "{word}");
    }
}
