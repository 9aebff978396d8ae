//! The control socket: Varlink as others speak it, wrong calls, and random bytes.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rand::Rng;
use rand::seq::IndexedRandom;
use serde_json::{Value, json};
use smartnic_driver::control::{INTERFACE, NAME};

use crate::fake::Shape;
use crate::harness::{DEMO, Running, start};

/// Sends raw bytes and gives the first answer.
fn raw(running: &Running, bytes: &[u8]) -> Value {
    let mut stream = UnixStream::connect(&running.socket).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    let mut byte = [0];
    while stream.read(&mut byte).unwrap() == 1 && byte[0] != 0 {
        answer.push(byte[0]);
    }
    serde_json::from_slice(&answer).unwrap_or(Value::Null)
}

fn call(running: &Running, method: &str, parameters: Value) -> Value {
    let mut bytes = json!({ "method": method, "parameters": parameters })
        .to_string()
        .into_bytes();
    bytes.push(0);
    raw(running, &bytes)
}

#[test]
fn any_varlink_client_finds_its_way() {
    let running = start(Shape::default());
    let info = call(&running, "org.varlink.service.GetInfo", json!({}));
    assert_eq!(
        info["parameters"]["interfaces"],
        json!(["org.varlink.service", NAME])
    );
    let text = call(
        &running,
        "org.varlink.service.GetInterfaceDescription",
        json!({ "interface": NAME }),
    );
    assert_eq!(text["parameters"]["description"], INTERFACE);
    // Every method of the description exists: none answers MethodNotFound.
    let methods: Vec<&str> = INTERFACE
        .lines()
        .filter_map(|l| l.strip_prefix("method "))
        .map(|l| l.split('(').next().unwrap())
        .collect();
    assert_eq!(methods.len(), 35);
    for method in methods {
        let answer = call(
            &running,
            &format!("{NAME}.{method}"),
            json!({ "nonsense": 1 }),
        );
        assert_eq!(
            answer["error"], "org.varlink.service.InvalidParameter",
            "{method}: {answer}"
        );
        assert_eq!(answer["parameters"]["parameter"], "nonsense", "{method}");
    }
    // Two calls at once, one of them without an answer.
    let both = format!(
        "{{\"method\":\"{NAME}.GetVersion\",\"oneway\":true}}\0{{\"method\":\"{NAME}.GetDevice\"}}\0"
    );
    assert_eq!(
        raw(&running, both.as_bytes())["parameters"]["device"]["ports"],
        4
    );
}

#[test]
fn wrong_calls_are_told_what_is_wrong() {
    let running = start(Shape::default());
    running.ctl_ok(&DEMO);
    let cases = [
        (b"\0".to_vec(), "Malformed"),
        (b"hello\0".to_vec(), "Malformed"),
        (b"{\"method\":1}\0".to_vec(), "Malformed"),
        (b"[]\0".to_vec(), "Malformed"),
        (
            b"{\"method\":\"x\",\"parameters\":[]}\0".to_vec(),
            "Malformed",
        ),
        (b"\xff\xfe\0".to_vec(), "Malformed"),
        (vec![b'['; (1 << 20) + 2], "Malformed"),
        ([vec![b'['; 100_000], vec![0]].concat(), "Malformed"),
        (b"{\"method\":\"\"}\0".to_vec(), "InterfaceNotFound"),
        (
            b"{\"method\":\"org.example.X\"}\0".to_vec(),
            "InterfaceNotFound",
        ),
        (
            b"{\"method\":\"org.smartnic.Control.Nope\"}\0".to_vec(),
            "MethodNotFound",
        ),
        (
            b"{\"method\":\"org.smartnic.Control.MonitorFdb\"}\0".to_vec(),
            "ExpectedMore",
        ),
    ];
    for (bytes, error) in cases {
        let answer = raw(&running, &bytes);
        let name = answer["error"].as_str().unwrap_or_default();
        assert!(
            name.ends_with(&format!(".{error}")),
            "{:?}: {answer}",
            String::from_utf8_lossy(&bytes[..bytes.len().min(40)])
        );
    }
    let cases = [
        (
            "SetLink",
            json!({ "name": "nope", "up": true }),
            "UnknownInterface",
            json!({ "name": "nope" }),
        ),
        (
            "SetLink",
            json!({ "up": true }),
            "InvalidParameter",
            json!("name"),
        ),
        (
            "SetLink",
            json!({ "name": "port1", "up": 7 }),
            "InvalidParameter",
            Value::Null,
        ),
        (
            "SetLink",
            json!({ "name": "port1", "mtu": -1 }),
            "InvalidParameter",
            Value::Null,
        ),
        (
            "SetLink",
            json!({ "name": "port1", "mtu": 99999 }),
            "InvalidArgument",
            json!("mtu"),
        ),
        (
            "SetLink",
            json!({ "name": "port1", "address": "zz" }),
            "InvalidArgument",
            json!("address"),
        ),
        (
            "AddLink",
            json!({ "name": "a/b", "type": "bridge" }),
            "InvalidArgument",
            json!("name"),
        ),
        (
            "AddLink",
            json!({ "name": "br0", "type": "bridge" }),
            "Exists",
            json!({ "name": "br0" }),
        ),
        (
            "AddFdb",
            json!({ "dev": "port1", "mac": "1:2", "state": "static" }),
            "InvalidArgument",
            json!("mac"),
        ),
        (
            "AddFdb",
            json!({ "dev": "port1", "mac": "02:0:0:0:0:1", "state": "odd" }),
            "InvalidArgument",
            json!("state"),
        ),
        (
            "AddFdb",
            json!({ "dev": "port1", "mac": "02:0:0:0:0:1", "state": "static", "flags": ["x"] }),
            "InvalidArgument",
            json!("flags"),
        ),
        (
            "DeleteFdb",
            json!({ "dev": "port1", "mac": "02:0:0:0:0:1" }),
            "NotFound",
            json!({ "what": "FDB entry 02:00:00:00:00:01 dev port1" }),
        ),
        (
            "FlushFdb",
            json!({ "what": "some" }),
            "InvalidArgument",
            json!("what"),
        ),
        (
            "ListBuckets",
            json!({ "name": "br0" }),
            "InvalidArgument",
            json!("lag"),
        ),
        (
            "GetStats",
            json!({ "name": "eth0" }),
            "UnknownInterface",
            json!({ "name": "eth0" }),
        ),
    ];
    for (method, parameters, error, what) in cases {
        let answer = call(&running, &format!("{NAME}.{method}"), parameters.clone());
        let given = &answer["parameters"];
        assert!(
            answer["error"]
                .as_str()
                .unwrap_or_default()
                .ends_with(error),
            "{method} {parameters}: {answer}"
        );
        let named = given == &what
            || given["argument"] == what
            || given["parameter"] == what
            || what.is_null();
        assert!(named, "{method} {parameters}: {answer}");
    }
}

