//! The whole card.
use crate::params::{ParamError, Params};
use crate::rtl::Module;
/// Builds the card. Fails by name and range on a parameter that is not allowed.
pub fn smartnic(p: &Params) -> Result<Module, ParamError> {
    p.check()?;
    Ok(crate::forward::forward(p))
}
