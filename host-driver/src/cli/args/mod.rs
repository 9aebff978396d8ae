//! The commands and their help.

// The doc comments here are usage texts that clap prints: their brackets are no links.
#![allow(rustdoc::broken_intra_doc_links)]

mod masters;
mod tables;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

pub use masters::{BondCommand, BrCommand, NetconsoleCommand};
pub use tables::{FdbCommand, MdbCommand, MstCommand, VlanCommand, VlanGlobalCommand};

use crate::control::DEFAULT_SOCKET;
use crate::pci::DeviceSpec;

/// Shows and configures a smartnic through its driver, smartnicd.
///
/// Words, output and JSON keys are those of ip(8) and bridge(8) of iproute2.
#[derive(Parser, Debug)]
#[command(
    name = "smartnic-ctl",
    version,
    propagate_version = true,
    after_help = "Examples:
  smartnic-ctl link add br0 type bridge
  smartnic-ctl link set port1 master br0 up
  smartnic-ctl -j -p fdb show br br0
  smartnic-ctl --serial /dev/ttyUSB1 port

Exit codes: 0 done, 1 wrong usage, 2 refused by smartnicd or the card, 3 smartnicd cannot be reached,
4 the output cannot be written."
)]
pub struct Cli {
    /// Show JSON
    #[arg(short, long, global = true)]
    pub json: bool,
    /// Show JSON with line breaks
    #[arg(short, long, global = true)]
    pub pretty: bool,
    /// Show statistics
    #[arg(short, long, global = true)]
    pub statistics: bool,
    /// Show details
    #[arg(short, long, global = true)]
    pub details: bool,
    /// Socket of smartnicd
    #[arg(long, global = true, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    pub socket: PathBuf,
    /// Open this card without smartnicd: a vfio-user socket, or vfio:DOMAIN:BUS:DEVICE.FUNCTION
    #[arg(
        long,
        global = true,
        value_name = "DEVICE",
        value_parser = card,
        long_help = "Open this card without smartnicd: the path of a vfio-user socket (smartnic-sim --socket), vfio-user:PATH or
vfio:DOMAIN:BUS:DEVICE.FUNCTION. Commands that show leave the card as it is. The first that changes something resets the switch and
starts from nothing, so set a bridge up in one `batch`; it goes on forwarding in hardware when the command has ended."
    )]
    pub card: Option<DeviceSpec>,
    /// Talk to the board behind this serial port, without smartnicd or PCIe
    #[arg(
        long,
        global = true,
        value_name = "PORT",
        conflicts_with = "card",
        long_help = "Talk to the board behind this serial port (/dev/ttyUSB1; 115200 8N1), without smartnicd or PCIe: its firmware answers (docs/serial.md).
As with --card, commands that show leave the board as it is, and the first that changes something takes the switch over from the firmware and starts from nothing:
set a bridge up in one `batch`. Nothing that needs frames or events of the host works: fdb monitor, learning slow-path."
    )]
    pub serial: Option<PathBuf>,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// A card as `--card` names it: a path stands for a vfio-user socket.
fn card(text: &str) -> Result<DeviceSpec, String> {
    if text.starts_with(['/', '.']) {
        return Ok(DeviceSpec::VfioUser(text.into()));
    }
    text.parse()
}

