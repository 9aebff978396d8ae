// The packet buffer's ingress (hdl/src/buffer/ingress.rs): who may give a beat, and what comes of a frame's end.
//
// 1. At most one source is granted, only one that offers a beat, and never the same one twice running.
// 2. A cell is taken only when there is one.
// 3. No record is written while the FIFO of records is full: this is what buffer_fifo.sv assumes of its writer.
// 4. A record that is offered to the forwarding stage stays, as it is, until it is taken.
//
// Assumed: a source holds its beat until it is accepted (the handshake of docs/architecture.md); `run` is low in the cycle after `pause`,
// as `switch_buffer` makes it (one register).
//
// block: switch_buffer --ports 4
// modules: buffer_ingress
// induction: 6
// cover: 30
// sabotage 1: & (~granted)) ==> )
// sabotage 2: ((need & short) & spare_valid) ==> ((need & short) & 1'b1)
// sabotage 3: pause = done$almost_full ==> pause = 1'b0
// sabotage 4: done_leaves = (done_held & done_ready) ==> done_leaves = done_held

reg f_started = 0;
always @(posedge clock) f_started <= 1;
always @(*) if (!f_started) assume (reset);

wire [4:0] f_valid = {in4_valid, in3_valid, in2_valid, in1_valid, in0_valid};
wire [4:0] f_ready = {in4_ready, in3_ready, in2_ready, in1_ready, in0_ready};
reg [4:0] f_waited, f_granted;
reg f_paused, f_offered, f_asked;
reg [40:0] f_record;
wire [40:0] f_record_now = {done_nocell, done_err, done_length, done_cells, done_head, done_source};
always @(posedge clock) begin
    f_waited <= f_valid & ~f_ready & {5{!reset}};
    f_granted <= f_ready & {5{!reset}};
    f_asked <= |f_valid && run && !reset;
    f_paused <= pause;
    f_offered <= done_valid && !done_ready && !reset;
    f_record <= f_record_now;
end
always @(*) if (f_started) begin
    assume ((f_waited & ~f_valid) == 0);
    assume (!(f_paused && run));
end

always @(*) if (f_started) begin
    p1_one: assert ((f_ready & (f_ready - 5'd1)) == 0);
    p1_offers: assert ((f_ready & ~f_valid) == 0);
    p1_turns: assert ((f_ready & f_granted) == 0);
    p2_cell: assert (!take || spare_valid);
    p3_flags: assert (\done.almost_full == (\done.level >= 12) && \done.out_valid == (\done.level != 0));
    p3_room: assert (!(\done.in_valid && \done.level [4]));
    p4_stays: assert (!f_offered || (done_valid && f_record_now == f_record));
    c1_turns: cover (f_granted[0] && f_ready[4]);
    c2_cell: cover (take && !start);
    c3_full: cover (\done.level == 15);
    c4_waits: cover (f_offered && done_ready && done_nocell && done_length > 8);
end
