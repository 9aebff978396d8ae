//! Clause 5.1 against a kernel's bond.

use smartnic_refswitch::{Flow, Group, Policy};

/// Kinds that a bond with encap2+3 or encap3+4 looks into, or treats in a way of its own, and this card does not yet.
const INNER: &str = include_str!("../../data/lag-inner-kinds.txt");

#[test]
fn clause_5_1_hashes_as_the_kernel() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/lag-vectors.json");
    let text = std::fs::read_to_string(file).expect("tests/data/lag-vectors.json");
    let data: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let policies = [
        ("layer2", Policy::Layer2),
        ("layer2+3", Policy::Layer23),
        ("layer3+4", Policy::Layer34),
        ("encap2+3", Policy::Encap23),
        ("encap3+4", Policy::Encap34),
        ("vlan+srcmac", Policy::VlanSrcmac),
    ];
    let mut checked = 0;
    for (i, f) in data["frames"]
        .as_array()
        .expect("frames")
        .iter()
        .enumerate()
    {
        let (kind, hex) = (f["kind"].as_str().unwrap(), f["frame"].as_str().unwrap());
        let digits = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal");
        let frame: Vec<u8> = (0..hex.len()).step_by(2).map(digits).collect();
        let flow = Flow::of(&frame);
        for (name, policy) in policies {
            if name.starts_with("encap") && INNER.lines().any(|k| k == kind) {
                continue;
            }
            for slaves in [2, 3, 5] {
                let choices = data["choices"][name][slaves.to_string()].as_str().unwrap();
                let want = usize::from(choices.as_bytes()[i] - b'0');
                let mut group = Group {
                    enabled: true,
                    policy,
                    distributing: (0..slaves).collect(),
                    ..Group::default()
                };
                group.fill(&(0..slaves).collect::<Vec<_>>());
                let got = group.member(&flow, &[true; 8]);
                assert_eq!(got, Some(want), "{kind} {name} {slaves}");
                checked += 1;
            }
        }
    }
    assert!(checked > 15_000, "{checked}");
}
