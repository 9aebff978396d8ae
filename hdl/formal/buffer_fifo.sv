// The FIFO of the packet buffer (hdl/src/buffer/fifo.rs), at every width that the buffer has.
//
// 1. It holds 16 words at most, counts them, and says when it holds the threshold or more.
// 2. Each word that goes in comes out once, in order and as it was.
// 3. A word that is offered stays until it is taken.
//
// Assumed of the writer: none comes while 16 are held. That is what `almost_full` is for: buffer_ingress.sv proves it of the records, others follow.
//
// block: switch_buffer --ports 2
// modules: fifo_68_16 fifo_9_16 fifo_37_12 fifo_21_12 fifo_29_12 fifo_25_12
// induction: 4
// cover: 40
// sabotage 1: in_valid != get ==> in_valid | get
// sabotage 2: store$raddr = rptr ==> store$raddr = rptr ^ {4{in_valid}}
// sabotage 3: get = (some & out_ready) ==> get = some

reg f_started = 0;
always @(posedge clock) f_started <= 1;
// The first cycle is a reset, from any state.
always @(*) if (!f_started) assume (reset);
always @(*) if (level == 16) assume (!in_valid);

// A place of the store, any; the word that was written there, while it is in the FIFO.
(* anyconst *) reg [3:0] f_place;
reg [$bits(in_data) - 1:0] f_word;
reg f_inside;
wire [3:0] f_ahead = f_place - rptr;
always @(posedge clock) begin
    if (in_valid && wptr == f_place) begin
        f_word <= in_data;
        f_inside <= 1;
    end else if (get && rptr == f_place) f_inside <= 0;
    if (reset) f_inside <= 0;
end

reg f_offered;
reg [$bits(out_data) - 1:0] f_offer;
reg f_was_full = 0;
always @(posedge clock) begin
    f_offered <= out_valid && !out_ready && !reset;
    f_offer <= out_data;
    if (level == 16) f_was_full <= 1;
    if (reset) f_was_full <= 0;
end

always @(*) if (f_started) begin
    p1_level: assert (level <= 16);
    p1_count: assert (level[3:0] == wptr - rptr);
    p1_almost: assert (almost_full == (level >= `NAME_2));
    p2_inside: assert (f_inside == ({1'b0, f_ahead} < level));
    p2_kept: assert (!f_inside || \store.mem [f_place] == f_word);
    p2_out: assert (!(out_valid && rptr == f_place) || (f_inside && out_data == f_word));
    p3_valid: assert (out_valid == (level != 0));
    p3_stays: assert (!f_offered || (out_valid && out_data == f_offer));
    c1_full: cover (level == 16);
    c2_through: cover (f_was_full && level == 0 && out_data != 0);
    c3_waits: cover (f_offered && level > 1);
end
