//! Where built objects live, and how parallel builders share them.
//!
//! An entry is one folder named by its key; it appears by an atomic rename when it is whole. A file
//! lock per key lets one process build while the others wait for its result.

use crate::{Design, Error, Options, tools::Tools};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// Changes when the shim or the flags change in a way that the key's other parts do not show.
const FORMAT: &str = "smartnic-verilated 3";

/// The folder of all entries: `$SMARTNIC_CACHE`, else `verilated` in the cargo target folder of the
/// running program, else of the user's cache folder.
pub fn root() -> PathBuf {
    if let Some(dir) = std::env::var_os("SMARTNIC_CACHE") {
        return dir.into();
    }
    let exe = std::env::current_exe().unwrap_or_default();
    // Cargo marks its target folder with this file, wherever it was told to put it.
    if let Some(target) = exe.ancestors().find(|d| d.join("CACHEDIR.TAG").is_file()) {
        return target.join("verilated");
    }
    let home =
        || PathBuf::from(std::env::var_os("HOME").unwrap_or_else(|| "/tmp".into())).join(".cache");
    let base = std::env::var_os("XDG_CACHE_HOME").map_or_else(home, PathBuf::from);
    base.join("smartnic/verilated")
}

/// Key of a model: everything that shapes its object.
pub fn model_key(
    design: &Design,
    options: &Options,
    tools: &Tools,
    shim: &str,
    flags: &str,
) -> String {
    let Design {
        top,
        verilog,
        ports,
        clocks,
    } = design;
    let ports = format!("{ports:?} {clocks:?} {options:?}");
    key(&[top, verilog, &ports, &tools.identity, shim, flags])
}

/// SHA-256 over length-prefixed parts, 128 bits of it in hexadecimal.
pub fn key(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in [FORMAT].iter().chain(parts) {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize()
        .iter()
        .take(16)
        .map(|b| format!("{b:02x}"))
        .collect()
}

/// The entry `name`: made by `build` in a fresh folder if it does not exist yet.
///
/// A build that fails leaves its folder as `<name>.failed` and `build`'s error is told about it.
pub fn entry(name: &str, build: impl FnOnce(&Path) -> Result<(), Error>) -> Result<PathBuf, Error> {
    let root = root();
    let ready = root.join(name);
    if ready.is_dir() {
        return Ok(ready);
    }
    fs::create_dir_all(&root).map_err(Error::io("create", &root))?;
    let lock_path = root.join(format!("{name}.lock"));
    let lock = File::create(&lock_path).map_err(Error::io("create", &lock_path))?;
    lock.lock().map_err(Error::io("lock", &lock_path))?;
    if ready.is_dir() {
        return Ok(ready);
    }
    // Under the lock nobody else writes here; what lies here is of a builder that was killed.
    let work = root.join(format!("{name}.building"));
    let failed = root.join(format!("{name}.failed"));
    for stale in [&work, &failed] {
        if stale.is_dir() {
            fs::remove_dir_all(stale).map_err(Error::io("remove", stale))?;
        }
    }
    fs::create_dir(&work).map_err(Error::io("create", &work))?;
    match build(&work) {
        Ok(()) => {
            fs::rename(&work, &ready).map_err(Error::io("rename", &work))?;
            // Waiters hold the open file; later builders find the entry and do not lock.
            let _ = fs::remove_file(&lock_path);
            Ok(ready)
        }
        Err(error) => {
            fs::rename(&work, &failed).map_err(Error::io("rename", &work))?;
            Err(match error {
                Error::Tool {
                    tool, top, message, ..
                } => Error::Tool {
                    tool,
                    top,
                    message,
                    kept: failed,
                },
                other => other,
            })
        }
    }
}
