// Models of the 7 series' cells that the boards' tops use, with the pins that they use, for simulation and lint: functions without delays, and the MMCM as a wire.
// Not for synthesis: the tools bring the real ones.

module IBUFDS (input wire I, input wire IB, output wire O);
    assign O = I;
endmodule

module MMCME2_BASE #(
    parameter real CLKIN1_PERIOD = 0.0, parameter integer DIVCLK_DIVIDE = 1, parameter real CLKFBOUT_MULT_F = 5.0, parameter real CLKOUT0_DIVIDE_F = 1.0,
    parameter integer CLKOUT1_DIVIDE = 1, parameter real CLKOUT1_PHASE = 0.0, parameter integer CLKOUT2_DIVIDE = 1
) (
    input wire CLKIN1, input wire CLKFBIN, input wire RST, input wire PWRDWN, output wire CLKFBOUT, output wire LOCKED, output wire CLKOUT0,
    output wire CLKOUT1, output wire CLKOUT2
);
    assign {CLKOUT0, CLKOUT1, CLKOUT2} = {3{CLKIN1}};
    assign CLKFBOUT = CLKIN1;
    assign LOCKED = 1'b1;
endmodule

module BUFG (input wire I, output wire O);
    assign O = I;
endmodule

module IDELAYCTRL (input wire REFCLK, input wire RST);
endmodule

module IDELAYE2 #(parameter IDELAY_TYPE = "FIXED", parameter integer IDELAY_VALUE = 0, parameter real REFCLK_FREQUENCY = 200.0) (
    input wire IDATAIN, input wire DATAIN, input wire C, input wire CE, input wire INC, input wire CINVCTRL, input wire [4:0] CNTVALUEIN, input wire LD,
    input wire LDPIPEEN, input wire REGRST, output wire DATAOUT
);
    assign DATAOUT = IDATAIN;
endmodule

module IDDR #(parameter DDR_CLK_EDGE = "SAME_EDGE_PIPELINED") (
    input wire D, input wire C, input wire CE, input wire R, input wire S, output reg Q1, output reg Q2
);
    reg rise, fall;
    always @(posedge C) begin
        rise <= D;
        Q1 <= rise & ~R;
        Q2 <= fall & ~R;
    end
    always @(negedge C) fall <= D;
endmodule

module ODDR #(parameter DDR_CLK_EDGE = "SAME_EDGE") (
    input wire D1, input wire D2, input wire C, input wire CE, input wire R, input wire S, output wire Q
);
    reg rise, fall;
    always @(posedge C) begin
        rise <= D1 & ~R;
        fall <= D2 & ~R;
    end
    assign Q = C ? rise : fall;
endmodule

module IOBUF (input wire I, input wire T, output wire O, inout wire IO);
    assign IO = T ? 1'bz : I;
    assign O = IO;
endmodule
