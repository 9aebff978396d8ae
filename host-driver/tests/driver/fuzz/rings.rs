//! Rings and events of a hostile card, against a plain model of what an entry may be: what is right is taken, all else restarts the ring and is counted, and a
//! good entry after it works.

use smartnic_driver::device::host::{HostConfig, HostPort};
use smartnic_driver::device::ring::{BUFFER, TxTarget};
use smartnic_driver::device::{Device, MacAddr};
use smartnic_regs::fdb::KEY_HI;
use smartnic_regs::ring::{VERSION, completion, event};
use smartnic_regs::values::reason;

use super::Input;
use crate::fake::{Fake, Shape};

const LOG2: u32 = 3;
const SIZE: u32 = 1 << LOG2;
const TX: u32 = 4;

fn start() -> (Fake, Device, HostPort) {
    let fake = Fake::new(Shape::default());
    let mut device = fake.device();
    let config = HostConfig {
        ring_log2: LOG2,
        event_log2: LOG2,
        ..HostConfig::default()
    };
    let port = device.start_host(&config).expect("a good card");
    (fake, device, port)
}

/// A completion, mostly such as it should be: its words, and its last one without the phase.
fn entry(input: &mut Input<'_>, kind: u32, head: u32) -> ([u32; 7], u32) {
    let odd = input.byte();
    let mut words = [0; 7];
    words[0] = u32::from(input.byte()) % (SIZE + u32::from(odd & 1));
    let length = u32::from(input.byte()) * 9;
    let status = u32::from(input.byte()) % 5 * u32::from(odd >> 1 & 1);
    let kind = kind ^ (odd as u32 >> 2 & 1);
    words[1] = completion::LENGTH.put(length)
        | completion::STATUS.put(status)
        | completion::KIND.put(kind);
    words[2] = u32::from(input.byte());
    let version = VERSION + u32::from(odd >> 3 & 1);
    let head = if odd & 16 == 0 { head } else { input.word() };
    let mut last = completion::ENTRY_VERSION.put(version) | completion::HEAD.put(head);
    if odd & 0xe0 == 0xe0 {
        // Or anything at all.
        words = std::array::from_fn(|_| input.word());
        last = input.word() >> 1;
    }
    (words, last)
}

/// What a receive completion is worth, by the register map: bytes of a frame, none (a buffer without one), or a fault. All buffers are with the card, `tail`
/// were submitted.
fn worth(words: &[u32; 7], last: u32, tail: u32) -> Result<Option<usize>, ()> {
    let behind = (tail as u16).wrapping_sub(completion::HEAD.get(last) as u16);
    let length = completion::LENGTH.get(words[1]) as usize;
    let right = completion::ENTRY_VERSION.get(last) == VERSION
        && completion::KIND.get(words[1]) == completion::RECEIVE
        && u32::from(behind) <= SIZE
        && words[0] < SIZE
        && length <= BUFFER;
    match completion::STATUS.get(words[1]) {
        completion::OK | completion::TRUNCATED if right => Ok(Some(length)),
        completion::DMA_ERROR if right => Ok(None),
        _ => Err(()),
    }
}

