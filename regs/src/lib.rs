//! The one register map of the smartnic: hardware decode, driver, firmware and docs come from it.
