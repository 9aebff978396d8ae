//! What the shim does when clocks fall.
//!
//! Hardware that uses rising edges alone does nothing then, but Verilator has to see the clock low to see it rise again, and an
//! evaluation for that costs as much as all combinational paths from inputs. Where the generated model reads its clocks nowhere but in
//! the detection of rising edges, the shim puts the low level into the variables of that detection itself.

use crate::design::Design;
use crate::{Error, shim};
use std::fs;
use std::path::Path;

/// C++ statements that bring `model`, whose clocks have just been set low, and its `root` up to date.
pub fn statements(design: &Design, cpp: &Path, trace: bool) -> Result<String, Error> {
    const EVALUATE: &str = "    model.eval();";
    if trace {
        // A wave shows the clocks, and is written from what was evaluated.
        return Ok(EVALUATE.into());
    }
    let mut texts = Vec::new();
    for entry in fs::read_dir(cpp).map_err(Error::io("read", cpp))? {
        let path = entry.map_err(Error::io("read", cpp))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // Slow files construct and settle the model once.
        if name.ends_with(".cpp") && !name.contains("__Slow") && !name.contains("__Syms") {
            let mut text = fs::read_to_string(&path).map_err(Error::io("read", &path))?;
            text.retain(|c| !c.is_whitespace());
            texts.push(text);
        }
    }
    let clocks = design.clocks.iter().map(|clock| shim::cpp_name(clock));
    let lows: Option<Vec<String>> = clocks.map(|clock| low(&texts, &clock)).collect();
    Ok(lows.map_or(EVALUATE.into(), |lows| lows.concat()))
}

/// The statement that makes the detection of this clock's rising edges see it low, if these texts, without white space, do
/// nothing else with the clock.
fn low(texts: &[String], clock: &str) -> Option<String> {
    let previous = format!("__Vtrigprevexpr___TOP__{clock}__0");
    let known = [
        format!("(IData)(vlSelfRef.{clock})&(~(IData)(vlSelfRef.{previous}))"),
        format!("vlSelfRef.{previous}=vlSelfRef.{clock};"),
        // A check in debug builds.
        format!("if(VL_UNLIKELY(((vlSelfRef.{clock}&0xfeU))))"),
    ];
    let count = |pattern: &str| -> usize { texts.iter().map(|t| t.matches(pattern).count()).sum() };
    let reads: usize = ["vlSelfRef.", "vlSelf->", "TOP."]
        .iter()
        .map(|of| {
            texts
                .iter()
                .map(|t| uses(t, &format!("{of}{clock}")))
                .sum::<usize>()
        })
        .sum();
    let [rises, follows, checks] = known.map(|pattern| count(&pattern));
    // The model's public reference to its input.
    let ports = count(&format!("{clock}{{vlSymsp->TOP.{clock}}}"));
    (rises > 0 && follows > 0 && reads == rises + follows + checks + ports)
        .then(|| format!("    root.{previous} = 0;\n"))
}

/// How often `text` has `name`, not as the beginning of a longer one.
fn uses(text: &str, name: &str) -> usize {
    text.match_indices(name)
        .filter(|(at, _)| {
            let next = text[at + name.len()..].chars().next();
            !next.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_')
        })
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RISE: &str = "if((IData)(vlSelfRef.clk)&(~(IData)(vlSelfRef.__Vtrigprevexpr___TOP__clk__0)))\
                        vlSelfRef.__Vtrigprevexpr___TOP__clk__0=vlSelfRef.clk;vlSelfRef.clk2=1;";

    #[test]
    fn only_rising_edges_are_quiet() {
        let quiet = low(&[RISE.into(), "x=vlSelfRef.y;".into()], "clk");
        assert_eq!(
            quiet.as_deref(),
            Some("    root.__Vtrigprevexpr___TOP__clk__0 = 0;\n")
        );
        for noise in [
            "(~(IData)(vlSelfRef.clk))",
            "q=vlSelf->clk;",
            "q=vlSymsp->TOP.clk;",
        ] {
            assert_eq!(low(&[format!("{RISE}{noise}")], "clk"), None, "{noise}");
        }
        assert_eq!(low(&[String::new()], "clk"), None);
    }
}
