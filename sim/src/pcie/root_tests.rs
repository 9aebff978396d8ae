//! The root complex against a card of a few lines that keeps registers and sends what it is told.

use super::*;
use crate::pcie::memory::SharedMemory;
use crate::pcie::requester::MmioError;
use crate::pcie::tlp::{Status, byte_enables};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

#[derive(Default)]
struct Card {
    out: VecDeque<Beat>,
    assembler: Assembler,
    registers: HashMap<(u8, u64), u32>,
    completions: Vec<(u64, Tlp)>,
    resets: u32,
    mute: bool,
}

struct Bench {
    root: RootComplex,
    card: Card,
    memory: SharedMemory,
}

impl Bench {
    fn new(settings: Settings) -> Self {
        let mut root = RootComplex::new(settings);
        let (memory, _) = SharedMemory::new("root", 0x10000).unwrap();
        root.dma()
            .map(0x4_0000_0000, 0x10000, Some(memory.clone()), true, true)
            .unwrap();
        root.config_write(4, &[0x06]);
        Bench {
            root,
            card: Card::default(),
            memory,
        }
    }

    fn clock(&mut self) {
        let drive = self.root.clock(self.card.out.front().copied(), true);
        if drive.tx_ready {
            self.card.out.pop_front();
        }
        self.card.resets += u32::from(drive.flr);
        let Some(words) = drive.rx.and_then(|b| self.card.assembler.take(b).unwrap()) else {
            return;
        };
        match Tlp::parse(&words).unwrap() {
            Tlp::MemWrite {
                address,
                first_be,
                data,
                ..
            } => {
                for (i, word) in data.iter().enumerate() {
                    let at = (drive.rx_bar, (address & 0xff_ffff) + 4 * i as u64);
                    let mask = (0..4).map(|b| {
                        if first_be >> b & 1 == 1 {
                            0xff << (8 * b)
                        } else {
                            0
                        }
                    });
                    let mask: u32 = if i == 0 { mask.sum() } else { u32::MAX };
                    let old = self.card.registers.entry(at).or_default();
                    *old = *old & !mask | word & mask;
                }
            }
            Tlp::MemRead {
                requester,
                tag,
                address,
                length,
                first_be,
                last_be,
            } if !self.card.mute => {
                let words = 0..u64::from(length);
                let at = |i: u64| (drive.rx_bar, (address & 0xff_ffff) + 4 * i);
                let data = words.map(|i| self.card.registers.get(&at(i)).copied().unwrap_or(0));
                let data = data.collect();
                let (start, bytes) =
                    crate::pcie::completer::extent(address, length.into(), first_be, last_be);
                self.send(Tlp::Completion {
                    completer: CARD_ID,
                    status: Status::Success,
                    byte_count: bytes as u16,
                    requester,
                    tag,
                    lower_address: (start & 0x7f) as u8,
                    data,
                });
            }
            Tlp::MemRead { .. } => {}
            other => self.card.completions.push((self.root.cycle(), other)),
        }
    }

    fn send(&mut self, tlp: Tlp) {
        self.card.out.extend(beats(&tlp.emit()));
    }

    fn read(&mut self, tag: u8, address: u64, len: usize) {
        let (length, first_be, last_be) = byte_enables(address, len);
        let address = address & !3;
        let requester = CARD_ID;
        self.send(Tlp::MemRead {
            requester,
            tag,
            address,
            length,
            first_be,
            last_be,
        });
    }

    fn write(&mut self, address: u64, data: Vec<u32>) {
        let last_be = if data.len() > 1 { 0xf } else { 0 };
        self.send(Tlp::MemWrite {
            requester: CARD_ID,
            address,
            first_be: 0xf,
            last_be,
            data,
        });
    }

    fn settle(&mut self) {
        for _ in 0..200_000 {
            self.clock();
            if self.root.idle() && self.card.out.is_empty() {
                return;
            }
        }
        panic!("the root complex does not come to rest");
    }

    fn mmio(&mut self, bar: u8, offset: u64, bytes: usize) -> Result<Vec<u8>, MmioError> {
        let id = self.root.read(bar, offset, bytes).unwrap();
        loop {
            if let Some(result) = self.root.take_read(id) {
                return result;
            }
            self.clock();
        }
    }
}

