//! Register decode generated from the register map.
//!
//! A block makes a [`RegFile`] for its page, takes its registers from it by their descriptions in
//! `smartnic_regs`, and calls [`RegFile::finish`]. Ports of the block: `reg_valid`, `reg_write`, `reg_addr[16]`, `reg_wdata[32]` in;
//! `reg_ack`, `reg_rdata[32]` out (see docs/architecture.md, "Register bus"). Latency: request to `reg_ack` 2 cycles. Cost: a register bit each, and a
//! read mux of about one LUT4 for each two readable bits. Test: `tests/rtl.rs`.

mod counters;

pub use counters::{Counter, Counters, counters};

use crate::rtl::{E, Module, any_of, lit, mux};
use smartnic_regs::{Access, Field, Page, Reg};

/// Decode of one page.
pub struct RegFile {
    m: Module,
    page: Page,
    strobe: E,
    write: E,
    addr: E,
    wdata: E,
    reads: Vec<E>,
    known: Vec<(String, u32)>,
}

/// The bits of a field in a register's value.
pub fn field(value: &E, f: Field) -> E {
    value.slice(f.lsb, f.width)
}

impl RegFile {
    /// Makes the bus ports of `m` and starts decoding `page`.
    pub fn new(m: &Module, page: &Page) -> RegFile {
        let valid = m.input("reg_valid", 1);
        let write_in = m.input("reg_write", 1);
        let addr_in = m.input("reg_addr", 16);
        let wdata_in = m.input("reg_wdata", 32);
        let hit = addr_in.slice(12, 4).eq((page.base >> 12) as u64) & &valid;
        let hit = m.named("reg_hit", hit);
        let strobe = m.reg("reg_strobe", 1, 0);
        m.assign(&strobe, &hit);
        // Only what is for this page: registers of all pages that hold the same would be merged by synthesis into one, far from all.
        let write = m.delay_if(&hit, "reg_write_q", &write_in);
        let addr = m.delay_if(&hit, "reg_addr_q", &addr_in.slice(0, 12));
        let wdata = m.delay_if(&hit, "reg_wdata_q", &wdata_in);
        RegFile {
            m: m.clone(),
            page: *page,
            strobe,
            write,
            addr,
            wdata,
            reads: vec![],
            known: vec![],
        }
    }

    fn select(&mut self, reg: &Reg, index: u32) -> E {
        assert!(
            self.page.regs.contains(reg),
            "{} is not in page {}",
            reg.name,
            self.page.name
        );
        assert!(
            index < reg.count,
            "{}[{index}]: there are {}",
            reg.name,
            reg.count
        );
        assert!(
            !self.known.contains(&(reg.name.into(), index)),
            "{}[{index}] stands twice",
            reg.name
        );
        self.known.push((reg.name.into(), index));
        let off = reg.at(index) - self.page.base;
        self.addr.slice(2, 10).eq((off / 4) as u64)
    }

    fn name(&self, reg: &Reg, index: u32, what: &str) -> String {
        let n = reg.name.to_lowercase();
        if reg.count == 1 {
            format!("{what}_{n}")
        } else {
            format!("{what}_{n}{index}")
        }
    }

    fn readable(&mut self, sel: &E, value: &E) {
        let v = value.zext(32);
        self.reads.push(v & sel.repl(32));
    }

    fn written(&mut self, reg: &Reg, index: u32, sel: &E) -> E {
        let hit = sel & &self.strobe & &self.write;
        self.m.named(&self.name(reg, index, "wr"), hit)
    }

    /// Bits that the register really has: those of its fields, or all.
    fn mask(reg: &Reg) -> u32 {
        if reg.fields.is_empty() {
            return u32::MAX;
        }
        reg.fields.iter().fold(0, |m, f| m | f.put(u32::MAX))
    }

    /// A register that keeps what is written (access `Rw`); gives its value, 32 bits with zeros where there is no field.
    pub fn rw(&mut self, reg: &Reg) -> E {
        self.rw_at(reg, 0)
    }

    /// The first `n` of an array of `Rw` registers.
    pub fn rw_array(&mut self, reg: &Reg, n: u32) -> Vec<E> {
        (0..n).map(|i| self.rw_at(reg, i)).collect()
    }

    /// The `index`-th of an array of `Rw` registers.
    pub fn rw_at(&mut self, reg: &Reg, index: u32) -> E {
        self.rw_reset_at(reg, index, reg.reset)
    }

