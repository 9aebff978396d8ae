//! The teaching pair sn0 and sn1 of the Linux driver books: two interfaces joined by a hidden loopback.
//!
//! What is sent by one arrives on the other as if it came from a remote host: the lowest bit of the third octet of both IP addresses is
//! flipped and the header's checksum mended, and a short frame is padded to 60 bytes. With 192.168.0.1 on sn0 and 192.168.1.2 on sn1, the "remote" hosts are 192.168.0.2 and
//! 192.168.1.1. It carries IPv4 only: anything else cannot be flipped, and is counted as a transmit error (the books' version corrupts it).
//!
//! The transmitter has a pool of packets; with the last one taken the queue stops, and wakes when the other side has received one. With `lockup` = N every
//! N-th frame loses its transmit interrupt and the queue stays stopped until the watchdog, after `timeout`, supplies it. Received frames go up from the
//! interrupt, or are polled (NAPI). Addresses are `\0SNUL0` and `\0SNUL1`; there is no ARP: the destination in a built header is the other one's address.
//!
//! Private commands: 0 gives `lockup` as four bytes, lowest first; 1 sets it from four bytes.
//!
//! Covered by `tests/netdev/snull.rs`.

mod config;
mod wire;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use smartnic_slowpath::MacAddr;

use crate::device::{
    AddressOrigin, Counter, Dev, Features, Flags, NetDevice, NetDeviceOps, PrivFlags, Setting,
    Setup, Xmit,
};
use crate::error::{Errno, NetdevError, Result};
use crate::packet::{Checksum, HEADROOM, Packet, Pool, eth};
use crate::registry::Core;
use crate::softnet::Softnet;

pub use config::{Config, Mode};
pub use wire::flip;

/// Frames that a device may have received and nobody has taken yet.
const RECEIVE_POOL: usize = 1024;
/// Bytes of the largest frame: a full one with two tags.
const ROOM: usize = 1500 + eth::HLEN + 2 * eth::VLAN_HLEN;

#[derive(Default)]
struct State {
    /// Frames on the wire to this device, in the sender's packets.
    incoming: VecDeque<Packet>,
    /// The frame that is being sent: the stack's, until the transmit interrupt.
    sending: Option<Packet>,
    receive_interrupt: bool,
    transmit_interrupt: bool,
    /// The receive interrupt is masked: a poll is on its way.
    masked: bool,
    locked_up: bool,
    given: u32,
    lockup: u32,
}

/// One of the two.
pub struct Snull {
    number: u8,
    config: Config,
    state: Mutex<State>,
    transmit: Pool,
    receive: Pool,
    peer: OnceLock<(Weak<Snull>, Weak<NetDevice>)>,
}

/// Registers sn0 and sn1; if the second cannot be, the first goes again.
pub fn pair(core: &mut Core, config: &Config) -> Result<[Dev; 2]> {
    if config.pool_size == 0 {
        let reason = "a transmitter needs at least one packet";
        return Err(NetdevError::new(Errno::Invalid, "pool_size", 0, reason));
    }
    let sides = [0, 1].map(|number| Arc::new(Snull::new(number, config)));
    let devs = [0, 1].map(|n| core.create(sides[n].setup(), sides[n].clone()));
    for n in 0..2 {
        let _ = sides[n]
            .peer
            .set((Arc::downgrade(&sides[1 - n]), Arc::downgrade(&devs[1 - n])));
    }
    core.register(&devs[0])?;
    if let Err(error) = core.register(&devs[1]) {
        core.unregister(&devs[0]);
        return Err(error);
    }
    Ok(devs)
}

impl Snull {
    fn new(number: u8, config: &Config) -> Self {
        Self {
            number,
            config: *config,
            state: Mutex::new(State {
                lockup: config.lockup,
                ..State::default()
            }),
            transmit: Pool::new(config.pool_size, 0, ROOM),
            receive: Pool::new(RECEIVE_POOL, HEADROOM, ROOM),
            peer: OnceLock::new(),
        }
    }

