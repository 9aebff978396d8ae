page! {
    /// The board around the card: PHY management, serial port, LEDs, watchdog and the board's processor. Cards without a board read zeros.
    board @ 0xa000 {
        /// Which board this is.
        BOARD_ID @0x000 Ro { /// Number of the board: see the list of boards; 0 is none.
            BOARD: 0+16, /// Ports of the board.
            PORTS: 16+4, /// MDIO buses.
            MDIO_BUSES: 20+4 };
        /// Core clock in Hz: what the divisors of this page count. Below 125 MHz the ports have 10 and 100 Mb/s only: 1000 must not be advertised, and counts as no link.
        CLOCK @0x004 Ro;
        /// Resets of the PHYs. After a reset of the board all are held for `RESET_TICKS` of the hardware; then the bits count.
        PHY_RESET @0x008 Rw = 0 { /// Bit per port: its PHY is held in reset.
            HOLD: 0+8 };
        /// Who configures the switch (ports, tables, reserved addresses). The board's reset gives it to the firmware; nothing else changes it.
        OWNER @0x00c Rw = 0 { /// The host owns the tables: the firmware keeps to PHYs, links and LEDs. A driver sets it before it changes anything.
            HOST: 0+1, /// That host is on the serial line. Otherwise, while HOST is set, the serial line reads registers and PHYs and changes neither tables nor the registers that commands go through.
            SERIAL: 1+1 };
        /// LEDs of a port; modes: 0 off, 1 on, 2 blinking, 3 on with link, 4 blinking with traffic, 5 on with link and blinking with traffic.
        LEDS @0x020 [8; 4] Rw = 0x43 { /// Mode of the first LED.
            FIRST: 0+3, /// Mode of the second LED.
            SECOND: 4+3 };
        /// Starts an MDIO frame (clause 22); ignored while one runs.
        MDIO_COMMAND @0x040 Wo { /// Data to write.
            DATA: 0+16, /// Register of the PHY.
            REGISTER: 16+5, /// Address of the PHY.
            PHY: 21+5, /// Writes; else reads.
            WRITE: 26+1, /// The bus.
            BUS: 27+3 };
        /// The last MDIO frame.
        MDIO_STATUS @0x044 Ro { /// The bits that were on the bus.
            DATA: 0+16, /// No PHY answered the read.
            NO_ANSWER: 16+1, /// A frame runs: the other bits are meaningless.
            BUSY: 17+1 };
        /// Speed of MDC: half a period is 4 * (DIVIDER + 1) cycles.
        MDIO_CLOCK @0x048 Rw = 6 { /// See above.
            DIVIDER: 0+6 };
        /// Serial port: a read takes the oldest character, a write sends one.
        SERIAL_DATA @0x060 Rwh { /// The character.
            DATA: 0+8, /// There was one to read.
            VALID: 8+1 };
        /// State of the serial port; reading it takes nothing.
        SERIAL_STATUS @0x064 Ro { /// A character waits to be read.
            RX_VALID: 0+1, /// There is room for a character to send: a write without room is lost.
            TX_READY: 1+1, /// Everything is sent.
            TX_IDLE: 2+1 };
        /// A bit lasts DIVISOR + 1 cycles, at least 8.
        SERIAL_DIVISOR @0x068 Rw = 1084 { /// See above.
            DIVISOR: 0+16 };
        /// Characters lost on the serial line; both counts wrap.
        SERIAL_ERRORS @0x06c Ro { /// Without a stop bit; a break counts once.
            FRAMING: 0+16, /// Came while 16 waited.
            OVERRUN: 16+16 };
        /// The watchdog.
        WATCHDOG @0x080 Rw = 2000 { /// It restarts the processor when this many ticks (milliseconds) pass without a kick; 0 switches it off.
            LIMIT: 0+16 };
        /// Any write kicks the watchdog.
        WATCHDOG_KICK @0x084 Wo;
        /// Restarts of the processor by the watchdog since the board's reset.
        RESTARTS @0x088 Ro;
        /// The processor. It and its firmware keep this page's other registers through their restarts.
        CPU_CONTROL @0x0a0 Rw = 1 { /// It runs; clear holds it in reset.
            RUN: 0+1 };
        /// Restarts the processor.
        CPU_RESTART @0x0a4 Wo;
        /// How the processor fares.
        CPU_STATUS @0x0a8 Ro { /// It has stopped at a trap.
            TRAPPED: 0+1, /// It is held in reset.
            HELD: 1+1, /// Cause of the last trap, as in mcause (kept through restarts).
            CAUSE: 4+4, /// Traps since the board's reset; stays at its largest.
            TRAPS: 8+8 };
        /// Where the last trap was.
        CPU_TRAP_PC @0x0ac Ro;
        /// What the firmware says of itself; the hardware only keeps it. 0: version (major in bits 23:16, minor, patch); 1: 1 while it runs, from 0x10 on why it
        /// stopped (0x10 no magic number, 0x11 length, 0x12 CRC, 0x13 version, 0x14 another register map); 2: CRC-32 of its image.
        IMAGE @0x0c0 [4; 4] Rw;
        /// The link of a port: what the card and the pins around it work by. The firmware keeps it up to date; at reset all links are as the PHY says in-band
        /// (RGMII 2.0, 3.4.1), or up at gigabit if it has never said that it has a link, so that a board whose firmware does not run switches
        /// with PHYs that work by their straps. When the speed changes, the link goes down for at least one cycle, so that no frame is sent at two speeds.
        LINK @0x0e0 [8; 4] Rw = 0x121 { /// The link is up.
            UP: 0+1, /// Speed: 0 = 10, 1 = 100, 2 = 1000 Mb/s, as in port::STATUS; 3 means 1000.
            SPEED: 4+2, /// The PHY's in-band status counts if there is any, and the other fields only if not. Half duplex is no link: the MAC is full duplex only.
            INBAND: 8+1 };
        /// A port's link as it is.
        LINK_STATUS @0x100 [8; 4] Ro { /// The link is up (port::MAC can still force it down).
            UP: 0+1, /// Speed of the port, coded as in LINK.
            SPEED: 4+2, /// The PHY gives in-band status: it has said since reset that it has a link. Else the next three fields are zeros.
            INBAND: 8+1, /// In-band: link is up.
            INBAND_UP: 9+1, /// In-band: full duplex.
            INBAND_FULL: 10+1, /// In-band: speed, coded as SPEED; 3 is reserved and counts as no link.
            INBAND_SPEED: 12+2 };
    }
}
