//! The transports: vfio-user against a real server, kernel VFIO against a replaced kernel, in process.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::sync::{Arc, Mutex};

use rand::Rng;
use smartnic_driver::device::Device;
use smartnic_driver::device::host::HostConfig;
use smartnic_driver::device::ring::TxTarget;
use smartnic_driver::pci::vfio::{Kernel, Vfio};
use smartnic_driver::pci::vfio_user::VfioUser;
use smartnic_driver::pci::{DeviceSpec, DmaBuffer, PciError, PciTransport, Vector};
use smartnic_regs::values::reason;

use crate::fake::{Fake, Shape};
use crate::vfio_server;

#[test]
fn vfio_user_carries_registers_memory_and_interrupts() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("card.sock");
    let fake = Fake::new(Shape::default());
    let thread = vfio_server::serve(fake.clone(), &path, 2);
    let spec: DeviceSpec = format!("vfio-user:{}", path.display()).parse().unwrap();
    for round in 0..2 {
        let mut device = Device::probe(spec.open().unwrap()).unwrap();
        assert_eq!(device.caps().ports, 4);
        let mut port = device
            .start_host(&HostConfig {
                ring_log2: 3,
                ..Default::default()
            })
            .unwrap();
        for n in 0..20u8 {
            assert!(port.send(&[n; 64], TxTarget::Switch, 0).unwrap());
            port.flush(device.mmio()).unwrap();
            // Writes are posted: a read makes sure that the card has them.
            device.check_alive().unwrap();
            assert_eq!(fake.state().sent.pop().unwrap().data, vec![n; 64]);
            port.reap(device.mmio(), 8, &mut Vec::new()).unwrap();
            assert!(fake.state().deliver(&[n; 80], 1, reason::LOCAL, 1));
            let mut frames = Vec::new();
            port.receive(device.mmio(), 8, &mut frames).unwrap();
            assert_eq!(frames[0].data, vec![n; 80]);
            device.check_alive().unwrap();
        }
        assert!(port.vectors()[0].read().unwrap() > 0);
        assert_eq!(fake.state().function_resets, round);
        device.mmio().transport().reset().unwrap();
        assert_eq!(fake.state().function_resets, round + 1);
        fake.state().function_resets -= 1;
    }
    thread.join().unwrap();
}

#[test]
fn a_server_that_goes_away_is_gone_for_good() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("card.sock");
    let error = VfioUser::connect(&path).err().unwrap();
    assert!(matches!(error, PciError::Open { .. }), "{error}");
    let listener = UnixListener::bind(&path).unwrap();
    let thread = std::thread::spawn(move || drop(listener.accept().unwrap()));
    let error = VfioUser::connect(&path).err().unwrap();
    assert!(error.is_gone(), "{error}");
    thread.join().unwrap();
}

/// A server that answers rubbish: an error each time, no panic, no hang.
#[test]
fn a_server_that_answers_rubbish_is_an_error() {
    let mut rng = crate::rng("rubbish");
    let dir = tempfile::tempdir().unwrap();
    for round in 0..60 {
        let path = dir.path().join(format!("{round}.sock"));
        let listener = UnixListener::bind(&path).unwrap();
        let answer: Vec<u8> = (0..rng.random_range(0..300))
            .map(|_| rng.random())
            .collect();
        let nearly = rng.random_bool(0.7);
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 16];
            let _ = stream.read_exact(&mut request);
            if nearly {
                // A header that fits the request, then noise.
                let size = 16 + answer.len() as u32;
                let mut header = request;
                header[4..8].copy_from_slice(&size.to_le_bytes());
                header[8..12].copy_from_slice(&1u32.to_le_bytes());
                let _ = stream.write_all(&header);
            }
            let _ = stream.write_all(&answer);
        });
        assert!(VfioUser::connect(&path).is_err());
        thread.join().unwrap();
    }
}

#[derive(Default)]
struct FakeKernel {
    regs: Mutex<std::collections::BTreeMap<(u32, u64), u32>>,
    maps: Mutex<Vec<(u64, usize)>>,
    resets: Arc<Mutex<u32>>,
}

impl Kernel for FakeKernel {
    fn region_size(&self, region: u32) -> u64 {
        [0x8000, 0, 0x1000][region as usize]
    }
    fn region_read(&self, region: u32, offset: u64) -> u32 {
        self.regs
            .lock()
            .unwrap()
            .get(&(region, offset))
            .copied()
            .unwrap_or(u32::MAX)
    }
    fn region_write(&self, region: u32, offset: u64, value: u32) {
        self.regs.lock().unwrap().insert((region, offset), value);
    }
    fn dma_map(&self, iova: u64, buffer: &DmaBuffer) -> Result<(), String> {
        self.maps.lock().unwrap().push((iova, buffer.len()));
        if buffer.len() > 4 << 20 {
            Err("RLIMIT_MEMLOCK".into())
        } else {
            Ok(())
        }
    }
    fn dma_unmap(&self, iova: u64, bytes: usize) -> Result<(), String> {
        let mut maps = self.maps.lock().unwrap();
        let at = maps
            .iter()
            .position(|m| *m == (iova, bytes))
            .ok_or("not mapped")?;
        maps.remove(at);
        Ok(())
    }
    fn vectors(&self) -> u32 {
        10
    }
    fn enable_msix(&self, vectors: &[Vector]) -> Result<(), String> {
        vectors[0].write(1).map(|_| ()).map_err(|e| e.to_string())
    }
    fn reset(&self) {
        *self.resets.lock().unwrap() += 1;
    }
}

#[test]
fn kernel_vfio_over_a_replaced_kernel() {
    let kernel = FakeKernel::default();
    let resets = kernel.resets.clone();
    let mut card = Vfio::new("vfio:test", kernel);
    card.write32(0, 0x10, 7).unwrap();
    assert_eq!(card.read32(0, 0x10).unwrap(), 7);
    assert_eq!(card.read32(0, 0x14).unwrap(), u32::MAX);
    for (bar, offset) in [(0, 0x8000), (0, 2), (1, 0), (9, 0)] {
        assert!(
            matches!(card.read32(bar, offset), Err(PciError::Range { .. })),
            "{bar} {offset}"
        );
    }
    let memory = card.dma_alloc(5000).unwrap();
    let other = card.dma_alloc(1).unwrap();
    assert!(other.iova() >= memory.iova() + memory.len() as u64);
    card.dma_free(memory).unwrap();
    assert!(matches!(
        card.dma_alloc(5 << 20),
        Err(PciError::Memory { .. })
    ));
    assert_eq!(card.interrupts(10).unwrap()[0].read().unwrap(), 1);
    assert!(matches!(
        card.interrupts(11),
        Err(PciError::Vectors {
            wanted: 11,
            offered: 10,
            ..
        })
    ));
    card.reset().unwrap();
    assert_eq!(*resets.lock().unwrap(), 1);
    let error = "vfio:0000:fe:1f.7"
        .parse::<DeviceSpec>()
        .unwrap()
        .open()
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("no such PCI function"), "{error}");
}
