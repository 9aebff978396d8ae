//! The cells of Xilinx 7 series: IBUFDS, MMCME2_BASE, BUFG, IDELAYCTRL, IDELAYE2, IDDR, ODDR (UG471, UG472).

/// Dividers of the MMCM: its oscillator runs at input / `divide` * `multiply`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mmcm {
    /// Of the input.
    pub divide: u32,
    /// From there to the oscillator.
    pub multiply: u32,
    /// From the oscillator to the core's clock.
    pub output: u32,
    /// From the oscillator to IDELAYCTRL's.
    pub reference: u32,
}

/// Where the oscillator may run, in MHz, at speed grade -1 and up.
const OSCILLATOR: std::ops::RangeInclusive<u32> = 600..=1200;
/// What IDELAYCTRL needs.
const REFERENCE_MHZ: u32 = 200;

impl Mmcm {
    /// The dividers that make `output` and IDELAYCTRL's reference of `input` MHz; none if there are none.
    pub fn between(input: u32, output: u32) -> Option<Mmcm> {
        let fits = |o: &u32| o.is_multiple_of(output) && o.is_multiple_of(REFERENCE_MHZ);
        let oscillator = OSCILLATOR.rev().find(fits)?;
        let divide = (1..=16).find(|d| (oscillator * d).is_multiple_of(input))?;
        Some(Mmcm {
            divide,
            multiply: oscillator * divide / input,
            output: oscillator / output,
            reference: oscillator / REFERENCE_MHZ,
        })
    }
}

/// Clock input and MMCM: `clock`, `clock_90`, `locked`, and the reference of the delays.
pub(super) fn mmcm(m: &Mmcm, mhz: u32, differential: bool) -> String {
    let buffer = match differential {
        true => "    IBUFDS clk_in_buffer (.I(clk_in), .IB(clk_in_n), .O(clk_buffered));\n",
        false => "    IBUF clk_in_buffer (.I(clk_in), .O(clk_buffered));\n",
    };
    let period = 1000.0 / f64::from(mhz);
    format!(
        "    wire clk_buffered, mmcm_clock, mmcm_clock_90, mmcm_reference, reference, feedback;
{buffer}    MMCME2_BASE #(
        .CLKIN1_PERIOD({period:.3}), .DIVCLK_DIVIDE({}), .CLKFBOUT_MULT_F({}.0),
        .CLKOUT0_DIVIDE_F({out}.0), .CLKOUT1_DIVIDE({out}), .CLKOUT1_PHASE(90.0), .CLKOUT2_DIVIDE({})
    ) mmcm (
        .CLKIN1(clk_buffered), .CLKFBIN(feedback), .CLKFBOUT(feedback), .RST(1'b0), .PWRDWN(1'b0), .LOCKED(locked),
        .CLKOUT0(mmcm_clock), .CLKOUT1(mmcm_clock_90), .CLKOUT2(mmcm_reference)
    );
    BUFG clock_buffer (.I(mmcm_clock), .O(clock));
    BUFG clock_90_buffer (.I(mmcm_clock_90), .O(clock_90));
    BUFG reference_buffer (.I(mmcm_reference), .O(reference));
    (* IODELAY_GROUP = \"rgmii\" *) IDELAYCTRL delay_control (.REFCLK(reference), .RST(~locked));
",
        m.divide,
        m.multiply,
        m.reference,
        out = m.output,
    )
}

/// The receive clock's way to the core.
pub(super) fn receive_clock(i: u32) -> String {
    format!("    BUFG rx_clock_buffer{i} (.I(rgmii{i}_rxc), .O(rx_clock{i}));\n")
}

/// Receive pin to the levels at rise and fall, through `taps` of 78 ps.
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
             (* IODELAY_GROUP = \"rgmii\" *) IDELAYE2 #(.IDELAY_TYPE(\"FIXED\"), .IDELAY_VALUE({taps}), .REFCLK_FREQUENCY(200.0)) {name}_delay (\n        \
                 .IDATAIN({pin}), .DATAOUT({name}_late), .DATAIN(1'b0), .C(1'b0), .CE(1'b0), .INC(1'b0), .CINVCTRL(1'b0), .CNTVALUEIN(5'd0), .LD(1'b0),\n        \
                 .LDPIPEEN(1'b0), .REGRST(1'b0));\n    \
             IDDR #(.DDR_CLK_EDGE(\"SAME_EDGE_PIPELINED\")) {name}_ddr (.D({name}_late), .C({clock}), .CE(1'b1), .R(1'b0), .S(1'b0), .Q1({rise}), .Q2({fall}));\n"
    )
}

/// The levels of a clock's first and second half to a pin.
pub(super) fn output(name: &str, pin: &str, clock: &str, rise: &str, fall: &str) -> String {
    format!(
        "    ODDR #(.DDR_CLK_EDGE(\"SAME_EDGE\")) {name}_ddr (.D1({rise}), .D2({fall}), .C({clock}), .CE(1'b1), .R(1'b0), .S(1'b0), .Q({pin}));\n"
    )
}
