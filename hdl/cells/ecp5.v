// Models of the ECP5 cells that the boards' tops use, with the pins that they use, for simulation and lint: functions without delays, and the PLL as a wire.
// Not for synthesis: the tools bring the real ones.

module EHXPLLL #(
    parameter CLKI_DIV = 1, parameter CLKFB_DIV = 1, parameter CLKOP_DIV = 8, parameter CLKOS_DIV = 8,
    parameter CLKOP_CPHASE = 0, parameter CLKOP_FPHASE = 0, parameter CLKOS_CPHASE = 0, parameter CLKOS_FPHASE = 0,
    parameter CLKOS_ENABLE = "DISABLED", parameter FEEDBK_PATH = "CLKOP", parameter PLLRST_ENA = "DISABLED", parameter STDBY_ENABLE = "DISABLED"
) (
    input wire CLKI, input wire CLKFB, input wire RST, input wire STDBY, input wire PHASESEL0, input wire PHASESEL1, input wire PHASEDIR,
    input wire PHASESTEP, input wire PHASELOADREG, input wire PLLWAKESYNC, input wire ENCLKOP, input wire ENCLKOS, input wire ENCLKOS2, input wire ENCLKOS3,
    output wire CLKOP, output wire CLKOS, output wire LOCK
);
    assign CLKOP = CLKI;
    assign CLKOS = CLKI;
    assign LOCK = 1'b1;
endmodule

module DELAYG #(parameter DEL_MODE = "USER_DEFINED", parameter DEL_VALUE = 0) (input wire A, output wire Z);
    assign Z = A;
endmodule

module IDDRX1F (input wire D, input wire SCLK, input wire RST, output reg Q0, output reg Q1);
    reg rise, fall;
    always @(posedge SCLK) begin
        rise <= D;
        Q0 <= rise & ~RST;
        Q1 <= fall & ~RST;
    end
    always @(negedge SCLK) fall <= D;
endmodule

module ODDRX1F (input wire D0, input wire D1, input wire SCLK, input wire RST, output wire Q);
    reg rise, fall;
    always @(posedge SCLK) begin
        rise <= D0 & ~RST;
        fall <= D1 & ~RST;
    end
    assign Q = SCLK ? rise : fall;
endmodule

module BB (input wire I, input wire T, output wire O, inout wire B);
    assign B = T ? 1'bz : I;
    assign O = B;
endmodule
