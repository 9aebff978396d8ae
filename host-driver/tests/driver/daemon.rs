//! The daemon as a whole: frames between card and kernel, a card that comes and goes, the monitor.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::{Value, json};
use smartnic_driver::control::NAME;
use smartnic_driver::device::fdb::FdbKey;
use smartnic_driver::device::{Device, MacAddr};
use smartnic_regs::ring::event;
use smartnic_regs::values::reason;
use smartnic_regs::{global, port};

use crate::fake::Shape;
use crate::harness::{DEMO, eventually, start};
use crate::vfio_server;

#[test]
fn frames_cross_between_card_and_kernel() {
    let running = start(Shape::default());
    running.ctl_ok(&DEMO);
    let end = running.kernel.end("br0");
    let state = running.kernel.state("br0").unwrap();
    assert_eq!(
        (state.address.to_string().as_str(), state.up, state.carrier),
        ("02:00:00:00:00:10", true, true)
    );
    let mut frame = [0; 2048];
    for n in 0..100u8 {
        assert!(
            running
                .fake
                .state()
                .deliver(&[n; 70], n as u32 % 4, reason::LOCAL, 1)
        );
        let length = end.recv(&mut frame).unwrap();
        assert_eq!(&frame[..length], [n; 70]);
        end.send(&[n; 90]).unwrap();
        eventually("sent", || running.fake.state().sent.len() == n as usize + 1);
        assert_eq!(running.fake.state().sent[n as usize].data, [n; 90]);
    }
    let links: Value = running.call("ListLinks", json!({ "name": "br0" })).unwrap();
    let stats = &links["links"][0]["stats64"];
    assert_eq!(
        (&stats["rx"]["packets"], &stats["tx"]["bytes"]),
        (&json!(100), &json!(9000))
    );
    running.ctl_ok(&[
        "link set br0 mtu 1400 address 02:00:00:00:00:99",
        "link del lag0",
    ]);
    let state = running.kernel.state("br0").unwrap();
    assert_eq!(
        (state.mtu, state.address.to_string().as_str()),
        (1400, "02:00:00:00:00:99")
    );
}

#[test]
fn a_burst_longer_than_the_ring_is_not_lost() {
    let running = start(Shape::default());
    running.ctl_ok(&DEMO);
    let end = running.kernel.end("br0");
    running.fake.state().rings.mute = true;
    for n in 0..40u8 {
        end.send(&[n; 60]).unwrap();
    }
    eventually("the ring is full", || running.fake.state().sent.len() == 16);
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(running.fake.state().sent.len(), 16);
    // The card works on: the rest follows in order.
    running.fake.state().complete_sent();
    eventually("all sent", || running.fake.state().sent.len() == 40);
    assert!(
        running
            .fake
            .state()
            .sent
            .iter()
            .enumerate()
            .all(|(n, s)| s.data[0] == n as u8)
    );
}

#[test]
fn an_interface_that_cannot_be_made_is_an_error() {
    let running = start(Shape::default());
    let (error, code) = running.ctl("link add taken type bridge").unwrap_err();
    assert!(error.contains("interface taken"), "{error}");
    assert_eq!(code, 2);
    assert!(running.ctl("link show taken").is_err());
    running.ctl_ok(&["link add br0 type bridge"]);
}

