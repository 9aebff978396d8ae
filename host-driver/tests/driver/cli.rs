//! smartnic-ctl: golden outputs (text and JSON), errors and exit codes, help, completion. `BLESS=1` writes the golden
//! files anew.

use std::path::Path;

use clap::CommandFactory;
use smartnic_driver::cli::args::Cli;
use smartnic_driver::device::MacAddr;
use smartnic_driver::device::fdb::FdbKey;
use smartnic_regs::values::{counter, dest};

use crate::fake::Shape;
use crate::harness::{DEMO, Running, eventually, start};

fn golden(name: &str, output: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/driver/golden")
        .join(name);
    if std::env::var_os("BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, output).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        output, expected,
        "{name} differs; BLESS=1 accepts the new form"
    );
}

fn demo() -> Running {
    let running = start(Shape::default());
    running.ctl_ok(&DEMO);
    running.ctl_ok(&[
        "link set br0 address 02:00:00:00:00:aa",
        "fdb add 02:11:11:11:11:11 dev port1 master static",
        "fdb add 02:22:22:22:22:22 dev lag0 master dynamic sticky",
        "port set port2 learning slow-path isolated on",
    ]);
    let learned = FdbKey {
        fid: 1,
        mac: MacAddr([2, 0x33, 0x33, 0x33, 0x33, 0x33]),
    };
    running.fake.state().learn(learned, dest::LAG);
    eventually("learned", || {
        running.ctl("fdb show").unwrap().contains("02:33")
    });
    for (port, number, value) in [
        (0, counter::RX_FRAMES, 12),
        (0, counter::RX_BYTES, 768),
        (2, counter::TX_FRAMES, 5),
        (4, counter::TX_FRAMES, 123_456_789_012),
    ] {
        running.fake.state().counters.insert((port, number), value);
    }
    running.fake.state().set(smartnic_regs::lag::PRUNED, 0, 3);
    running
}

#[test]
fn outputs_look_as_they_should() {
    let running = demo();
    let cases = [
        ("link.txt", "link show"),
        ("link-details.txt", "-d -s link show lag0"),
        ("link-port1.json", "-j -p -d -s link show port1"),
        ("link-br0.json", "-j -p -d link show br0"),
        ("port.txt", "port"),
        ("port-port2.json", "-j -p port show port2"),
        ("lag.txt", "lag show"),
        ("lag.json", "-j -p lag show lag0"),
        ("buckets.txt", "lag buckets lag0"),
        ("fdb.txt", "fdb show"),
        ("fdb-details.txt", "-s -d fdb show dev lag0"),
        ("fdb.json", "-j -p fdb show br br0"),
        ("stats.txt", "stats --nonzero"),
        ("stats-host.json", "-j -p stats host"),
        ("dev.txt", "dev"),
        ("version.json", "-j version"),
    ];
    for (name, line) in cases {
        golden(
            name,
            &running
                .ctl(line)
                .unwrap_or_else(|(e, _)| panic!("{line}: {e}")),
        );
    }
    assert_eq!(
        running.ctl("-j fdb show dev port9").unwrap_err().0,
        "Cannot find device \"port9\""
    );
}

