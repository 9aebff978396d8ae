// Models of the ECP5's fabric as synthesis leaves it, for the simulation of a netlist: LUTs, carry cells, flip-flops, LUT RAM, block RAM. Functions without delays,
// after Lattice's ECP5 family data sheet (FPGA-DS-02012, 2.2 slices) and memory guide (FPGA-TN-02204); pins and parameters as Yosys names them. Not for synthesis.

module LUT4 #(parameter [15:0] INIT = 0) (input wire A, input wire B, input wire C, input wire D, output wire Z);
    assign Z = INIT[{D, C, B, A}];
endmodule

module PFUMX (input wire ALUT, input wire BLUT, input wire C0, output wire Z);
    assign Z = C0 ? ALUT : BLUT;
endmodule

module L6MUX21 (input wire D0, input wire D1, input wire SD, output wire Z);
    assign Z = SD ? D1 : D0;
endmodule

// Two bits of a carry chain. A half's LUT4 is its sum without carry and says whether the carry goes on; otherwise its lower two inputs make one (the LUT2 in INIT's lowest bits),
// unless INJECT1 is YES: then it makes none, and the sum takes no carry.
module CCU2C #(
    parameter [15:0] INIT0 = 0, parameter [15:0] INIT1 = 0, parameter INJECT1_0 = "YES", parameter INJECT1_1 = "YES"
) (
    input wire CIN, input wire A0, input wire B0, input wire C0, input wire D0, input wire A1, input wire B1, input wire C1, input wire D1,
    output wire S0, output wire S1, output wire COUT
);
    localparam [0:0] USED0 = INJECT1_0 != "YES", USED1 = INJECT1_1 != "YES";
    wire four0 = INIT0[{D0, C0, B0, A0}], two0 = INIT0[{2'b00, B0, A0}];
    wire four1 = INIT1[{D1, C1, B1, A1}], two1 = INIT1[{2'b00, B1, A1}];
    wire carry = four0 ? CIN : USED0 & two0;
    assign S0 = four0 ^ (USED0 & CIN);
    assign S1 = four1 ^ (USED1 & carry);
    assign COUT = four1 ? carry : USED1 & two1;
endmodule

module TRELLIS_FF #(
    parameter GSR = "ENABLED", parameter CEMUX = "1", parameter CLKMUX = "CLK", parameter LSRMUX = "LSR", parameter SRMODE = "LSR_OVER_CE",
    parameter REGSET = "RESET", parameter LSRMODE = "LSR"
) (input wire CLK, input wire LSR, input wire CE, input wire DI, input wire M, output reg Q);
    localparam [0:0] VALUE = REGSET == "SET";
    wire enable = (CEMUX == "1") | ((CEMUX == "INV") ^ CE);
    initial Q = VALUE;
    generate
        if (LSRMUX != "LSR" || CLKMUX != "CLK" || LSRMODE != "LSR") begin : unknown
            initial $fatal(1, "TRELLIS_FF: no model of this mode");
        end else if (SRMODE == "ASYNC") begin : at_once
            always @(posedge CLK, posedge LSR) if (LSR) Q <= VALUE; else if (enable) Q <= DI;
        end else begin : on_clock
            always @(posedge CLK) if (LSR) Q <= VALUE; else if (enable) Q <= DI;
        end
    endgenerate
endmodule

// A pin: the buffer in front of the cells.
module TRELLIS_IO #(parameter DIR = "BIDIR") (inout wire B, input wire I, input wire T, output wire O);
    assign B = T ? 1'bz : I;
    assign O = B;
    initial if (DIR != "BIDIR") $fatal(1, "TRELLIS_IO: no model of this direction");
endmodule

module TRELLIS_DPR16X4 #(
    parameter WCKMUX = "WCK", parameter WREMUX = "WRE", parameter [63:0] INITVAL = 0
) (input wire [3:0] DI, input wire [3:0] WAD, input wire WRE, input wire WCK, input wire [3:0] RAD, output wire [3:0] DO);
    reg [3:0] mem [0:15];
    integer i;
    initial for (i = 0; i < 16; i = i + 1) mem[i] = INITVAL[4 * i +: 4];
    initial if (WCKMUX != "WCK" || WREMUX != "WRE") $fatal(1, "TRELLIS_DPR16X4: no model of this mode");
    always @(posedge WCK) if (WRE) mem[WAD] <= DI;
    assign DO = mem[RAD];
endmodule

// 18 Kibit, two ports of 1, 2, 4, 9, 18 or 36 bits, without output registers. A bit that one port reads while the other one writes it is undefined in the hardware: here it is 1.
// With 36 bits a port has the data pins of both: write with A, read with B.
module DP16KD #(
    parameter [319:0] INITVAL_00 = 0, parameter [319:0] INITVAL_01 = 0, parameter [319:0] INITVAL_02 = 0, parameter [319:0] INITVAL_03 = 0,
    parameter [319:0] INITVAL_04 = 0, parameter [319:0] INITVAL_05 = 0, parameter [319:0] INITVAL_06 = 0, parameter [319:0] INITVAL_07 = 0,
    parameter [319:0] INITVAL_08 = 0, parameter [319:0] INITVAL_09 = 0, parameter [319:0] INITVAL_0A = 0, parameter [319:0] INITVAL_0B = 0,
    parameter [319:0] INITVAL_0C = 0, parameter [319:0] INITVAL_0D = 0, parameter [319:0] INITVAL_0E = 0, parameter [319:0] INITVAL_0F = 0,
    parameter [319:0] INITVAL_10 = 0, parameter [319:0] INITVAL_11 = 0, parameter [319:0] INITVAL_12 = 0, parameter [319:0] INITVAL_13 = 0,
    parameter [319:0] INITVAL_14 = 0, parameter [319:0] INITVAL_15 = 0, parameter [319:0] INITVAL_16 = 0, parameter [319:0] INITVAL_17 = 0,
    parameter [319:0] INITVAL_18 = 0, parameter [319:0] INITVAL_19 = 0, parameter [319:0] INITVAL_1A = 0, parameter [319:0] INITVAL_1B = 0,
    parameter [319:0] INITVAL_1C = 0, parameter [319:0] INITVAL_1D = 0, parameter [319:0] INITVAL_1E = 0, parameter [319:0] INITVAL_1F = 0,
    parameter [319:0] INITVAL_20 = 0, parameter [319:0] INITVAL_21 = 0, parameter [319:0] INITVAL_22 = 0, parameter [319:0] INITVAL_23 = 0,
    parameter [319:0] INITVAL_24 = 0, parameter [319:0] INITVAL_25 = 0, parameter [319:0] INITVAL_26 = 0, parameter [319:0] INITVAL_27 = 0,
    parameter [319:0] INITVAL_28 = 0, parameter [319:0] INITVAL_29 = 0, parameter [319:0] INITVAL_2A = 0, parameter [319:0] INITVAL_2B = 0,
    parameter [319:0] INITVAL_2C = 0, parameter [319:0] INITVAL_2D = 0, parameter [319:0] INITVAL_2E = 0, parameter [319:0] INITVAL_2F = 0,
    parameter [319:0] INITVAL_30 = 0, parameter [319:0] INITVAL_31 = 0, parameter [319:0] INITVAL_32 = 0, parameter [319:0] INITVAL_33 = 0,
    parameter [319:0] INITVAL_34 = 0, parameter [319:0] INITVAL_35 = 0, parameter [319:0] INITVAL_36 = 0, parameter [319:0] INITVAL_37 = 0,
    parameter [319:0] INITVAL_38 = 0, parameter [319:0] INITVAL_39 = 0, parameter [319:0] INITVAL_3A = 0, parameter [319:0] INITVAL_3B = 0,
    parameter [319:0] INITVAL_3C = 0, parameter [319:0] INITVAL_3D = 0, parameter [319:0] INITVAL_3E = 0, parameter [319:0] INITVAL_3F = 0,
    parameter DATA_WIDTH_A = 18, parameter DATA_WIDTH_B = 18, parameter REGMODE_A = "NOREG", parameter REGMODE_B = "NOREG",
    parameter RESETMODE = "SYNC", parameter ASYNC_RESET_RELEASE = "SYNC", parameter CSDECODE_A = "0b000", parameter CSDECODE_B = "0b000",
    parameter CLKAMUX = "CLKA", parameter CLKBMUX = "CLKB", parameter WRITEMODE_A = "NORMAL", parameter WRITEMODE_B = "NORMAL", parameter GSR = "ENABLED"
) (
    input wire DIA0, input wire DIA1, input wire DIA2, input wire DIA3, input wire DIA4, input wire DIA5, input wire DIA6, input wire DIA7, input wire
    DIA8, input wire DIA9, input wire DIA10, input wire DIA11, input wire DIA12, input wire DIA13, input wire DIA14, input wire DIA15, input wire
    DIA16, input wire DIA17,
    input wire ADA0, input wire ADA1, input wire ADA2, input wire ADA3, input wire ADA4, input wire ADA5, input wire ADA6, input wire ADA7, input wire
    ADA8, input wire ADA9, input wire ADA10, input wire ADA11, input wire ADA12, input wire ADA13,
    input wire CEA, input wire OCEA, input wire CLKA, input wire WEA, input wire RSTA, input wire CSA0, input wire CSA1, input wire CSA2,
    output wire DOA0, output wire DOA1, output wire DOA2, output wire DOA3, output wire DOA4, output wire DOA5, output wire DOA6, output wire DOA7,
    output wire DOA8, output wire DOA9, output wire DOA10, output wire DOA11, output wire DOA12, output wire DOA13, output wire DOA14, output wire
    DOA15, output wire DOA16, output wire DOA17,
    input wire DIB0, input wire DIB1, input wire DIB2, input wire DIB3, input wire DIB4, input wire DIB5, input wire DIB6, input wire DIB7, input wire
    DIB8, input wire DIB9, input wire DIB10, input wire DIB11, input wire DIB12, input wire DIB13, input wire DIB14, input wire DIB15, input wire
    DIB16, input wire DIB17,
    input wire ADB0, input wire ADB1, input wire ADB2, input wire ADB3, input wire ADB4, input wire ADB5, input wire ADB6, input wire ADB7, input wire
    ADB8, input wire ADB9, input wire ADB10, input wire ADB11, input wire ADB12, input wire ADB13,
    input wire CEB, input wire OCEB, input wire CLKB, input wire WEB, input wire RSTB, input wire CSB0, input wire CSB1, input wire CSB2,
    output wire DOB0, output wire DOB1, output wire DOB2, output wire DOB3, output wire DOB4, output wire DOB5, output wire DOB6, output wire DOB7,
    output wire DOB8, output wire DOB9, output wire DOB10, output wire DOB11, output wire DOB12, output wire DOB13, output wire DOB14, output wire
    DOB15, output wire DOB16, output wire DOB17
);
    localparam [20479:0] INIT = {
        INITVAL_3F, INITVAL_3E, INITVAL_3D, INITVAL_3C, INITVAL_3B, INITVAL_3A, INITVAL_39, INITVAL_38,
        INITVAL_37, INITVAL_36, INITVAL_35, INITVAL_34, INITVAL_33, INITVAL_32, INITVAL_31, INITVAL_30,
        INITVAL_2F, INITVAL_2E, INITVAL_2D, INITVAL_2C, INITVAL_2B, INITVAL_2A, INITVAL_29, INITVAL_28,
        INITVAL_27, INITVAL_26, INITVAL_25, INITVAL_24, INITVAL_23, INITVAL_22, INITVAL_21, INITVAL_20,
        INITVAL_1F, INITVAL_1E, INITVAL_1D, INITVAL_1C, INITVAL_1B, INITVAL_1A, INITVAL_19, INITVAL_18,
        INITVAL_17, INITVAL_16, INITVAL_15, INITVAL_14, INITVAL_13, INITVAL_12, INITVAL_11, INITVAL_10,
        INITVAL_0F, INITVAL_0E, INITVAL_0D, INITVAL_0C, INITVAL_0B, INITVAL_0A, INITVAL_09, INITVAL_08,
        INITVAL_07, INITVAL_06, INITVAL_05, INITVAL_04, INITVAL_03, INITVAL_02, INITVAL_01, INITVAL_00
    };
    localparam REGISTERED = REGMODE_A != "NOREG" || REGMODE_B != "NOREG";
    localparam INVERTED = CLKAMUX != "CLKA" || CLKBMUX != "CLKB", SELECTED = CSDECODE_A != "0b000" || CSDECODE_B != "0b000";
    initial if (REGISTERED || INVERTED || SELECTED) $fatal(1, "DP16KD: no model of this mode");

    wire [13:0] ada = {ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0};
    wire [17:0] dia = {DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5, DIA4, DIA3, DIA2, DIA1, DIA0};
    wire [13:0] adb = {ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0};
    wire [17:0] dib = {DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5, DIB4, DIB3, DIB2, DIB1, DIB0};

    // Where a port's data lie in a word of 36 bits (bytes have nine, of which widths below 9 see eight), and which bits it writes.
    function automatic [5:0] shift(input integer width, input [13:0] ad);
        shift = (width <= 18 ? 6'd18 * 6'(ad[4]) : 6'd0) + (width <= 9 ? 6'd9 * 6'(ad[3]) : 6'd0) + (width <= 4 ? {3'd0, ad[2], 2'd0} : 6'd0)
              + (width <= 2 ? {4'd0, ad[1], 1'b0} : 6'd0) + (width <= 1 ? 6'(ad[0]) : 6'd0);
    endfunction
    function automatic [35:0] bits(input integer width);
        bits = 36'hf_ffff_ffff >> (36 - width);
    endfunction
    function automatic [35:0] written(input integer width, input [13:0] ad);
        written = width == 36 ? {{9{ad[3]}}, {9{ad[2]}}, {9{ad[1]}}, {9{ad[0]}}}
                : (width == 18 ? {18'd0, {9{ad[1]}}, {9{ad[0]}}} : bits(width)) << shift(width, ad);
    endfunction

    reg [35:0] mem [0:511];
    integer i;
    initial for (i = 0; i < 512; i = i + 1) mem[i] = {INIT[(2 * i + 1) / 16 * 320 + (2 * i + 1) % 16 * 20 +: 18], INIT[(2 * i) / 16 * 320 + (2 * i) % 16 * 20 +: 18]};

    wire write_a = CEA & WEA & ~RSTA, write_b = CEB & WEB & ~RSTB;
    wire [35:0] mask_a = write_a ? written(DATA_WIDTH_A, ada) : 36'd0, mask_b = write_b ? written(DATA_WIDTH_B, adb) : 36'd0;
    wire [35:0] data_a = (DATA_WIDTH_A == 36 ? {dib, dia} : {18'd0, dia}) << shift(DATA_WIDTH_A, ada);
    wire [35:0] data_b = {18'd0, dib} << shift(DATA_WIDTH_B, adb);
    wire same = ada[13:5] == adb[13:5];
    wire [35:0] word_a = mem[ada[13:5]], word_b = mem[adb[13:5]];
    wire [35:0] new_a = (word_a & ~mask_a) | (data_a & mask_a), new_b = (word_b & ~mask_b) | (data_b & mask_b);
    // What a port sees of its word while it reads, and while it writes.
    wire [35:0] seen_a = (write_a & WRITEMODE_A == "WRITETHROUGH" ? new_a : word_a) | (same ? mask_b : 36'd0);
    wire [35:0] seen_b = (write_b & WRITEMODE_B == "WRITETHROUGH" ? new_b : word_b) | (same ? mask_a : 36'd0);
    reg [35:0] out_a = 0, out_b = 0;
    // Synthesis leaves the reset pins at 0.
    always @(posedge CLKA) if (RESETMODE != "SYNC" && (RSTA | RSTB)) $fatal(1, "DP16KD: no model of this reset");
    always @(posedge CLKA) begin
        if (write_a) mem[ada[13:5]] <= new_a;
        if (RSTA) out_a <= 0;
        else if (CEA & (~WEA | WRITEMODE_A != "NORMAL")) out_a <= (seen_a >> shift(DATA_WIDTH_A, ada)) & bits(DATA_WIDTH_A);
    end
    always @(posedge CLKB) begin
        if (write_b) mem[adb[13:5]] <= new_b;
        if (RSTB) out_b <= 0;
        else if (CEB & (~WEB | WRITEMODE_B != "NORMAL")) out_b <= (seen_b >> shift(DATA_WIDTH_B, adb)) & bits(DATA_WIDTH_B);
    end
    assign {DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2, DOA1, DOA0} = DATA_WIDTH_B == 36 ? out_b[17:0] : out_a[17:0];
    assign {DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2, DOB1, DOB0} = DATA_WIDTH_B == 36 ? out_b[35:18] : out_b[17:0];
endmodule
