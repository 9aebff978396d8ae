//! Protocols and taps: who gets frames at the top.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Core;
use crate::device::{Dev, NetDevice};
use crate::packet::eth;
use crate::softnet::rx::{Protocol, ProtocolHandler, ProtocolId, TAPS};

impl Core {
    /// Gives frames of a protocol (an EtherType, or one of [`eth`]'s numbers) to a handler, from all devices or from one. [`eth::P_ALL`]
    /// is a tap: it sees every frame, received and sent, before anybody else.
    pub fn add_protocol(
        &mut self,
        protocol: u16,
        dev: Option<&Dev>,
        handler: Arc<dyn ProtocolHandler>,
    ) -> ProtocolId {
        let id = ProtocolId(self.next_id());
        let entry = Protocol {
            id,
            protocol,
            ifindex: dev.map(|d| d.ifindex()),
            handler,
        };
        match dev {
            Some(dev) if protocol == eth::P_ALL => {
                let mut taps = dev.taps.load().to_vec();
                taps.push(entry);
                dev.taps.store(Arc::new(taps));
                set_extra(dev, TAPS, true);
            }
            _ => self.shared.change_table(|t| match protocol {
                eth::P_ALL => t.protocols.taps.push(entry.clone()),
                _ => t.protocols.basket(protocol).push(entry.clone()),
            }),
        }
        id
    }

    /// Puts another stack (the kernel's, behind TAPs) on top of all devices: it gets every frame that comes to the top of one, whoever it is for and with its
    /// tag still beside it, as well as the protocols here; what it does not want it drops and counts.
    pub fn set_stack(&mut self, stack: Option<Arc<dyn ProtocolHandler>>) {
        self.shared
            .change_table(|t| t.protocols.stack = stack.clone());
        self.shared.synchronize();
    }

    /// Takes a protocol or tap away; nobody calls it any more when this returns.
    pub fn remove_protocol(&mut self, id: ProtocolId) {
        self.shared
            .change_table(|t| t.protocols.remove(|p| p.id == id));
        for dev in self.devices() {
            let taps = dev.taps.load();
            if taps.iter().any(|p| p.id == id) {
                let left: Vec<_> = taps.iter().filter(|p| p.id != id).cloned().collect();
                set_extra(dev, TAPS, !left.is_empty());
                dev.taps.store(Arc::new(left));
            }
        }
        self.shared.synchronize();
    }
}

/// Tells the receive path to look for something on this device.
pub(crate) fn set_extra(dev: &NetDevice, bit: u8, on: bool) {
    match on {
        true => dev.rx_extras.fetch_or(bit, Ordering::SeqCst),
        false => dev.rx_extras.fetch_and(!bit, Ordering::SeqCst),
    };
}