#[test]
fn host_reads_and_writes_registers() {
    let mut b = Bench::new(Settings::default());
    b.root.write(0, 0x10, &[1, 2, 3, 4, 5, 6, 7, 8]).unwrap();
    b.root.write(0, 0x12, &[9]).unwrap();
    b.root.write(2, 0x10, &[0xaa; 4]).unwrap();
    assert_eq!(b.mmio(0, 0x10, 8), Ok(vec![1, 2, 9, 4, 5, 6, 7, 8]));
    assert_eq!(b.mmio(0, 0x13, 2), Ok(vec![4, 5]));
    assert_eq!(b.mmio(2, 0x10, 4), Ok(vec![0xaa; 4]));
    assert!(matches!(
        b.mmio(0, 0x1_0000, 4),
        Err(MmioError::Range { .. })
    ));
    assert!(b.root.write(1, 0, &[0; 4]).is_err());
    b.card.mute = true;
    let start = b.root.cycle();
    assert_eq!(b.mmio(0, 0, 4), Err(MmioError::Timeout));
    assert!((6_250..6_300).contains(&(b.root.cycle() - start)));
    assert_eq!(b.root.timeouts(), 1);
    b.root.config_write(4, &[0x04]);
    assert_eq!(b.mmio(0, 0, 4), Err(MmioError::UnsupportedRequest));
    b.settle();
    assert_eq!(b.root.violation_count, 0);
}

#[test]
fn reads_take_the_links_time() {
    let mut b = Bench::new(Settings {
        completion_bytes: 256,
        ..Settings::default()
    });
    b.memory.write(0x100, &[0x5a; 64]).unwrap();
    b.read(1, 0x4_0000_0100, 64);
    b.settle();
    let (at, tlp) = &b.card.completions[0];
    assert!(matches!(tlp, Tlp::Completion { data, .. } if *data == [0x5a5a_5a5a; 16]));
    // Request: 2 beats and 24 bytes at 2 bytes a cycle; 125 cycles; 88 bytes; then 10 beats.
    let expected = 2 + 12 + 125 + 44 + 10;
    assert!(
        (expected - 2..=expected + 4).contains(at),
        "{at} for {expected}"
    );

    // Sustained writes of 64 bytes: 88 bytes each at 2 bytes a cycle.
    let mut b = Bench::new(Settings::default());
    (0..1_000).for_each(|i| b.write(0x4_0000_0000 + 64 * (i % 512), vec![i as u32; 16]));
    b.settle();
    let cycles = b.root.cycle();
    assert!((44_000..44_100).contains(&cycles), "{cycles}");
    assert_eq!(b.root.link_stats().up, (1_000, 88_000));
}

#[test]
fn tags_mix_and_data_stay_whole() {
    let seed = std::env::var("SEED")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(7);
    println!("SEED={seed}");
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let settings = Settings {
        reorder: Some(seed),
        stall: Some((seed, 40)),
        ..Settings::default()
    };
    let mut b = Bench::new(settings);
    let content: Vec<u8> = (0..0x10000).map(|_| rng.random()).collect();
    b.memory.write(0, &content).unwrap();
    let mut mixed = false;
    for _ in 0..30 {
        let mut expected = HashMap::new();
        for tag in 0..8 {
            let address = rng.random_range(0..0x10000u64);
            let len = rng
                .random_range(1..=508)
                .min(4096 - (address & 0xfff) as usize);
            expected.insert(tag, (address as usize, len, Vec::new()));
            b.read(tag, 0x4_0000_0000 + address, len);
        }
        b.settle();
        let mut tags = Vec::new();
        for (_, tlp) in std::mem::take(&mut b.card.completions) {
            let Tlp::Completion {
                status: Status::Success,
                tag,
                data,
                byte_count,
                lower_address,
                ..
            } = tlp
            else {
                panic!("{tlp:?}")
            };
            let (address, len, got) = expected.get_mut(&tag).unwrap();
            assert_eq!(usize::from(byte_count), *len - got.len());
            assert_eq!(usize::from(lower_address), (*address + got.len()) & 0x7f);
            let bytes = data
                .iter()
                .flat_map(|w| w.to_le_bytes())
                .skip((lower_address & 3).into());
            got.extend(bytes.take(byte_count.into()));
            tags.push(tag);
        }
        mixed |= !tags.is_sorted();
        for (address, len, got) in expected.into_values() {
            assert_eq!(got, content[address..address + len]);
        }
    }
    assert!(mixed);
    assert_eq!(b.root.violation_count, 0);
}

