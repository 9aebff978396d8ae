//! A TCP connection between two hosts of this one kernel, which reach each other through the card only: the client is behind `eth3`, in a network
//! namespace of its own, the server has the address of the bridge that the bond is in.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::sys;
use crate::world::BRIDGE;

const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 2);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 1);
const MASK: Ipv4Addr = Ipv4Addr::new(255, 255, 255, 0);
const PORT: u16 = 7000;
const INTERFACE: &str = "eth3";

/// How long either end waits for the other.
const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes that are on their way at most: a flow that is told to stop must not have megabytes to send first.
const BUFFER: &str = "4096 16384 65536";

/// Between two blocks: the card is a simulation, and the flow must leave it time for the bond's own frames.
const PACE: Duration = Duration::from_millis(5);

/// Both ends.
pub struct Flow {
    listener: TcpListener,
    /// Wakes the client.
    wake: Sender<Arc<AtomicBool>>,
    /// What the client sent, or what went wrong.
    sent: Receiver<io::Result<u64>>,
    running: Option<(Arc<AtomicBool>, JoinHandle<io::Result<u64>>)>,
}

impl Flow {
    /// Puts the client into its namespace and gives both their addresses.
    pub fn prepare() -> io::Result<Self> {
        sys::set_address(BRIDGE, SERVER, MASK)?;
        let (namespace, here) = mpsc::channel();
        let (moved, go) = mpsc::channel();
        let (wake, woken) = mpsc::channel::<Arc<AtomicBool>>();
        let (report, sent) = mpsc::channel();
        thread::spawn(move || {
            let made = sys::own_network().and_then(|()| File::open("/proc/thread-self/ns/net"));
            let _ = namespace.send(made);
            let ready = go.recv().map_err(io::Error::other).and_then(|()| plug());
            let _ = report.send(ready.map(|()| 0));
            while let Ok(stop) = woken.recv() {
                let _ = report.send(client(&stop));
            }
        });
        let namespace = here.recv().map_err(io::Error::other)??;
        sys::move_to_network(INTERFACE, namespace.as_fd())?;
        moved.send(()).map_err(io::Error::other)?;
        sent.recv().map_err(io::Error::other)??;
        Ok(Self {
            listener: TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT))?,
            wake,
            sent,
            running: None,
        })
    }

    /// Begins to send.
    pub fn start(&mut self) -> io::Result<()> {
        let stop = Arc::new(AtomicBool::new(false));
        let listener = self.listener.try_clone()?;
        let server = thread::spawn(move || server(&listener));
        self.wake.send(stop.clone()).map_err(io::Error::other)?;
        self.running = Some((stop, server));
        Ok(())
    }

    /// Ends it, and says how many bytes came; they must be those that were sent.
    pub fn stop(&mut self) -> io::Result<u64> {
        let Some((stop, server)) = self.running.take() else {
            return Err(io::Error::other("no flow is running"));
        };
        stop.store(true, Ordering::Relaxed);
        let sent = self.sent.recv().map_err(io::Error::other)??;
        let came = server
            .join()
            .map_err(|_| io::Error::other("the server ended"))??;
        if sent != came {
            return Err(io::Error::other(format!("{sent} bytes went, {came} came")));
        }
        Ok(came)
    }
}

/// The client's interface, in its namespace.
fn plug() -> io::Result<()> {
    fs::write("/proc/sys/net/ipv4/tcp_wmem", BUFFER)?;
    sys::set_address(INTERFACE, CLIENT, MASK)?;
    sys::set_up(INTERFACE)
}

/// The byte at a place of the stream: no block is like another.
fn byte(at: u64) -> u8 {
    (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}

fn client(stop: &AtomicBool) -> io::Result<u64> {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::from((SERVER, PORT)), PATIENCE)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut at = 0;
    while !stop.load(Ordering::Relaxed) {
        let block: Vec<u8> = (at..at + 4096).map(byte).collect();
        stream.write_all(&block)?;
        at += block.len() as u64;
        thread::sleep(PACE);
    }
    Ok(at)
}

fn server(listener: &TcpListener) -> io::Result<u64> {
    let (mut stream, _) = listener.accept()?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let (mut at, mut block) = (0, [0; 16384]);
    loop {
        let length = stream.read(&mut block)?;
        if length == 0 {
            return Ok(at);
        }
        for came in &block[..length] {
            if *came != byte(at) {
                return Err(io::Error::other(format!("byte {at} is not what was sent")));
            }
            at += 1;
        }
    }
}
