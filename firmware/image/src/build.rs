//! Cargo for the processor's target.
//!
//! The core library comes from `rustup target add`, or else is built from its source (`-Z build-std=core`, which a stable toolchain does with RUSTC_BOOTSTRAP=1): from rustup's component rust-src,
//! or from `<tools>/rust-src`, where `cargo xtask setup` puts that of Debian's package of the same version.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};

use crate::elf::Elf;
use crate::{Error, Image, Sizes, TARGET, seal, stack};

/// RAM of the processor: `RAM_BYTES` of link.x, and of the hardware.
const RAM: u32 = 16 * 1024;

/// Where the core library for the target comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Toolchain {
    /// It is installed.
    Installed,
    /// From the folder `library` of its source.
    Source(PathBuf),
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The folder of the project's tools: `$SMARTNIC_TOOLS`, else `target/tools`.
fn tools() -> PathBuf {
    match std::env::var_os("SMARTNIC_TOOLS") {
        Some(dir) if !dir.is_empty() => workspace().join(dir),
        _ => workspace().join("target/tools"),
    }
}

fn target_dir() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => workspace().join(dir),
        None => workspace().join("target"),
    }
}

fn file<T>(path: &Path, result: std::io::Result<T>) -> Result<T, Error> {
    result.map_err(|source| Error::File {
        path: path.display().to_string(),
        source,
    })
}

fn rustc() -> Command {
    Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
}

