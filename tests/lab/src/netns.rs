//! Network namespaces, veth pairs and what is in them, by iproute2, with clean-up by `Drop`.
//!
//! Everything that a [`Lab`] makes lives in namespaces whose names start with its prefix; nothing of
//! the host's own network is touched. Deleting a namespace takes its interfaces away, so dropping
//! the lab (at the end, on an error, after Ctrl-C) leaves nothing behind. What an earlier run left
//! because it was killed outright is removed first, unless somebody still uses it.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::sys::{self, Offload};
use crate::which;

/// Where iproute2 keeps named namespaces.
const NAMED: &str = "/run/netns";

/// A set of namespaces that goes away together.
pub struct Lab {
    prefix: String,
    namespaces: Vec<Namespace>,
}

/// One network namespace.
#[derive(Clone, Debug)]
pub struct Namespace {
    name: String,
}

/// An interface in a namespace.
pub type Place<'a> = (&'a Namespace, &'a str);

/// Why a lab is not as asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabError {
    /// iproute2 is not installed.
    #[error("iproute2's `ip` is missing; run `cargo xtask setup`")]
    NoIp,
    /// `ip` refused.
    #[error("`ip {command}` failed: {said}")]
    Ip {
        /// Its arguments.
        command: String,
        /// What it said.
        said: String,
    },
    /// The system refused.
    #[error("{what}: {source}")]
    System {
        /// What was to be done.
        what: String,
        /// Why not.
        source: io::Error,
    },
    /// Somebody runs in a namespace of the same name.
    #[error("namespace {name} is in use by process {users}: another one runs under this name")]
    InUse {
        /// The namespace.
        name: String,
        /// Numbers of processes.
        users: String,
    },
}

type Result<T, E = LabError> = std::result::Result<T, E>;

/// A result of the system, with what was to be done.
fn system<T>(result: io::Result<T>, what: impl FnOnce() -> String) -> Result<T> {
    result.map_err(|source| LabError::System {
        what: what(),
        source,
    })
}

fn ip(args: &[&str]) -> Result<String> {
    let mut ip = Command::new(which("ip").ok_or(LabError::NoIp)?);
    // A group of its own: Ctrl-C ends the lab by its owner's clean-up, not in the middle of a change.
    ip.args(args).stdin(Stdio::null()).process_group(0);
    let command = || args.join(" ");
    let output = system(ip.output(), || format!("ip {}", command()))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(LabError::Ip {
            command: command(),
            said: text(&output.stderr),
        })
    }
}

impl Lab {
    /// An empty lab; leftovers under the same prefix are removed.
    pub fn new(prefix: &str) -> Result<Self> {
        let mut leftovers = Vec::new();
        for entry in fs::read_dir(NAMED).into_iter().flatten() {
            let entry = system(entry, || NAMED.to_owned())?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name
                .strip_prefix(prefix)
                .is_some_and(|rest| rest.starts_with('-'))
            {
                leftovers.push(name);
            }
        }
        for name in &leftovers {
            let users = ip(&["netns", "pids", name])?;
            if !users.trim().is_empty() {
                let users = users.split_whitespace().collect::<Vec<_>>().join(", ");
                let name = name.clone();
                return Err(LabError::InUse { name, users });
            }
        }
        for name in &leftovers {
            ip(&["netns", "del", name])?;
        }
        Ok(Self {
            prefix: prefix.to_owned(),
            namespaces: Vec::new(),
        })
    }

    /// Makes a namespace, with its loopback up and without IPv6 of its own accord on new interfaces.
    pub fn namespace(&mut self, name: &str) -> Result<Namespace> {
        let namespace = Namespace {
            name: format!("{}-{name}", self.prefix),
        };
        ip(&["netns", "add", &namespace.name])?;
        self.namespaces.push(namespace.clone());
        namespace.sysctl("net/ipv6/conf/default/disable_ipv6", "1")?;
        namespace.up("lo")?;
        Ok(namespace)
    }

    /// Makes a veth pair between two namespaces, both ends up and without offloads: what one end
    /// sends is then what a wire would carry.
    pub fn veth(&self, one: Place, other: Place) -> Result<()> {
        ip(&[
            "link",
            "add",
            "name",
            one.1,
            "netns",
            &one.0.name,
            "type",
            "veth",
            "peer",
            "name",
            other.1,
            "netns",
            &other.0.name,
        ])?;
        for (namespace, interface) in [one, other] {
            namespace.offloads_off(interface)?;
            namespace.up(interface)?;
        }
        Ok(())
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for namespace in self.namespaces.drain(..).rev() {
            // There is nothing to do about a failure but to say so; the next run tries again.
            if let Err(error) = ip(&["netns", "del", &namespace.name]) {
                eprintln!("warning: {error}");
            }
        }
    }
}

impl Namespace {
    /// Its whole name, as `ip netns exec` takes it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A command that runs inside.
    pub fn command(&self, program: &Path) -> Command {
        let mut inside = Command::new(which("ip").unwrap_or_else(|| PathBuf::from("ip")));
        inside.args(["netns", "exec", &self.name]).arg(program);
        inside
    }

