page! {
    /// Rings between host memory and the card. Index = ring: receive rings first (0..QUEUES), then transmit rings.
    /// Every ring has a submission queue of 16-byte entries and a completion queue of 32-byte entries of the same size.
    host @ 0x8000 {
        /// Ring control.
        CONTROL @0x000 [8; 64] Rw { /// The ring runs.
            ENABLE: 0+1, /// log2 of the number of entries (2 to 15).
            SIZE_LOG2: 8+4 };
        /// Submission queue, iova low (64-byte aligned: lower bits are not used).
        SQ_LO @0x004 [8; 64] Rw;
        /// Submission queue, iova high.
        SQ_HI @0x008 [8; 64] Rw;
        /// Completion queue, iova low (128-byte aligned).
        CQ_LO @0x00c [8; 64] Rw;
        /// Completion queue, iova high.
        CQ_HI @0x010 [8; 64] Rw;
        /// Where the card writes the submission head (u32, in entries taken, free-running), low. 0: nowhere.
        HEAD_LO @0x014 [8; 64] Rw;
        /// Head write-back, high.
        HEAD_HI @0x018 [8; 64] Rw;
        /// Doorbell: submissions made, free-running 16 bits.
        SQ_TAIL @0x01c [8; 64] Rw;
        /// Doorbell: completions consumed, free-running 16 bits. The card never overruns a full completion queue.
        CQ_HEAD @0x020 [8; 64] Rw;
        /// Ring state.
        STATUS @0x024 [8; 64] Ro { /// The ring is stopped by an error; disable and enable it to recover.
            STOPPED: 0+1, /// The ring runs, or something of it is under way: its memory belongs to the card. Once this reads 0 after ENABLE was
            /// cleared, nothing of the ring is read or written any more, and all that was written has arrived.
            BUSY: 1+1, /// See `values::ring_error`.
            ERROR: 4+4, /// Submissions taken, low 16 bits.
            HEAD: 16+16 };
        /// Completions that may wait before an interrupt (0 and 1: none wait), and how long in core cycles x 64.
        MODERATION @0x028 [8; 64] Rw { /// Completions.
            COUNT: 0+8, /// Time, in 64 core cycles.
            TIME: 16+16 };
        /// Frames for the host that found no submission or completion, or that a reset of the switch or a link at a stand cut off, per
        /// receive ring.
        NO_BUFFER @0x02c [8; 64] Ro;
        /// DMA state.
        DMA_STATUS @0x400 W1c { /// A read ended in UR, CA or timeout.
            READ_ERROR: 0+1, /// A completion came that nobody waits for.
            UNEXPECTED: 1+1, /// A malformed TLP came, or a write that is not of one or two whole double words; it had no effect.
            MALFORMED: 2+1, /// A completion timed out.
            TIMEOUT: 3+1, /// A poisoned TLP came.
            POISONED: 4+1 };
        /// Core cycles after which a completion is given up.
        READ_TIMEOUT @0x404 Rw = 1250000;
        /// MSI-X vectors pending, bit per vector (read); writing ones raises those vectors (a driver's self test).
        VECTOR_TEST @0x408 Rwh;
        /// Which receive ring takes a frame for the host. A ring that does not run, or is not there, stands for ring 0.
        STEERING @0x40c Rw { /// Ring by source port: two bits a port, port 0 lowest.
            SOURCE: 0+16, /// Ring of frames that came for a reason other than LOCAL and FLOOD (traps), if TRAPS is set.
            TRAP_RING: 16+2, /// Traps go to TRAP_RING, whatever their source.
            TRAPS: 20+1 };
    }
}
page! {
    /// The event ring: 32-byte entries written by the card (`ring::Event`), one vector.
    event @ 0x9000 {
        /// Control.
        CONTROL @0x000 Rw { /// The ring runs.
            ENABLE: 0+1, /// log2 of the number of entries (2 to 15).
            SIZE_LOG2: 8+4 };
        /// Ring, iova low (128-byte aligned).
        BASE_LO @0x004 Rw;
        /// Ring, iova high.
        BASE_HI @0x008 Rw;
        /// Doorbell: events consumed, free-running 16 bits.
        HEAD @0x00c Rw;
        /// Events lost because the ring was full or off.
        LOST @0x010 Ro;
        /// State.
        STATUS @0x014 Ro { /// The ring runs, or an entry or an interrupt is under way: once this reads 0 after ENABLE was cleared, the ring's memory
            /// is not written any more.
            BUSY: 0+1 };
    }
}
page! {
    /// BAR2 (not part of BAR0): the MSI-X table at 0, 16 bytes a vector as PCIe 7.7.2 has it; the PBA at 0x800.
    msix @ 0x0000 {
        /// Vector table.
        TABLE @0x000 [64; 4] Rw;
        /// Pending bits.
        PBA @0x800 Ro;
    }
}
