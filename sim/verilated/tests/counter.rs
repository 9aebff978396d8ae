//! The whole path through Verilator, compiler and loader, on a small counter with two clocks.

use smartnic_verilated::{Design, Direction, Error, Model, Opt, Options, Port};
use std::time::Instant;

const COUNTER: &str = "
module stage(input wire clk, input wire [99:0] d, output reg [99:0] q);
  always @(posedge clk) q <= d;
endmodule
module counter(
  input wire clk_a, input wire clk_b, input wire rst, input wire [99:0] wide_in,
  input wire [39:0] mid$in, input wire [2:0] small__in,
  output reg [31:0] a, output reg [15:0] b, output wire [99:0] wide_out,
  output wire [39:0] mid_out, output wire [3:0] sum, output reg seen);
  initial begin a = 0; b = 0; seen = 0; end
  always @(posedge clk_a) a <= rst ? 32'd0 : a + 32'd1;
  always @(posedge clk_b) b <= rst ? 16'd0 : b + 16'd1;
  always @(posedge clk_a) seen <= b[0];
  assign mid_out = ~mid$in;
  assign sum = {1'b0, small__in} + 4'd1;
  stage stage(.clk(clk_a), .d(wide_in), .q(wide_out));
endmodule
";

fn design() -> Design {
    let inputs = [
        ("clk_a", 1),
        ("clk_b", 1),
        ("rst", 1),
        ("wide_in", 100),
        ("mid$in", 40),
        ("small__in", 3),
    ];
    let outputs = [
        ("a", 32),
        ("b", 16),
        ("wide_out", 100),
        ("mid_out", 40),
        ("sum", 4),
        ("seen", 1),
    ];
    let ports = inputs.iter().map(|(n, w)| Port::input(*n, *w));
    Design {
        top: "counter".into(),
        verilog: COUNTER.into(),
        ports: ports
            .chain(outputs.iter().map(|(n, w)| Port::output(*n, *w)))
            .collect(),
        clocks: vec!["clk_a".into(), "clk_b".into()],
    }
}

fn quick() -> Options {
    Options {
        lint: true,
        ..Options::default()
    }
}

#[test]
fn clocks_tick_alone_and_together() {
    let mut model = Model::build(&design(), &quick()).unwrap();
    model.poke("rst", 0);
    model.tick(1);
    assert_eq!((model.peek("a"), model.peek("b")), (1, 0));
    model.tick(2);
    assert_eq!(
        (model.peek("a"), model.peek("b"), model.peek("seen")),
        (1, 1, 0)
    );
    // Both edges in one evaluation: `seen` takes b's value from before the edge.
    model.tick(3);
    assert_eq!(
        (model.peek("a"), model.peek("b"), model.peek("seen")),
        (2, 2, 1)
    );
    model.tick(3);
    assert_eq!(model.peek("seen"), 0);
    model.tick(0);
    assert_eq!((model.peek("a"), model.peek("b")), (3, 3));
    model.run(1, 1_000);
    assert_eq!((model.peek("a"), model.peek("b")), (1_003, 3));
    assert_eq!(model.cycles(), 1_005);
    // An input that is set before the tick is seen by its edge.
    model.poke("rst", 1);
    model.tick(1);
    assert_eq!((model.peek("a"), model.peek("b")), (0, 3));
}

#[test]
fn ports_of_every_width_pass_whole_and_only_their_bits() {
    let mut model = Model::build(&design(), &quick()).unwrap();
    let (wide_in, wide_out) = (
        model.input("wide_in").unwrap(),
        model.output("wide_out").unwrap(),
    );
    model.set_wide(
        wide_in,
        &[0x1234_5678, 0x9abc_def0, 0x0fed_cba9, 0xffff_ffff],
    );
    model.tick(1);
    assert_eq!(
        model.get_wide(wide_out),
        [0x1234_5678, 0x9abc_def0, 0x0fed_cba9, 0xf]
    );
    assert_eq!(model.get(wide_out), 0x9abc_def0_1234_5678);
    model.set(wide_in, u64::MAX);
    model.tick(2);
    assert_eq!(
        model.get_wide(wide_out)[3],
        0xf,
        "no edge of clk_a, no change"
    );
    model.tick(1);
    assert_eq!(model.get_wide(wide_out), [u32::MAX, u32::MAX, 0, 0]);
    // Combinational paths need no edge, and bits above a port's width do not exist.
    model.poke("mid$in", 0xffff_ff12_3456_789a);
    model.poke("small__in", 0xff);
    model.eval();
    assert_eq!(model.peek("mid_out"), !0x12_3456_789a & 0xff_ffff_ffff);
    assert_eq!(model.peek("sum"), 8);
}

#[test]
fn what_has_no_initial_value_powers_up_at_random() {
    let wide = |random| {
        let model = Model::build(&design(), &Options { random, ..quick() }).unwrap();
        // The stage's register has no initial value, the counters have.
        assert_eq!((model.peek("a"), model.peek("b")), (0, 0));
        model.peek("wide_out")
    };
    assert_eq!(wide(None), 0);
    let values = [1, 2, 3, 1 << 40].map(|seed| wide(Some(seed)));
    assert_eq!(
        values,
        [1, 2, 3, 1 << 40].map(|seed| wide(Some(seed))),
        "by the seed alone"
    );
    let different: std::collections::HashSet<_> = values.into_iter().collect();
    assert!(different.len() >= 3, "{values:x?}");
}

#[test]
fn instances_are_independent_and_move_between_threads() {
    let threads: Vec<_> = (1..=4u64)
        .map(|n| {
            let mut model = Model::build(&design(), &quick()).unwrap();
            std::thread::spawn(move || {
                model.run(1, n * 10);
                model.peek("a")
            })
        })
        .collect();
    let counts: Vec<_> = threads.into_iter().map(|t| t.join().unwrap()).collect();
    assert_eq!(counts, [10, 20, 30, 40]);
}

#[test]
fn parallel_builders_compile_once() {
    let mut design = design();
    design
        .verilog
        .push_str(&format!("// {}\n", std::process::id()));
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| Model::build(&design, &quick()).unwrap());
        }
    });
    println!("four builders of one new model: {:?}", start.elapsed());
}

