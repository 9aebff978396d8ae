//! Runs Verilator and the C++ compiler.
//!
//! Verilator's own Makefile is not used: the model, the shim and Verilator's run time are compiled
//! directly, packed into as many translation units as there are processors, the run time once for
//! all models of the same options.

use crate::design::{Design, Opt, Options};
use crate::tools::Tools;
use crate::{Error, cache, fall, shim, split};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The only warnings that are waived: the generator relies on Verilog's width rules, leaves ports of
/// generic blocks unused, and its one-struct-per-interface nets look like loops to Verilator.
const WAIVED: [&str; 3] = ["-Wno-WIDTH", "-Wno-UNUSED", "-Wno-UNOPTFLAT"];
/// Functions of this many statements: in longer ones the compiler runs out of registers (the 4-port card at 20,000, which is usual: 1 %
/// more instructions; unsplit: 9 %).
const VERILATE: [&str; 5] = [
    "-O3",
    "--noassert",
    "--no-timing",
    "--output-split-cfuncs",
    "3000",
];
/// How bits that nobody has set are chosen.
const ZEROES: [&str; 4] = ["--x-assign", "fast", "--x-initial", "fast"];
const RANDOM: [&str; 4] = ["--x-assign", "unique", "--x-initial", "unique"];
/// Bytes of generated C++ in one translation unit: enough to share the headers' cost, small enough
/// for the compiler's memory.
const UNIT_BYTES: u64 = 1 << 20;

/// Builds the design (or finds it built) and returns the shared object.
pub fn shared_object(design: &Design, options: &Options) -> Result<PathBuf, Error> {
    design.check()?;
    // The seed is chosen when a model is loaded.
    let options = &Options {
        random: options.random.map(|_| 0),
        ..*options
    };
    let tools = Tools::find()?;
    let shim = shim::source(design, options.trace);
    let flags = format!(
        "{VERILATE:?} {ZEROES:?} {RANDOM:?} {WAIVED:?} {:?}",
        cxx_flags(options, tools)
    );
    let key = cache::model_key(design, options, tools, &shim, &flags);
    let name = format!("{}-{key}", design.top);
    let folder = cache::entry(&name, |folder| build(design, options, tools, &shim, folder))?;
    Ok(folder.join("model.so"))
}

fn build(
    design: &Design,
    options: &Options,
    tools: &Tools,
    shim: &str,
    folder: &Path,
) -> Result<(), Error> {
    let mut files = Vec::new();
    for unit in split::split(&design.verilog) {
        let file = format!("{}.v", unit.name);
        write(&folder.join(&file), &unit.text)?;
        files.push(file);
    }
    if files.is_empty() {
        let problem = "the Verilog source holds no module".into();
        return Err(Error::Design {
            top: design.top.clone(),
            problem,
        });
    }
    if options.lint {
        let lint = ["--lint-only", "-Wall"];
        verilator(
            design,
            tools,
            folder,
            lint.into_iter().chain(WAIVED),
            &files,
        )?;
    }
    let class = shim::class(design);
    let trace: &[&str] = if options.trace { &["--trace-fst"] } else { &[] };
    let unset = if options.random.is_some() {
        RANDOM
    } else {
        ZEROES
    };
    let cc = ["--cc", "--Mdir", "cpp", "--prefix", &class];
    let args = cc
        .into_iter()
        .chain(VERILATE)
        .chain(unset)
        .chain(WAIVED)
        .chain(trace.iter().copied());
    verilator(design, tools, folder, args, &files)?;
    check_header(design, &folder.join("cpp").join(format!("{class}.h")))?;

    let runtime = runtime(design, options, tools)?;
    let cpp = folder.join("cpp");
    let fall = fall::statements(design, &cpp, options.trace)?;
    write(
        &cpp.join("shim.cpp"),
        &shim.replace("@FALL@", fall.trim_end()),
    )?;
    let units = units(&cpp)?;
    let mut jobs = Vec::new();
    for (unit, slow) in &units {
        let mut flags = cxx_flags(options, tools);
        if *slow {
            // Construction and reset run once: not worth the optimiser's time.
            flags.push("-O0");
        }
        jobs.push(compile_command(tools, &cpp, unit, &flags));
    }
    run_all(design, tools, jobs)?;
    let mut link = Command::new(&tools.compiler);
    link.current_dir(&cpp)
        .args(["-shared", "-o", "../model.so", "-Wl,-Bsymbolic"]);
    link.args(units.iter().map(|(unit, _)| format!("{unit}.o")));
    for part in RUNTIME
        .iter()
        .filter(|(_, traced)| options.trace || !traced)
    {
        link.arg(runtime.join(format!("{}.o", part.0)));
    }
    // What is missing shall be missed here, not when the model is loaded.
    link.args(["-pthread", "-Wl,-z,defs", "-Wl,--as-needed"]);
    if options.trace {
        link.arg("-lz");
        if tools.root.join("include/fstcpp").is_dir() {
            link.arg("-llz4");
        }
    }
    run(design, &tools.compiler, &mut link)?;
    // Tens of megabytes for a whole card, and nothing reads them again.
    fs::remove_dir_all(&cpp).map_err(Error::io("remove", &cpp))
}