#[test]
fn a_card_that_disappears_and_comes_back() {
    let running = start(Shape::default());
    running.ctl_ok(&DEMO);
    running.ctl_ok(&["fdb add 02:11:11:11:11:11 dev port1 master static"]);
    *running.absent.lock().unwrap() = true;
    running.fake.state().all_ones = true;
    let (error, code) = running.ctl("fdb show").unwrap_err();
    assert!(error.contains("the card is gone"), "{error}");
    assert_eq!(code, 2);
    // The rest works on, and says what is the matter.
    let device: Value = running.call("GetDevice", json!({})).unwrap();
    assert_eq!(device["device"]["state"], "gone");
    assert!(
        device["device"]["reason"]
            .as_str()
            .unwrap()
            .contains("all ones")
    );
    assert!(
        running
            .ctl("link show")
            .unwrap()
            .contains("br0: <NO-CARRIER,")
    );
    let (error, _) = running.ctl("link set port1 down").unwrap_err();
    assert!(
        error.starts_with("the card in-process:fake is gone"),
        "{error}"
    );
    eventually("the kernel sees no carrier", || {
        !running.kernel.state("br0").unwrap().carrier
    });
    // Back, and empty, as after a power cycle: everything is as configured.
    {
        let mut state = running.fake.state();
        state.all_ones = false;
        state.write(global::RESET.addr, 3);
    }
    *running.absent.lock().unwrap() = false;
    let back = || running.call("GetDevice", json!({})).unwrap()["device"]["state"] == "running";
    eventually("the card is back", back);
    assert_eq!(running.fake.state().get(port::FORWARD_MASK, 0), 0b1_1111);
    assert_eq!(
        port::CONFIG::STATE.get(running.fake.state().get(port::CONFIG, 3)),
        3
    );
    assert!(
        running
            .ctl("fdb show dev port1")
            .unwrap()
            .contains("02:11:11:11:11:11 dev port1 offload master br0 static")
    );
    assert!(running.fake.state().deliver(&[1; 64], 0, reason::LOCAL, 1));
    assert_eq!(running.kernel.end("br0").recv(&mut [0; 100]).unwrap(), 64);
}

#[test]
fn a_link_change_reaches_the_kernel() {
    let running = start(Shape::default());
    running.ctl_ok(&[
        "link add br0 type bridge",
        "link set port2 master br0 up",
        "link set br0 up",
    ]);
    assert!(running.kernel.state("br0").unwrap().carrier);
    running.fake.state().set_link(1, false);
    eventually("no carrier", || {
        !running.kernel.state("br0").unwrap().carrier
    });
    assert!(running.ctl("port show port2").unwrap().contains("down"));
}

#[test]
fn the_monitor_tells_everything_to_everybody() {
    let running = start(Shape::default());
    running.ctl_ok(&DEMO);
    let name = |method| format!("{NAME}.{method}");
    // Calls are answered in order: once the second is, the first has been heard.
    let watch = || {
        let mut stream = UnixStream::connect(&running.socket).unwrap();
        let time = Some(Duration::from_secs(60));
        stream.set_read_timeout(time).unwrap();
        let monitor = json!({ "method": name("MonitorFdb"), "more": true });
        let version = json!({ "method": name("GetVersion") });
        let calls = format!("{monitor}\0{version}\0");
        stream.write_all(calls.as_bytes()).unwrap();
        let mut watcher = BufReader::new(stream);
        assert!(message(&mut watcher)["parameters"]["register_map"].is_string());
        watcher
    };
    let mut watchers = [watch(), watch()];
    let key = FdbKey {
        fid: 1,
        mac: MacAddr([2, 1, 1, 1, 1, 1]),
    };
    let mut expect = |wanted: &[&str]| {
        for watcher in &mut watchers {
            for want in wanted {
                let event = &message(watcher)["parameters"]["event"];
                let [what, mac, dev] = [
                    &event["event"],
                    &event["entry"]["mac"],
                    &event["entry"]["ifname"],
                ]
                .map(|v| v.as_str().unwrap());
                assert_eq!(format!("{what} {mac} {dev}"), *want);
            }
        }
    };
    for (kind, dest, old) in [
        (event::LEARNED, 0, 0),
        (event::MOVED, 16, 0),
        (event::AGED, 16, 0),
    ] {
        running.fake.state().event(kind, key, dest, old);
    }
    expect(&[
        "added 02:01:01:01:01:01 port1",
        "moved 02:01:01:01:01:01 lag0",
        "aged 02:01:01:01:01:01 lag0",
    ]);
    running.ctl_ok(&[
        "fdb add 02:02:02:02:02:02 dev port2",
        "fdb del 02:02:02:02:02:02 dev port2",
    ]);
    expect(&[
        "added 02:02:02:02:02:02 port2",
        "deleted 02:02:02:02:02:02 port2",
    ]);
}

