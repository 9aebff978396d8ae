//! Receive load balancing: each client is told, by ARP, the address of one of the members as the bond's, so that what
//! clients send is spread.
//!
//! The bond rewrites the sender's address in ARP replies that it passes on, remembers which client got which member,
//! and tells clients of a new one when members come and go. A table of 256 entries by the client's address; a client
//! that falls on another's entry takes its place.

use std::net::Ipv4Addr;
use std::time::Duration;

use serde::Serialize;

use super::dissect::Ethernet;
use super::slave::SlaveId;
use super::tlb::ENTRIES;
use super::{Bond, due};
use crate::mac::MacAddr;
use crate::wire::arp::{self, Arp, ArpOperation};

/// How long answers of ours wait after a request of ours, which told every client the active slave's address.
const REQUEST_DELAY: Duration = Duration::from_millis(200);
/// How long until an update is repeated, and how often it is.
const UPDATE_INTERVAL: Duration = Duration::from_millis(200);
const UPDATES: u32 = 5;

/// A client.
#[derive(Clone, Copy, Debug)]
struct Client {
    ours: Ipv4Addr,
    theirs: Ipv4Addr,
    /// Not known until an ARP packet of its has been seen.
    mac: Option<MacAddr>,
    slave: SlaveId,
    /// The tag of the frames in which it is spoken to.
    tag: Option<[u16; 2]>,
    /// It has yet to be told of its member this often.
    updates: u32,
}

/// What a client was given.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct ClientStatus {
    /// The address of ours that it talks to.
    pub ours: Ipv4Addr,
    /// Its own address.
    pub theirs: Ipv4Addr,
    /// Its Ethernet address, once it is known.
    pub mac: Option<MacAddr>,
    /// The member that it sends to.
    pub slave: SlaveId,
}

#[derive(Clone, Debug)]
pub(super) struct Rlb {
    clients: Vec<Option<Client>>,
    update_at: Option<Duration>,
    /// The member that the last client got.
    last: Option<SlaveId>,
}

impl Default for Rlb {
    fn default() -> Self {
        Self {
            clients: vec![None; ENTRIES],
            update_at: None,
            last: None,
        }
    }
}

/// Linux's simple hash: the XOR of the bytes.
fn simple_hash(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |hash, byte| hash ^ byte)
}

/// IPv6's all-nodes group.
const ALL_NODES: MacAddr = MacAddr([0x33, 0x33, 0, 0, 0, 1]);

impl Bond {
    /// The clients, by their place in the table.
    pub fn clients(&self) -> Vec<ClientStatus> {
        let status = |c: &Client| ClientStatus {
            ours: c.ours,
            theirs: c.theirs,
            mac: c.mac,
            slave: c.slave,
        };
        self.rlb.clients.iter().flatten().map(status).collect()
    }

    /// The frame's member in balance-alb: by the destination's IP address; ARP by client.
    pub(super) fn alb_transmit(
        &mut self,
        now: Duration,
        frame: &mut [u8],
        ethernet: Ethernet,
    ) -> Option<SlaveId> {
        if ethernet.ethertype == arp::ETHERTYPE {
            let slave = self.arp_transmit(now, frame, ethernet);
            return self.send_balanced(frame, slave);
        }
        let index = balance_index(frame, ethernet);
        let slave = match (index, self.options.tlb_dynamic_lb) {
            (None, _) => None,
            (Some(index), true) => self.choose_channel(index, frame.len()),
            (Some(_), false) => self.by_hash(frame),
        };
        self.send_balanced(frame, slave)
    }

    /// An ARP packet leaves. What is not the bond's own (a bridge's clients) is left as it is.
    fn arp_transmit(
        &mut self,
        now: Duration,
        frame: &mut [u8],
        ethernet: Ethernet,
    ) -> Option<SlaveId> {
        let packet = Arp::parse(&frame[ethernet.payload..]).ok()?;
        let own = |m: MacAddr| m == self.address || self.slaves.iter().any(|s| s.address == m);
        if !own(packet.sender_mac) {
            return None;
        }
        let reply = packet.operation == ArpOperation::Reply;
        let mac = Some(packet.target_mac).filter(|m| reply && m.is_unicast());
        let tag = ethernet.tag;
        let id = self.client_slave(packet.sender_ip, packet.target_ip, mac, tag)?;
        if reply {
            let address = self.slave(id)?.address;
            let at = ethernet.payload;
            frame[at + 8..at + 14].copy_from_slice(&address.0);
            return Some(id);
        }
        // The request goes out by the active slave and has every client believe that one's address: those that have
        // another are told again, after the answer.
        for client in self.rlb.clients.iter_mut().flatten() {
            if client.ours == packet.sender_ip && client.mac.is_some() {
                client.updates = 1;
            }
        }
        self.rlb.update_at.get_or_insert(now + REQUEST_DELAY);
        None
    }

    /// The member of a client, which gets one if it has none.
    fn client_slave(
        &mut self,
        ours: Ipv4Addr,
        theirs: Ipv4Addr,
        mac: Option<MacAddr>,
        tag: Option<[u16; 2]>,
    ) -> Option<SlaveId> {
        let at = usize::from(simple_hash(&theirs.octets()));
        let usable = |id| self.slave(id).is_some_and(super::Slave::can_tx);
        let works = self.rlb.clients[at].is_some_and(|c| usable(c.slave));
        if let Some(client) = &mut self.rlb.clients[at]
            && (client.ours, client.theirs) == (ours, theirs)
            && works
        {
            client.mac = mac.or(client.mac);
            client.tag = tag;
            return Some(client.slave);
        }
        let slave = self.next_receiver()?;
        self.rlb.clients[at] = Some(Client {
            ours,
            theirs,
            mac,
            slave,
            tag,
            updates: 0,
        });
        Some(slave)
    }

