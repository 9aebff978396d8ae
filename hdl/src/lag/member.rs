//! The live member that stands for a wanted one.

use crate::rtl::prim::lowest_onehot;
use crate::rtl::{E, Module, lit, mux};

/// The wanted member (a bucket's word) if it is in `live`, else the next higher-numbered live one, cyclically; one-hot,
/// combinational from registers that are one cycle behind the inputs. Without VALID the search begins with member 1.
pub fn first_live(m: &Module, wanted: &E, live: &E) -> E {
    let bits = wanted.width() - 1;
    let begin = mux(wanted.bit(bits), wanted.trunc(bits), lit(bits, 1));
    let begin = m.named("from_member", begin);
    let from = lit(live.width(), (1 << live.width()) - 1).shl_by(&begin);
    let above = m.delay("live_above", &(live & from));
    let all = m.delay("live_all", live);
    let candidates = m.named("candidates", mux(above.any(), &above, &all));
    m.named("member", lowest_onehot(&candidates))
}
