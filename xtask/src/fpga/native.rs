//! Native FPGA tools for a system that has none, or too old ones: Debian's, unpacked under the tools directory and not installed.
//!
//! They take half the time of the Python environment's, which are WebAssembly. They bring their own C library, so they run on older systems too, by their own loader.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::debian::{self, Apt};
use crate::paths;

/// The folder's name among the unpacked packages.
const NAME: &str = "fpga";

/// The tools.
const PACKAGES: [&str; 3] = ["yosys", "nextpnr-ecp5", "fpga-trellis"];

/// What their packages want and these programs do not use.
const UNUSED: [&str; 5] = ["debconf", "python3", "python3-click", "netbase", "tzdata"];

/// Programs to start, by us or by each other.
const PROGRAMS: [&str; 4] = ["yosys", "yosys-abc", "nextpnr-ecp5", "ecppack"];

/// The loader's name beside the programs.
const LOADER: &str = "loader";

fn tree() -> PathBuf {
    paths::tools()
        .join(debian::NEXT)
        .join("unpacked")
        .join(NAME)
}

/// There when the tree is whole.
fn stamp() -> PathBuf {
    paths::tools().join("fpga.stamp")
}

/// A program that was unpacked.
pub fn find(program: &str) -> Option<PathBuf> {
    let file = tree().join("usr/bin").join(program);
    (stamp().is_file() && file.is_file()).then_some(file)
}

/// Fetches and unpacks the tools, unless they are there.
pub fn fetch() -> Result<()> {
    if stamp().is_file() {
        return Ok(());
    }
    if std::env::consts::ARCH != "x86_64" {
        bail!("this is no x86-64 machine");
    }
    fs::create_dir_all(paths::tools())?;
    // Two tasks started together: the second waits here, and then finds the work done.
    let lock = File::create(paths::tools().join("fpga.lock"))?;
    lock.lock().context("cannot lock the tools directory")?;
    if stamp().is_file() {
        return Ok(());
    }
    let apt = Apt::of(debian::NEXT)?;
    let tree = apt.unpack_all(NAME, &apt.needed(&PACKAGES, &UNUSED)?)?;
    wrap(&tree)?;
    fs::write(stamp(), "")?;
    Ok(())
}

/// Puts a script in each program's place that starts it by the tree's own loader. The programs look for their data and for each other
/// beside the file that the kernel has started, so the loader stands among them.
fn wrap(tree: &Path) -> Result<()> {
    let bin = tree.join("usr/bin");
    let library = tree.join("usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2");
    fs::copy(&library, bin.join(LOADER))
        .with_context(|| format!("cannot copy {}", library.display()))?;
    for name in PROGRAMS {
        let (script, program) = (bin.join(name), bin.join(format!("{name}.program")));
        if !program.is_file() {
            fs::rename(&script, &program)
                .with_context(|| format!("the packages bring no {name}"))?;
        }
        fs::write(&script, start(name))?;
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// The script that starts a program.
fn start(name: &str) -> String {
    format!(
        "#!/bin/sh\n\
         here=$(dirname \"$(readlink -f \"$0\")\")\n\
         export PYTHONHOME=\"$here/..\" PYTHONDONTWRITEBYTECODE=1\n\
         exec \"$here/{LOADER}\" --library-path \"$here/../lib/x86_64-linux-gnu\" --argv0 \"$here/{name}\" \"$here/{name}.program\" \"$@\"\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proc::{capture, command, minutes};

    #[test]
    fn a_program_is_started_by_the_loader_beside_it() {
        let tree = tempfile::tempdir().unwrap();
        let (bin, lib) = (
            tree.path().join("usr/bin"),
            tree.path().join("usr/lib/x86_64-linux-gnu"),
        );
        fs::create_dir_all(&bin).unwrap();
        fs::create_dir_all(&lib).unwrap();
        // A loader that tells how it was called.
        let loader = lib.join("ld-linux-x86-64.so.2");
        fs::write(&loader, "#!/bin/sh\nprintf '%s\\n' \"$@\"\n").unwrap();
        fs::set_permissions(&loader, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(wrap(tree.path()).is_err(), "no program is there");
        for name in PROGRAMS {
            fs::write(bin.join(name), name).unwrap();
        }
        wrap(tree.path()).unwrap();
        wrap(tree.path()).unwrap();
        let said = capture(command(bin.join("yosys")).args(["-p", "a b"]), minutes(1)).unwrap();
        let said: Vec<_> = said.lines().collect();
        assert_eq!(said[0], "--library-path");
        assert!(said[4].ends_with("/usr/bin/yosys.program"), "{said:?}");
        assert_eq!(said[5..], ["-p", "a b"]);
        assert_eq!(
            fs::read_to_string(bin.join("yosys.program")).unwrap(),
            "yosys"
        );
    }
}
