//! Tests of `netns.rs`.

use super::*;

fn names(prefix: &str) -> usize {
    let entries = fs::read_dir(NAMED)
        .into_iter()
        .flatten()
        .filter_map(Result::ok);
    entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .count()
}

#[test]
fn a_lab_leaves_nothing_behind_even_after_an_error() {
    if !crate::skip::namespaces() {
        return;
    }
    let prefix = format!("snta{}", std::process::id());
    let failed: Result<()> = (|| {
        let mut lab = Lab::new(&prefix)?;
        let one = lab.namespace("one")?;
        let two = lab.namespace("two")?;
        lab.veth((&one, "eth0"), (&two, "eth0"))?;
        assert_eq!(names(&prefix), 2);
        lab.veth((&one, "eth0"), (&two, "eth1"))
    })();
    assert!(failed.is_err(), "the name eth0 was taken");
    assert_eq!(names(&prefix), 0);
}

#[test]
fn what_a_killed_run_left_is_removed() {
    if !crate::skip::namespaces() {
        return;
    }
    let prefix = format!("sntb{}", std::process::id());
    let mut lab = Lab::new(&prefix).unwrap();
    lab.namespace("old").unwrap();
    std::mem::forget(lab);
    assert_eq!(names(&prefix), 1);
    let lab = Lab::new(&prefix).unwrap();
    assert_eq!(names(&prefix), 0);
    drop(lab);
}
