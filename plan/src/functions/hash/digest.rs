//! `sha1(binary)` and `crc32(binary)`.

use std::sync::Arc;

use arrow::array::{Int64Array, StringArray};
use arrow::datatypes::DataType;

use super::sha1::sha1;
use crate::functions::arguments::{Arg, bytes, fit};
use crate::functions::kernel::Kernel;
use crate::functions::text::binary::hex;

/// Every kernel of this module.
pub(in crate::functions) const KERNELS: &[&Kernel] = &[&SHA1, &CRC32];

/// `sha1(binary)`, in hexadecimal digits.
pub static SHA1: Kernel = Kernel {
    name: "sha1",
    coerce: |types| fit(types, &[Arg::Bytes], 1),
    returns: |_, _| DataType::Utf8,
    eval: |args| {
        let bytes = bytes(&args[0])?;
        let rows = bytes
            .iter()
            .map(|bytes| Some(hex(&sha1(bytes?)).to_lowercase()));
        Ok(Arc::new(rows.collect::<StringArray>()))
    },
};

/// `crc32(binary)`.
pub static CRC32: Kernel = Kernel {
    name: "crc32",
    coerce: |types| fit(types, &[Arg::Bytes], 1),
    returns: |_, _| DataType::Int64,
    eval: |args| {
        let bytes = bytes(&args[0])?;
        let rows = bytes
            .iter()
            .map(|bytes| Some(i64::from(crc32fast::hash(bytes?))));
        Ok(Arc::new(rows.collect::<Int64Array>()))
    },
};