    /// [`RegFile::rw_at`] of a register whose reset value depends on what the card is built for.
    pub fn rw_reset_at(&mut self, reg: &Reg, index: u32, reset: u32) -> E {
        assert_eq!(reg.access, Access::Rw, "{} is not Rw", reg.name);
        let sel = self.select(reg, index);
        let r = self.m.reg(&self.name(reg, index, "r"), 32, reset as u64);
        let hit = self.written(reg, index, &sel);
        let value = &self.wdata & Self::mask(reg) as u64;
        self.m.process(|p| p.if_(&hit, |p| p.set(&r, &value)));
        self.readable(&sel, &r);
        r
    }

    /// The `index`-th of an array of `Rw` registers without fields, of which only the lowest `width` bits exist: a bit per
    /// port, say. The others read as zero.
    pub fn rw_bits_at(&mut self, reg: &Reg, index: u32, width: u32) -> E {
        assert_eq!(reg.access, Access::Rw, "{} is not Rw", reg.name);
        assert!(reg.fields.is_empty(), "{} has fields", reg.name);
        let sel = self.select(reg, index);
        let r = self
            .m
            .reg(&self.name(reg, index, "r"), width, reg.reset as u64);
        let hit = self.written(reg, index, &sel);
        let value = self.wdata.trunc(width);
        self.m.process(|p| p.if_(&hit, |p| p.set(&r, &value)));
        self.readable(&sel, &r);
        r
    }

    /// The `index`-th of an array of `Rw` registers without fields that hold a number up to `most`: a larger one that is written
    /// becomes `most`, also where it is read. Gives the value, with no more bits than `most` needs.
    pub fn rw_most_at(&mut self, reg: &Reg, index: u32, most: u32) -> E {
        assert_eq!(reg.access, Access::Rw, "{} is not Rw", reg.name);
        assert!(reg.fields.is_empty(), "{} has fields", reg.name);
        let sel = self.select(reg, index);
        let width = u32::BITS - most.leading_zeros();
        let reset = reg.reset.min(most);
        let r = self.m.reg(&self.name(reg, index, "r"), width, reset as u64);
        let hit = self.written(reg, index, &sel);
        let limit = lit(width, most as u64);
        let value = mux(self.wdata.gt(most as u64), limit, self.wdata.trunc(width));
        self.m.process(|p| p.if_(&hit, |p| p.set(&r, &value)));
        self.readable(&sel, &r);
        r
    }

    /// A register that the hardware drives (access `Ro`); `value` has at most 32 bits.
    pub fn ro(&mut self, reg: &Reg, value: &E) {
        self.ro_at(reg, 0, value)
    }

    /// The `index`-th of an array of `Ro` registers.
    pub fn ro_at(&mut self, reg: &Reg, index: u32, value: &E) {
        assert_eq!(reg.access, Access::Ro, "{} is not Ro", reg.name);
        let sel = self.select(reg, index);
        self.readable(&sel, value);
    }

    /// Several `Ro` registers (of an array: its `n`-th) that the block keeps in a memory of its own, such as [`counters`]: `value` is given the
    /// lowest `bits` bits of the word address, which must differ among them, and a signal that is set while the bus asks (for any register), and
    /// gives the word.
    pub fn ro_group(&mut self, regs: &[(&Reg, u32)], bits: u32, value: impl FnOnce(&E, &E) -> E) {
        let mut seen = vec![];
        let sels: Vec<E> = regs
            .iter()
            .map(|&(reg, n)| {
                assert_eq!(reg.access, Access::Ro, "{} is not Ro", reg.name);
                let low = reg.at(n) / 4 % (1 << bits);
                assert!(!seen.contains(&low), "{} shares its place", reg.name);
                seen.push(low);
                self.select(reg, n)
            })
            .collect();
        let v = value(&self.addr.slice(2, bits), &self.strobe);
        self.readable(&any_of(1, &sels), &v);
    }

    /// A pulse with the written value (access `Wo`): one cycle, value valid with it.
    pub fn wo(&mut self, reg: &Reg) -> (E, E) {
        assert_eq!(reg.access, Access::Wo, "{} is not Wo", reg.name);
        let sel = self.select(reg, 0);
        (self.written(reg, 0, &sel), self.wdata.clone())
    }