fn verilator<'a>(
    design: &Design,
    tools: &Tools,
    folder: &Path,
    args: impl Iterator<Item = &'a str>,
    files: &[String],
) -> Result<(), Error> {
    let mut command = Command::new(&tools.verilator);
    command
        .current_dir(folder)
        .env("VERILATOR_ROOT", &tools.root);
    command
        .args(args)
        .args(["--top-module", &design.top])
        .args(files);
    run(design, "verilator", &mut command)
}

/// The generated class must have the ports that the design claims: a wrong width would otherwise
/// read past a field.
fn check_header(design: &Design, header: &Path) -> Result<(), Error> {
    let text = fs::read_to_string(header).map_err(Error::io("read", header))?;
    let fail = |problem| {
        Err(Error::Design {
            top: design.top.clone(),
            problem,
        })
    };
    for port in &design.ports {
        let field = format!("&{},", shim::cpp_name(&port.name));
        let found = text.lines().map(str::trim).find(|l| {
            (l.starts_with("VL_IN") || l.starts_with("VL_OUT"))
                && l.split('(').nth(1).is_some_and(|r| r.starts_with(&field))
        });
        let Some(line) = found else {
            return fail(format!("the Verilog module has no port `{}`", port.name));
        };
        let numbers = line.split(&field).nth(1).unwrap_or_default();
        let mut numbers = numbers
            .trim_end_matches([')', ';'])
            .split(',')
            .map(str::parse::<u32>);
        let width = match (numbers.next(), numbers.next()) {
            (Some(Ok(high)), Some(Ok(low))) => high.abs_diff(low) + 1,
            _ => {
                return fail(format!(
                    "cannot read the width of `{}` from: {line}",
                    port.name
                ));
            }
        };
        let inward = line.starts_with("VL_IN(")
            || line.starts_with("VL_IN8")
            || line.starts_with("VL_IN16")
            || line.starts_with("VL_IN64")
            || line.starts_with("VL_INW");
        if width != port.width || inward != (port.direction == crate::Direction::In) {
            let kind = if inward { "input" } else { "output or inout" };
            return fail(format!(
                "port `{}` is declared as {:?} of width {}, but the Verilog has an {kind} of width {width}",
                port.name, port.direction, port.width
            ));
        }
    }
    Ok(())
}

fn cxx_flags(options: &Options, tools: &Tools) -> Vec<&'static str> {
    let mut flags = vec![
        "-std=gnu++17",
        "-fPIC",
        "-fvisibility=hidden",
        "-w",
        "-pthread",
    ];
    // Two models in one process must not share inline statics.
    if !tools.clang {
        flags.push("-fno-gnu-unique");
    }
    flags.extend([
        "-DVERILATOR=1",
        "-DVM_COVERAGE=0",
        "-DVM_SC=0",
        "-DVM_TIMING=0",
    ]);
    // The run time's assertions about itself, one of which asks a library that clang's models do not have.
    flags.push("-DNDEBUG");
    flags.extend(["-DVM_TRACE_VCD=0", "-DVM_TRACE_SAIF=0", "-DVL_USER_FATAL"]);
    if options.trace {
        flags.extend(["-DVM_TRACE=1", "-DVM_TRACE_FST=1"]);
    } else {
        flags.extend(["-DVM_TRACE=0", "-DVM_TRACE_FST=0"]);
    }
    match options.opt {
        // A cycle runs through most of the model's code once: small code is fast code. Measured on the
        // 4-port card: -Os 7 % faster than -O3, half its compile time; profile-guided no gain.
        Opt::Fast => flags.extend(["-Os", "-march=native"]),
        Opt::Quick => flags.push("-O1"),
    }
    flags
}

/// Verilator's run time: source file (in its include folder) and whether only traced models need it.
const RUNTIME: [(&str, bool); 3] = [
    ("verilated", false),
    ("verilated_threads", false),
    ("verilated_fst_c", true),
];

