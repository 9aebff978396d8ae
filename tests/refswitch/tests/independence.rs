//! The reference switch depends on nothing of the card.

use std::process::Command;

#[test]
fn depends_on_no_part_of_the_card() {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let tree = Command::new(cargo)
        .args([
            "tree",
            "--offline",
            "--prefix",
            "none",
            "-p",
            "smartnic-refswitch",
        ])
        .args(["--edges", "normal,build,dev"])
        .output()
        .expect("cargo tree runs");
    assert!(
        tree.status.success(),
        "{}",
        String::from_utf8_lossy(&tree.stderr)
    );
    let text = String::from_utf8(tree.stdout).expect("text");
    let ours: Vec<&str> = text.lines().filter(|l| l.starts_with("smartnic")).collect();
    assert!(text.contains("serde_json"), "{text}");
    assert!(
        ours.iter().all(|l| l.starts_with("smartnic-refswitch ")),
        "{ours:?}"
    );
}
