//! The walk through the layers: which layer the next byte belongs to, and when the record is settled.

use super::Shared;
use super::layer::{self, one_of};
use crate::rtl::{E, cat, lit, mux};

/// What the walk tells the field registers, each for the byte of this cycle.
pub struct Events {
    /// The second byte of an EtherType, and that EtherType.
    pub type_end: E,
    /// The EtherType that ends here.
    pub ethertype: E,
    /// It is a VLAN tag's.
    pub is_tag: E,
    /// The second byte of a TCI.
    pub tci_end: E,
    /// The byte of an IP header that holds the protocol.
    pub proto: E,
    /// The last byte of an IP header without options.
    pub ip_end: E,
    /// The last byte of the ports word or of an ICMP header with an identifier.
    pub ports_end: E,
    /// The last byte of an ICMP error's header: an inner packet follows.
    pub inner_start: E,
    /// The IP packet is a fragment, as far as seen (a register).
    pub fragment: E,
}

/// Makes `state`, `pos`, `finish` and what the decisions need to remember.
pub fn walk(s: &Shared) -> Events {
    let m = &s.m;
    let at = |name: &str, layer: u64, pos: u64| {
        m.named(name, &s.take & s.state.eq(layer) & s.pos.eq(pos))
    };
    let mac_end = at("mac_end", layer::MAC, 11);
    let type_end = at("type_end", layer::TYPE, 1);
    let tci_end = at("tci_end", layer::TCI, 1);
    let ip4_end = at("ip4_end", layer::IP4, 19);
    let ip6_end = at("ip6_end", layer::IP6, 39);
    let proto4 = at("proto4", layer::IP4, 9);
    let proto6 = at("proto6", layer::IP6, 6);
    let icmp_type = at("icmp_type", layer::ICMP, 0);
    let icmp_end = at("icmp_end", layer::ICMP, 7);
    let ip_end = m.named("ip_end", &ip4_end | &ip6_end);
    let proto = m.named("proto_here", &proto4 | &proto6);

    let ethertype = m.named("ethertype_here", cat(&[s.prev.clone(), s.data.clone()]));
    let is_tag = m.named("is_tag", one_of(&ethertype, &layer::TAGS));
    let is_ip4 = m.named("is_ip4", ethertype.eq(layer::ETHERTYPE_IP4));
    let is_ip6 = m.named("is_ip6", ethertype.eq(layer::ETHERTYPE_IP6));

    // What follows the IP header.
    let to_ports = m.reg_nr("to_ports", 1);
    let to_ah = m.reg_nr("to_ah", 1);
    let to_icmp = m.reg_nr("to_icmp", 1);
    let icmp6 = m.reg_nr("icmp6", 1);
    m.process(|p| {
        p.if_(&proto, |p| {
            p.set(&to_ports, one_of(&s.data, &layer::PROTO_PORTS));
            p.set(&to_ah, s.data.eq(layer::PROTO_AH));
            p.set(
                &to_icmp,
                one_of(&s.data, &[layer::PROTO_ICMP, layer::PROTO_ICMP6]),
            );
            p.set(&icmp6, s.data.eq(layer::PROTO_ICMP6));
        })
    });
    // IHL less one: the number of the header's last word.
    let last_word = m.reg_nr("last_word", 4);
    let fragment = m.reg_nr("fragment", 1);
    let in_ip4 = m.named("in_ip4", &s.take & s.state.eq(layer::IP4));
    m.process(|p| {
        p.if_(&in_ip4 & s.pos.eq(0), |p| {
            p.set(&last_word, s.data.slice(0, 4) - 1);
        });
        p.if_(&s.first, |p| p.set(&fragment, false));
        // More fragments, or an offset; "don't fragment" does not count.
        p.elif(&in_ip4 & s.pos.eq(6), |p| {
            p.set(&fragment, s.data.slice(0, 6).any());
        });
        p.elif(&in_ip4 & s.pos.eq(7), |p| {
            p.set(&fragment, &fragment | s.data.any());
        });
    });
    let transport = m.named("transport", &to_ports | &to_ah | (&to_icmp & !&s.inner));
    // An IHL below 5 (0 wraps to 15).
    let bad_ihl = last_word.lt(4) | last_word.eq(15);
    let follow4 = m.named("follow4", &transport & !&fragment & !bad_ihl);
    let ip4_next = m.named(
        "ip4_next",
        &in_ip4 & s.pos.slice(0, 2).all() & s.pos.slice(2, 4).eq(&last_word) & &follow4,
    );
    let ip4_stop = &ip4_end & !&follow4;
    let ip_next = m.named("ip_next", &ip4_next | (&ip6_end & &transport));
    let ip_stop = ip4_stop | (&ip6_end & !&transport);

    // Inside ICMP.
    let is_error = m.named(
        "icmp_is_error",
        mux(
            &icmp6,
            one_of(&s.data, &layer::ICMP6_ERRORS),
            one_of(&s.data, &layer::ICMP_ERRORS),
        ),
    );
    let with_id = m.named("icmp_with_id", one_of(&s.data, &layer::ICMP_WITH_ID));
    let error = m.reg_nr("icmp_error", 1);
    m.process(|p| p.if_(&icmp_type, |p| p.set(&error, &is_error)));
    let icmp_stop = &icmp_type & !(&is_error | &with_id);
    let inner_start = m.named("inner_start", &icmp_end & &error);
    let ports_at = cat(&[to_ah.clone(), lit(2, 3)]);
    let in_ports = &s.take & s.state.eq(layer::PORTS);
    let ports_end = m.named(
        "ports_end",
        (in_ports & s.pos.slice(0, 3).eq(ports_at)) | (&icmp_end & !&error),
    );

    let type_stop = &type_end & !(&is_tag | &is_ip4 | &is_ip6);
    let tci_stop = &tci_end & &s.tagged2;
    let settled = m.named(
        "settled",
        type_stop | tci_stop | ip_stop | icmp_stop | &ports_end | (&s.take & &s.eof),
    );
    m.assign(&s.finish, &settled | (&s.first & &s.eof));
    m.process(|p| {
        p.if_(&s.take, |p| p.set(&s.pos, &s.pos + 1));
        p.if_(&mac_end, |p| p.set(&s.state, layer::TYPE));
        p.if_(&type_end, |p| {
            p.set(&s.state, layer::TCI);
            p.if_(&is_ip4, |p| p.set(&s.state, layer::IP4));
            p.if_(&is_ip6, |p| p.set(&s.state, layer::IP6));
        });
        p.if_(&tci_end, |p| p.set(&s.state, layer::TYPE));
        p.if_(&ip_next, |p| {
            p.set(
                &s.state,
                mux(&to_icmp, layer::ICMP, lit(layer::BITS, layer::PORTS)),
            );
        });
        p.if_(&inner_start, |p| {
            p.set(
                &s.state,
                mux(&s.v6, layer::IP6, lit(layer::BITS, layer::IP4)),
            );
        });
        let next = &mac_end | &type_end | &tci_end | &ip_next | &inner_start;
        p.if_(next, |p| p.set(&s.pos, 0));
        p.if_(&settled, |p| p.set(&s.state, layer::IDLE));
        p.if_(&s.first, |p| {
            p.set(&s.pos, 1);
            p.set(&s.state, layer::MAC);
            p.if_(&s.eof, |p| p.set(&s.state, layer::IDLE));
        });
    });
    m.process(|p| {
        p.if_(&s.first, |p| p.set(&s.inner, false));
        p.elif(&inner_start, |p| p.set(&s.inner, true));
        p.if_(&type_end, |p| p.set(&s.v6, &is_ip6));
    });
    Events {
        type_end,
        ethertype,
        is_tag,
        tci_end,
        proto,
        ip_end,
        ports_end,
        inner_start,
        fragment,
    }
}
