//! The hashes of Linux 6.12's bonding (`bond_xmit_hash`), from the header record.

use crate::rtl::{E, Module, mux};
use smartnic_regs::values::hash_policy as policy;

/// Registers, 32 bits each.
pub struct Hashes {
    layer2: E,
    layer23: E,
    /// layer3+4.
    pub layer34: E,
    vlan_srcmac: E,
}

/// All hashes of the header whose fields `of` gives, one cycle after `take`. 3 levels of LUTs.
pub fn hashes(m: &Module, of: &dyn Fn(&str) -> E, take: &E) -> Hashes {
    let (dst, src) = (of("dst"), of("src"));
    let last = dst.slice(40, 8) ^ src.slice(40, 8);
    let eth = m.named("eth", (last.zext(16) ^ of("ethertype")).zext(32));
    let fold = |h: E| {
        let h = &h ^ h.shr(16);
        &h ^ h.shr(8)
    };
    let ip = of("ip").any();
    let l3 = of("l3");
    let layer23 = mux(&ip, fold(&eth ^ &l3), &eth);
    // The lowest bit goes because ports are often even.
    let layer34 = mux(&ip, fold(of("ports") ^ &l3).shr(1), &eth);
    // Both halves of the address as numbers, first byte highest.
    let halves = src.slice(0, 24).swap_bytes() ^ src.slice(24, 24).swap_bytes();
    let vlan_srcmac = (halves ^ of("tci").zext(24)).zext(32);
    let keep = |name: &str, e: &E| {
        let r = m.reg_nr(name, 32);
        m.process(|p| p.if_(take, |p| p.set(&r, e)));
        r
    };
    Hashes {
        layer2: keep("hash_layer2", &eth),
        layer23: keep("hash_layer23", &layer23),
        layer34: keep("hash_layer34", &layer34),
        vlan_srcmac: keep("hash_vlan_srcmac", &vlan_srcmac),
    }
}

/// The hash of a policy.
pub fn choose(number: &E, h: &Hashes) -> E {
    let is = |n: u32| number.eq(n as u64);
    let l34 = is(policy::LAYER34) | is(policy::ENCAP34);
    let l23 = is(policy::LAYER23) | is(policy::ENCAP23);
    let other = mux(is(policy::VLAN_SRCMAC), &h.vlan_srcmac, &h.layer2);
    mux(l34, &h.layer34, mux(l23, &h.layer23, other))
}
