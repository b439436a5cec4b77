//! Who drains: one module for each kind of process.

pub mod decode;
pub mod encode;
pub mod json;
pub mod limit;
pub mod others;
