//! The MSI-X table and pending bits (PCI Express base specification 7.7.2), 16 vectors.
//!
//! - Software: `table_valid/write/dword[10]/wdata`, held until the pulse `table_ack` (with `table_rdata`). The table stands at byte 0, the
//!   PBA at 0x800; everything else reads as zero. Addresses and data are undefined after reset, every vector is masked.
//! - Hardware: the write engine shows `use_vector` while `using` is set and gets whether the vector may be sent now (`use_open`: MSI-X enabled,
//!   neither function nor vector masked). [`USE_LATENCY`] cycles after it has asked for word `use_word` of the entry, the word is `use_value`. `raise` makes the vector pending instead, `sent` clears it.
//! - `due_valid/due_vector`: the lowest vector that is pending and no longer masked. With MSI-X disabled nothing is
//!   kept pending.
//! - `test` sets pending bits: a driver's self test.
//! - One block RAM for addresses and data. Tests: `tests/pcie.rs`, `tests/pcie_dma.rs`.

use crate::rtl::{E, Module, all_of, cat, lit, mux, ram};
use smartnic_regs::{msix as page, values::vector};

const VECTORS: u32 = vector::COUNT;
/// Cycles from `use_word` to `use_value`.
pub(crate) const USE_LATENCY: u64 = 2;

/// The table. Ports: see the module's header.
pub fn msix() -> Module {
    let m = Module::new("msix");
    m.sync();
    let (valid, write) = (m.input("table_valid", 1), m.input("table_write", 1));
    let (dword, wdata) = (m.input("table_dword", 10), m.input("table_wdata", 32));
    let (enable, function_mask) = (m.input("cfg_msix_enable", 1), m.input("cfg_msix_mask", 1));
    let (using, vector) = (m.input("using", 1), m.input("use_vector", 4));
    let (raise, sent) = (m.input("raise", 1), m.input("sent", 1));
    let test = m.input("test", VECTORS);

    // Software's access is answered when its word has come through.
    let (go1, go2) = (m.reg("go1", 1, 0), m.reg("go2", 1, 0));
    let ack = m.output_reg("table_ack", 1, 0);
    let go = &valid & !(&using | &go1 | &go2 | &ack);
    let go = m.named("go", go);
    m.assign(&go1, &go);
    m.assign(&go2, &go1);
    m.assign(&ack, &go2);
    let in_table = m.named("in_table", dword.slice(6, 4).is_zero());
    let (entry, word) = (dword.slice(2, 4), dword.slice(0, 2));
    let r = m.inst("vectors_ram", &ram::block(32, 4 * u64::from(VECTORS)));
    r.drive("we", &go & &write & &in_table & !word.all())
        .drive("waddr", cat(&[entry.clone(), word.clone()]))
        .drive("wdata", &wdata)
        .drive("ren", true)
        .drive(
            "raddr",
            mux(
                &using,
                cat(&[vector.clone(), m.input("use_word", 2)]),
                cat(&[entry.clone(), word.clone()]),
            ),
        );
    let cell = m.delay("entry_word", &r.port("rdata"));
    m.output_of("use_value", &cell);
    let masked = m.reg("masked", VECTORS, (1 << VECTORS) - 1);
    let write_mask = m.named("write_mask", &go & &write & &in_table & word.eq(3));
    m.process(|p| {
        p.if_(&write_mask, |p| {
            p.set_slice_at(&masked, &entry, &wdata.bit(0))
        })
    });
    let pending = m.output_reg("pending", VECTORS, 0);
    let at_vector = m.named("at_vector", vector.decode(VECTORS));
    let kept = (&pending | (&at_vector & raise.repl(VECTORS)) | &test)
        & !(&at_vector & sent.repl(VECTORS));
    m.assign(&pending, kept & enable.repl(VECTORS));

    let rdata = m.output_reg_nr("table_rdata", 32);
    let control = masked.bit_at(&entry).zext(32);
    let pba = dword.eq(page::PBA.addr as u64 / 4);
    m.assign(
        &rdata,
        mux(
            &in_table,
            mux(word.all(), control, &cell),
            mux(pba, pending.zext(32), lit(32, 0)),
        ),
    );
    let allowed = m.named("allowed", &enable & !&function_mask);
    m.output_of("use_open", &allowed & !masked.bit_at(&vector));

    // A register before the choice: who is sent meanwhile is offered no second time, for a packet takes longer.
    let due = m.reg("due", VECTORS, 0);
    m.assign(&due, &pending & !&masked & allowed.repl(VECTORS));
    let lowest: Vec<E> = (0..VECTORS)
        .map(|i| {
            let below = (i > 0).then(|| !due.slice(0, i).any());
            all_of(below.iter().chain([&due.bit(i)]))
        })
        .collect();
    let number: Vec<E> = (0..4)
        .rev()
        .map(|b| {
            let set: Vec<&E> = (0..VECTORS)
                .filter(|i| i >> b & 1 == 1)
                .map(|i| &lowest[i as usize])
                .collect();
            crate::rtl::any_of(1, set)
        })
        .collect();
    let due_valid = m.output_reg("due_valid", 1, 0);
    m.assign(&due_valid, due.any());
    let due_vector = m.output_reg_nr("due_vector", 4);
    m.assign(&due_vector, cat(&number));
    m
}