/// Commands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// The card: what it is, its state, forwarding
    #[command(after_help = "Examples:
  smartnic-ctl dev
  smartnic-ctl dev set forward off     cut all forwarding between ports, for diagnosis")]
    Dev {
        /// What to do
        #[command(subcommand)]
        command: Option<DevCommand>,
    },
    /// Ports of the card: link, bridge state and flags
    #[command(after_help = "Examples:
  smartnic-ctl port
  smartnic-ctl port set port1 learning slow-path
  smartnic-ctl port set port2 state blocking flood off
  smartnic-ctl port set port3 mtu 1400 up")]
    Port {
        /// What to do
        #[command(subcommand)]
        command: Option<PortCommand>,
    },
    /// Links: ports, bridges, bonds, lags
    #[command(
        alias = "l",
        after_help = "Examples:
  smartnic-ctl link add br0 type bridge ageing_time 30000
  smartnic-ctl link add lag0 type lag mode balance-xor xmit_hash_policy layer3+4
  smartnic-ctl link set port3 master lag0
  smartnic-ctl link set lag0 master br0 up
  smartnic-ctl link set port3 nomaster
  smartnic-ctl link set br0 type bridge ageing_time 10000
  smartnic-ctl -s link show br0
  smartnic-ctl link del lag0
  smartnic-ctl link add link br0 name br0.10 up type vlan id 10
  smartnic-ctl link monitor"
    )]
    Link {
        /// What to do
        #[command(subcommand)]
        command: Option<LinkCommand>,
    },
    /// Bridges, by brctl(8)'s verbs and the ioctl's codes
    #[command(after_help = "Examples:
  smartnic-ctl br addbr br0
  smartnic-ctl br addif br0 port1
  smartnic-ctl br stp br0 on
  smartnic-ctl br show")]
    Br {
        /// What to do
        #[command(subcommand)]
        command: BrCommand,
    },
    /// Bonds, by ifenslave(8)'s verbs and the ioctl's codes
    #[command(after_help = "Examples:
  smartnic-ctl bond enslave bond0 port3       port3 is up, and has a link
  smartnic-ctl bond release bond0 port3")]
    Bond {
        /// What to do
        #[command(subcommand)]
        command: BondCommand,
    },
    /// Lags and bonds: members and buckets
    #[command(after_help = "Examples:
  smartnic-ctl lag
  smartnic-ctl lag buckets lag0        which member each of the 840 buckets leads to, read from the hardware")]
    Lag {
        /// What to do
        #[command(subcommand)]
        command: Option<LagCommand>,
    },
    /// The forwarding database, read from the hardware
    #[command(after_help = "Examples:
  smartnic-ctl fdb show br br0
  smartnic-ctl fdb add 02:00:00:00:00:01 dev port1 master static
  smartnic-ctl fdb replace 02:00:00:00:00:01 dev lag0 master dynamic
  smartnic-ctl fdb del 02:00:00:00:00:01 dev port1
  smartnic-ctl fdb flush dev port1
  smartnic-ctl fdb monitor")]
    Fdb {
        /// What to do
        #[command(subcommand)]
        command: Option<FdbCommand>,
    },
    /// VLANs of bridges and their ports
    #[command(after_help = "Examples:
  smartnic-ctl vlan show
  smartnic-ctl vlan add dev port1 vid 10 pvid untagged
  smartnic-ctl vlan add dev br0 vid 10 self
  smartnic-ctl vlan del dev port1 vid 1
  smartnic-ctl -s -d vlan show dev port1")]
    Vlan {
        /// What to do
        #[command(subcommand)]
        command: Option<VlanCommand>,
    },
    /// States of MST instances on ports
    #[command(after_help = "Examples:
  smartnic-ctl vlan global set dev br0 vid 10 msti 3
  smartnic-ctl mst set dev port1 msti 3 state forwarding")]
    Mst {
        /// What to do
        #[command(subcommand)]
        command: Option<MstCommand>,
    },
    /// The multicast database, which the driver keeps
    #[command(after_help = "Examples:
  smartnic-ctl -d -s mdb show dev br0
  smartnic-ctl mdb add dev br0 port port1 grp 239.1.1.1 permanent
  smartnic-ctl mdb del dev br0 port port1 grp 239.1.1.1")]
    Mdb {
        /// What to do
        #[command(subcommand)]
        command: Option<MdbCommand>,
    },
    /// The log over the network: as UDP by any device or master, past its queues
    #[command(after_help = "Examples:
  smartnic-ctl netconsole add bond0 local 10.0.0.1:6665 remote 10.0.0.9:6666 secret s3cret
  printf '\\033sysrq s3cret d' | nc -u -p 6666 10.0.0.1 6665     dump the state of everything into the log
Keys: h help, d dump state, t write all tables of the card again, pN reset port N. Each datagram is answered with PONG.")]
    Netconsole {
        /// What to do
        #[command(subcommand)]
        command: Option<NetconsoleCommand>,
    },
    /// Counters of ports and host, or of one interface (a lag or bridge: the sum of its ports)
    #[command(after_help = "Examples:
  smartnic-ctl stats
  smartnic-ctl stats port1 --nonzero
  smartnic-ctl -j stats lag0")]
    Stats {
        /// Interface, or host
        name: Option<String>,
        /// Only counters that are not zero
        #[arg(long)]
        nonzero: bool,
    },
    /// Commands from a file (- for standard input), one a line, until one fails
    #[command(after_help = "Example:
  printf 'link add br0 type bridge\\nlink set port1 master br0 up\\nlink set br0 up\\n' | smartnic-ctl --card /run/card.sock batch -")]
    Batch {
        /// The file; empty lines and what follows a # are passed over
        file: PathBuf,
    },
    /// Versions of this program, of smartnicd and of the register map
    Version,
    /// Completion script for a shell
    #[command(after_help = "Example:
  smartnic-ctl completion bash > /etc/bash_completion.d/smartnic-ctl")]
    Completion {
        /// Which shell
        shell: Shell,
    },
}

/// `dev`.
#[derive(Subcommand, Debug)]
pub enum DevCommand {
    /// Show the card
    #[command(aliases = ["list", "ls"])]
    Show,
    /// forward on|off
    Set {
        /// forward on|off
        #[arg(required = true, value_name = "WORD")]
        words: Vec<String>,
    },
}

/// An interface, or all.
#[derive(Args, Debug)]
pub struct ShowName {
    /// Interface; all without it
    pub name: Option<String>,
}

