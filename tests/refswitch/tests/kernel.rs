//! Clause 5.1 against a kernel's bond.

#[path = "../../data/lag_vectors.rs"]
mod lag_vectors;

use lag_vectors::Vectors;
use smartnic_refswitch::{Flow, Group, Policy};

#[test]
fn clause_5_1_hashes_as_the_kernel() {
    let policies = [
        ("layer2", Policy::Layer2),
        ("layer2+3", Policy::Layer23),
        ("layer3+4", Policy::Layer34),
        ("encap2+3", Policy::Encap23),
        ("encap3+4", Policy::Encap34),
        ("vlan+srcmac", Policy::VlanSrcmac),
    ];
    let vectors = Vectors::read();
    let mut checked = 0;
    for frame in &vectors.frames {
        let flow = Flow::of(&frame.bytes);
        for (name, policy) in policies {
            for slaves in [2, 3, 5] {
                let Some(want) = vectors.choice(frame, name, slaves) else {
                    continue;
                };
                let mut group = Group {
                    enabled: true,
                    policy,
                    distributing: (0..slaves).collect(),
                    ..Group::default()
                };
                group.fill(&(0..slaves).collect::<Vec<_>>());
                let got = group.member(&flow, &[true; 8]);
                assert_eq!(got, Some(want), "{} {name} {slaves}", frame.kind);
                checked += 1;
            }
        }
    }
    assert!(checked > 15_000, "{checked}");
}