#[test]
fn ring_completions() {
    bolero::check!()
        .with_max_len(1024)
        .for_each(|bytes: &[u8]| {
            let (fake, mut device, mut port) = start();
            let mut input = Input(bytes);
            let (mut tail, mut faults) = (SIZE, 0);
            while !input.is_empty() {
                let (words, last) = entry(&mut input, completion::RECEIVE, tail);
                fake.state().complete_raw(0, words, last);
                let mut frames = Vec::new();
                let taken = port
                    .receive(device.mmio(), 64, &mut frames)
                    .expect("repaired");
                let lengths: Vec<usize> = frames.iter().map(|f| f.data.len()).collect();
                match worth(&words, last, tail) {
                    Ok(frame) => {
                        assert_eq!((taken, lengths), (1, frame.into_iter().collect()));
                        tail += 1;
                    }
                    Err(()) => {
                        assert_eq!((taken, lengths), (0, vec![]), "{words:x?} {last:x}");
                        (tail, faults) = (SIZE, faults + 1);
                    }
                }
                assert_eq!(port.restarts(), [faults, 0, 0], "{words:x?} {last:x}");
            }
            // Whatever came before: one restart brings a working ring.
            fake.state().stop_ring(0, 1);
            port.check(device.mmio()).expect("repaired");
            assert!(fake.state().deliver(&[7; 64], 1, reason::LOCAL, 1));
            let mut frames = Vec::new();
            port.receive(device.mmio(), 64, &mut frames)
                .expect("a good frame");
            assert_eq!((frames.len(), &frames[0].data[..]), (1, &[7; 64][..]));
        });
}

/// Frames are sent meanwhile: the ring neither loses one, nor count of them, nor says that it is full for ever.
#[test]
fn ring_transmit_completions() {
    bolero::check!()
        .with_max_len(1024)
        .for_each(|bytes: &[u8]| {
            let (fake, mut device, mut port) = start();
            fake.state().rings.mute = true;
            let mut input = Input(bytes);
            let mut under_way = 0;
            while !input.is_empty() {
                if input.one_in(2)
                    && port
                        .send(&[1; 64], TxTarget::Switch, 0)
                        .expect("a good frame")
                {
                    port.flush(device.mmio()).expect("flushed");
                    under_way += 1;
                }
                let (words, last) = entry(&mut input, completion::TRANSMIT, under_way);
                fake.state().complete_raw(TX, words, last);
                let (before, mut done) = (port.restarts()[1], Vec::new());
                let taken = port.reap(device.mmio(), 64, &mut done).expect("repaired");
                let restarted = port.restarts()[1] - before;
                assert_eq!((done.len(), taken as u64 + restarted), (taken, 1));
                // A restart sends again what was under way.
                under_way -= u32::from(restarted == 0);
                assert_eq!(port.tx_in_flight(), under_way as usize);
                assert!(
                    done.iter()
                        .all(|d| d.bytes == 64 && d.status <= completion::DMA_ERROR)
                );
            }
        });
}

#[test]
fn ring_events() {
    bolero::check!()
        .with_max_len(1024)
        .for_each(|bytes: &[u8]| {
            let (fake, mut device, mut port) = start();
            let mut input = Input(bytes);
            let mut faults = 0;
            while !input.is_empty() {
                let version = VERSION + u32::from(input.one_in(8));
                let mut words: [u32; 7] = std::array::from_fn(|_| input.word());
                if !input.one_in(4) {
                    words[2] = words[2] & !0xff | u32::from(input.byte() % 8);
                }
                let last = event::ENTRY_VERSION.put(version);
                fake.state().push_event(words, last);
                let mut events = Vec::new();
                let taken = port
                    .events(device.mmio(), 64, &mut events)
                    .expect("repaired");
                let kind = event::KIND.get(words[2]);
                let known = (event::LEARNED..=event::REFUSED).contains(&kind);
                if version != VERSION {
                    faults += 1;
                    assert_eq!((taken, events.len()), (0, 0));
                } else {
                    // One of another kind is for later drivers.
                    assert_eq!((taken, events.len()), (1, usize::from(known)));
                }
                for got in events {
                    let mac = MacAddr::from_halves(words[0], KEY_HI::MAC.get(words[1]));
                    assert_eq!((got.kind, got.key.mac), (kind, mac));
                    assert_eq!(u32::from(got.key.fid), KEY_HI::FID.get(words[1]));
                    assert_eq!(
                        (got.dest, got.old_dest),
                        (event::DEST.get(words[2]), event::OLD_DEST.get(words[2]))
                    );
                }
                assert_eq!(port.restarts(), [0, 0, faults]);
            }
        });
}
