//! Real Linux hosts for tests and the demo.
//!
//! [`netns`] makes network namespaces, veth pairs and what is in them; [`skip`] is how a test that cannot run here says so, such that
//! `cargo xtask test` lists it instead of counting it as passed.

pub mod netns;
pub mod skip;
pub mod sys;

use std::path::PathBuf;

/// Finds a program on `PATH`, and in the `sbin` folders that a user's `PATH` often lacks.
pub fn which(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
}

/// Whether this runs as root.
pub fn is_root() -> bool {
    // SAFETY: geteuid has no preconditions and cannot fail.
    unsafe { libc::geteuid() == 0 }
}
