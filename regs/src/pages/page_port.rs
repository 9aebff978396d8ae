page! {
    /// Per-port configuration and state. Index = port number; the host is the index after the last port.
    port @ 0x1000 {
        /// Bridge port state and flags. On a board with its own processor the ports (not the host) forward from reset on: 0xeb.
        CONFIG @0x000 [9; 4] Rw = 0 {
            /// State: see `values::state` (0 disabled, 1 listening, 2 learning, 3 forwarding, 4 blocking, as Linux numbers them).
            STATE: 0+3,
            /// Learning: see `values::learn` (0 off, 1 hardware, 2 slow path: unknown sources are events).
            LEARN: 3+2,
            /// Floods frames to unknown unicast addresses to this port.
            FLOOD_UC: 5+1,
            /// Floods multicast to this port.
            FLOOD_MC: 6+1,
            /// Floods broadcast to this port.
            FLOOD_BC: 7+1,
            /// A frame may leave by the port that it came in by.
            HAIRPIN: 8+1,
            /// Isolated: not forwarded to other isolated ports.
            ISOLATED: 9+1,
            /// Class of frames from this port.
            CLASS: 12+3,
            /// The port is a member of LAG group LAG.
            LAG_VALID: 16+1,
            /// LAG group of which this port is a member.
            LAG: 17+3,
            /// FID of frames from this port (VLAN-unaware).
            FID: 20+12 };
        /// Destinations that frames from this source may reach: bit per port, host = bit number PORTS. On a board all ports after reset, else none.
        FORWARD_MASK @0x040 [9; 4] Rw;
        /// MAC control.
        MAC @0x080 [8; 4] Rw = 0x006005ee {
            /// Longest frame accepted, FCS included, in bytes (64 to 2,000): VLAN tags of 4 bytes each come on top.
            MAX_FRAME: 0+14,
            /// The MAC receives.
            RX_ENABLE: 21+1,
            /// The MAC transmits.
            TX_ENABLE: 22+1,
            /// Obeys received pause frames.
            PAUSE_RX: 23+1,
            /// Sends pause frames while the port's source occupies more cells than queue::PAUSE_ON.
            PAUSE_TX: 24+1,
            /// What the host says of the link where no PHY does: 1 forces link down.
            LINK_DOWN: 25+1 };
        /// MAC and link state.
        STATUS @0x0c0 [8; 4] Ro { /// Link is up (from the PHY and not forced down).
            LINK: 0+1, /// Transmission is paused by the peer.
            PAUSED: 1+1, /// Speed: 0 = 10, 1 = 100, 2 = 1000 Mb/s.
            SPEED: 4+2 };
        /// Link changes since last cleared, bit per port; raises the event vector.
        LINK_CHANGED @0x100 W1c;
        /// MAC address that pause frames carry as source, low 32 bits (first byte on the wire in bits 7:0), per port.
        ADDR_LO @0x140 [8; 4] Rw;
        /// MAC address, high 16 bits.
        ADDR_HI @0x180 [8; 4] Rw;
    }
}
page! {
    /// Actions for the reserved addresses 01:80:C2:00:00:00 to 0F (802.1Q table 8-1) and other traps.
    reserved @ 0x2000 {
        /// Action for 01:80:C2:00:00:0n: taken before the port state, except that a disabled port receives nothing.
        ACTION @0x000 [16; 4] Rw = 1 { /// See `values::action`: 0 drop, 1 trap to the host, 2 copy to the host and forward, 3 forward.
            ACTION: 0+2, /// Reason given to the host: 0 stands for `values::reason::RESERVED` plus n.
            REASON: 8+8 };
    }
}