/// `port`.
#[derive(Subcommand, Debug)]
pub enum PortCommand {
    /// Show ports
    #[command(aliases = ["list", "ls"])]
    Show(ShowName),
    /// Set what a port does
    #[command(
        long_about = "PORT [ up | down ] [ mtu N ] [ address MAC ] [ state disabled|listening|learning|forwarding|blocking ]
     [ learning on|slow-path|off ] [ flood on|off ] [ mcast_flood on|off ] [ bcast_flood on|off ]
     [ hairpin on|off ] [ isolated on|off ] [ cost N ] [ priority 0..63 ] [ guard on|off ] [ root_block on|off ]
     [ admin_edge on|off ] [ auto_edge on|off ] [ point_to_point auto|yes|no ] [ group_fwd_mask MASK ]

learning on: the hardware learns; slow-path: it reports unknown sources and smartnicd inserts them.
What hardware cannot do makes the driver forward for that bridge: [ locked on|off ] [ mab on|off ] [ proxy_arp on|off ] [ proxy_arp_wifi on|off ]
     [ neigh_suppress on|off ] [ neigh_vlan_suppress on|off ] [ backup_port PORT|none ] [ fastleave on|off ]
Done at once: [ flush 1 ] [ mcheck 1 ]"
    )]
    Set {
        /// Port (or a lag that is in a bridge)
        name: String,
        /// Words and values
        #[arg(required = true, value_name = "WORD")]
        words: Vec<String>,
    },
}

/// `link`.
#[derive(Subcommand, Debug)]
pub enum LinkCommand {
    /// Show links
    #[command(aliases = ["list", "ls", "sh"])]
    Show {
        /// [ dev ] NAME
        #[arg(value_name = "NAME")]
        words: Vec<String>,
    },
    /// NAME [ up ] [ mtu N ] [ address MAC ] type bridge|bond|lag|vlan [ OPTION VALUE ]...
    #[command(
        alias = "a",
        long_about = "[ link DEVICE ] [ name ] NAME [ up ] [ mtu N ] [ address MAC ] type { bridge | bond | lag | vlan } [ OPTION VALUE ]...

NAME may contain %d for the lowest free number.
bridge: ageing_time CENTISECONDS (30000; one for all bridges of a card; 0: no ageing), stp_state 0|1|2, forcevers stp|rstp,
        priority, hello_time, max_age, forward_delay, tx_hold_count, group_address, group_fwd_mask, mcast_*;
        in software: vlan_filtering, vlan_protocol, vlan_default_pvid, vlan_stats_enabled, vlan_stats_per_port, mst_enabled,
        no_linklocal_learn, fdb_max_learned
bond:   Linux's options, as in ip-link(8): mode, miimon, lacp_rate, xmit_hash_policy, primary, ...; lb_fill as of a lag
lag:    mode balance-xor|active-backup (balance-xor), xmit_hash_policy layer2|layer2+3|layer3+4 (layer2),
        lb_fill linux|resilient (linux), primary PORT
vlan:   over the link DEVICE: id 0..4094, protocol 802.1Q|802.1ad (802.1Q), reorder_hdr on|off (on), loose_binding on|off (off),
        ingress-qos-map FROM:TO[,FROM:TO]..., egress-qos-map FROM:TO[,FROM:TO]..."
    )]
    Add {
        /// Words
        #[arg(required = true, value_name = "WORD")]
        words: Vec<String>,
    },
    /// Delete a bridge, bond, lag or VLAN device
    #[command(aliases = ["delete", "d"], name = "del")]
    Delete {
        /// [ dev ] NAME
        #[arg(required = true, value_name = "NAME")]
        words: Vec<String>,
    },
    /// NAME [ up | down ] [ master NAME | nomaster ] [ mtu N ] [ address MAC ] [ name NAME ] [ promisc on|off ] ... [ type KIND [ OPTION VALUE ]... ]
    #[command(
        alias = "s",
        long_about = "NAME [ up | down ] [ master NAME | nomaster ] [ mtu N ] [ address MAC ] [ type KIND [ OPTION VALUE ]... ]
     [ name NEWNAME ] [ txqueuelen N ] [ promisc on|off ] [ allmulticast on|off ] [ multicast on|off ] [ arp on|off ]
     [ dynamic on|off ] [ carrier on|off ]"
    )]
    Set {
        /// Words
        #[arg(required = true, value_name = "WORD")]
        words: Vec<String>,
    },
    /// Show what happens to links until interrupted
    Monitor,
}

/// `lag`.
#[derive(Subcommand, Debug)]
pub enum LagCommand {
    /// Show lags
    #[command(aliases = ["list", "ls"])]
    Show(ShowName),
    /// Show a lag's buckets
    Buckets {
        /// Lag
        name: String,
    },
}
