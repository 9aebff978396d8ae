//! Multicast frames through the snooping machine, which one thread at a time may ask.

use smartnic_netdev::{Packet, Softnet};
use smartnic_slowpath::mcast::{Frame, Route, Verdict};

use super::Path;
use crate::flags::BridgeFlags;

impl Path<'_> {
    /// What snooping makes of a multicast frame: where it goes.
    pub(super) fn snoop(&mut self, net: &mut Softnet, packet: &Packet) -> Verdict {
        let bridge = self.bridge;
        if !bridge.flags().contains(BridgeFlags::MCAST_SNOOPING) {
            return Verdict {
                route: Route::Flood,
                local: true,
                pdu: None,
            };
        }
        let frame = Frame {
            port: self.from.map(|p| p.number.into()),
            vid: self.admitted.vid,
            source: self.source,
            destination: self.destination,
            ethertype: packet.protocol,
            payload: packet.bytes(),
        };
        let (verdict, outputs) = {
            let mut machine = bridge.mcast();
            let verdict = machine.receive(net.now(), &frame);
            (verdict, machine.take_outputs())
        };
        bridge.carry_out_mcast(outputs);
        bridge.send_post(net);
        self.pdu = verdict.pdu;
        verdict
    }
}
