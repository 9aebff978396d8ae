//! The verbs of `fdb`, `mdb`, `vlan` and `mst`.

use clap::Subcommand;

/// `fdb`.
#[derive(Subcommand, Debug)]
pub enum FdbCommand {
    /// [ br BRIDGE ] [ brport NAME ] [ vlan VID ] [ state permanent|static|reachable|stale ] [ dynamic ]
    #[command(aliases = ["list", "ls"])]
    Show {
        /// Words
        #[arg(value_name = "WORD")]
        words: Vec<String>,
    },
    /// MAC [ dev NAME ] [ br BRIDGE ] [ vlan VID ]
    Get {
        /// Words
        #[arg(required = true, value_name = "WORD")]
        words: Vec<String>,
    },
    /// MAC dev NAME [ master | self ] [ local | static | dynamic ] [ sticky ] [ extern_learn ] [ vlan VID ]
    #[command(
        long_about = "MAC dev NAME [ master | self ] [ local | static | dynamic ] [ sticky ] [ extern_learn ] [ locked ] [ use ] [ blackhole ] [ vlan VID ]

local (permanent): to the host. static (the default): to NAME, does not age or move. dynamic: ages.
sticky: ages, does not move. extern_learn: does not age, moves. locked: not authorised yet (with extern_learn, on a port with mab).
use: as if a frame had come from there. blackhole: frames are dropped (hardware only).
self: on the device's own list, for its filter. vlan: of a bridge in software; without it none and all that the port is in."
    )]
    Add {
        /// Words
        #[arg(required = true, value_name = "WORD")]
        words: Vec<String>,
    },
    /// As add, but changes what is there
    Append {
        /// Words
        #[arg(required = true, value_name = "WORD")]
        words: Vec<String>,
    },
    /// As add, but replaces what is there
    Replace {
        /// Words
        #[arg(required = true, value_name = "WORD")]
        words: Vec<String>,
    },
    /// MAC dev NAME [ vlan VID ] [ master | self ]
    #[command(aliases = ["delete"], name = "del")]
    Delete {
        /// Words
        #[arg(required = true, value_name = "WORD")]
        words: Vec<String>,
    },
    /// [ dev NAME ] [ brport NAME ] [ vlan VID ] [ dynamic | extern_learn | all | CONDITION ... ]
    #[command(
        long_about = "[ dev NAME ] [ brport NAME ] [ vlan VID ] [ master ] [ dynamic | extern_learn | all | CONDITION ... ]

dev: a bridge or one of its ports, all without it; with brport, the bridge that this is a port of.
dynamic (the default): entries that age. all: those, externally learned ones and static ones; addresses of a bridge in hardware
and its ports stay. CONDITION: [no]permanent, [no]static, [no]dynamic, [no]added_by_user, [no]extern_learn, [no]sticky,
[no]offloaded, [no]locked; all that are given have to hold."
    )]
    Flush {
        /// Words
        #[arg(value_name = "WORD")]
        words: Vec<String>,
    },
    /// Show every change until interrupted
    Monitor,
}

/// `mdb`.
#[derive(Subcommand, Debug)]
pub enum MdbCommand {
    /// [ dev BRIDGE ] [ vid VID ]
    #[command(aliases = ["list", "ls"])]
    Show {
        /// Words
        #[arg(value_name = "WORD")]
        words: Vec<String>,
    },
    /// dev BRIDGE port PORT grp GROUP [ src SOURCE ] [ permanent | temp ] [ vid VID ]
    #[command(
        long_about = "dev BRIDGE port PORT grp GROUP [ src SOURCE ] [ permanent | temp ] [ vid VID ]
     [ filter_mode include|exclude ] [ source_list SOURCE[,SOURCE]... ] [ proto NUMBER|kernel|boot|static ]"
    )]
    Add {
        /// Words
        #[arg(required = true, value_name = "WORD")]
        words: Vec<String>,
    },
    /// As add, but changes what is there
    Replace {
        /// Words
        #[arg(required = true, value_name = "WORD")]
        words: Vec<String>,
    },
    /// dev BRIDGE port PORT grp GROUP [ src SOURCE ] [ vid VID ]
    #[command(aliases = ["delete"], name = "del")]
    Delete {
        /// Words
        #[arg(required = true, value_name = "WORD")]
        words: Vec<String>,
    },
    /// dev BRIDGE [ port PORT ] [ vid VID ] [ permanent | nopermanent ] [ proto NUMBER ]
    Flush {
        /// Words
        #[arg(required = true, value_name = "WORD")]
        words: Vec<String>,
    },
    /// Show every change until interrupted
    Monitor,
}

/// `vlan`.
#[derive(Subcommand, Debug)]
pub enum VlanCommand {
    /// [ dev NAME ] [ vid VID ]
    #[command(aliases = ["list", "ls"])]
    Show {
        /// Words
        #[arg(value_name = "WORD")]
        words: Vec<String>,
    },
    /// dev NAME vid VID[-VID] [ pvid ] [ untagged ] [ self | master ]
    Add {
        /// Words
        #[arg(required = true, value_name = "WORD")]
        words: Vec<String>,
    },
    /// dev NAME vid VID[-VID] [ self | master ]
    #[command(aliases = ["delete"], name = "del")]
    Delete {
        /// Words
        #[arg(required = true, value_name = "WORD")]
        words: Vec<String>,
    },
    /// dev NAME vid VID[-VID] [ state STATE ] [ neigh_suppress on|off ] [ mcast_router N ] [ mcast_max_groups N ]
    Set {
        /// Words
        #[arg(required = true, value_name = "WORD")]
        words: Vec<String>,
    },
    /// Options of a VLAN on the whole bridge
    Global {
        /// What to do
        #[command(subcommand)]
        command: VlanGlobalCommand,
    },
}

/// `vlan global`.
#[derive(Subcommand, Debug)]
pub enum VlanGlobalCommand {
    /// [ dev BRIDGE ] [ vid VID ]
    #[command(aliases = ["list", "ls"])]
    Show {
        /// Words
        #[arg(value_name = "WORD")]
        words: Vec<String>,
    },
    /// dev BRIDGE vid VID[-VID] [ msti N ] [ mcast_OPTION N ]...
    Set {
        /// Words
        #[arg(required = true, value_name = "WORD")]
        words: Vec<String>,
    },
}

/// `mst`.
#[derive(Subcommand, Debug)]
pub enum MstCommand {
    /// [ dev NAME ]
    #[command(aliases = ["list", "ls"])]
    Show {
        /// Words
        #[arg(value_name = "WORD")]
        words: Vec<String>,
    },
    /// dev NAME msti MSTI state STATE
    Set {
        /// Words
        #[arg(required = true, value_name = "WORD")]
        words: Vec<String>,
    },
}
