page! {
    /// Packet buffer: cells, admission, queues. A number of cells above what the card has is kept as what it has (a limit: as the
    /// longest queue).
    queue @ 0x5000 {
        /// Cells guaranteed to a source (index = port, then host).
        GUARANTEE @0x000 [9; 4] Rw = 32;
        /// Cells of the shared pool that all sources together may take beyond their guarantees.
        SHARED @0x040 Rw = 224;
        /// Longest queue of a destination, in cells (index = port, then host).
        LIMIT @0x080 [9; 4] Rw = 256;
        /// Cells that a source occupies above which a pause frame goes out.
        PAUSE_ON @0x0c0 Rw = 48;
        /// Cells below which the pause is lifted.
        PAUSE_OFF @0x0c4 Rw = 24;
        /// Cells that are free now.
        FREE @0x100 Ro;
        /// The lowest that FREE has been since the switch was reset.
        FREE_MIN @0x104 Ro;
        /// Cells that a source occupies now.
        USED @0x140 [9; 4] Ro;
        /// Cells that wait for a destination now.
        WAITING @0x180 [9; 4] Ro;
        /// Sticky faults of the cell accounting, which must stay 0.
        FAULT @0x1c0 W1c { /// A cell was freed twice or a reference count went below zero.
            DOUBLE_FREE: 0+1, /// The free list gave out a cell that was in use.
            BAD_ALLOC: 1+1 };
    }
}
