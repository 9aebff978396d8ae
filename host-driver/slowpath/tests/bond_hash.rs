//! The six hash policies against the choices of a 6.12 kernel's bond (`tests/data/lag-vectors.json`).

use smartnic_slowpath::bond::HashPolicy;

struct Vector {
    kind: String,
    frame: Vec<u8>,
}

fn data() -> serde_json::Value {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/data/lag-vectors.json"
    );
    let text = std::fs::read_to_string(file).expect("tests/data/lag-vectors.json");
    serde_json::from_str(&text).expect("JSON")
}

fn frames(data: &serde_json::Value) -> Vec<Vector> {
    let vector = |f: &serde_json::Value| {
        let hex = f["frame"].as_str().expect("hexadecimal");
        let digits = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal");
        Vector {
            kind: f["kind"].as_str().expect("a kind").into(),
            frame: (0..hex.len()).step_by(2).map(digits).collect(),
        }
    };
    data["frames"]
        .as_array()
        .expect("frames")
        .iter()
        .map(vector)
        .collect()
}

/// Every frame, policy and number of slaves of the capture, inner headers included: nothing is left out.
#[test]
fn as_the_kernel_chose() {
    let data = data();
    let frames = frames(&data);
    let mut checked = 0;
    let mut wrong = Vec::new();
    for policy in HashPolicy::ALL {
        let name = serde_json::to_value(policy).unwrap();
        let name = name.as_str().unwrap();
        for slaves in [2, 3, 5] {
            let choices = data["choices"][name][slaves.to_string()].as_str();
            let choices = choices.expect("choices").as_bytes();
            assert_eq!(choices.len(), frames.len());
            for (vector, choice) in frames.iter().zip(choices) {
                let got = policy.hash(&vector.frame) % slaves;
                checked += 1;
                if got != u32::from(choice - b'0') {
                    wrong.push(format!("{name} of {}, {slaves} slaves", vector.kind));
                }
            }
        }
    }
    wrong.dedup();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(checked, 6 * 3 * frames.len());
    println!("{checked} choices");
}

/// Frames cut anywhere have a hash, and no byte behind the cut matters to it.
#[test]
fn frames_of_any_length() {
    for vector in frames(&data()).iter().step_by(7) {
        for length in 0..vector.frame.len() {
            for policy in HashPolicy::ALL {
                let _ = policy.hash(&vector.frame[..length]);
            }
        }
    }
}