fn runtime(design: &Design, options: &Options, tools: &Tools) -> Result<PathBuf, Error> {
    let flags = cxx_flags(options, tools);
    let key = cache::key(&[
        &tools.identity,
        &tools.root.to_string_lossy(),
        &format!("{flags:?}"),
    ]);
    cache::entry(&format!("runtime-{key}"), |folder| {
        if options.trace {
            check_trace_headers(design, tools, folder)?;
        }
        let mut jobs = Vec::new();
        for (part, _) in RUNTIME
            .iter()
            .filter(|(_, traced)| options.trace || !traced)
        {
            let source = tools.root.join("include").join(format!("{part}.cpp"));
            let mut command = compile_command(tools, folder, part, &flags);
            command.args([source, "-o".into(), format!("{part}.o").into()]);
            jobs.push(command);
        }
        run_all(design, tools, jobs)
    })
}

/// Headers of Verilator's FST writer: file, package. Writers before `fstcpp` brought their own LZ4.
const TRACE_HEADERS: [(&str, &str); 2] = [("zlib.h", "zlib1g-dev"), ("lz4.h", "liblz4-dev")];

fn check_trace_headers(design: &Design, tools: &Tools, folder: &Path) -> Result<(), Error> {
    let own_lz4 = !tools.root.join("include/fstcpp").is_dir();
    for (header, package) in TRACE_HEADERS
        .into_iter()
        .filter(|(h, _)| !(own_lz4 && *h == "lz4.h"))
    {
        write(&folder.join("probe.cpp"), &format!("#include <{header}>\n"))?;
        let mut probe = Command::new(&tools.compiler);
        probe
            .current_dir(folder)
            .args(["-fsyntax-only", "probe.cpp"]);
        run(design, &tools.compiler, &mut probe).map_err(|_| Error::HeaderMissing {
            top: design.top.clone(),
            header,
            package,
            compiler: tools.compiler.clone(),
        })?;
    }
    Ok(())
}

/// A compiler call in `folder`; a file `unit` ending in `.cpp` names its object too.
fn compile_command(tools: &Tools, folder: &Path, unit: &str, flags: &[&str]) -> Command {
    let mut command = Command::new(&tools.compiler);
    let include = tools.root.join("include");
    command
        .current_dir(folder)
        .args(flags)
        .arg("-I.")
        .arg("-I")
        .arg(&include);
    command.arg("-I").arg(include.join("vltstd")).arg("-c");
    if unit.ends_with(".cpp") {
        command.args([unit, "-o", &format!("{unit}.o")]);
    }
    command
}

/// Packs the generated files into translation units: name and whether it holds only slow code.
fn units(cpp: &Path) -> Result<Vec<(String, bool)>, Error> {
    let mut files = Vec::new();
    for entry in fs::read_dir(cpp).map_err(Error::io("read", cpp))? {
        let entry = entry.map_err(Error::io("read", cpp))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".cpp") {
            let size = entry
                .metadata()
                .map_err(Error::io("read", &entry.path()))?
                .len();
            let slow =
                name.contains("__Slow") || name.contains("__Syms") || name.contains("__Trace__");
            files.push((slow, name, size));
        }
    }
    files.sort();
    let mut units: Vec<(String, bool, u64, String)> = Vec::new();
    for (slow, name, size) in files {
        let line = format!("#include \"{name}\"\n");
        match units.last_mut() {
            Some((_, s, bytes, text)) if *s == slow && *bytes + size <= UNIT_BYTES => {
                *bytes += size;
                text.push_str(&line);
            }
            _ => units.push((format!("unit{}.cpp", units.len()), slow, size, line)),
        }
    }
    let mut out = Vec::new();
    for (name, slow, _, text) in units {
        write(&cpp.join(&name), &text)?;
        out.push((name, slow));
    }
    Ok(out)
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(Error::io("write", path))
}

fn run(design: &Design, tool: &str, command: &mut Command) -> Result<(), Error> {
    let path = PathBuf::from(command.get_program());
    let out = command.output().map_err(Error::io("run", &path))?;
    if out.status.success() {
        return Ok(());
    }
    Err(Error::Tool {
        tool: tool.into(),
        top: design.top.clone(),
        kept: command.get_current_dir().unwrap_or(Path::new(".")).into(),
        message: format!(
            "{}{}",
            String::from_utf8_lossy(&out.stderr),
            String::from_utf8_lossy(&out.stdout)
        ),
    })
}

/// Runs commands, as many at a time as there are processors; the first failure is returned.
fn run_all(design: &Design, tools: &Tools, jobs: Vec<Command>) -> Result<(), Error> {
    let workers = std::thread::available_parallelism().map_or(1, |n| n.get());
    let queue = std::sync::Mutex::new(jobs.into_iter());
    let next = || queue.lock().ok()?.next();
    let worker = || {
        while let Some(mut job) = next() {
            run(design, &tools.compiler, &mut job)?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(worker)).collect();
        let results = threads.into_iter().map(|t| match t.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        results.collect::<Vec<_>>().into_iter().collect()
    })
}
