page! {
    /// Counters of 64 bits, read through an index. See `values::counter` for the numbers.
    stats @ 0x6000 {
        /// Selects a counter. Writing starts the read; VALID in READY tells when LO and HI hold it.
        INDEX @0x000 Rwh { /// Counter number.
            COUNTER: 0+8, /// Port (host = number of ports).
            PORT: 8+4 };
        /// Whether the counter that INDEX named has been read.
        READY @0x004 Ro { /// LO and HI are valid.
            VALID: 0+1 };
        /// Low half of the counter.
        LO @0x008 Ro;
        /// High half of the counter.
        HI @0x00c Ro;
    }
}