    fn setup(&self) -> Setup {
        let name = if self.config.eth {
            "eth%d".into()
        } else {
            format!("sn{}", self.number)
        };
        let mut setup = Setup::ether(name).with_address(self.address());
        setup.flags |= Flags::NOARP;
        setup.priv_flags |= PrivFlags::UNICAST_FLT;
        setup.features |= Features::HW_CSUM;
        setup.max_mtu = 1500;
        setup.watchdog = Some(self.config.timeout);
        setup.header = Arc::new(wire::SnullHeader);
        setup
    }

    fn address(&self) -> MacAddr {
        MacAddr([0, b'S', b'N', b'U', b'L', b'0' + self.number])
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn peer(&self) -> Option<(Arc<Snull>, Dev)> {
        let (side, dev) = self.peer.get()?;
        Some((side.upgrade()?, dev.upgrade()?))
    }

    /// Puts a frame on the wire to the other side and raises its interrupt.
    fn carry(&self, net: &mut Softnet, frame: Packet) {
        let Some((peer, dev)) = self.peer().filter(|(_, dev)| dev.is_running()) else {
            // Nobody listens at the other end of the cable.
            return;
        };
        {
            let mut state = peer.state();
            state.incoming.push_back(frame);
            state.receive_interrupt |= !state.masked;
        }
        peer.interrupt(net, &dev);
    }

    /// What the interrupt handler does: looks at the status, masks or receives, ends a transmission.
    fn interrupt(&self, net: &mut Softnet, dev: &Dev) {
        let (receive, transmit) = {
            let mut state = self.state();
            let receive = std::mem::take(&mut state.receive_interrupt);
            state.masked |= receive && self.config.mode == Mode::Polled;
            (receive, std::mem::take(&mut state.transmit_interrupt))
        };
        if receive {
            match self.config.mode {
                Mode::Polled => {
                    dev.napi_schedule(0);
                }
                Mode::Interrupt => while self.receive_one(net, dev, false) {},
            }
        }
        if transmit {
            self.transmit_done(net, dev);
        }
    }

    /// A transmission is over: counts it and lets the stack's frame go.
    fn transmit_done(&self, net: &mut Softnet, dev: &Dev) {
        let sent = self.state().sending.take();
        if let Some(packet) = sent {
            dev.stats().tx(net.stripe(), 1, packet.len() as u64);
        }
    }

    /// Takes a frame off the wire, gives its packet back to the sender, and passes a copy up; false if there was none.
    fn receive_one(&self, net: &mut Softnet, dev: &Dev, polled: bool) -> bool {
        let Some(frame) = self.state().incoming.pop_front() else {
            return false;
        };
        let copy = self.receive.alloc().and_then(|mut packet| {
            // Two more bytes, so that the IP header is aligned.
            packet.reserve(2).ok()?;
            packet.append(frame.bytes()).ok()?;
            eth::type_trans(&mut packet, dev.ifindex(), dev.address()).ok()?;
            packet.set_checksum(Checksum::Unnecessary);
            Some(packet)
        });
        drop(frame);
        if let Some((peer, peer_dev)) = self.peer()
            && !peer.state().locked_up
        {
            peer_dev.wake_queue(0);
        }
        match copy {
            None => dev.stats().count(Counter::rx_dropped),
            Some(packet) => {
                dev.stats()
                    .rx(net.stripe(), 1, (packet.len() + eth::HLEN) as u64, 0);
                match polled {
                    true => net.receive(packet),
                    false => drop(net.netif_rx(dev, packet)),
                }
            }
        }
        true
    }
}

impl NetDeviceOps for Snull {
    fn open(&self, _core: &mut Core, dev: &Dev) -> Result<()> {
        if dev.address_origin() == AddressOrigin::Permanent {
            dev.assign_address(self.address(), AddressOrigin::Permanent);
        }
        {
            let mut state = self.state();
            (state.masked, state.locked_up) = (false, false);
        }
        dev.napi_enable(0);
        dev.start_queue(0);
        Ok(())
    }

    fn stop(&self, core: &mut Core, dev: &Dev) -> Result<()> {
        dev.stop_queue(0);
        dev.napi_disable(0);
        self.transmit_done(&mut core.softnet(), dev);
        let waiting = std::mem::take(&mut self.state().incoming);
        dev.stats().add(Counter::rx_dropped, waiting.len() as u64);
        drop(waiting);
        // The sender may have waited for its packets.
        if let Some((peer, peer_dev)) = self.peer()
            && peer_dev.is_running()
            && !peer.state().locked_up
        {
            peer_dev.wake_queue(0);
        }
        Ok(())
    }

