//! Programs and kernels out of Debian packages, without installing them.
//!
//! apt is given a configuration of its own (own lists, own cache, an empty dpkg status), so nothing
//! of the system changes and root is not needed; what it downloads is unpacked with `dpkg -x`. The
//! mirror is the one that the system's own apt uses, unless `$SMARTNIC_DEBIAN_MIRROR` names another.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::paths;
use crate::proc::{capture, command, minutes};
use crate::setup::step;

/// The release that packages are taken from: its kernel is 6.12.
const RELEASE: &str = "trixie";

/// The release after it: its tools for FPGAs are newer.
pub const NEXT: &str = "forky";

/// Newer packages for that release.
pub const BACKPORTS: &str = "trixie-backports";

/// The key of that release, as the package debian-archive-keyring puts it.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// A private apt.
pub struct Apt {
    dir: PathBuf,
}

impl Apt {
    /// Sets up a private apt under the tools directory, with fresh lists.
    pub fn new() -> Result<Self> {
        Self::of(RELEASE)
    }

    /// The same for a suite.
    pub fn of(suite: &str) -> Result<Self> {
        for tool in ["apt-get", "apt-cache", "dpkg"] {
            if paths::which(tool).is_none() {
                bail!("{tool} is missing: this task needs a Debian or Ubuntu");
            }
        }
        if !Path::new(KEYRING).is_file() {
            bail!("{KEYRING} is missing; type: apt-get install debian-archive-keyring");
        }
        let name = if suite == RELEASE { "debian" } else { suite };
        let dir = paths::tools().join(name);
        for part in [
            "etc/apt.conf.d",
            "etc/preferences.d",
            "etc/sources.list.d",
            "lists/partial",
            "cache/archives/partial",
        ] {
            fs::create_dir_all(dir.join(part))?;
        }
        let shown = dir.display();
        fs::write(dir.join("status"), "")?;
        fs::write(
            dir.join("etc/sources.list"),
            format!("deb [signed-by={KEYRING}] {} {suite} main\n", mirror()?),
        )?;
        // Lists of a release to come are valid for a week, and mirrors are late: what is signed is good enough for tools.
        fs::write(
            dir.join("apt.conf"),
            format!(
                "Dir::Etc \"{shown}/etc\";\nDir::Etc::sourcelist \"{shown}/etc/sources.list\";\n\
                 Dir::State::lists \"{shown}/lists\";\nDir::State::status \"{shown}/status\";\n\
                 Dir::Cache \"{shown}/cache\";\nAPT::Sandbox::User \"\";\nAcquire::Languages \"none\";\n\
                 Acquire::Check-Valid-Until \"false\";\n"
            ),
        )?;
        let apt = Self { dir };
        step("lists of Debian packages", || {
            apt.run("apt-get", &["update", "-q"]).map(drop)
        })?;
        Ok(apt)
    }

    fn run(&self, program: &str, args: &[&str]) -> Result<String> {
        let mut apt = command(program);
        apt.args(args)
            .env("APT_CONFIG", self.dir.join("apt.conf"))
            .current_dir(self.dir.join("cache"));
        capture(&mut apt, minutes(10))
    }

    /// The package that a metapackage stands for at the moment.
    pub fn stands_for(&self, metapackage: &str) -> Result<String> {
        let text = self.run("apt-cache", &["depends", metapackage])?;
        text.lines()
            .find_map(|line| line.trim().strip_prefix("Depends: "))
            .map(str::to_owned)
            .with_context(|| format!("{metapackage} depends on nothing"))
    }

    /// Unpacks a package alone into a folder of its own and returns that.
    pub fn unpack(&self, package: &str) -> Result<PathBuf> {
        self.unpack_all(package, &[package.to_owned()])
    }

    /// Unpacks a package of the given upstream version alone, wherever among the suite's versions that is.
    pub fn unpack_version(&self, package: &str, version: &str) -> Result<PathBuf> {
        let text = self.run("apt-cache", &["madison", package])?;
        let all: Vec<&str> = text
            .lines()
            .filter_map(|l| l.split('|').nth(1))
            .map(str::trim)
            .collect();
        let is_it = |v: &&&str| {
            let rest = v.strip_prefix(version);
            rest.is_some_and(|r| r.starts_with(['+', '-', '~']))
        };
        let found = all.iter().find(is_it);
        let Some(found) = found else {
            bail!(
                "Debian has {package} in versions {}, not {version}",
                all.join(", ")
            );
        };
        self.unpack_all(
            &format!("{package}-{version}"),
            &[format!("{package}={found}")],
        )
    }

    /// Unpacks a package with all that it needs, down to the C library, into a folder of its own.
    pub fn unpack_with_dependencies(&self, package: &str) -> Result<PathBuf> {
        let args = [
            "install",
            "--print-uris",
            "-qq",
            "-y",
            "--no-install-recommends",
            package,
        ];
        let text = self.run("apt-get", &args)?;
        let packages: Vec<_> = text
            .lines()
            .filter_map(|line| line.split_whitespace().nth(1))
            .filter_map(|file| file.split_once('_'))
            .map(|(name, _)| name.to_owned())
            .collect();
        self.unpack_all(package, &packages)
    }

