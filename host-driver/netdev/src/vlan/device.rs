//! One VLAN device: its operations.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use smartnic_slowpath::MacAddr;

use super::flags::check_flags;
use super::header::VlanHeader;
use super::{VlanConfig, VlanFlags, refuse, table};
use crate::device::{
    AddressOrigin, Counter, Dev, Features, Flags, NetDevice, NetDeviceOps, PrivFlags, RxMode,
    Setting, Setup, Xmit,
};
use crate::error::{Errno, NetdevError, Result};
use crate::packet::{Packet, VlanTag, eth};
use crate::registry::{Core, ListKind};
use crate::softnet::Softnet;
use crate::softnet::tx::TxOutcome;

/// What was handed down to the device below.
#[derive(Default)]
struct Down {
    unicast: Vec<MacAddr>,
    multicast: Vec<MacAddr>,
    /// Own address on its list, as it differs from its own.
    address: Option<MacAddr>,
}

/// A VLAN device.
pub struct Vlan {
    real: Dev,
    protocol: u16,
    vid: u16,
    flags: Arc<AtomicU32>,
    ingress: [AtomicU32; 8],
    egress: ArcSwap<BTreeMap<u32, u8>>,
    down: Mutex<Down>,
}

impl Vlan {
    pub(super) fn new(real: &Dev, config: &VlanConfig) -> Result<Self> {
        let vlan = Self {
            real: real.clone(),
            protocol: config.protocol,
            vid: config.vid,
            flags: Arc::new(AtomicU32::new(config.flags.bits())),
            ingress: Default::default(),
            egress: ArcSwap::default(),
            down: Mutex::default(),
        };
        for (from, to) in &config.ingress {
            vlan.map_ingress(*from, *to)?;
        }
        for (from, to) in &config.egress {
            vlan.map_egress(*from, *to)?;
        }
        Ok(vlan)
    }

    pub(super) fn setup(&self, config: &VlanConfig) -> Setup {
        let real = &self.real;
        let mut setup = Setup::virtual_ether(config.name.clone());
        setup.address = real.address();
        setup.address_origin = AddressOrigin::Stolen;
        setup.mtu = config.mtu.unwrap_or_else(|| real.mtu());
        setup.min_mtu = 0;
        setup.link_type = real.link_type();
        setup.flags = real.flags()
            - (Flags::UP | Flags::PROMISC | Flags::ALLMULTI | Flags::MASTER | Flags::SLAVE);
        setup.priv_flags |= PrivFlags::VLAN | PrivFlags::STACKED | PrivFlags::UNICAST_FLT;
        setup.hard_header_len = real.hard_header_len() as u32;
        let (_, _, granted) = real.feature_sets();
        setup.hw_features = granted;
        setup.features |= granted & real.features();
        setup.carrier = real.carrier_ok();
        setup.tx_queues = real.queue_count();
        setup.header = Arc::new(VlanHeader {
            real: real.clone(),
            protocol: self.protocol,
            vid: self.vid,
            flags: self.flags.clone(),
        });
        setup
    }

    /// TPID.
    pub fn protocol(&self) -> u16 {
        self.protocol
    }
    /// VLAN id.
    pub fn vid(&self) -> u16 {
        self.vid
    }
    /// The device below.
    pub fn real(&self) -> &Dev {
        &self.real
    }
    /// Flags.
    pub fn flags(&self) -> VlanFlags {
        VlanFlags::from_bits_retain(self.flags.load(Ordering::Relaxed))
    }
    /// Changes flags; EOPNOTSUPP for those that nothing here does.
    pub fn set_flags(&self, flags: VlanFlags) -> Result<()> {
        check_flags(flags)?;
        self.flags.store(flags.bits(), Ordering::Relaxed);
        Ok(())
    }
    /// Priority of frames received with an 802.1p priority.
    pub fn ingress(&self, pcp: u8) -> u32 {
        self.ingress[usize::from(pcp & 7)].load(Ordering::Relaxed)
    }
    /// Maps a received 802.1p priority (0 to 7, else EINVAL).
    pub fn map_ingress(&self, pcp: u8, priority: u32) -> Result<()> {
        match self.ingress.get(usize::from(pcp)) {
            Some(cell) => cell.store(priority, Ordering::Relaxed),
            None => {
                return refuse(
                    Errno::Invalid,
                    "ingress-qos-map",
                    pcp,
                    "an 802.1p priority is 0 to 7",
                );
            }
        }
        Ok(())
    }
    /// 802.1p priority of frames sent with a priority.
    pub fn egress(&self, priority: u32) -> u8 {
        self.egress.load().get(&priority).copied().unwrap_or(0)
    }
    /// Maps a priority to an 802.1p priority (0 to 7, else EINVAL).
    pub fn map_egress(&self, priority: u32, pcp: u8) -> Result<()> {
        if pcp > 7 {
            return refuse(
                Errno::Invalid,
                "egress-qos-map",
                pcp,
                "an 802.1p priority is 0 to 7",
            );
        }
        self.egress.rcu(|map| {
            let mut map = BTreeMap::clone(map);
            map.insert(priority, pcp);
            map
        });
        Ok(())
    }

