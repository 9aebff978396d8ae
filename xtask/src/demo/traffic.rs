//! What the demo's hosts do, with the kernel's real stacks: ping, and a file over TCP. Both run in
//! the calling thread's network namespace (see `Namespace::run`) and end in bounded time.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use smartnic_lab::netns::Namespace;

use super::frames::echo_message;
use super::sys;
use crate::proc::interrupted;

/// What became of some pings.
#[derive(Debug)]
pub struct Pings {
    /// Echo requests sent.
    pub sent: u16,
    /// Replies with the right content.
    pub received: u16,
    /// The round trips, in order.
    pub round_trips: Vec<Duration>,
}

impl Pings {
    /// Shortest, mean and longest round trip in milliseconds.
    pub fn summary_ms(&self) -> Option<[f64; 3]> {
        let ms = self.round_trips.iter().map(|trip| trip.as_secs_f64() * 1e3);
        let count = self.round_trips.len();
        (count > 0).then(|| {
            let mean = ms.clone().sum::<f64>() / count as f64;
            [
                ms.clone().fold(f64::INFINITY, f64::min),
                mean,
                ms.fold(0.0, f64::max),
            ]
        })
    }
}

/// How long a reply may take. The first has to wait for ARP, and the hardware is simulated.
const PATIENCE: Duration = Duration::from_millis(2000);

/// The time between two requests.
const INTERVAL: Duration = Duration::from_millis(50);

const ECHO_REPLY: u8 = 0;
const ECHO_REQUEST: u8 = 8;

/// Sends echo requests (RFC 792) one after another and waits for each reply.
pub fn ping(to: Ipv4Addr, count: u16) -> Result<Pings> {
    let socket = sys::icmp_socket().context("raw ICMP socket")?;
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    let id = std::process::id() as u16;
    let mut pings = Pings {
        sent: 0,
        received: 0,
        round_trips: Vec::new(),
    };
    for sequence in 0..count {
        let request = echo_message(ECHO_REQUEST, id, sequence);
        let start = Instant::now();
        pings.sent += 1;
        match socket.send_to(&request, SocketAddrV4::new(to, 0)) {
            Ok(_) => {}
            // The kernel found out that nobody answers ARP.
            Err(err) if err.kind() == ErrorKind::HostUnreachable => continue,
            Err(err) => return Err(err).with_context(|| format!("ping {to}")),
        }
        if reply(&socket, &echo_message(ECHO_REPLY, id, sequence), to, start)? {
            pings.received += 1;
            pings.round_trips.push(start.elapsed());
        }
        std::thread::sleep(INTERVAL);
    }
    Ok(pings)
}

/// Waits for exactly this reply.
fn reply(
    socket: &std::net::UdpSocket,
    wanted: &[u8],
    from: Ipv4Addr,
    start: Instant,
) -> Result<bool> {
    let mut packet = [0; 2048];
    while start.elapsed() < PATIENCE {
        if interrupted() {
            bail!("interrupted");
        }
        let (length, sender) = match socket.recv_from(&mut packet) {
            Ok(received) => received,
            Err(err) if matches!(err.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                continue;
            }
            Err(err) if err.kind() == ErrorKind::HostUnreachable => return Ok(false),
            Err(err) => return Err(err.into()),
        };
        // A raw socket gives the IPv4 header too.
        let header = usize::from(packet[0] & 0x0f) * 4;
        let is_from = matches!(sender, SocketAddr::V4(address) if *address.ip() == from);
        if is_from && packet.get(header..length) == Some(wanted) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A host that can take or send a file.
pub struct Host<'a> {
    /// The namespace that it is.
    pub namespace: &'a Namespace,
    /// Its address.
    pub address: Ipv4Addr,
}

/// A file that arrived whole.
#[derive(Debug)]
pub struct Transfer {
    /// Its size in bytes.
    pub bytes: usize,
    /// From connecting to the last byte received.
    pub time: Duration,
}

impl Transfer {
    /// Mb/s of payload.
    pub fn megabits_per_second(&self) -> f64 {
        self.bytes as f64 * 8.0 / 1e6 / self.time.as_secs_f64()
    }
}

/// How long a whole transfer may take.
const TRANSFER_LIMIT: Duration = Duration::from_secs(30);

/// Sends a file over TCP from one host to another, between these ports, and compares its digest.
pub fn transfer(from: &Host, to: &Host, ports: (u16, u16), bytes: usize) -> Result<Transfer> {
    let what = format!("file from {} to {}", from.address, to.address);
    let target = SocketAddrV4::new(to.address, ports.1);
    let listener = to
        .namespace
        .run(|| -> Result<_> { Ok(TcpListener::bind(target)?) })
        .with_context(|| what.clone())?;
    let content = content(u64::from(ports.0) << 16 | u64::from(ports.1), bytes);
    let start = Instant::now();
    let received = std::thread::scope(|scope| {
        let receiver = scope.spawn(|| receive(&listener, bytes));
        let sent = from
            .namespace
            .run(|| send(SocketAddrV4::new(from.address, ports.0), target, &content));
        let received = receiver
            .join()
            .unwrap_or_else(|_| bail!("the receiver panicked"));
        sent.and(received)
    });
    let received = received.with_context(|| what.clone())?;
    let time = start.elapsed();
    if Sha256::digest(&received) != Sha256::digest(&content) {
        bail!(
            "{what}: {} of {bytes} bytes came, and they differ",
            received.len()
        );
    }
    Ok(Transfer { bytes, time })
}

fn receive(listener: &TcpListener, bytes: usize) -> Result<Vec<u8>> {
    listener.set_nonblocking(true)?;
    let start = Instant::now();
    let mut stream = loop {
        match listener.accept() {
            Ok((stream, _)) => break stream,
            Err(err) if err.kind() == ErrorKind::WouldBlock => {
                give_up_after(start, TRANSFER_LIMIT, "nobody connected")?;
                std::thread::sleep(Duration::from_millis(2));
            }
            Err(err) => return Err(err.into()),
        }
    };
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(Duration::from_millis(200)))?;
    let mut content = Vec::with_capacity(bytes);
    let mut buffer = [0; 65536];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(content),
            Ok(length) => content.extend(&buffer[..length]),
            Err(err) if matches!(err.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(err) => return Err(err.into()),
        }
        give_up_after(start, TRANSFER_LIMIT, "the file did not arrive in time")?;
    }
}

