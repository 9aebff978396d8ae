//! The card over its socket, with the protocol crate's own client.

mod common;

use common::{fixture, settings};
use nix::sys::eventfd::{EfdFlags, EventFd};
use smartnic_sim::card::Card;
use smartnic_sim::card::runner::{CardHandle, RunnerSettings};
use smartnic_sim::pcie::SharedMemory;
use smartnic_sim::vfio_user::{ServeError, VfioUserServer};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use vfio_user::Client;

const CONFIG: u32 = 7;
const MSIX: u32 = 2;
const EVENTFD: u32 = 1 << 2 | 1 << 5;
const TRIGGER: u32 = 1 | 1 << 5;
const MASK: u32 = 1 | 1 << 3;
const UNMASK: u32 = 1 | 1 << 4;

struct Bench {
    card: CardHandle,
    server: VfioUserServer,
    _dir: tempfile::TempDir,
    path: PathBuf,
}

fn bench() -> Bench {
    let card = Card::from_design(&fixture(), &settings()).unwrap();
    let card = CardHandle::spawn(card, RunnerSettings { real_time: false }).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("card.sock");
    let server = VfioUserServer::start(&path, card.clone()).unwrap();
    Bench {
        card,
        server,
        _dir: dir,
        path,
    }
}

fn read32(client: &mut Client, region: u32, offset: u64) -> u32 {
    let mut bytes = [0; 4];
    client.region_read(region, offset, &mut bytes).unwrap();
    u32::from_le_bytes(bytes)
}

fn write32(client: &mut Client, region: u32, offset: u64, value: u32) {
    client
        .region_write(region, offset, &value.to_le_bytes())
        .unwrap();
}