    pub(super) fn is_filtered(&self) -> bool {
        self.real.features().contains(match self.protocol {
            eth::P_8021AD => Features::VLAN_STAG_FILTER,
            _ => Features::VLAN_CTAG_FILTER,
        })
    }

    fn tci(&self, packet: &Packet) -> u16 {
        self.vid | u16::from(self.egress(packet.priority)) << 13
    }

    /// Puts the VLAN device's address on the list of the device below if that has another one, and takes an earlier one off.
    pub(super) fn sync_address(&self, core: &mut Core, address: Option<MacAddr>) {
        let wanted = address.filter(|a| *a != self.real.address());
        let before = {
            let mut down = self.down.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut down.address, wanted)
        };
        if before == wanted {
            return;
        }
        if let Some(address) = wanted {
            let _ = core.address_add(&self.real, ListKind::Unicast, address);
        }
        if let Some(address) = before {
            let _ = core.address_remove(&self.real, ListKind::Unicast, address);
        }
    }

    fn sync_lists(&self, core: &mut Core, mode: &RxMode) {
        let (unicast, multicast) = {
            let mut down = self.down.lock().unwrap_or_else(PoisonError::into_inner);
            (
                std::mem::take(&mut down.unicast),
                std::mem::take(&mut down.multicast),
            )
        };
        let unicast = core.address_sync(&self.real, ListKind::Unicast, &unicast, &mode.unicast);
        let multicast =
            core.address_sync(&self.real, ListKind::Multicast, &multicast, &mode.multicast);
        let mut down = self.down.lock().unwrap_or_else(PoisonError::into_inner);
        (down.unicast, down.multicast) = (unicast, multicast);
    }

    fn flags_below(&self, core: &mut Core, dev: &Dev, flags: Flags, by: i32) {
        let (promiscuity, allmulti) = dev.rx_counts();
        if flags.contains(Flags::PROMISC) && promiscuity > 0 {
            let _ = core.set_promiscuity(&self.real, by);
        }
        if flags.contains(Flags::ALLMULTI) && allmulti > 0 {
            let _ = core.set_allmulti(&self.real, by);
        }
    }
}

