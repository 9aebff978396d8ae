//! The cells of the ECP5: EHXPLLL, IDDRX1F, ODDRX1F, DELAYG (Lattice FPGA-TN-02032 and FPGA-TN-02035).

use super::TxDelay;

/// Dividers of the EHXPLLL with its feedback from CLKOP: output = input / `clki_div` * `clkfb_div`; the oscillator runs `clkop_div` times as fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pll {
    /// Of the input.
    pub clki_div: u32,
    /// Of the feedback.
    pub clkfb_div: u32,
    /// Of the oscillator.
    pub clkop_div: u32,
}

/// Where the oscillator may run, in MHz.
const OSCILLATOR: std::ops::RangeInclusive<u32> = 400..=800;

impl Pll {
    /// The dividers that make `output` MHz of `input` MHz: the smallest ones, with the oscillator in the middle of its range; none if there are none.
    pub fn between(input: u32, output: u32) -> Option<Pll> {
        let whole = |d: &u32| (output * d).is_multiple_of(input);
        let clki_div = (1..=16).find(whole)?;
        let fits = |d: &u32| OSCILLATOR.contains(&(output * d));
        let off_middle = |d: &u32| (output * d).abs_diff(600);
        Some(Pll {
            clki_div,
            clkfb_div: output * clki_div / input,
            clkop_div: (1..=128).filter(fits).min_by_key(off_middle)?,
        })
    }
}

/// PLL: `clock` (and `clock_90`, a quarter of a period later, for [`TxDelay::Quadrature`]) and `locked`. The phase of an output is `CPHASE` + `FPHASE` / 8 periods of the oscillator.
pub(super) fn pll(p: &Pll, tx: TxDelay) -> String {
    let div = p.clkop_div;
    let phase = div - 1;
    // A quarter of the period, in eighths of the oscillator's.
    let eighths = 2 * div;
    let quarter = match tx {
        TxDelay::Phy => ("DISABLED", 0, 0),
        TxDelay::Quadrature => ("ENABLED", phase + eighths / 8, eighths % 8),
    };
    let (enable, cphase, fphase) = quarter;
    format!(
        "    // The filter's settings are those of the vendor's generator for this range.
    (* ICP_CURRENT = \"12\", LPF_RESISTOR = \"8\", MFG_ENABLE_FILTEROPAMP = \"1\", MFG_GMCREF_SEL = \"2\" *)
    EHXPLLL #(
        .CLKI_DIV({}), .CLKFB_DIV({}), .CLKOP_DIV({div}), .CLKOS_DIV({div}),
        .CLKOP_CPHASE({phase}), .CLKOP_FPHASE(0), .CLKOS_ENABLE(\"{enable}\"), .CLKOS_CPHASE({cphase}), .CLKOS_FPHASE({fphase}),
        .FEEDBK_PATH(\"CLKOP\"), .PLLRST_ENA(\"DISABLED\"), .STDBY_ENABLE(\"DISABLED\")
    ) pll (
        .CLKI(clk_in), .CLKFB(clock), .CLKOP(clock), .CLKOS(clock_90), .LOCK(locked),
        .RST(1'b0), .STDBY(1'b0), .PHASESEL0(1'b0), .PHASESEL1(1'b0), .PHASEDIR(1'b1), .PHASESTEP(1'b1), .PHASELOADREG(1'b1),
        .PLLWAKESYNC(1'b0), .ENCLKOP(1'b0), .ENCLKOS(1'b0), .ENCLKOS2(1'b0), .ENCLKOS3(1'b0)
    );
",
        p.clki_div, p.clkfb_div
    )
}

/// The receive clock's way to the core: the tools put a clock pin on the clock network by themselves.
pub(super) fn receive_clock(i: u32) -> String {
    format!("    assign rx_clock{i} = rgmii{i}_rxc;\n")
}

/// Receive pin to the levels at rise and fall, through `taps` of 25 ps.
pub(super) fn input(
    name: &str,
    pin: &str,
    clock: &str,
    rise: &str,
    fall: &str,
    taps: u32,
) -> String {
    format!(
        "    wire {name}_late;\n    \
             DELAYG #(.DEL_MODE(\"USER_DEFINED\"), .DEL_VALUE({taps})) {name}_delay (.A({pin}), .Z({name}_late));\n    \
             IDDRX1F {name}_ddr (.D({name}_late), .SCLK({clock}), .RST(1'b0), .Q0({rise}), .Q1({fall}));\n"
    )
}

/// The levels of a clock's first and second half to a pin.
pub(super) fn output(name: &str, pin: &str, clock: &str, rise: &str, fall: &str) -> String {
    format!(
        "    ODDRX1F {name}_ddr (.D0({rise}), .D1({fall}), .SCLK({clock}), .RST(1'b0), .Q({pin}));\n"
    )
}
