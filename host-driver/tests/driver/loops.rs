//! The daemon's loop: nothing that takes long holds it up, and nothing that waits makes it spin.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use smartnic_driver::control::NAME;
use smartnic_driver::device::MacAddr;
use smartnic_driver::device::fdb::{FdbData, FdbKey};
use smartnic_regs::values::kind;

use crate::fake::{Fake, Shape};
use crate::harness::{DEMO, eventually, start};
use crate::vfio_server;

/// A table that no event told of, so that all of it is read.
fn fill(fake: &Fake) {
    for (n, slot) in fake
        .state()
        .table
        .iter_mut()
        .enumerate()
        .skip(100)
        .step_by(2)
    {
        let [.., a, b] = (n as u32).to_be_bytes();
        let key = FdbKey {
            fid: 1,
            mac: MacAddr([2, 7, 7, 7, a, b]),
        };
        *slot = Some((key, FdbData::new(0, kind::DYNAMIC)));
    }
}

#[test]
fn a_long_listing_holds_nobody_up() {
    let running = start(Shape {
        fdb_log2: 11,
        ..Shape::default()
    });
    running.ctl_ok(&DEMO);
    fill(&running.fake);
    let used = running.fake.state().table.iter().flatten().count();
    running.fake.state().read_delay = Duration::from_micros(200);
    let done = Arc::new(AtomicBool::new(false));
    let lister = {
        let (mut client, done) = (running.client(), done.clone());
        std::thread::spawn(move || {
            let reply: Value = client.call("ListFdb", &json!({})).unwrap();
            done.store(true, Ordering::SeqCst);
            reply["entries"].as_array().unwrap().len()
        })
    };
    std::thread::sleep(Duration::from_millis(50));
    let end = running.kernel.end("br0");
    for n in 0..5u8 {
        running.call("GetVersion", json!({})).unwrap();
        end.send(&[n; 60]).unwrap();
        eventually("sent", || running.fake.state().sent.len() > n.into());
    }
    assert!(
        !done.load(Ordering::SeqCst),
        "the listing was not long enough"
    );
    assert_eq!(lister.join().unwrap(), used);
}

#[test]
fn answers_keep_the_order_of_calls_and_a_lister_may_hang_up() {
    let running = start(Shape {
        fdb_log2: 9,
        ..Shape::default()
    });
    running.ctl_ok(&DEMO);
    fill(&running.fake);
    running.fake.state().read_delay = Duration::from_micros(50);
    let call = |method: &str| format!("{{\"method\":\"{NAME}.{method}\"}}\0");
    let mut gone = UnixStream::connect(&running.socket).unwrap();
    gone.write_all(call("ListFdb").as_bytes()).unwrap();
    drop(gone);
    let mut stream = UnixStream::connect(&running.socket).unwrap();
    let three = call("ListFdb") + &call("GetVersion") + &call("ListFdb");
    stream.write_all(three.as_bytes()).unwrap();
    std::thread::sleep(Duration::from_millis(20));
    stream.write_all(call("GetDevice").as_bytes()).unwrap();
    let mut answers = Vec::new();
    let mut reader = std::io::BufReader::new(stream);
    for _ in 0..4 {
        let mut bytes = Vec::new();
        std::io::BufRead::read_until(&mut reader, 0, &mut bytes).unwrap();
        bytes.pop();
        let answer: Value = serde_json::from_slice(&bytes).unwrap();
        let keys = answer["parameters"]
            .as_object()
            .unwrap()
            .keys()
            .next()
            .cloned();
        answers.push(keys.unwrap());
    }
    assert_eq!(answers, ["entries", "register_map", "entries", "device"]);
}

#[test]
fn opening_a_card_that_says_nothing_holds_nobody_up() {
    let running = start(Shape::default());
    running.ctl_ok(&DEMO);
    let stuck = running.stuck.lock().unwrap();
    running.fake.state().all_ones = true;
    eventually("the card is gone", || {
        running.call("GetDevice", json!({})).unwrap()["device"]["state"] == "gone"
    });
    // Tries are made, and hang.
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(1200) {
        // Held up it would never come: the tries wait for us.
        running.call("GetDevice", json!({})).unwrap();
        std::thread::sleep(Duration::from_millis(20));
    }
    running.fake.state().all_ones = false;
    drop(stuck);
    eventually("the card is back", || {
        running.call("GetDevice", json!({})).unwrap()["device"]["state"] == "running"
    });
}

#[test]
fn the_socket_is_the_owners_alone_and_leaves_nothing_beside_it() {
    let running = start(Shape::default());
    let mode = std::fs::metadata(&running.socket)
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let folder = running.socket.parent().unwrap();
    let files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|f| f.unwrap().file_name())
        .collect();
    assert_eq!(files, [running.socket.file_name().unwrap()]);
}

/// Ticks (10 ms) of processor time of a process.
fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .unwrap()
        .1
        .split_whitespace()
        .collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// A program that does not outlive its test.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Clients for whom there is no descriptor, and clients that send on after they were refused while they read nothing: the daemon waits.
#[test]
fn clients_that_cannot_be_served_cost_no_time() {
    let dir = tempfile::tempdir().unwrap();
    let (card, control) = (dir.path().join("card.sock"), dir.path().join("ctl.sock"));
    let server = vfio_server::serve(Fake::new(Shape::default()), &card, 1);
    let command = format!(
        "ulimit -n 26; exec {} --device vfio-user:{} --control {}",
        env!("CARGO_BIN_EXE_smartnicd"),
        card.display(),
        control.display()
    );
    let daemon = Command::new("sh")
        .args(["-c", &command])
        .env("RUST_LOG", "error")
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut daemon = Ends(daemon);
    eventually("the socket is there", || control.exists());
    // What was asked is answered first; then a second without work must come.
    let idle = |what: &str| {
        let mut spent = 0;
        for _ in 0..8 {
            let before = ticks(daemon.0.id());
            std::thread::sleep(Duration::from_millis(1000));
            spent = ticks(daemon.0.id()) - before;
            if spent <= 3 {
                return;
            }
        }
        panic!("{what}: {spent} ticks in a second");
    };
    let mut refused = UnixStream::connect(&control).unwrap();
    refused.set_nonblocking(true).unwrap();
    let long = "org.varlink.service.GetInterfaceDescription";
    let call = json!({ "method": long, "parameters": { "interface": NAME } });
    let many = format!("{call}\0").repeat(800);
    // Answers pile up until nothing more is taken; then nonsense.
    let _ = refused.write_all(many.as_bytes());
    std::thread::sleep(Duration::from_millis(300));
    let _ = refused.write_all(b"\0\0nonsense that nobody will read");
    idle("a client that is refused and sends on");
    let crowd: Vec<_> = (0..30)
        .map(|_| UnixStream::connect(&control).unwrap())
        .collect();
    idle("more clients than descriptors");
    drop((crowd, refused));
    eventually("served again", || {
        let mut client = smartnic_driver::control::client::Client::connect(&control).unwrap();
        client.call::<Value>("GetVersion", &json!({})).is_ok()
    });
    let pid = nix::unistd::Pid::from_raw(daemon.0.id() as i32);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    assert!(daemon.0.wait().unwrap().success());
    server.join().unwrap();
}