    /// These packages and all that they need, but for `without` and what only those need.
    pub fn needed(&self, packages: &[&str], without: &[&str]) -> Result<Vec<String>> {
        let mut all: Vec<String> = packages.iter().map(|&p| p.to_owned()).collect();
        let mut asked = 0;
        while asked < all.len() {
            let mut args = vec!["depends", "--important"];
            args.extend(all[asked..].iter().map(String::as_str));
            let text = self.run("apt-cache", &args)?;
            asked = all.len();
            for name in depends(&text) {
                if !without.contains(&name) && !all.iter().any(|known| known == name) {
                    all.push(name.to_owned());
                }
            }
        }
        Ok(all)
    }

    /// Unpacks these packages, and nothing that they need, into one folder of that name.
    pub fn unpack_all(&self, name: &str, packages: &[String]) -> Result<PathBuf> {
        let to = self.dir.join("unpacked").join(name);
        let whole = self.dir.join("unpacked").join(format!("{name}.whole"));
        if whole.is_file() {
            return Ok(to);
        }
        fs::create_dir_all(&to)?;
        step(
            &format!("{name} from Debian ({} packages)", packages.len()),
            || {
                let fetched = self.dir.join("cache").join(name);
                fs::create_dir_all(&fetched)?;
                let mut download = command("apt-get");
                download.args(["download", "-q"]).args(packages);
                download
                    .env("APT_CONFIG", self.dir.join("apt.conf"))
                    .current_dir(&fetched);
                capture(&mut download, minutes(10))?;
                for file in fs::read_dir(&fetched)? {
                    capture(
                        command("dpkg").arg("-x").arg(file?.path()).arg(&to),
                        minutes(5),
                    )?;
                }
                fs::remove_dir_all(&fetched)?;
                Ok(())
            },
        )?;
        fs::write(whole, "")?;
        Ok(to)
    }
}

/// A package of the release that was unpacked before, by the beginning of its name; no list and no mirror is asked.
pub fn unpacked(name: &str) -> Option<PathBuf> {
    let folder = paths::tools().join("debian/unpacked");
    let whole = fs::read_dir(&folder).ok()?.filter_map(|entry| {
        let file = entry.ok()?.file_name().into_string().ok()?;
        let package = file.strip_suffix(".whole")?;
        package.starts_with(name).then(|| package.to_owned())
    });
    whole.max().map(|package| folder.join(package))
}

/// The packages named in what `apt-cache depends` prints: of alternatives the first, of virtual ones none.
fn depends(text: &str) -> impl Iterator<Item = &str> {
    let mut after_alternative = false;
    text.lines().filter_map(move |line| {
        let (kind, name) = line.trim().split_once("Depends: ")?;
        let first = !std::mem::replace(&mut after_alternative, kind.starts_with('|'));
        let name = name
            .split_once(':')
            .map_or(name, |(name, _architecture)| name);
        (first && !name.starts_with('<')).then_some(name)
    })
}

/// A mirror of Debian: the environment's, or the first that the system's apt has.
fn mirror() -> Result<String> {
    if let Ok(mirror) = std::env::var("SMARTNIC_DEBIAN_MIRROR") {
        return Ok(mirror);
    }
    let targets = capture(
        command("apt-get").args(["indextargets", "--format", "$(ORIGIN)|$(LABEL)|$(REPO_URI)"]),
        minutes(1),
    )?;
    targets
        .lines()
        .find_map(|line| line.strip_prefix("Debian|Debian|"))
        .map(str::to_owned)
        .context("this system's apt knows no mirror of Debian (after apt-get update?); set SMARTNIC_DEBIAN_MIRROR to one's URI")
}

/// A program in an unpacked tree, started by the tree's own loader and libraries.
pub fn foreign(tree: &Path, program: &str) -> Result<std::process::Command> {
    let loader = [
        "lib64/ld-linux-x86-64.so.2",
        "usr/lib64/ld-linux-x86-64.so.2",
    ]
    .map(|place| tree.join(place))
    .into_iter()
    .find(|file| file.is_file())
    .with_context(|| format!("{} holds no loader", tree.display()))?;
    let libraries = format!(
        "{0}/usr/lib/x86_64-linux-gnu:{0}/lib/x86_64-linux-gnu:{0}/usr/lib",
        tree.display()
    );
    let mut foreign = command(loader);
    foreign
        .arg("--library-path")
        .arg(libraries)
        .arg(tree.join(program));
    Ok(foreign)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_package_needs_is_read_from_apt() {
        let text = "yosys\n  Depends: libc6\n  Depends: <python3:any>\n    python3\n  Depends: python3-click\n\
                    libc6\n  PreDepends: libgcc-s1\n |Depends: debconf\n  Depends: <debconf-2.0>\n    cdebconf\n  Depends: tcl:any\n";
        let names: Vec<_> = depends(text).collect();
        assert_eq!(
            names,
            ["libc6", "python3-click", "libgcc-s1", "debconf", "tcl"]
        );
    }
}
