page! {
    /// Identification, capabilities, reset and the time base.
    global @ 0x0000 {
        /// The letters SNIC.
        MAGIC @0x000 Ro = 0x534e4943;
        /// Version of this register map: the driver refuses another major.
        VERSION @0x004 Ro { /// Minor: additions.
            MINOR: 0+16, /// Major: incompatible changes.
            MAJOR: 16+16 };
        /// Ports and rings of this card.
        CAPS0 @0x008 Ro { /// Ethernet ports.
            PORTS: 0+4, /// LAG groups.
            LAG_GROUPS: 4+4, /// Receive rings (and as many transmit rings).
            QUEUES: 8+4, /// Classes (queues per port).
            CLASSES: 12+4, /// Bytes in a beat.
            BEAT_BYTES: 16+8 };
        /// log2 of FDB entries in the tables, and CAM entries.
        CAPS1 @0x00c Ro { /// log2 of the entries in the hash tables.
            FDB_LOG2: 0+8, /// Entries in the CAM.
            CAM: 8+8, /// Cells of 64 bytes in the packet buffer.
            CELLS: 16+16 };
        /// Scratch: keeps what is written; a driver's test that the card is there.
        SCRATCH @0x010 Rw;
        /// Resets. Self-clearing.
        RESET @0x014 Wo { /// Resets the switch: ports, tables, buffer, counters (not rings, DMA and MSI-X).
            SWITCH: 0+1, /// Resets rings, DMA and MSI-X only, as a function-level reset does.
            HOST: 1+1 };
        /// State of resets and tables that are being cleared.
        STATUS @0x018 Ro { /// The switch is ready: tables cleared after reset.
            READY: 0+1, /// Nothing is in flight anywhere: the clock could stop.
            IDLE: 1+1 };
        /// Core clock cycles since power on, low half; reading it latches the high half.
        CYCLES_LO @0x020 Ro;
        /// High half of the latched cycle counter.
        CYCLES_HI @0x024 Ro;
        /// Core cycles in one tick of the millisecond timers; a millisecond after reset whatever the core's clock is.
        TICK @0x028 Rw = 125000;
        /// Forwarding: a global cut for diagnosis.
        CONTROL @0x02c Rw = 1 { /// Frames are forwarded between ports.
            FORWARD: 0+1 };
        /// Adds to the cycle count on which ageing works: the simulator adds the ticks that passed while the clock stood.
        TICK_ADD @0x030 Wo;
        /// Which blocks have work in flight (the register access itself keeps PCIE busy).
        BUSY @0x034 Ro { /// Forwarding.
            FORWARD: 0+1, /// FDB engine or a sweep.
            FDB: 1+1, /// LAG requests.
            LAG: 2+1, /// Packet buffer.
            BUFFER: 3+1, /// A counter is being read.
            STATS: 4+1, /// TLPs or DMA.
            PCIE: 5+1, /// Rings.
            HOST: 6+1, /// Added ticks wait.
            TICK: 7+1, /// MACs, bit per port.
            MAC: 8+8 };
    }
}
