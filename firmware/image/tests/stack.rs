//! The bound on the stack: programs assembled here, of which it is known.

#[path = "../../../hdl/tests/common/asm.rs"]
mod asm;

use asm::{addi, image, jalr, lw, sw};
use smartnic_firmware_image::elf::{Elf, Symbol};
use smartnic_firmware_image::stack::depth_of;

const SP: u32 = 2;
const RA: u32 = 1;
const T0: u32 = 5;

fn jal(rd: u32, offset: i32) -> u32 {
    let o = offset as u32;
    (o >> 20 & 1) << 31
        | (o >> 1 & 1023) << 21
        | (o >> 11 & 1) << 20
        | (o >> 12 & 255) << 12
        | rd << 7
        | 0x6f
}
fn auipc(rd: u32, upper: u32) -> u32 {
    upper << 12 | rd << 7 | 0x17
}
fn ret() -> u32 {
    jalr(0, RA, 0)
}

/// A program: the way in at 0, then each function; gives the bound or why there is none.
fn bound(functions: &[(&str, Vec<u32>)]) -> Result<(u32, String), String> {
    // The header's words lie behind the first jump.
    let mut words = vec![jal(0, 24), 1, 2, 3, 4, 5, jal(RA, 8), ret()];
    let mut symbols = vec![];
    for (name, code) in functions {
        symbols.push(Symbol {
            name: (*name).into(),
            value: 4 * words.len() as u32,
            size: 4 * code.len() as u32,
            function: true,
        });
        words.extend(code);
    }
    depth_of(&image(&words), symbols).map_err(|e| e.to_string())
}

fn frame(bytes: i32, body: &[u32]) -> Vec<u32> {
    let mut code = vec![addi(SP, SP, -bytes), sw(RA, SP, 0)];
    code.extend(body);
    code.extend([lw(RA, SP, 0), addi(SP, SP, bytes), ret()]);
    code
}

#[test]
fn frames_add_up_along_the_deepest_calls() {
    // main (8 words) calls small (5 words), then by auipc and jalr deep, which jumps on to last.
    let main = frame(32, &[jal(RA, 4 * 6), auipc(RA, 0), jalr(RA, RA, 4 * 10)]);
    assert_eq!(main.len(), 8);
    let small = frame(60, &[]);
    let mut deep = frame(48, &[]);
    deep.push(jal(0, 4));
    let last = frame(16, &[]);
    let all = [
        ("main", main.clone()),
        ("small", small),
        ("deep", deep),
        ("last", last),
    ];
    let got = bound(&all);
    assert_eq!(
        got,
        Ok((32 + 48 + 16, "_start > main > deep > last".into()))
    );
}

#[test]
fn a_frame_that_is_taken_in_two_steps_counts_whole() {
    // As the compiler does above 2 KiB: no immediate is larger.
    let mut large = vec![addi(SP, SP, -2032), sw(RA, SP, 0), addi(SP, SP, -1008)];
    large.extend([addi(SP, SP, 1008), lw(RA, SP, 0), addi(SP, SP, 2032), ret()]);
    assert_eq!(bound(&[("large", large)]).unwrap().0, 2032 + 1008);
}

#[test]
fn what_has_no_bound_is_refused() {
    let itself = frame(16, &[jal(RA, -8)]);
    let cases = [
        ("calls itself", vec![("loops", itself)]),
        (
            "calls through a register",
            vec![("blind", frame(16, &[jalr(RA, 10, 0)]))],
        ),
        (
            "in an unknown way",
            vec![("odd", frame(16, &[jalr(T0, 10, 0)]))],
        ),
        ("sets sp", vec![("big", frame(16, &[0x0051_0133]))]), // add sp, sp, t0
        (
            "where no function begins",
            vec![("lost", frame(16, &[jal(RA, 8)]))],
        ),
    ];
    for (why, functions) in cases {
        let error = bound(&functions).unwrap_err();
        assert!(error.contains(why), "{why}: {error}");
    }
    // A jump by a table stays inside.
    assert_eq!(
        bound(&[("chooses", frame(16, &[jalr(0, 10, 0)]))])
            .unwrap()
            .0,
        16
    );
    assert!(bound(&[]).is_err());
}

#[test]
fn other_files_are_refused() {
    for bytes in [
        &b""[..],
        b"\x7fELF\x02\x01",
        b"\x7fELF\x01\x01",
        &[
            0x7f, b'E', b'L', b'F', 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 62, 0,
        ],
    ] {
        assert!(Elf::new(bytes).is_err());
    }
}