#[test]
fn trace_is_written_and_finished() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("counter.fst");
    let mut model = Model::build(
        &design(),
        &Options {
            trace: true,
            ..quick()
        },
    )
    .unwrap();
    model.open_trace(&path).unwrap();
    model.run(3, 5_000);
    model.close_trace().unwrap();
    let bytes = std::fs::read(&path).unwrap();
    // FST: the first block is the header (type 0) of 329 bytes.
    assert_eq!(
        bytes[..9],
        [0, 0, 0, 0, 0, 0, 0, 1, 73],
        "{:?}",
        &bytes[..9]
    );
    assert!(bytes.len() > 2_000, "{} bytes", bytes.len());
    let error = model
        .open_trace(&dir.path().join("none/counter.fst"))
        .unwrap_err();
    assert!(error.to_string().contains("none/counter.fst"), "{error}");

    let mut plain = Model::build(&design(), &quick()).unwrap();
    let error = plain.open_trace(&path).unwrap_err().to_string();
    assert!(error.contains("trace: false"), "{error}");
}

#[test]
fn errors_carry_the_tools_words() {
    let mut broken = design();
    broken.verilog = broken.verilog.replace("a + 32'd1", "a + undeclared_thing");
    let error = Model::build(&broken, &quick()).unwrap_err().to_string();
    assert!(
        error.contains("undeclared_thing") && error.contains("counter.v:"),
        "{error}"
    );

    let mut sloppy = design();
    sloppy.verilog = sloppy.verilog.replace("a <= rst ?", "a = rst ?");
    let error = Model::build(&sloppy, &quick()).unwrap_err().to_string();
    assert!(error.contains("BLKSEQ"), "{error}");

    let mut wrong = design();
    wrong.ports[3].width = 99;
    let error = Model::build(&wrong, &quick()).unwrap_err().to_string();
    assert!(error.contains("width 100"), "{error}");
    wrong.ports[3] = Port {
        name: "wide_in".into(),
        width: 100,
        direction: Direction::Out,
    };
    let error = Model::build(&wrong, &quick()).unwrap_err().to_string();
    assert!(error.contains("has an input"), "{error}");
    wrong.ports[3].name = "nowhere".into();
    let error = Model::build(&wrong, &quick()).unwrap_err().to_string();
    assert!(error.contains("no port `nowhere`"), "{error}");
    let empty = Design {
        verilog: "// nothing\n".into(),
        ..design()
    };
    assert!(matches!(
        Model::build(&empty, &quick()),
        Err(Error::Design { .. })
    ));

    let model = Model::build(&design(), &quick()).unwrap();
    let error = model.input("clk_a").unwrap_err().to_string();
    assert!(
        error.contains("no input `clk_a`") && error.contains("mid$in"),
        "{error}"
    );
    assert!(model.output("rst").is_err());
}

