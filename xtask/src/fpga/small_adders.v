(* techmap_celltype = "$alu" *)
module smartnic_small_alu (A, B, CI, BI, X, Y, CO);
  parameter A_SIGNED = 0;
  parameter B_SIGNED = 0;
  parameter A_WIDTH = 1;
  parameter B_WIDTH = 1;
  parameter Y_WIDTH = 1;
  (* force_downto *) input [A_WIDTH-1:0] A;
  (* force_downto *) input [B_WIDTH-1:0] B;
  (* force_downto *) output [Y_WIDTH-1:0] X, Y;
  input CI, BI;
  (* force_downto *) output [Y_WIDTH-1:0] CO;
  parameter [B_WIDTH-1:0] _TECHMAP_CONSTMSK_B_ = 0;
  wire _TECHMAP_FAIL_ = !(Y_WIDTH <= `LIMIT);
  wire [Y_WIDTH-1:0] AA, BB;
  \$pos #(.A_SIGNED(A_SIGNED), .A_WIDTH(A_WIDTH), .Y_WIDTH(Y_WIDTH)) pa (.A(A), .Y(AA));
  \$pos #(.A_SIGNED(B_SIGNED), .A_WIDTH(B_WIDTH), .Y_WIDTH(Y_WIDTH)) pb (.A(B), .Y(BB));
  wire [Y_WIDTH-1:0] Bx = BI ? ~BB : BB;
  wire [Y_WIDTH:0] C;
  assign C[0] = CI;
  genvar i;
  generate for (i = 0; i < Y_WIDTH; i = i + 1) begin
    assign C[i+1] = (AA[i] & Bx[i]) | ((AA[i] | Bx[i]) & C[i]);
  end endgenerate
  assign X = AA ^ Bx;
  assign Y = X ^ C[Y_WIDTH-1:0];
  assign CO = C[Y_WIDTH:1];
endmodule