#[test]
fn broken_rules_and_faults_are_kept() {
    let mut b = Bench::new(Settings::default());
    b.read(3, 0x1000, 4);
    b.write(0x5_0000_0000, vec![1]);
    b.settle();
    assert_eq!(
        b.root.take_fault(),
        Some(Fault {
            iova: 0x1000,
            bytes: 4,
            write: false
        })
    );
    assert_eq!(
        b.root.take_fault(),
        Some(Fault {
            iova: 0x5_0000_0000,
            bytes: 4,
            write: true
        })
    );
    let status = |t: &Tlp| {
        matches!(
            t,
            Tlp::Completion {
                status: Status::UnsupportedRequest,
                ..
            }
        )
    };
    assert!(status(&b.card.completions[0].1));

    b.write(0x4_0000_0000, vec![0; 65]);
    b.read(4, 0x4_0000_0000, 4);
    b.read(4, 0x4_0000_0000, 4);
    b.card.out.extend(beats(&[0x4200_0001, 0, 0, 0]));
    b.settle();
    // Malformed words never get as far as the link's far end, where the others are found.
    let found: Vec<_> = std::iter::from_fn(|| b.root.take_violation()).collect();
    assert!(matches!(
        found[..],
        [
            Violation::Malformed(_),
            Violation::TooLong { bytes: 260, .. },
            Violation::Tag { tag: 4 }
        ]
    ));

    b.root.config_write(4, &[0x02]);
    b.card.completions.clear();
    b.read(5, 0x4_0000_0000, 4);
    b.write(0x4_0000_0000, vec![0xdead]);
    b.settle();
    assert!(status(&b.card.completions[0].1));
    let mut word = [0; 4];
    b.memory.read(0, &mut word).unwrap();
    assert_eq!(
        (word, b.root.violation_count, b.root.fault_count),
        ([0; 4], 5, 2)
    );
}

#[test]
fn vectors_are_written_masked_and_raised() {
    let mut b = Bench::new(Settings::default());
    let count = Arc::new(AtomicU32::new(0));
    let raised = count.clone();
    let notify = move || {
        raised.fetch_add(1, Ordering::SeqCst);
    };
    assert!(!b.root.pins().msix_enable);
    b.root.set_vector(3, Some(Box::new(notify))).unwrap();
    assert!(b.root.pins().msix_enable);
    b.settle();
    let entry = |b: &Bench| [0, 4, 8, 12].map(|o| b.card.registers[&(2, 0x30 + o)]);
    assert_eq!(entry(&b), [0xfee0_0000, 0, 3, 0]);
    b.write(0xfee0_0000, vec![3]);
    b.write(0xfee0_0000, vec![4]);
    b.write(0xfee0_0004, vec![3]);
    b.settle();
    assert_eq!((count.load(Ordering::SeqCst), b.root.interrupts(3)), (1, 1));
    assert_eq!(
        b.root.fault_count, 2,
        "a vector without a notifier, and an address beside"
    );
    b.root.mask_vector(3, true).unwrap();
    b.settle();
    assert_eq!(entry(&b)[3], 1);
    b.root.mask_vector(3, false).unwrap();
    b.card.registers.clear();
    b.root.reset();
    b.settle();
    assert_eq!((entry(&b), b.card.resets), ([0xfee0_0000, 0, 3, 0], 1));
    b.root.set_vector(3, None).unwrap();
    b.settle();
    assert_eq!(entry(&b)[3], 1);
    assert!(!b.root.pins().msix_enable);
    assert!(b.root.set_vector(16, None).is_err());
    // A function level reset by configuration space clears the command register.
    b.root.config_write(0x69, &[0x80]);
    b.settle();
    assert_eq!((b.card.resets, b.root.pins().bus_master), (2, false));
}