    fn start_xmit(&self, net: &mut Softnet, dev: &Dev, _queue: u16, mut packet: Packet) -> Xmit {
        if packet.checksum_help().is_err() || packet.len() > ROOM {
            dev.stats().count(Counter::tx_errors);
            return Xmit::Ok;
        }
        let Some(mut frame) = self.transmit.alloc() else {
            dev.stop_queue(0);
            // The other side may have given one back just before.
            if self.transmit.free() > 0 {
                dev.wake_queue(0);
            }
            return Xmit::Busy(packet);
        };
        let built = frame
            .append(packet.bytes())
            .and_then(|()| frame.pad_to(eth::ZLEN));
        if built.is_err() || flip(frame.bytes_mut()).is_err() {
            dev.stats().count(Counter::tx_errors);
            return Xmit::Ok;
        }
        if self.transmit.free() == 0 {
            dev.stop_queue(0);
        }
        let locks_up = {
            let mut state = self.state();
            state.sending = Some(packet);
            state.given = state.given.wrapping_add(1);
            let locks_up = state.lockup != 0 && state.given.is_multiple_of(state.lockup);
            state.locked_up |= locks_up;
            state.transmit_interrupt = !locks_up;
            locks_up
        };
        if locks_up {
            dev.stop_queue(0);
        }
        self.carry(net, frame);
        if !locks_up {
            self.interrupt(net, dev);
            // Received and given back before the queue was stopped: nobody else would wake it.
            if self.transmit.free() > 0 {
                dev.wake_queue(0);
            }
        }
        Xmit::Ok
    }

    fn tx_timeout(&self, net: &mut Softnet, dev: &Dev, _queue: u16) {
        dev.stats().count(Counter::tx_errors);
        {
            let mut state = self.state();
            state.locked_up = false;
            state.transmit_interrupt = true;
        }
        self.interrupt(net, dev);
        if self.transmit.free() > 0 {
            dev.wake_queue(0);
        }
    }

    fn poll(&self, net: &mut Softnet, dev: &Dev, napi: u16, budget: usize) -> usize {
        let mut done = 0;
        while done < budget && self.receive_one(net, dev, true) {
            done += 1;
        }
        if done < budget && dev.napi_complete(napi) {
            let mut state = self.state();
            state.masked = false;
            // What came after the last look raises the interrupt again.
            state.receive_interrupt = !state.incoming.is_empty();
            drop(state);
            self.interrupt(net, dev);
        }
        done
    }

    fn supports_netpoll(&self) -> bool {
        true
    }

    fn poll_controller(&self, net: &mut Softnet, dev: &Dev) {
        self.interrupt(net, dev);
    }

    fn private_ioctl(
        &self,
        _core: &mut Core,
        _dev: &Dev,
        command: u8,
        data: &mut Vec<u8>,
    ) -> Result<()> {
        match command {
            0 => *data = self.state().lockup.to_le_bytes().into(),
            1 => match data.as_slice().try_into() {
                Ok(bytes) => self.state().lockup = u32::from_le_bytes(bytes),
                Err(_) => {
                    let reason = "four bytes are wanted, the lowest first";
                    return Err(NetdevError::new(Errno::Invalid, "data", data.len(), reason));
                }
            },
            _ => {
                let reason = "snull has 0 (lockup) and 1 (set lockup)";
                return Err(NetdevError::new(
                    Errno::NotSupported,
                    "command",
                    command,
                    reason,
                ));
            }
        }
        Ok(())
    }

    fn settings(&self, _dev: &NetDevice) -> Vec<Setting> {
        let setting = |name, value| Setting {
            name,
            value,
            offload: false,
        };
        let mode = match self.config.mode {
            Mode::Interrupt => "interrupt",
            Mode::Polled => "polled",
        };
        vec![
            setting("lockup", self.state().lockup.to_string()),
            setting("timeout", self.config.timeout.as_millis().to_string()),
            setting("mode", mode.into()),
            setting("pool_size", self.config.pool_size.to_string()),
        ]
    }
}