#[test]
fn a_loop_that_does_not_settle_panics_with_verilators_message() {
    let design = Design {
        top: "ring".into(),
        verilog: "module ring(input wire en, output wire o);\n  wire a;\n  \
                  assign a = en ? ~a : 1'b0;\n  assign o = a;\nendmodule\n"
            .into(),
        ports: vec![Port::input("en", 1), Port::output("o", 1)],
        clocks: vec![],
    };
    let mut model = Model::build(&design, &Options::default()).unwrap();
    model.poke("en", 1);
    let panic =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| model.eval())).unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    assert!(text.contains("converge"), "{text}");
}

#[test]
fn rate_of_calls() {
    let options = Options {
        opt: Opt::Fast,
        ..quick()
    };
    let mut model = Model::build(&design(), &options).unwrap();
    let (input, a) = (
        model.input("small__in").unwrap(),
        model.output("a").unwrap(),
    );
    let start = Instant::now();
    for i in 0..1_000_000u64 {
        model.set(input, i);
        model.tick(3);
        assert_eq!(model.get(a), i + 1);
    }
    println!(
        "{:.1} million ticks a second",
        1.0 / start.elapsed().as_secs_f64()
    );
}

/// A clock that is read as a level, or whose falling edge counts, is evaluated when it falls; another beside it as well.
#[test]
fn falling_edges_and_levels_of_clocks() {
    let bodies = [
        ("always @(negedge clk) n <= n + 4'd1;", [1, 2, 3]),
        ("always @(*) n = {3'd0, clk};", [0, 0, 0]),
        ("always @(posedge clk) n <= n + 4'd2;", [2, 4, 6]),
        (
            "wire gated = clk & on; always @(posedge gated) n <= n + 4'd3;",
            [3, 6, 9],
        ),
    ];
    for (body, want) in bodies {
        let initial = if body.contains("(*)") {
            ""
        } else {
            "initial n = 0;"
        };
        let design = Design {
            top: "falls".into(),
            verilog: format!(
                "module falls(input wire clk, input wire on, output reg [3:0] n, output reg [3:0] m);\n\
                 initial m = 0;\n{initial}\nalways @(posedge clk) m <= m + {{3'd0, on}};\n{body}\nendmodule\n"
            ),
            ports: vec![
                Port::input("clk", 1),
                Port::input("on", 1),
                Port::output("n", 4),
                Port::output("m", 4),
            ],
            clocks: vec!["clk".into()],
        };
        let mut model = Model::build(&design, &Options::default()).unwrap();
        model.poke("on", 1);
        for (i, n) in want.into_iter().enumerate() {
            model.tick(1);
            assert_eq!(
                (model.peek("n"), model.peek("m")),
                (n, i as u64 + 1),
                "{body}"
            );
        }
    }
}