impl NetDeviceOps for Vlan {
    fn kind(&self) -> Option<&'static str> {
        Some("vlan")
    }

    fn uninit(&self, core: &mut Core, dev: &Dev) {
        let known = self
            .real
            .vlans
            .load()
            .ifindices()
            .any(|i| i == dev.ifindex());
        table::change(&self.real, |t| t.remove(dev.ifindex()));
        if known && self.is_filtered() {
            self.real
                .ops()
                .vlan_remove(core, &self.real, self.protocol, self.vid);
        }
        core.synchronize();
    }

    fn open(&self, core: &mut Core, dev: &Dev) -> Result<()> {
        if !self.real.is_up() && !self.flags().contains(VlanFlags::LOOSE_BINDING) {
            let reason = format!("{} below is down: take it up first", self.real.name());
            return Err(NetdevError::new(
                Errno::NetDown,
                "device",
                dev.name(),
                reason,
            ));
        }
        self.sync_address(core, Some(dev.address()));
        self.flags_below(core, dev, Flags::PROMISC | Flags::ALLMULTI, 1);
        super::follow::carrier(&self.real, dev);
        Ok(())
    }

    fn stop(&self, core: &mut Core, dev: &Dev) -> Result<()> {
        self.sync_lists(core, &RxMode::default());
        self.flags_below(core, dev, Flags::PROMISC | Flags::ALLMULTI, -1);
        self.sync_address(core, None);
        Ok(())
    }

    fn start_xmit(&self, net: &mut Softnet, dev: &Dev, _queue: u16, mut packet: Packet) -> Xmit {
        let len = packet.len() as u64;
        let in_band = eth::network_type(packet.bytes()) == Some(self.protocol);
        if !in_band || self.flags().contains(VlanFlags::REORDER_HDR) {
            // A tag that is there already (of a VLAN device above) goes into the frame first.
            if eth::insert_vlan(&mut packet).is_err() {
                dev.stats().count(Counter::tx_errors);
                return Xmit::Ok;
            }
            let tci = self.tci(&packet);
            packet.set_vlan_tag(Some(VlanTag {
                protocol: self.protocol,
                tci,
            }));
        }
        match net.xmit(&self.real, packet) {
            TxOutcome::Dropped => dev.stats().count(Counter::tx_dropped),
            _ => dev.stats().tx(net.stripe(), 1, len),
        }
        Xmit::Ok
    }

    fn supports_netpoll(&self) -> bool {
        true
    }

    fn set_rx_mode(&self, core: &mut Core, _dev: &Dev, mode: &RxMode) {
        self.sync_lists(core, mode);
    }

    fn change_rx_flags(&self, core: &mut Core, dev: &Dev, changed: Flags) {
        if !dev.is_up() {
            return;
        }
        let flags = dev.raw_flags();
        for (flag, promiscuity) in [(Flags::PROMISC, true), (Flags::ALLMULTI, false)] {
            if changed.contains(flag) {
                let by = if flags.contains(flag) { 1 } else { -1 };
                let _ = match promiscuity {
                    true => core.set_promiscuity(&self.real, by),
                    false => core.set_allmulti(&self.real, by),
                };
            }
        }
    }

    fn set_mac_address(&self, core: &mut Core, dev: &Dev, address: MacAddr) -> Result<()> {
        if dev.is_up() {
            self.sync_address(core, Some(address));
        }
        Ok(())
    }

    fn change_mtu(&self, _core: &mut Core, _dev: &Dev, mtu: u32) -> Result<()> {
        if mtu > self.real.mtu() {
            let reason = format!("{} below takes {}", self.real.name(), self.real.mtu());
            return Err(NetdevError::new(Errno::Range, "mtu", mtu, reason));
        }
        Ok(())
    }

    fn fix_features(&self, _dev: &NetDevice, features: Features) -> Features {
        let (_, _, granted) = self.real.feature_sets();
        features & (granted & self.real.features() | Features::SOFT)
    }

    fn settings(&self, _dev: &NetDevice) -> Vec<Setting> {
        let on_off = |flag| {
            if self.flags().contains(flag) {
                "on"
            } else {
                "off"
            }
            .to_owned()
        };
        let (protocol, tx) = match self.protocol {
            eth::P_8021AD => ("802.1ad", Features::VLAN_STAG_TX | Features::VLAN_STAG_RX),
            _ => ("802.1Q", Features::VLAN_CTAG_TX | Features::VLAN_CTAG_RX),
        };
        let tagging = self.real.features().contains(tx);
        let setting = |name, value, offload| Setting {
            name,
            value,
            offload,
        };
        let pairs = |pairs: Vec<String>| pairs.join(" ");
        let ingress = (0..8)
            .filter(|p| self.ingress(*p) != 0)
            .map(|p| format!("{p}:{}", self.ingress(p)));
        let egress: Vec<String> = self
            .egress
            .load()
            .iter()
            .map(|(f, t)| format!("{f}:{t}"))
            .collect();
        vec![
            setting("protocol", protocol.into(), tagging),
            setting("id", self.vid.to_string(), tagging),
            setting("reorder_hdr", on_off(VlanFlags::REORDER_HDR), false),
            setting("gvrp", on_off(VlanFlags::GVRP), false),
            setting("mvrp", on_off(VlanFlags::MVRP), false),
            setting("loose_binding", on_off(VlanFlags::LOOSE_BINDING), false),
            setting("ingress-qos-map", pairs(ingress.collect()), false),
            setting("egress-qos-map", pairs(egress), false),
        ]
    }
}
