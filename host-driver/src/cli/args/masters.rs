//! The verbs of `br`, `bond` and `netconsole`.

use clap::Subcommand;

/// `br`: times are in seconds.
#[derive(Subcommand, Debug)]
pub enum BrCommand {
    /// Add a bridge
    Addbr {
        /// Bridge
        bridge: String,
    },
    /// Delete a bridge, which must be down
    Delbr {
        /// Bridge
        bridge: String,
    },
    /// Add an interface to a bridge
    Addif {
        /// Bridge
        bridge: String,
        /// Port
        port: String,
    },
    /// Take an interface out of a bridge
    Delif {
        /// Bridge
        bridge: String,
        /// Port
        port: String,
    },
    /// Show bridges
    Show {
        /// Bridge; all without it
        bridge: Option<String>,
    },
    /// Spanning tree: on, off
    Stp {
        /// Bridge
        bridge: String,
        /// on or off
        state: String,
    },
    /// Priority of a bridge, 0 to 65535
    Setbridgeprio {
        /// Bridge
        bridge: String,
        /// Priority
        priority: u32,
    },
    /// Hello time
    Sethello {
        /// Bridge
        bridge: String,
        /// Seconds
        seconds: f64,
    },
    /// Max age
    Setmaxage {
        /// Bridge
        bridge: String,
        /// Seconds
        seconds: f64,
    },
    /// Forward delay
    Setfd {
        /// Bridge
        bridge: String,
        /// Seconds
        seconds: f64,
    },
    /// Ageing time
    Setageing {
        /// Bridge
        bridge: String,
        /// Seconds
        seconds: f64,
    },
    /// Path cost of a port
    Setpathcost {
        /// Bridge
        bridge: String,
        /// Port
        port: String,
        /// Cost
        cost: u32,
    },
    /// Priority of a port, 0 to 63
    Setportprio {
        /// Bridge
        bridge: String,
        /// Port
        port: String,
        /// Priority
        priority: u32,
    },
    /// Hairpin mode of a port: on, off
    Hairpin {
        /// Bridge
        bridge: String,
        /// Port
        port: String,
        /// on or off
        state: String,
    },
}

/// `bond`.
#[derive(Subcommand, Debug)]
pub enum BondCommand {
    /// Make a running interface a slave
    Enslave {
        /// Bond
        bond: String,
        /// Slave
        slave: String,
    },
    /// Release a slave
    Release {
        /// Bond
        bond: String,
        /// Slave
        slave: String,
    },
    /// Give the bond a slave's address
    Sethwaddr {
        /// Bond
        bond: String,
        /// Slave
        slave: String,
    },
}

/// `netconsole`.
#[derive(Subcommand, Debug)]
pub enum NetconsoleCommand {
    /// Show netconsoles
    #[command(aliases = ["list", "ls"])]
    Show,
    /// DEV local ADDRESS:PORT remote ADDRESS:PORT [ mac MAC ] [ level 0..7 ] [ format basic|extended ] [ secret WORD ]
    #[command(
        long_about = "DEV local ADDRESS:PORT remote ADDRESS:PORT [ mac MAC ] [ level 0..7 ] [ format basic|extended ] [ secret WORD ]

mac: of the other side or of the router (broadcast). level: the mildest that is sent, as syslog has it (6: info). secret: what the
magic sequence has to have in it; it goes over the wire in the clear."
    )]
    Add {
        /// Words
        #[arg(required = true, value_name = "WORD")]
        words: Vec<String>,
    },
    /// Take the netconsoles of DEV away
    #[command(aliases = ["delete"], name = "del")]
    Delete {
        /// Device
        dev: String,
    },
}