    /// The next member in turn among the fastest.
    fn next_receiver(&mut self) -> Option<SlaveId> {
        let usable = || self.slaves.iter().filter(|s| s.can_tx());
        let fastest = usable().map(|s| s.speed()).max()?;
        let fast: Vec<_> = usable()
            .filter(|s| s.speed() == fastest)
            .map(|s| s.id)
            .collect();
        let last = fast.iter().position(|id| Some(*id) == self.rlb.last);
        let next = fast[last.map_or(0, |at| at + 1) % fast.len()];
        self.rlb.last = Some(next);
        Some(next)
    }

    /// An ARP packet came: a client's address may be known now, or one of our addresses somebody else's.
    pub(super) fn hear_client(&mut self, now: Duration, payload: &[u8]) {
        let Ok(packet) = Arp::parse(payload) else {
            self.counters.rx_malformed += 1;
            return;
        };
        let members: Vec<_> = self.slaves.iter().map(|s| s.address).collect();
        if members.contains(&packet.sender_mac) {
            return;
        }
        // Another host uses an address that clients were given for the bond.
        for entry in &mut self.rlb.clients {
            if entry.is_some_and(|c| c.ours == packet.sender_ip) {
                *entry = None;
            }
        }
        let at = usize::from(simple_hash(&packet.sender_ip.octets()));
        if packet.operation == ArpOperation::Reply
            && let Some(client) = &mut self.rlb.clients[at]
            && (client.ours, client.theirs) == (packet.target_ip, packet.sender_ip)
            && client.mac != Some(packet.sender_mac)
        {
            client.mac = Some(packet.sender_mac);
            client.updates = 1;
            self.rlb.update_at.get_or_insert(now + UPDATE_INTERVAL);
        }
    }

    pub(super) fn clients_deadline(&self) -> Option<Duration> {
        self.rlb.update_at
    }

    pub(super) fn stop_clients(&mut self) {
        self.rlb = Rlb::default();
    }

    /// Tells clients of their members, where that is due.
    pub(super) fn tick_clients(&mut self, now: Duration) {
        if !due(self.rlb.update_at, now) {
            return;
        }
        let mut again = false;
        for at in 0..ENTRIES {
            let Some(client) = &mut self.rlb.clients[at] else {
                continue;
            };
            if client.updates == 0 {
                continue;
            }
            client.updates -= 1;
            again |= client.updates > 0;
            let client = *client;
            self.tell(client);
        }
        self.rlb.update_at = again.then(|| now + UPDATE_INTERVAL);
    }

    /// An ARP reply that nobody asked for.
    fn tell(&mut self, client: Client) {
        let (Some(mac), Some(slave)) = (client.mac, self.slave(client.slave)) else {
            return;
        };
        let reply = Arp {
            operation: ArpOperation::Reply,
            sender_mac: slave.address,
            sender_ip: client.ours,
            target_mac: mac,
            target_ip: client.theirs,
        };
        let mut frame = reply.emit_frame(mac, slave.address);
        if let Some(tag) = client.tag {
            frame.splice(12..12, tag.into_iter().flat_map(u16::to_be_bytes));
        }
        self.counters.client_updates_tx += 1;
        self.send(client.slave, frame);
    }

    /// A member's address changed: its clients are told.
    pub(super) fn inform_clients_of(&mut self, now: Duration, id: SlaveId) {
        let mut any = false;
        for client in self.rlb.clients.iter_mut().flatten() {
            if client.slave == id {
                client.updates = UPDATES;
                any = true;
            }
        }
        if any {
            self.rlb.update_at = Some(now);
        }
    }

    /// A member is gone: its clients get others.
    pub(super) fn move_clients(&mut self, now: Duration, id: SlaveId) {
        self.reassign_clients(now, |client| client.slave == id);
    }

    /// A member is back: all clients are dealt out anew.
    pub(super) fn slave_is_back(&mut self, now: Duration) {
        self.rlb.last = None;
        self.reassign_clients(now, |_| true);
    }

    fn reassign_clients(&mut self, now: Duration, which: impl Fn(&Client) -> bool) {
        for at in 0..ENTRIES {
            let Some(client) = self.rlb.clients[at].filter(&which) else {
                continue;
            };
            let Some(slave) = self.next_receiver() else {
                self.rlb.clients[at] = None;
                continue;
            };
            if slave != client.slave {
                let updates = if client.mac.is_some() { UPDATES } else { 0 };
                self.rlb.clients[at] = Some(Client {
                    slave,
                    updates,
                    ..client
                });
                self.rlb.update_at = Some(now);
            }
        }
    }
}

/// The entry of the transmit table: by the destination's IP address. `None` for what is not balanced: what everybody
/// gets, memberships, and the search for duplicate IPv6 addresses.
fn balance_index(frame: &[u8], ethernet: Ethernet) -> Option<u8> {
    let destination = frame.get(..6)?;
    if destination == MacAddr::BROADCAST.0 || destination == ALL_NODES.0 {
        return None;
    }
    let at = ethernet.payload;
    match ethernet.ethertype {
        0x0800 => {
            let address = frame.get(at + 16..at + 20)?;
            let igmp = frame[at + 9] == 2;
            (address != [255; 4] && !igmp).then(|| simple_hash(address))
        }
        0x86dd => {
            let source = frame.get(at + 8..at + 24)?;
            let address = frame.get(at + 24..at + 40)?;
            (source != [0; 16]).then(|| simple_hash(address))
        }
        _ => None,
    }
}
