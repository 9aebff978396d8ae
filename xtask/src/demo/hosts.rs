//! The demo's network: who is plugged in where, under which address.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use anyhow::{Context, Result};
use smartnic_lab::netns::{Aggregate, Lab, Namespace};

use super::traffic::Host;

/// The first source port of the flows that show the LAG's choices.
pub const FLOW_SOURCE: u16 = 4100;

/// Interfaces of the card's namespace, by port number.
pub const PORTS: [&str; 4] = ["p1", "p2", "p3", "p4"];

/// The address of a host, by its last byte.
const fn address(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, 0, last)
}

/// Every host: name, last byte of its address, interface.
const HOSTS: [(&str, u8, &str); 4] = [
    ("h1", 1, "eth0"),
    ("h2", 2, "eth0"),
    ("h3", 3, "lag0"),
    ("host", 254, "br0"),
];

/// Namespaces, plugged together. Dropping it takes them away.
pub struct Network {
    /// Where the simulator runs: the other ends of all cables.
    pub card: Namespace,
    /// Where `smartnicd` runs and has its TAP.
    pub host: Namespace,
    places: BTreeMap<&'static str, Namespace>,
    far_end: Aggregate,
    /// Kept for its clean-up.
    _lab: Lab,
}

impl Network {
    /// Makes the hosts, in namespaces of this prefix, and plugs them into the card's four ports.
    pub fn new(prefix: &str) -> Result<Self> {
        let mut lab = Lab::new(prefix)?;
        let card = lab.namespace("card")?;
        let host = lab.namespace("host")?;
        let mut places = BTreeMap::from([("host", host.clone())]);
        for name in ["h1", "h2", "h3"] {
            places.insert(name, lab.namespace(name)?);
        }
        let cables = [("h1", "eth0"), ("h2", "eth0"), ("h3", "a"), ("h3", "b")];
        for ((name, interface), port) in cables.into_iter().zip(PORTS) {
            lab.veth((&places[name], interface), (&card, port))?;
        }
        let far_end = places["h3"].aggregate("lag0", ["a", "b"])?;
        for (name, last, interface) in HOSTS.into_iter().filter(|(name, ..)| *name != "host") {
            places[name].address(interface, &format!("{}/24", address(last)))?;
        }
        Ok(Self {
            card,
            host,
            places,
            far_end,
            _lab: lab,
        })
    }

    /// Gives the daemon's TAP its address, once it is there.
    pub fn plug_host(&self, bridge: &str) -> Result<()> {
        self.host.offloads_off(bridge)?;
        self.host.up(bridge)?;
        let address = format!("{}/24", address(254));
        Ok(self.host.address(bridge, &address)?)
    }

    /// Puts a kernel bridge in the card's place, and a cable in that of the daemon's TAP.
    #[cfg(test)]
    pub fn with_kernel_bridge(&self, tap: &str) -> Result<()> {
        self._lab.veth((&self.host, tap), (&self.card, "p0"))?;
        // A bridge knows no LAG: one of its two cables is enough.
        self.card
            .bridge("switch", &["p0", PORTS[0], PORTS[1], PORTS[2]])?;
        Ok(self.card.up("switch")?)
    }

    /// The hosts by name.
    pub fn hosts(&self) -> BTreeMap<&'static str, Host<'_>> {
        let host = |&(name, last, _): &(&'static str, u8, &str)| {
            (
                name,
                Host {
                    namespace: &self.places[name],
                    address: address(last),
                },
            )
        };
        HOSTS.iter().map(host).collect()
    }

    /// Whom the kernel of a host knows by ARP.
    pub fn neighbours(&self, host: &str) -> Result<String> {
        let text = self.places[host].neighbours()?;
        Ok(text.lines().map(|line| format!("  {line}\n")).collect())
    }

    /// Tells one host's kernel the other's MAC address, so that it can speak to it without ARP.
    pub fn introduce(&self, to: &str, whom: &str) -> Result<()> {
        let host = |name: &str| HOSTS.iter().find(|(known, ..)| *known == name).copied();
        let ((to, _, here), (whom, last, there)) =
            (host(to).context("a host")?, host(whom).context("a host")?);
        let mac = self.places[whom].mac(there)?;
        let address = address(last).to_string();
        Ok(self.places[to].neighbour(here, &address, &mac)?)
    }

    /// What is plugged in where.
    pub fn picture(&self) -> String {
        let far_end = match self.far_end {
            Aggregate::Bond => "kernel bond, layer3+4",
            Aggregate::IsolatedBridge => {
                "kernel bridge with isolated ports: this kernel has no bonding"
            }
        };
        format!(
            "  h1 {}  -- port 1 \\\n  h2 {}  -- port 2  |  simulated card, bridge br0 -- host {}\n  \
             h3 {}  == ports 3 and 4, a LAG /   (h3's end: {far_end})",
            address(1),
            address(2),
            address(254),
            address(3)
        )
    }

    /// Commands to try while it is up.
    pub fn hints(&self) -> String {
        format!(
            "  ip netns exec {} ping {}",
            self.places["h1"].name(),
            address(3)
        )
    }
}
