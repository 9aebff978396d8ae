//! Two bonds back to back: through flaps, and as others read what they say.

#[path = "../common/bond_base.rs"]
mod bond_base;
#[path = "../common/clock.rs"]
mod clock;
mod flaps;
mod net;
mod pdu;
#[path = "../common/seed.rs"]
mod seed;
#[path = "../common/shark.rs"]
mod shark;
