//! The fields: caught as their bytes pass, copied to the outputs one cycle after the record is settled.

use super::walk::Events;
use super::{HDR_FIELDS, Shared, layer};
use crate::rtl::{E, cat, lit, mux};

/// Makes the field registers and the outputs.
pub fn fields(s: &Shared, ev: &Events) {
    let m = &s.m;
    let in_mac = m.named("in_mac", &s.take & s.state.eq(layer::MAC));
    // Both addresses, byte 0 in bits 7:0 once all 12 bytes are in.
    let addresses = m.reg_nr("addresses", 96);
    m.process(|p| {
        p.if_(&s.first | &in_mac, |p| {
            p.set(&addresses, cat(&[s.data.clone(), addresses.slice(8, 88)]));
        })
    });
    let have_ip = m.reg_nr("have_ip", 1);
    let have_outer = m.reg_nr("have_outer", 1);
    let have_ports = m.reg_nr("have_ports", 1);
    let outer_tag = m.named("outer_tag", &ev.type_end & &ev.is_tag & !&s.tagged);
    m.process(|p| {
        p.if_(&ev.ip_end, |p| {
            p.set(&have_ip, true);
            p.set(&have_outer, true);
        });
        p.if_(&ev.inner_start, |p| p.set(&have_ip, false));
        p.if_(&ev.ports_end, |p| p.set(&have_ports, true));
        p.if_(&outer_tag, |p| p.set(&s.tagged, true));
        p.if_(&ev.type_end & &ev.is_tag & &s.tagged, |p| {
            p.set(&s.tagged2, true);
        });
        p.if_(&s.first, |p| {
            for r in [&have_ip, &have_outer, &have_ports] {
                p.set(r, false);
            }
            p.set(&s.tagged, false);
            p.set(&s.tagged2, false);
        });
    });

    let (ethertype, tci, tci2) = (
        m.reg_nr("ethertype", 16),
        m.reg_nr("tci", 16),
        m.reg_nr("tci2", 16),
    );
    let word = |reg: &E, here: E| {
        m.process(|p| {
            p.if_(&s.first, |p| p.set(reg, 0));
            p.elif(here, |p| p.set(reg, &ev.ethertype));
        })
    };
    word(&ethertype, &ev.type_end & !&outer_tag);
    word(&tci, &ev.tci_end & !&s.tagged2);
    word(&tci2, &ev.tci_end & &s.tagged2);

    let proto = m.reg_nr("proto", 8);
    m.process(|p| p.if_(&ev.proto & !&s.inner, |p| p.set(&proto, &s.data)));
    let l3 = m.reg_nr("l3", 32);
    let address = m.named(
        "ip_address",
        &s.take
            & ((s.state.eq(layer::IP4) & (s.pos.slice(2, 4).eq(3) | s.pos.slice(2, 4).eq(4)))
                | (s.state.eq(layer::IP6) & s.pos.slice(3, 3).any())),
    );
    m.process(|p| {
        for i in 0..4 {
            p.if_(&address & s.pos.slice(0, 2).eq(i as u64), |p| {
                p.set_slice(&l3, 8 * i, l3.slice(8 * i, 8) ^ &s.data);
            });
        }
        p.if_(&s.first | &ev.inner_start, |p| p.set(&l3, 0));
    });
    let ports = ports(s);

    let out = |name: &str| {
        let width = HDR_FIELDS.iter().find(|f| f.0 == name).expect("field").1;
        m.output_reg_nr(&format!("hdr_{name}"), width)
    };
    // Zero unless `have`: a synchronous reset of the output registers, no logic.
    let masked = |name: &str, have: &E, value: &E| {
        let o = out(name);
        m.process(|p| {
            p.if_(&s.finish & have, |p| p.set(&o, value));
            p.elif(&s.finish, |p| p.set(&o, lit(value.width(), 0)));
        });
    };
    let always = lit(1, 1);
    masked("dst", &always, &addresses.slice(0, 48));
    masked("src", &always, &addresses.slice(48, 48));
    masked("ethertype", &always, &ethertype);
    masked("tagged", &always, &s.tagged);
    masked("tci", &always, &tci);
    masked("tagged2", &always, &s.tagged2);
    masked("tci2", &always, &tci2);
    masked("ip", &have_ip, &mux(&s.v6, lit(2, 2), lit(2, 1)));
    masked("proto", &have_outer, &proto);
    // Inside an ICMP error the register is the inner packet's; the outer one is then no fragment.
    masked("fragment", &(&have_outer & !&s.inner), &ev.fragment);
    masked("l3", &have_ip, &l3);
    masked("ports", &have_ports, &ports);
    let valid = m.output_reg("hdr_valid", 1, 0);
    m.assign(&valid, &s.finish);
}

/// The ports word, a byte lane at a time: bytes 0 to 3 of a transport header (of AH also 4 to 7, which come
/// later and stay), or type, code and the identifier in host order of an ICMP message.
fn ports(s: &Shared) -> E {
    let m = &s.m;
    let ports = m.reg_nr("ports", 32);
    let icmp = m.named("in_icmp", &s.take & s.state.eq(layer::ICMP));
    let transport = m.named("in_transport", &s.take & s.state.eq(layer::PORTS));
    // Linux uses 0 for "no identifier" and 1 for an identifier of 0.
    let id_zero = ports.slice(24, 8).is_zero() & s.data.is_zero();
    let id_low = &s.data | (id_zero & &icmp).zext(8);
    // Lane, its byte of a transport header's word, its byte of an ICMP header.
    let lanes = [
        (0, 0, &s.data),
        (1, 1, &s.data),
        (2, 5, &id_low),
        (3, 4, &s.data),
    ];
    m.process(|p| {
        for (lane, icmp_pos, value) in lanes {
            let word = &transport & s.pos.slice(0, 2).eq(lane as u64);
            p.if_(word | (&icmp & s.pos.eq(icmp_pos)), |p| {
                p.set_slice(&ports, 8 * lane, value);
            });
        }
    });
    ports
}
