//! The book's networks through the daemon: a ping from a namespace of one interface to that of the other.

use std::net::UdpSocket;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::eventfd::EventFd;
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};
use serde_json::{Value, json};
use smartnic_driver::clock::Clock;
use smartnic_driver::daemon::{Config, Daemon};
use smartnic_driver::device::host::HostConfig;
use smartnic_driver::kernel::tap::Tap;
use smartnic_driver::kernel::{HostDevice, HostFactory};
use smartnic_lab::netns::{Lab, LabError};
use smartnic_lab::skip;
use smartnic_netdev::snull;

/// Each interface is in a namespace of its own: a ping to the remote host of one is answered by the other.
#[test]
fn a_ping_goes_through_the_pair() -> Result<(), LabError> {
    if !skip::namespaces() {
        return Ok(());
    }
    let mut lab = Lab::new(&format!("snl{}", std::process::id()))?;
    let (near, far) = (lab.namespace("near")?, lab.namespace("far")?);
    let dir = tempfile::tempdir().unwrap();
    let factory: HostFactory =
        Box::new(|name| Tap::create(name).map(|tap| Box::new(tap) as Box<dyn HostDevice>));
    let config = Config {
        socket: dir.path().join("s"),
        host_devices: Some(factory),
        base_address: "02:00:00:00:00:10".parse().unwrap(),
        host: HostConfig::default(),
        clock: Clock::default(),
    };
    let stop = Arc::new(EventFd::new().unwrap());
    let (made, ready) = std::sync::mpsc::channel();
    let socket = config.socket.clone();
    std::thread::scope(|scope| -> Result<(), LabError> {
        let served = scope.spawn(|| {
            near.run::<(), LabError>(|| {
                let pair = snull::Config {
                    lockup: 3,
                    ..snull::Config::default()
                };
                let mut daemon = Daemon::snull(config, &pair).expect("sn0 and sn1");
                made.send(()).expect("somebody waits");
                daemon.run(&*stop).expect("it runs");
                Ok(())
            })
        });
        ready.recv().expect("it runs");
        let pinged = (|| {
            set_up(&socket);
            near.address("sn0", "192.168.0.1/24")?;
            near.link(&["set", "sn1", "netns", far.name()])?;
            far.up("sn1")?;
            far.address("sn1", "192.168.1.2/24")?;
            near.run(|| Ok::<_, LabError>(ping("192.168.0.2:0", 10)))
        })();
        stop.write(1).expect("it can be told");
        served.join().expect("it ended well")?;
        assert_eq!(pinged?, 10, "each is answered");
        Ok(())
    })
}

fn set_up(socket: &Path) {
    let mut client = smartnic_driver::control::client::Client::connect(socket).unwrap();
    for name in ["sn0", "sn1"] {
        let set = json!({ "name": name, "up": true });
        client.call::<Value>("SetLink", &set).unwrap();
    }
}

/// Sends ICMP echo requests, each when the one before was answered; gives the number of answers.
fn ping(to: &str, count: u16) -> u16 {
    let (family, kind) = (AddressFamily::Inet, SockType::Raw);
    let raw = socket(family, kind, SockFlag::SOCK_CLOEXEC, SockProtocol::Icmp).unwrap();
    // Only sendto and recvfrom are used, which are the same for all of the family.
    let raw = UdpSocket::from(raw);
    raw.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let answered = |n: &u16| {
        let [a, b] = n.to_be_bytes();
        let sum = !(0x0800u16 + 0x5e1f + n);
        let [c, d] = sum.to_be_bytes();
        raw.send_to(&[8, 0, c, d, 0x5e, 0x1f, a, b], to).unwrap();
        let mut packet = [0; 2048];
        loop {
            let Ok((length, from)) = raw.recv_from(&mut packet) else {
                return false;
            };
            let icmp = &packet[20..length];
            if icmp[0] == 0 && icmp[4..8] == [0x5e, 0x1f, a, b] {
                return from.ip().to_string() == "192.168.0.2";
            }
        }
    };
    (0..count).filter(answered).count() as u16
}
