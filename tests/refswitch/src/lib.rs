//! The reference switch: an independent model of what the card must do.