fn eventually(mut what: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !what() {
        assert!(Instant::now() < end, "it never happens");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_client_drives_the_card_and_leaves_it_clean() {
    let bench = bench();
    let mut client = Client::new(&bench.path).unwrap();
    assert_eq!(read32(&mut client, CONFIG, 0), 0x10f5_1af4);
    let sizes = [0, 1, 2, 7].map(|r| client.region(r).unwrap().size);
    assert_eq!(sizes, [0x1_0000, 0, 0x1000, 0x1000]);
    let irq = client.get_irq_info(MSIX).unwrap();
    assert_eq!((irq.count, client.get_irq_info(0).unwrap().count), (16, 0));

    write32(&mut client, CONFIG, 4, 0x06);
    for i in 0..32 {
        write32(&mut client, 0, 0x10, i * 3);
        assert_eq!(read32(&mut client, 0, 0x10), i * 3);
    }
    assert!(bench.server.connected());

    // DMA into memory of the client's, and an interrupt into its eventfd.
    let (memory, file) = SharedMemory::new("client", 0x3000).unwrap();
    client
        .dma_map(0x1000, 0x4000_0000, 0x2000, file.as_raw_fd())
        .unwrap();
    let event = EventFd::from_value_and_flags(0, EfdFlags::EFD_NONBLOCK).unwrap();
    client
        .set_irqs(MSIX, EVENTFD, 0, 1, &[event.as_raw_fd()])
        .unwrap();
    assert_eq!(
        [0, 4, 8, 12].map(|o| read32(&mut client, 2, o)),
        [0xfee0_0000, 0, 0, 0]
    );
    write32(&mut client, 2, 0, 0x1234);
    assert_eq!(
        read32(&mut client, 2, 0),
        0xfee0_0000,
        "the table is not the client's"
    );
    write32(&mut client, 0, 0x04, 0x4000_0ffc);
    write32(&mut client, 0, 0x10, 0xfeed_beef);
    write32(&mut client, 0, 0x20, 1);
    eventually(|| event.read() == Ok(1));
    let mut word = [0; 4];
    memory.read(0x1ffc, &mut word).unwrap();
    assert_eq!(u32::from_le_bytes(word), 0xfeed_beef);

    client.set_irqs(MSIX, MASK, 0, 1, &[]).unwrap();
    assert_eq!(read32(&mut client, 2, 12), 1);
    write32(&mut client, 0, 0x20, 1);
    assert_eq!(read32(&mut client, 0, 0x20), 1);
    std::thread::sleep(Duration::from_millis(20));
    assert!(event.read().is_err(), "masked");
    client.set_irqs(MSIX, UNMASK, 0, 1, &[]).unwrap();
    client.set_irqs(MSIX, TRIGGER, 0, 1, &[]).unwrap();
    eventually(|| event.read() == Ok(1));
    client.reset().unwrap();
    assert_eq!(
        read32(&mut client, 2, 0),
        0xfee0_0000,
        "vectors in use outlive a reset"
    );
    assert_eq!(
        read32(&mut client, CONFIG, 4) & 6,
        6,
        "and so does configuration space"
    );
    client.dma_unmap(0x4000_0000, 0x2000).unwrap();
    write32(&mut client, 0, 0x20, 1);
    eventually(|| bench.card.call(|card| card.root().fault_count).unwrap() == 1);
    client.set_irqs(MSIX, TRIGGER, 0, 0, &[]).unwrap();
    assert_eq!(read32(&mut client, 2, 12), 1);
    client.shutdown().unwrap();
    drop(client);
    eventually(|| !bench.server.connected());

    // The next client finds the function as after power-up; the rest of the card was not touched.
    let mut client = Client::new(&bench.path).unwrap();
    assert_eq!(read32(&mut client, CONFIG, 4) & 6, 2);
    assert_eq!(read32(&mut client, 0, 0x10), 0xfeed_beef);
    assert_eq!(
        bench.card.call(|card| card.root().violation_count).unwrap(),
        0
    );
    client.shutdown().unwrap();
}

#[test]
fn nonsense_ends_a_client_but_not_the_card() {
    let bench = bench();
    let again = VfioUserServer::start(&bench.path, bench.card.clone());
    assert!(matches!(again, Err(ServeError::InUse { .. })));
    let seed = std::env::var("SEED")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(5u64);
    println!("SEED={seed}");
    let mut rng = <rand_chacha::ChaCha8Rng as rand::SeedableRng>::seed_from_u64(seed);
    for round in 0..30u16 {
        let mut stream = UnixStream::connect(&bench.path).unwrap();
        let mut bytes = vec![0u8; 64];
        rand::RngCore::fill_bytes(&mut rng, &mut bytes);
        // A known command in most, so that more than the header is read.
        bytes[2..4].copy_from_slice(&(round % 15).to_le_bytes());
        bytes[4..8].copy_from_slice(&(round as u32 * 2).to_le_bytes());
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(std::net::Shutdown::Both);
    }
    let mut client = Client::new(&bench.path).unwrap();
    assert_eq!(read32(&mut client, CONFIG, 0), 0x10f5_1af4);
    client.shutdown().unwrap();
    drop(client);
    let Bench {
        card, server, path, ..
    } = bench;
    drop(server);
    assert!(!path.exists());
    assert!(card.stop().is_some());
}

#[test]
fn rate_of_register_accesses() {
    let bench = bench();
    let mut client = Client::new(&bench.path).unwrap();
    let value = read32(&mut client, 0, 0x10);
    let (start, cycle) = (
        Instant::now(),
        bench.card.call(|card| card.cycle()).unwrap(),
    );
    for _ in 0..500 {
        assert_eq!(read32(&mut client, 0, 0x10), value);
    }
    let cycles = (bench.card.call(|card| card.cycle()).unwrap() - cycle) / 500;
    println!(
        "register read: {:?}, {cycles} cycles",
        start.elapsed() / 500
    );
    client.shutdown().unwrap();
}

#[test]
fn a_card_that_stops_hangs_up_on_its_client() {
    let bench = bench();
    let mut client = Client::new(&bench.path).unwrap();
    assert_eq!(read32(&mut client, CONFIG, 0), 0x10f5_1af4);
    bench.card.stop().unwrap();
    let mut bytes = [0; 4];
    client.region_read(0, 0, &mut bytes).unwrap_err();
    eventually(|| !bench.server.connected());
}