    /// A read value and a write pulse (access `Rwh`).
    pub fn rwh(&mut self, reg: &Reg, value: &E) -> (E, E) {
        self.rwh_at(reg, 0, value)
    }

    /// The `index`-th of an array of `Rwh` registers.
    pub fn rwh_at(&mut self, reg: &Reg, index: u32, value: &E) -> (E, E) {
        assert_eq!(reg.access, Access::Rwh, "{} is not Rwh", reg.name);
        let sel = self.select(reg, index);
        self.readable(&sel, value);
        (self.written(reg, index, &sel), self.wdata.clone())
    }

    /// A whole array whose state the block keeps itself, for example in a LUT RAM: `value` gives what is read at the index that the
    /// address names (`bits` wide; indices beyond the array's count must read as zero). Gives the write pulse, the index and
    /// the written value. The stride must be a power of two, and the register must lie in the first stride of its page.
    pub fn array(&mut self, reg: &Reg, bits: u32, value: impl FnOnce(&E) -> E) -> (E, E, E) {
        let off = reg.addr - self.page.base;
        assert!(
            reg.stride.is_power_of_two() && off < reg.stride && reg.count <= 1 << bits,
            "{}: stride {}, offset {off}, count {} do not decode as an array",
            reg.name,
            reg.stride,
            reg.count
        );
        let low = reg.stride.trailing_zeros();
        let top = low + bits;
        let index = self.addr.slice(low, bits);
        let place = self.addr.slice(2, low - 2).eq((off / 4) as u64);
        let sel = place & self.addr.slice(top, 12 - top).is_zero();
        self.known.push((reg.name.into(), 0));
        let v = value(&index);
        if reg.access != Access::Wo {
            self.readable(&sel, &v);
        }
        let hit = sel & &self.strobe & &self.write;
        let hit = self
            .m
            .named(&format!("wr_{}", reg.name.to_lowercase()), hit);
        (hit, index, self.wdata.clone())
    }

    /// Sticky bits (access `W1c`): set by `set` (up to 32 bits), cleared by writing ones; setting wins.
    pub fn w1c(&mut self, reg: &Reg, set: &E) -> E {
        assert_eq!(reg.access, Access::W1c, "{} is not W1c", reg.name);
        let sel = self.select(reg, 0);
        let r = self.m.reg(&self.name(reg, 0, "r"), set.width(), 0);
        let hit = self.written(reg, 0, &sel);
        let kept = &r & !(self.wdata.trunc(set.width()) & hit.repl(set.width()));
        self.m.assign(&r, kept | set);
        self.readable(&sel, &r);
        r
    }

    /// A pulse in the cycle in which the register is read.
    pub fn read_strobe(&mut self, reg: &Reg, index: u32) -> E {
        let off = reg.at(index) - self.page.base;
        &self.strobe & !&self.write & self.addr.slice(2, 10).eq((off / 4) as u64)
    }

    /// The request as it stands in the cycle of the decode: `strobe` (1), `write` (1), address in the page (12), data (32). The last three
    /// hold until the next request, so until the answer.
    pub fn request(&self) -> (E, E, E, E) {
        (
            self.strobe.clone(),
            self.write.clone(),
            self.addr.clone(),
            self.wdata.clone(),
        )
    }

    /// Makes the answer ports. Registers of the page that the block did not take read as zero.
    pub fn finish(self) {
        let (never, zero) = (lit(1, 0), lit(32, 0));
        self.finish_slow(&never, &never, &zero)
    }

    /// [`RegFile::finish`] of a page of which the block decodes a part itself: while `mine` is set (a function of the address of
    /// [`RegFile::request`]), the answer is given with the pulse `done`, with `value`. At most 32 cycles later.
    pub fn finish_slow(self, mine: &E, done: &E, value: &E) {
        let ack = self.m.output_reg("reg_ack", 1, 0);
        self.m.assign(&ack, (&self.strobe & !mine) | done);
        let rdata = self.m.output_reg("reg_rdata", 32, 0);
        let read = &self.strobe & !&self.write;
        let read = self.m.named("reg_reads", read & !mine);
        let fast = any_of(32, &self.reads);
        // Under conditions and not anded with them: who simulates this looks at the registers only while one is read.
        self.m.process(|p| {
            p.set(&rdata, 0);
            p.if_(done, |p| p.set(&rdata, value));
            p.if_(&read, |p| p.set(&rdata, fast));
        });
    }
}