    /// Runs something on a thread of its own inside; sockets that it makes stay inside.
    pub fn run<T: Send, E: From<LabError> + Send>(
        &self,
        work: impl FnOnce() -> Result<T, E> + Send,
    ) -> Result<T, E> {
        let file = Path::new(NAMED).join(&self.name);
        let namespace = system(File::open(&file), || file.display().to_string())?;
        std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                let entered = sys::enter_network(&namespace);
                system(entered, || format!("entering namespace {}", self.name))?;
                work()
            });
            match inside.join() {
                Ok(done) => done,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// `ip link` with these arguments, inside.
    pub fn link(&self, args: &[&str]) -> Result<()> {
        ip(&[&["-n", &self.name, "link"], args].concat()).map(drop)
    }

    /// Sets an interface up.
    pub fn up(&self, interface: &str) -> Result<()> {
        self.link(&["set", "dev", interface, "up"])
    }

    /// Gives an interface an address, with its prefix length.
    pub fn address(&self, interface: &str, address: &str) -> Result<()> {
        ip(&[
            "-n", &self.name, "address", "add", address, "dev", interface,
        ])
        .map(drop)
    }

    /// An interface's MAC address.
    pub fn mac(&self, interface: &str) -> Result<String> {
        let text = ip(&["-n", &self.name, "-o", "link", "show", "dev", interface])?;
        let mut words = text.split_whitespace();
        words.find(|word| *word == "link/ether");
        words.next().map(str::to_owned).ok_or_else(|| LabError::Ip {
            command: format!("-n {} -o link show dev {interface}", self.name),
            said: text.clone(),
        })
    }

    /// Tells an interface's kernel who has an address, so that it need not ask.
    pub fn neighbour(&self, interface: &str, address: &str, mac: &str) -> Result<()> {
        ip(&[
            "-n",
            &self.name,
            "neigh",
            "replace",
            address,
            "lladdr",
            mac,
            "dev",
            interface,
            "nud",
            "permanent",
        ])
        .map(drop)
    }

    /// Sets a kernel parameter of the namespace, by its path below `/proc/sys`.
    pub fn sysctl(&self, name: &str, value: &str) -> Result<()> {
        self.run(|| {
            let written = fs::write(Path::new("/proc/sys").join(name), value);
            system(written, || format!("{name}={value}"))
        })
    }

    /// Turns off what lets an interface send or receive anything but frames as on a wire.
    pub fn offloads_off(&self, interface: &str) -> Result<()> {
        use Offload::{Merging, ScatterGather, Segmentation, TcpSegmentation, TransmitChecksum};
        self.run(|| {
            for offload in [
                TcpSegmentation,
                Segmentation,
                Merging,
                ScatterGather,
                TransmitChecksum,
            ] {
                let off = sys::offload_off(interface, offload);
                system(off, || format!("offloads of {interface}"))?;
            }
            Ok(())
        })
    }

    /// Joins two interfaces of this namespace to one link and says by what: a kernel bond that
    /// hashes over layers 3 and 4, or, where the kernel has no bonding, a bridge whose two ports
    /// do not forward to each other.
    pub fn aggregate(&self, name: &str, members: [&str; 2]) -> Result<Aggregate> {
        let bond = [
            "add",
            "name",
            name,
            "type",
            "bond",
            "mode",
            "balance-xor",
            "xmit_hash_policy",
            "layer3+4",
        ];
        let kind = match self.link(&bond) {
            Ok(()) => Aggregate::Bond,
            Err(_) => {
                // The bridge forgets no address while the demo runs, and starts to forward at once.
                self.add_bridge(name)?;
                Aggregate::IsolatedBridge
            }
        };
        for member in members {
            if kind == Aggregate::Bond {
                // A bond takes only interfaces that are down.
                self.link(&["set", "dev", member, "down"])?;
            }
            self.link(&["set", "dev", member, "master", name])?;
            if kind == Aggregate::IsolatedBridge {
                self.link(&[
                    "set",
                    "dev",
                    member,
                    "type",
                    "bridge_slave",
                    "isolated",
                    "on",
                ])?;
            }
            self.up(member)?;
        }
        self.offloads_off(name)?;
        self.up(name)?;
        Ok(kind)
    }

    /// A kernel bridge without ports that forwards at once and floods multicast.
    fn add_bridge(&self, name: &str) -> Result<()> {
        let kind = ["type", "bridge", "stp_state", "0", "mcast_snooping", "0"];
        self.link(&[&["add", "name", name], &kind[..]].concat())
    }

    /// Makes a kernel bridge of interfaces.
    pub fn bridge(&self, name: &str, members: &[&str]) -> Result<()> {
        self.add_bridge(name)?;
        members
            .iter()
            .try_for_each(|member| self.link(&["set", "dev", member, "master", name]))
    }

    /// The neighbours that the kernel resolved, as `ip neigh` shows them.
    pub fn neighbours(&self) -> Result<String> {
        ip(&["-n", &self.name, "neigh", "show"])
    }
}

/// How the far end of a LAG is made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Aggregate {
    /// The kernel's bonding driver.
    Bond,
    /// A bridge with isolated ports: the kernel has no bonding.
    IsolatedBridge,
}

#[cfg(test)]
#[path = "netns_tests.rs"]
mod tests;
