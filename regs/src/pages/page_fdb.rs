page! {
    /// Forwarding database: commands, keys of the two hashes, ageing, events.
    fdb @ 0x3000 {
        /// MAC address of a command, low 32 bits: the first byte on the wire is in bits 7:0.
        KEY_LO @0x000 Rw;
        /// MAC address, high 16 bits, and FID.
        KEY_HI @0x004 Rw { /// Fifth and sixth byte of the address (fifth in bits 7:0).
            MAC: 0+16, /// FID.
            FID: 16+12 };
        /// Destination and kind of a command.
        DATA @0x008 Rw { /// Destination: see `values::dest`.
            DEST: 0+6, /// Kind bits: see `values::kind`.
            KIND: 8+4, /// Age: 0 oldest; a fresh entry has 3.
            AGE: 12+2 };
        /// Entry for READ; for FLUSH what to compare, see `values::fdb_flush`. Table entries come first, then the CAM's.
        INDEX @0x00c Rw;
        /// Starts a command; see `values::fdb_op`. Writes while BUSY are ignored.
        COMMAND @0x010 Wo { /// Operation.
            OP: 0+4 };
        /// Result of the last command.
        RESULT @0x014 Ro { /// A command runs.
            BUSY: 0+1, /// The key was found (LOOKUP, DELETE, ADD: it was there before); READ: the entry is in use.
            FOUND: 1+1, /// ADD was refused: no room.
            FULL: 2+1, /// Destination of the entry found.
            DEST: 8+6, /// Kind.
            KIND: 16+4, /// Age.
            AGE: 20+2 };
        /// MAC address of the entry that READ found, low 32 bits.
        RESULT_KEY_LO @0x018 Ro;
        /// MAC address, high 16 bits, and FID of the entry that READ found.
        RESULT_KEY_HI @0x01c Ro { /// Fifth and sixth byte of the address.
            MAC: 0+16, /// FID.
            FID: 16+12 };
        /// Ticks (global::TICK) between two decrements of every dynamic entry's age; 0: no ageing. An entry goes
        /// when its age would fall below zero, so it lives 3 to 4 periods.
        AGE_PERIOD @0x020 Rw;
        /// Control.
        CONTROL @0x024 Rw = 7 { /// Learned entries are reported as events.
            EVENT_LEARN: 0+1, /// Moved stations are reported.
            EVENT_MOVE: 1+1, /// Aged entries are reported.
            EVENT_AGE: 2+1 };
        /// Entries in use (tables and CAM).
        USED @0x028 Ro;
        /// Entries in the CAM.
        CAM_USED @0x02c Ro;
        /// Learns that were refused because nothing was free.
        REFUSED @0x030 Ro;
        /// Entries learned.
        LEARNED @0x034 Ro;
        /// Stations moved.
        MOVED @0x038 Ro;
        /// Entries aged out.
        AGED @0x03c Ro;
        /// Relocations made.
        RELOCATED @0x040 Ro;
        /// Events lost because the event queue was full.
        EVENTS_LOST @0x044 Ro;
        /// Learn requests lost because the engine's queue was full (the station is learned from a later frame).
        LEARNS_LOST @0x048 Ro;
        /// Toeplitz key of the first table (70 bits: words 0 to 2), then of the second (words 4 to 6). Takes effect for
        /// lookups at once: write it only while the table is empty.
        HASH_KEY @0x080 [8; 4] Rw;
    }
}