/// What a command prints.
fn output(command: &mut Command, what: &str) -> Result<String, Error> {
    let fail = |reason: String| Error::Tool {
        what: what.into(),
        reason,
    };
    let done = command.stdin(Stdio::null()).output();
    let done = done.map_err(|e| fail(e.to_string()))?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        let lines: Vec<&str> = said.lines().collect();
        let tail = lines[lines.len().saturating_sub(30)..].join("\n");
        return Err(fail(format!("{}\n{tail}", done.status)));
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

fn printed(what: &[&str]) -> Result<String, Error> {
    let text = output(rustc().args(what), &format!("rustc {}", what.join(" ")))?;
    Ok(text.trim().into())
}

/// The version of rustc, as Debian and the component name it.
pub fn version() -> Result<String, Error> {
    let text = printed(&["-vV"])?;
    let release = text.lines().find_map(|l| l.strip_prefix("release: "));
    Ok(release.unwrap_or("unknown").into())
}

/// Where `cargo xtask setup` puts the source of the core library of this version.
pub fn source_dir(version: &str) -> PathBuf {
    tools().join("rust-src").join(version)
}

/// Finds the core library for the target, or its source. With SMARTNIC_BUILD_STD set the installed one does not count: to try the other way.
pub fn toolchain() -> Result<Toolchain, Error> {
    let lib = PathBuf::from(printed(&["--print", "target-libdir", "--target", TARGET])?);
    let installed = fs::read_dir(lib).is_ok_and(|mut dir| {
        dir.any(|f| f.is_ok_and(|f| f.file_name().to_string_lossy().starts_with("libcore-")))
    });
    if installed && std::env::var_os("SMARTNIC_BUILD_STD").is_none() {
        return Ok(Toolchain::Installed);
    }
    let version = version()?;
    let sysroot = PathBuf::from(printed(&["--print", "sysroot"])?);
    let places = [
        sysroot.join("lib/rustlib/src/rust/library"),
        source_dir(&version).join("library"),
    ];
    let source = places
        .into_iter()
        .find(|p| p.join("core/src/lib.rs").is_file());
    source
        .map(Toolchain::Source)
        .ok_or(Error::NoTarget { version })
}

/// What the image is made of: every source, the compiler.
fn content() -> Result<String, Error> {
    let mut hash = Sha256::new();
    hash.update(printed(&["-vV"])?);
    let root = workspace();
    let mut files = vec![root.join("Cargo.toml"), root.join("Cargo.lock")];
    for dir in ["firmware/src", "firmware/image/src", "regs/src"] {
        collect(&root.join(dir), &mut files)?;
    }
    for name in [
        "firmware/Cargo.toml",
        "firmware/build.rs",
        "firmware/link.x",
    ] {
        files.push(root.join(name));
    }
    files.sort();
    for path in files {
        let bytes = file(&path, fs::read(&path))?;
        let name = path.strip_prefix(&root).unwrap_or(&path);
        hash.update(name.to_string_lossy().as_bytes());
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    }
    Ok(hash.finalize().iter().map(|b| format!("{b:02x}")).collect())
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) -> Result<(), Error> {
    for entry in file(dir, fs::read_dir(dir))? {
        let path = file(dir, entry)?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// The image, built if its sources have changed: `<target>/firmware/smartnic-firmware.bin`.
pub fn build() -> Result<Image, Error> {
    let dir = target_dir().join("firmware");
    file(&dir, fs::create_dir_all(&dir))?;
    // Two at once: the second finds the work done.
    let lock = dir.join("lock");
    let lock_file = file(&lock, fs::File::create(&lock))?;
    file(&lock, lock_file.lock())?;
    let (path, stamp) = (dir.join("smartnic-firmware.bin"), dir.join("stamp.json"));
    let content = content()?;
    let known = fs::read(&stamp)
        .ok()
        .and_then(|t| serde_json::from_slice::<(String, Sizes)>(&t).ok());
    if let (Some((of, sizes)), Ok(bytes)) = (known, fs::read(&path))
        && of == content
    {
        return Ok(Image { bytes, path, sizes });
    }
    let elf = compile(&dir)?;
    let (bytes, sizes) = assemble(&elf)?;
    file(&path, fs::write(&path, &bytes))?;
    let text = serde_json::to_vec(&(content, &sizes)).unwrap_or_default();
    file(&stamp, fs::write(&stamp, text))?;
    Ok(Image { bytes, path, sizes })
}

fn compile(dir: &Path) -> Result<Vec<u8>, Error> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args([
            "build",
            "--quiet",
            "--package",
            "smartnic-firmware",
            "--features",
            "image",
        ])
        .args(["--profile", "firmware", "--target", TARGET, "--target-dir"])
        .arg(dir.join("build"))
        .current_dir(workspace())
        // Flags and wrappers that were meant for the host.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    if let Toolchain::Source(library) = toolchain()? {
        cargo
            .args(["-Z", "build-std=core"])
            .env("RUSTC_BOOTSTRAP", "1");
        // Where cargo looks for `library` instead of in the toolchain, which is not ours to write to.
        cargo.env("__CARGO_TESTS_ONLY_SRC_ROOT", library);
    }
    output(&mut cargo, "building the firmware")?;
    let elf = dir
        .join("build")
        .join(TARGET)
        .join("firmware/smartnic-firmware");
    file(&elf, fs::read(&elf))
}

/// From the linker's file to the bytes of the RAM, checked.
pub fn assemble(elf: &[u8]) -> Result<(Vec<u8>, Sizes), Error> {
    let elf = Elf::new(elf)?;
    let symbols = elf.symbols()?;
    if let Some(s) = symbols.iter().find(|s| s.name.contains("panic")) {
        return Err(Error::Elf(format!(
            "{} is linked in: something can panic",
            s.name
        )));
    }
    let sections = elf.sections()?;
    let size = |name: &str| {
        sections
            .iter()
            .find(|s| s.name == name)
            .map_or(0, |s| s.size)
    };
    let symbol = |name: &str| {
        let found = symbols.iter().find(|s| s.name == name).map(|s| s.value);
        found.ok_or_else(|| Error::Elf(format!("it has no symbol {name}")))
    };
    let room = symbol("__stack_top")? - symbol("__stack_bottom")?;
    let (needed, path) = stack::depth(&elf)?;
    if needed > room {
        return Err(Error::Stack { needed, room, path });
    }
    let mut bytes = elf.image()?;
    if bytes.len() as u32 != symbol("__image_end")? || symbol("__stack_top")? != RAM {
        return Err(Error::Elf("its end is not where link.x has it".into()));
    }
    seal(&mut bytes);
    let sizes = Sizes {
        text: size(".text"),
        rodata: size(".rodata"),
        data: size(".data"),
        bss: size(".bss"),
        stack: needed,
        stack_room: room,
        ram: RAM,
    };
    Ok((bytes, sizes))
}
