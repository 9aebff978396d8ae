//! Tests of the device model, one topic a file.

mod common;
mod packet;
mod receive;
mod register;
mod transmit;