fn send(from: SocketAddrV4, to: SocketAddrV4, content: &[u8]) -> Result<()> {
    let mut stream = sys::connect_from(from, to).with_context(|| format!("connecting to {to}"))?;
    stream.set_write_timeout(Some(Duration::from_millis(200)))?;
    let start = Instant::now();
    let mut rest = content;
    while !rest.is_empty() {
        match stream.write(rest) {
            Ok(length) => rest = &rest[length..],
            Err(err) if matches!(err.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(err) => return Err(err.into()),
        }
        give_up_after(start, TRANSFER_LIMIT, "the file was not taken in time")?;
    }
    TcpStream::shutdown(&stream, std::net::Shutdown::Write)?;
    Ok(())
}

fn give_up_after(start: Instant, limit: Duration, why: &str) -> Result<()> {
    if interrupted() {
        bail!("interrupted");
    }
    if start.elapsed() > limit {
        bail!("{why} ({} s)", limit.as_secs());
    }
    Ok(())
}

/// Bytes that look like a file: no two transfers send the same.
fn content(seed: u64, bytes: usize) -> Vec<u8> {
    let mut content = Vec::with_capacity(bytes + 32);
    let mut counter = 0_u64;
    while content.len() < bytes {
        content.extend(Sha256::digest(
            [seed.to_le_bytes(), counter.to_le_bytes()].concat(),
        ));
        counter += 1;
    }
    content.truncate(bytes);
    content
}

#[cfg(test)]
mod tests {
    use super::*;
    use smartnic_lab::netns::Lab;

    #[test]
    fn contents_differ_by_seed() {
        assert_ne!(content(1, 100), content(2, 100));
        assert_eq!(content(1, 100).len(), 100);
    }

    #[test]
    fn a_file_crosses_a_veth_and_a_dead_peer_is_noticed() {
        if !smartnic_lab::skip::namespaces() {
            return;
        }
        let mut lab = Lab::new(&format!("sntd{}", std::process::id())).unwrap();
        let (one, two) = (lab.namespace("one").unwrap(), lab.namespace("two").unwrap());
        lab.veth((&one, "eth0"), (&two, "eth0")).unwrap();
        let host = |namespace, address: [u8; 4]| Host {
            namespace,
            address: address.into(),
        };
        let (a, b) = (host(&one, [10, 8, 0, 1]), host(&two, [10, 8, 0, 2]));
        one.address("eth0", "10.8.0.1/24").unwrap();
        two.address("eth0", "10.8.0.2/24").unwrap();
        let transfer = transfer(&a, &b, (5001, 6001), 200_000).unwrap();
        assert_eq!(transfer.bytes, 200_000);
        let nobody = one.run(|| ping([10, 8, 0, 9].into(), 1)).unwrap();
        assert_eq!((nobody.sent, nobody.received), (1, 0));
    }

    #[test]
    fn both_ends_of_an_aggregate_talk() {
        if !smartnic_lab::skip::namespaces() {
            return;
        }
        let prefix = format!("sntc{}", std::process::id());
        let mut lab = Lab::new(&prefix).unwrap();
        let (one, two) = (lab.namespace("one").unwrap(), lab.namespace("two").unwrap());
        for link in ["a", "b"] {
            lab.veth((&one, link), (&two, link)).unwrap();
        }
        one.aggregate("lag0", ["a", "b"]).unwrap();
        // The other end uses one of the two links, as a switch would for one flow.
        two.address("a", "10.9.0.2/24").unwrap();
        one.address("lag0", "10.9.0.1/24").unwrap();
        let reply = one.run(|| ping("10.9.0.2".parse()?, 3));
        let reply = reply.unwrap();
        assert_eq!(reply.received, 3);
        assert!(one.neighbours().unwrap().contains("10.9.0.2"));
    }
}