/// Random bytes, random JSON, cut and doubled calls, clients that hang up or never read: the daemon serves the next.
#[test]
fn random_bytes_do_no_harm() {
    let running = start(Shape::default());
    running.ctl_ok(&DEMO);
    let mut rng = crate::rng("fuzz");
    let words = [
        "method",
        "parameters",
        "name",
        "br0",
        "port1",
        "lag0",
        "up",
        "master",
        "mac",
        "dev",
        "type",
        "bridge",
        "state",
    ];
    let methods: Vec<String> = INTERFACE
        .lines()
        .filter_map(|l| l.strip_prefix("method "))
        .map(|l| format!("{NAME}.{}", l.split('(').next().unwrap()))
        .collect();
    let mut idle = Vec::new();
    for round in 0..400 {
        let mut bytes: Vec<u8> = match rng.random_range(0..3) {
            0 => (0..rng.random_range(0..400))
                .map(|_| rng.random())
                .collect(),
            1 => {
                let value = |rng: &mut rand_chacha::ChaCha8Rng| match rng.random_range(0..6) {
                    0 => json!(null),
                    1 => json!(rng.random::<bool>()),
                    2 => json!(rng.random::<i64>()),
                    3 => json!([1, "x", {}]),
                    4 => json!({ "name": "br0" }),
                    _ => json!(words.choose(rng).unwrap()),
                };
                let parameters: serde_json::Map<_, _> = (0..rng.random_range(0..5))
                    .map(|_| (words.choose(&mut rng).unwrap().to_string(), value(&mut rng)))
                    .collect();
                let call = json!({ "method": methods.choose(&mut rng).unwrap(), "parameters": parameters });
                [call.to_string().into_bytes(), vec![0]].concat()
            }
            _ => {
                b"{\"method\":\"org.smartnic.Control.ListLinks\"}\0".repeat(rng.random_range(1..50))
            }
        };
        if rng.random_bool(0.3) {
            bytes.truncate(rng.random_range(0..=bytes.len()));
        }
        let Ok(mut stream) = UnixStream::connect(&running.socket) else {
            panic!("round {round}: nobody listens")
        };
        // A daemon that has answered and closed gives EPIPE.
        let _ = stream.write_all(&bytes);
        if rng.random_bool(0.1) {
            idle.push(stream);
            idle.truncate(40);
        }
    }
    running.call("GetDevice", json!({})).unwrap();
    // Frames still cross.
    running.ctl_ok(&["link show", "port show", "lag show", "stats"]);
}
