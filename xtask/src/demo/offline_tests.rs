//! Tests of `offline.rs`.

use super::*;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

#[test]
fn no_frame_of_the_script_is_there_twice() {
    let script = script(100_000, 8);
    let steps: Vec<_> = script.iter().flat_map(|act| &act.steps).collect();
    let frames: BTreeSet<_> = steps.iter().map(|step| &step.frame).collect();
    assert_eq!(frames.len(), steps.len());
}

#[test]
fn what_a_switch_must_not_do_is_noticed() {
    let step = |from, expect| Step {
        from,
        frame: vec![],
        expect,
    };
    assert!(allowed(&step(0, Expect::Flood), [0, 1, 0, 1]));
    assert!(
        !allowed(&step(0, Expect::Flood), [0, 1, 1, 1]),
        "both members of the LAG"
    );
    assert!(
        !allowed(&step(0, Expect::Flood), [1, 1, 0, 1]),
        "back where it came from"
    );
    assert!(allowed(&step(2, Expect::Flood), [1, 1, 0, 0]));
    assert!(
        !allowed(&step(2, Expect::Flood), [1, 1, 0, 1]),
        "back to its own LAG"
    );
    assert!(allowed(&step(0, Expect::Port(1)), [0, 1, 0, 0]));
    assert!(!allowed(&step(0, Expect::Port(1)), [0, 2, 0, 0]), "twice");
    assert!(
        !allowed(&step(0, Expect::Port(1)), [0, 1, 1, 0]),
        "flooded though learned"
    );
    assert!(allowed(&step(0, Expect::Lag), [0, 0, 0, 1]));
    assert!(!allowed(&step(0, Expect::Lag), [0, 0, 0, 0]), "lost");
}

/// A hub in place of the card: what it does right passes, what it floods is found out.
#[test]
fn the_script_finds_out_a_hub() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: String| folder.path().join(name);
    let mut wires = Wires::new(folder.path()).unwrap();
    let hub: Vec<_> = (0..PORTS)
        .map(|port| UnixDatagram::bind(place(format!("card-{port}"))).unwrap())
        .collect();
    let hosts: Vec<_> = (0..PORTS)
        .map(|port| place(format!("host-{port}")))
        .collect();
    let script = script(20_000, 1);
    let (stop, mut astray) = (AtomicBool::new(false), None);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut frame = [0; 2048];
            hub.iter()
                .for_each(|socket| socket.set_nonblocking(true).unwrap());
            while !stop.load(Ordering::Relaxed) {
                for (from, socket) in hub.iter().enumerate() {
                    let Ok(length) = socket.recv(&mut frame) else {
                        continue;
                    };
                    for to in (0..PORTS).filter(|&to| to != from) {
                        // What finds no room is lost, and the script will notice.
                        let _ = socket.send_to(&frame[..length], &hosts[to]);
                    }
                }
            }
        });
        let played = script.iter().try_for_each(|act| wires.play(act).map(drop));
        astray = played.and_then(|()| wires.verify(&script)).err();
        stop.store(true, Ordering::Relaxed);
    });
    assert!(astray.unwrap().to_string().contains("went astray"));
}
