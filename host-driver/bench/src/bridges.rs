//! A bridge in software, ours and the kernel's, in the same run: 64-byte frames between two ports whose stations are known.
//!
//! Ours: `smartnic_bridge` over two devices on null cards, both directions, rings included (`driver`'s way). The kernel's: two veth pairs in a namespace of its own, frames
//! sent by `sendmmsg` on a packet socket at one end and counted at the other. The sender's system call is in that time; `veth` is the same sender with no bridge behind
//! the pair, to be taken off. Times are processor time of the thread; the kernel forwards in the sender's context.

use std::time::Duration;

use smartnic_bench::{Error, Report, cpu};
use smartnic_bridge::Bridges;
use smartnic_lab::is_root;
use smartnic_lab::netns::Lab;

use crate::driver::Bed;
use crate::packet_socket::PacketSocket;

/// Frames given to a device, or to the kernel, at a time.
const BATCH: usize = 64;
/// Processor time of a measurement.
const TIME: Duration = Duration::from_millis(200);

/// Measures both.
pub fn run(report: &mut Report) -> Result<(), Error> {
    let mut add = |case: &str, value| report.add(case, "frames_per_s", value, "frames/s");
    add("bridge/64", ours()?);
    if is_root() {
        add("kernel/bridge/64", kernel(true)?);
        add("kernel/veth/64", kernel(false)?);
    } else {
        eprintln!("the kernel's bridge is measured as root only");
    }
    Ok(())
}

fn ours() -> Result<f64, Error> {
    let mut bed = Bed::new(64, 1, BATCH)?;
    let bridges = Bridges::install(&mut bed.core)?;
    let br0 = bridges.create(&mut bed.core, "br0", None)?;
    bed.core.open(&br0)?;
    for dev in &bed.devs {
        bed.core.set_master(dev, Some(&br0))?;
    }
    bed.measure()
}

fn kernel(bridge: bool) -> Result<f64, Error> {
    let mut lab = Lab::new("smartnic-bench")?;
    let namespace = lab.namespace("br")?;
    lab.veth((&namespace, "a0"), (&namespace, "a1"))?;
    lab.veth((&namespace, "b0"), (&namespace, "b1"))?;
    if bridge {
        namespace.bridge("br0", &["a1", "b1"])?;
        namespace.up("br0")?;
    }
    let counted = if bridge { "b0" } else { "a1" };
    namespace.run(|| -> Result<f64, Error> {
        let station = |n: u8| [2, 0, 0, 0, 1, n];
        let frame = |from, to| {
            let mut frame = [0u8; 60];
            frame[..6].copy_from_slice(&station(to));
            frame[6..12].copy_from_slice(&station(from));
            // No protocol of the kernel's (IEEE 802, local experiments).
            frame[12..14].copy_from_slice(&[0x88, 0xb5]);
            frame
        };
        let (here, there) = (PacketSocket::open("a0")?, PacketSocket::open("b0")?);
        // Each station is known before the other one speaks.
        there.send(&frame(1, 0), 1)?;
        let frame = frame(0, 1);
        here.send(&frame, 10_000)?;
        let (before, began) = (received(counted)?, cpu::thread_time());
        while cpu::thread_time() - began < TIME {
            here.send(&frame, 10 * BATCH)?;
        }
        let elapsed = (cpu::thread_time() - began).as_secs_f64();
        Ok((received(counted)? - before) as f64 / elapsed)
    })
}

/// Frames that an interface of this thread's namespace has received.
fn received(name: &str) -> Result<u64, Error> {
    let all = std::fs::read_to_string("/proc/thread-self/net/dev")?;
    let line = all
        .lines()
        .find_map(|l| l.trim_start().strip_prefix(name)?.strip_prefix(':'));
    let count = line.and_then(|l| l.split_whitespace().nth(1));
    count
        .and_then(|c| c.parse().ok())
        .ok_or_else(|| format!("no counters of {name}").into())
}
