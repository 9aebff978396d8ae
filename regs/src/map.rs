//! How a register is described.

/// What software may do with a register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Read only: the hardware drives it.
    Ro,
    /// Read and write; keeps what was written; reset gives the reset value.
    Rw,
    /// Write only: every write is a pulse to the hardware with the written value; reads as zero.
    Wo,
    /// Read; writing a one clears the bit; the hardware sets it.
    W1c,
    /// Reads give what the hardware drives, every write is a pulse to the hardware.
    Rwh,
}

/// Some bits of a register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Field {
    /// Name, upper case.
    pub name: &'static str,
    /// Lowest bit.
    pub lsb: u32,
    /// Width in bits.
    pub width: u32,
    /// What it means.
    pub doc: &'static str,
}

impl Field {
    /// The field's value in a register value.
    pub const fn get(&self, reg: u32) -> u32 {
        (reg >> self.lsb) & self.max()
    }
    /// `value` at the field's place; bits that do not fit are cut off.
    pub const fn put(&self, value: u32) -> u32 {
        (value & self.max()) << self.lsb
    }
    /// The largest value.
    pub const fn max(&self) -> u32 {
        if self.width >= 32 {
            u32::MAX
        } else {
            (1 << self.width) - 1
        }
    }
}

/// A register, or an array of equal registers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reg {
    /// Name, upper case, unique in its page.
    pub name: &'static str,
    /// Page base plus offset: the byte address in BAR0 of the first one.
    pub addr: u32,
    /// What software may do.
    pub access: Access,
    /// Value after reset.
    pub reset: u32,
    /// How many (1 for a plain register).
    pub count: u32,
    /// Bytes from one to the next.
    pub stride: u32,
    /// The fields; without any, the whole register is one value.
    pub fields: &'static [Field],
    /// What it is.
    pub doc: &'static str,
}

impl Reg {
    /// Byte address in BAR0 of the `index`-th register of an array.
    pub const fn at(&self, index: u32) -> u32 {
        self.addr + index * self.stride
    }
}

/// The registers of one hardware block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Page {
    /// Name, lower case.
    pub name: &'static str,
    /// Byte address in BAR0.
    pub base: u32,
    /// The registers, by address.
    pub regs: &'static [Reg],
    /// What the block is.
    pub doc: &'static str,
}

/// The register of `page` whose name is `name`.
pub fn find(page: &Page, name: &str) -> Option<Reg> {
    page.regs.iter().copied().find(|r| r.name == name)
}

/// Declares a page as a module: a constant for each register, a module of field constants for each
/// register with fields, and `PAGE`.
macro_rules! page {
    ($(#[doc = $pdoc:literal])* $page:ident @ $base:literal {
        $( $(#[doc = $doc:literal])* $reg:ident @ $off:literal $([$count:literal ; $stride:literal])? $access:ident $(= $reset:literal)?
           $({ $( $(#[doc = $fdoc:literal])* $field:ident : $lsb:literal + $width:literal ),* $(,)? })? ; )*
    }) => {
        $(#[doc = $pdoc])*
        #[allow(non_snake_case)]
        pub mod $page {
            #[allow(unused_imports)]
            use crate::map::{Access, Field, Page, Reg};
            #[allow(unused_imports)]
            use crate::values::*;
            $(
                $(#[doc = $doc])*
                pub const $reg: Reg = Reg {
                    name: stringify!($reg),
                    addr: $base + $off,
                    access: Access::$access,
                    reset: 0 $(+ $reset)?,
                    count: 1 $(- 1 + $count)?,
                    stride: 4 $(- 4 + $stride)?,
                    fields: &[ $($( Field { name: stringify!($field), lsb: $lsb, width: $width, doc: concat!($($fdoc),*) } ),*)? ],
                    doc: concat!($($doc),*),
                };
                $(
                    #[doc = concat!("Fields of [`", stringify!($reg), "`](super::", stringify!($page), ").")]
                    pub mod $reg {
                        use crate::map::Field;
                        $(
                            $(#[doc = $fdoc])*
                            pub const $field: Field = Field { name: stringify!($field), lsb: $lsb, width: $width, doc: concat!($($fdoc),*) };
                        )*
                    }
                )?
            )*
            /// The whole page.
            pub const PAGE: Page = Page {
                name: stringify!($page),
                base: $base,
                regs: &[ $($reg),* ],
                doc: concat!($($pdoc),*),
            };
        }
    };
}