/// The next message of the daemon.
fn message(watcher: &mut BufReader<UnixStream>) -> Value {
    let mut bytes = Vec::new();
    watcher.read_until(0, &mut bytes).unwrap();
    bytes.pop();
    serde_json::from_slice(&bytes).unwrap()
}

/// The programs themselves, over a vfio-user socket: start, a bridge, the server dies and comes back, SIGTERM.
#[test]
fn the_programs_over_a_vfio_user_socket() {
    use std::process::{Command, Stdio};
    let dir = tempfile::tempdir().unwrap();
    let (card, control) = (dir.path().join("card.sock"), dir.path().join("ctl.sock"));
    let fake = crate::fake::Fake::new(Shape::default());
    let server = vfio_server::serve(fake.clone(), &card, 1);
    let daemon = Command::new(env!("CARGO_BIN_EXE_smartnicd"))
        .args([
            "--device",
            &format!("vfio-user:{}", card.display()),
            "--control",
            control.to_str().unwrap(),
        ])
        .env("RUST_LOG", "error")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let ctl = |line: &str| {
        let args = ["--socket", control.to_str().unwrap()]
            .into_iter()
            .chain(line.split_whitespace());
        let out = Command::new(env!("CARGO_BIN_EXE_smartnic-ctl"))
            .args(args)
            .output()
            .unwrap();
        let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
        (
            out.status.code().unwrap(),
            text(&out.stdout),
            text(&out.stderr),
        )
    };
    eventually("the daemon answers", || ctl("dev").0 == 0);
    for line in DEMO {
        assert_eq!(ctl(line), (0, String::new(), String::new()), "{line}");
    }
    assert_eq!(fake.state().get(port::FORWARD_MASK, 0), 0b1_1111);
    assert_eq!(
        ctl("link set nope up"),
        (
            2,
            String::new(),
            "Error: Cannot find device \"nope\"\n".into()
        )
    );
    assert_eq!(ctl("link add br1").0, 1);
    // The card stops answering; the daemon gives it up, and with its client the server ends.
    fake.state().all_ones = true;
    eventually("the card is gone", || ctl("dev").1.contains("state gone"));
    server.join().unwrap();
    let (code, _, error) = ctl("fdb show");
    assert!(code == 2 && error.contains("is gone"), "{error}");
    // Another server with a card that has lost everything: it is set up again.
    {
        let mut state = fake.state();
        state.all_ones = false;
        state.write(global::RESET.addr, 3);
    }
    std::fs::remove_file(&card).unwrap();
    let server = vfio_server::serve(fake.clone(), &card, 1);
    eventually("the card is back", || {
        ctl("dev").1.contains("state running")
    });
    assert_eq!(fake.state().get(port::FORWARD_MASK, 0), 0b1_1111);
    let pid = nix::unistd::Pid::from_raw(daemon.id() as i32);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    let daemon = daemon.wait_with_output().unwrap();
    assert!(daemon.status.success());
    let said = String::from_utf8(daemon.stderr).unwrap();
    // Colours are for terminals.
    assert!(
        said.contains("the card is gone") && !said.contains('\x1b'),
        "{said}"
    );
    server.join().unwrap();
    assert!(!control.exists());
    assert_eq!(ctl("dev").0, 3);
    // Another driver finds the card usable, stopped and reset.
    std::fs::remove_file(&card).unwrap();
    let third = vfio_server::serve(fake.clone(), &card, 1);
    let transport = format!("vfio-user:{}", card.display())
        .parse::<smartnic_driver::pci::DeviceSpec>()
        .unwrap()
        .open();
    assert_eq!(Device::probe(transport.unwrap()).unwrap().caps().ports, 4);
    assert_eq!(fake.state().get(port::CONFIG, 0), 0);
    third.join().unwrap();
}