#[test]
fn errors_name_the_argument_and_set_the_exit_code() {
    let running = demo();
    let cases = [
        ("link add br1", 1, "\"type\" is missing; see --help"),
        (
            "link add br1 type",
            1,
            "argument \"type\" needs a value behind it",
        ),
        (
            "link add br1 mtu x type bridge",
            1,
            "argument \"x\" is wrong: mtu is a number",
        ),
        (
            "link add br1 br2 type bridge",
            1,
            "either \"br2\" is duplicate, or it is no word of this command; see --help",
        ),
        (
            "link add br1 type team",
            2,
            "argument \"team\" is wrong: type: use one of: bridge, lag, bond",
        ),
        (
            "link add br1 type bridge ageing_time soon",
            2,
            "argument \"soon\" is wrong: ageing_time: a number from 0 to 100000000 is wanted",
        ),
        ("link del nope", 2, "Cannot find device \"nope\""),
        (
            "link del port1",
            2,
            "argument \"port1\" is wrong: dev: it is a port of the card and cannot be deleted",
        ),
        (
            "link set port1 master lag0",
            2,
            "\"port1\" is busy: its frames go to br0 already; use nomaster first",
        ),
        (
            "link set br0 type lag mode balance-xor",
            1,
            "argument \"lag\" is wrong: type: br0 is a bridge",
        ),
        (
            "port set port1 color red",
            1,
            "either \"color\" is duplicate, or it is no word of this command; see --help",
        ),
        (
            "port set port1 learning maybe",
            2,
            "argument \"maybe\" is wrong: learning: use on (hardware), slow-path or off",
        ),
        (
            "fdb add 02:11:11:11:11:11 dev port1",
            2,
            "\"02:11:11:11:11:11 in the FDB of port1; use replace\": exists already",
        ),
        ("fdb add dev port1", 1, "\"MAC\" is missing; see --help"),
        (
            "fdb add zz dev port1",
            2,
            "argument \"zz\" is wrong: mac: an Ethernet address looks like 02:00:00:00:00:01",
        ),
        (
            "fdb del 02:99:11:11:11:11 dev port1",
            2,
            "FDB entry 02:99:11:11:11:11 dev port1 not found",
        ),
        (
            "fdb flush dev br0 brport port3",
            2,
            "argument \"port3\" is wrong: brport: it is no port of br0",
        ),
        (
            "dev set forward maybe",
            1,
            "argument \"maybe\" is wrong: forward: use on or off",
        ),
        (
            "lag buckets port1",
            2,
            "argument \"port1\" is wrong: lag: it is no lag or bond; see: smartnic-ctl lag show",
        ),
    ];
    for (line, code, text) in cases {
        assert_eq!(
            running.ctl(line).unwrap_err(),
            (text.into(), code),
            "{line}"
        );
    }
    assert_eq!(running.ctl("frobnicate").unwrap_err().1, 1);
    assert!(
        running
            .ctl("dev --socket /nowhere/x.sock")
            .unwrap_err()
            .0
            .contains("cannot reach smartnicd at /nowhere/x.sock")
    );
}

/// `dev BRIDGE brport PORT`, as bridge(8) has it: this port's entries go, and no other's.
#[test]
fn flush_takes_the_words_of_bridge() {
    let running = demo();
    let known = |running: &Running, mac: &str| running.ctl("fdb show").unwrap().contains(mac);
    running.ctl_ok(&["fdb add 02:44:44:44:44:44 dev port1 master dynamic"]);
    running.ctl_ok(&["fdb flush dev br0 brport lag0 master"]);
    assert!(!known(&running, "02:33:33:33:33:33"));
    assert!(known(&running, "02:44:44:44:44:44"));
    running.ctl_ok(&["fdb flush brport port1 master dynamic"]);
    assert!(!known(&running, "02:44:44:44:44:44"));
    assert!(known(&running, "02:11:11:11:11:11"), "static ones stay");
}

#[test]
fn the_cut_reaches_the_hardware() {
    let running = demo();
    running.ctl_ok(&["dev set forward off"]);
    assert_eq!(
        running.fake.state().get(smartnic_regs::global::CONTROL, 0),
        0
    );
    assert!(running.ctl("dev").unwrap().contains("forward off"));
    running.ctl_ok(&[
        "dev set forward on",
        "fdb flush",
        "fdb flush dev port1 all",
        "link set port3 nomaster",
        "link del lag0",
        "link del br0",
    ]);
    assert_eq!(running.ctl("fdb show").unwrap(), "");
}

/// Every command has help with an example, and completion scripts exist for all shells.
#[test]
fn help_and_completion() {
    Cli::command().debug_assert();
    for sub in Cli::command().get_subcommands() {
        let name = sub.get_name();
        assert!(sub.get_about().is_some(), "{name}");
        let example = sub
            .get_after_help()
            .is_some_and(|h| h.to_string().contains("smartnic-ctl"));
        assert!(example || name == "version", "{name} has no example");
        for inner in sub.get_subcommands() {
            assert!(inner.get_about().is_some(), "{name} {}", inner.get_name());
        }
    }
    let running = start(Shape::default());
    for shell in ["bash", "zsh", "fish"] {
        assert!(
            running
                .ctl(&format!("completion {shell}"))
                .unwrap()
                .contains("smartnic-ctl")
        );
    }
}
