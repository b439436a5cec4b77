//! Text as bytes and numbers, and back.

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, Int32Array, StringArray};
use arrow::datatypes::DataType;

use crate::error::Error;
use crate::functions::arguments::{Arg, bytes, failed, fit, longs, texts};
use crate::functions::kernel::Kernel;
use crate::functions::strings::{decode_base64, encode_base64};

/// Every kernel of this module.
pub(in crate::functions) const KERNELS: &[&Kernel] = &[
    &LENGTH,
    &OCTET_LENGTH,
    &BIT_LENGTH,
    &HEX,
    &UNHEX,
    &BASE64,
    &UNBASE64,
    &ENCODE,
    &DECODE,
    &ASCII,
    &CHAR,
];

/// Bytes stay bytes, and everything else becomes text.
fn text_or_bytes(types: &[DataType]) -> Option<Vec<DataType>> {
    match types {
        [DataType::Binary | DataType::LargeBinary | DataType::BinaryView] => {
            Some(vec![DataType::Binary])
        }
        _ => fit(types, &[Arg::Text], 1),
    }
}

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn octets(array: &ArrayRef, each: i32) -> crate::functions::arguments::Evaluated {
    let lengths: Int32Array = match array.data_type() {
        DataType::Binary => {
            let rows = array.as_binary::<i32>().iter();
            rows.map(|bytes| Some(count(bytes?.len()) * each)).collect()
        }
        _ => {
            let text = texts(array)?;
            text.iter()
                .map(|text| Some(count(text?.len()) * each))
                .collect()
        }
    };
    Ok(Arc::new(lengths))
}

/// `length(text or binary)`: characters or bytes.
pub static LENGTH: Kernel = Kernel {
    name: "length",
    coerce: text_or_bytes,
    returns: |_, _| DataType::Int32,
    eval: |args| {
        if args[0].data_type() == &DataType::Binary {
            return octets(&args[0], 1);
        }
        let text = texts(&args[0])?;
        let lengths = text.iter().map(|text| Some(count(text?.chars().count())));
        Ok(Arc::new(lengths.collect::<Int32Array>()))
    },
};

/// `octet_length(text or binary)`.
pub static OCTET_LENGTH: Kernel = Kernel {
    name: "octet_length",
    coerce: text_or_bytes,
    returns: |_, _| DataType::Int32,
    eval: |args| octets(&args[0], 1),
};

/// `bit_length(text or binary)`.
pub static BIT_LENGTH: Kernel = Kernel {
    name: "bit_length",
    coerce: text_or_bytes,
    returns: |_, _| DataType::Int32,
    eval: |args| octets(&args[0], 8),
};

/// `hex(whole number, text or binary)`.
pub static HEX: Kernel = Kernel {
    name: "hex",
    coerce: |types| match types {
        [given] if given.is_integer() => Some(vec![DataType::Int64]),
        _ => fit(types, &[Arg::Bytes], 1),
    },
    returns: |_, _| DataType::Utf8,
    eval: |args| {
        let text: StringArray = if args[0].data_type() == &DataType::Int64 {
            let rows = longs(&args[0]).iter();
            rows.map(|number| number.map(|n| format!("{n:X}")))
                .collect()
        } else {
            let bytes = bytes(&args[0])?;
            bytes.iter().map(|bytes| bytes.map(hex)).collect()
        };
        Ok(Arc::new(text))
    },
};

/// `unhex(text)`; null for what is no hexadecimal number.
pub static UNHEX: Kernel = Kernel {
    name: "unhex",
    coerce: |types| fit(types, &[Arg::Text], 1),
    returns: |_, _| DataType::Binary,
    eval: |args| {
        let text = texts(&args[0])?;
        let rows = text.iter().map(|text| unhex(text?));
        Ok(Arc::new(rows.collect::<BinaryArray>()))
    },
};

/// `base64(binary)`.
pub static BASE64: Kernel = Kernel {
    name: "base64",
    coerce: |types| fit(types, &[Arg::Bytes], 1),
    returns: |_, _| DataType::Utf8,
    eval: |args| {
        let bytes = bytes(&args[0])?;
        let rows = bytes.iter().map(|bytes| bytes.map(encode_base64));
        Ok(Arc::new(rows.collect::<StringArray>()))
    },
};

/// `unbase64(text)`; characters that Base64 has not are skipped, as in MIME.
pub static UNBASE64: Kernel = Kernel {
    name: "unbase64",
    coerce: |types| fit(types, &[Arg::Text], 1),
    returns: |_, _| DataType::Binary,
    eval: |args| {
        let text = texts(&args[0])?;
        let rows = text.iter().map(|text| match text {
            None => Ok(None),
            Some(text) => {
                let known = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
                let digits: String = text.chars().filter(known).collect();
                let decoded = decode_base64(&digits)
                    .filter(|_| digits.len().is_multiple_of(4) || !digits.ends_with('='));
                decoded
                    .map(Some)
                    .ok_or_else(|| failed(format!("unbase64: {text:?} is no Base64")))
            }
        });
        Ok(Arc::new(rows.collect::<Result<BinaryArray, Error>>()?))
    },
};

/// `encode(text, charset)`.
pub static ENCODE: Kernel = Kernel {
    name: "encode",
    coerce: |types| fit(types, &[Arg::Text, Arg::Text], 2),
    returns: |_, _| DataType::Binary,
    eval: |args| {
        let (text, charsets) = (texts(&args[0])?, texts(&args[1])?);
        let rows = text.iter().zip(&charsets).map(|row| match row {
            (Some(text), Some(charset)) => only_utf8("encode", charset).map(|()| Some(text)),
            _ => Ok(None),
        });
        let encoded = rows.collect::<Result<Vec<Option<&str>>, Error>>()?;
        let encoded = encoded.into_iter().map(|text| text.map(str::as_bytes));
        Ok(Arc::new(encoded.collect::<BinaryArray>()))
    },
};

/// `decode(binary, charset)`.
pub static DECODE: Kernel = Kernel {
    name: "decode",
    coerce: |types| fit(types, &[Arg::Bytes, Arg::Text], 2),
    returns: |_, _| DataType::Utf8,
    eval: |args| {
        let (bytes, charsets) = (bytes(&args[0])?, texts(&args[1])?);
        let rows = bytes.iter().zip(&charsets).map(|row| match row {
            (Some(bytes), Some(charset)) => {
                only_utf8("decode", charset)?;
                let text = std::str::from_utf8(bytes);
                text.map(Some).map_err(|error| {
                    failed(format!("decode: x'{}' is no UTF-8", hex(bytes))).with_source(error)
                })
            }
            _ => Ok(None),
        });
        Ok(Arc::new(rows.collect::<Result<StringArray, Error>>()?))
    },
};

/// `ascii(text)`: the number of its first character, 0 where there is none.
pub static ASCII: Kernel = Kernel {
    name: "ascii",
    coerce: |types| fit(types, &[Arg::Text], 1),
    returns: |_, _| DataType::Int32,
    eval: |args| {
        let text = texts(&args[0])?;
        let numbers = text.iter().map(|text| {
            let first = text?.chars().next().map_or(0, u32::from);
            i32::try_from(first).ok()
        });
        Ok(Arc::new(numbers.collect::<Int32Array>()))
    },
};

/// `char(number)`: the character of its last 8 bits, nothing for numbers below 0.
pub static CHAR: Kernel = Kernel {
    name: "char",
    coerce: |types| fit(types, &[Arg::Long], 1),
    returns: |_, _| DataType::Utf8,
    eval: |args| {
        let rows = longs(&args[0]).iter().map(|number| {
            let number = number?;
            Some(match u8::try_from(number & 0xff) {
                Ok(byte) if number >= 0 => char::from(byte).to_string(),
                _ => String::new(),
            })
        });
        Ok(Arc::new(rows.collect::<StringArray>()))
    },
};

/// Two capital digits a byte.
pub(in crate::functions) fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing into a string cannot fail.
        let _ = write!(out, "{byte:02X}");
    }
    out
}

/// Of an odd number of digits the first is a byte.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|c| c.to_digit(16)).collect();
    let digits = digits?;
    let (first, rest) = digits.split_at(digits.len() % 2);
    let bytes = first.iter().copied();
    let bytes = bytes.chain(rest.chunks(2).map(|pair| pair[0] << 4 | pair[1]));
    bytes.map(|byte| u8::try_from(byte).ok()).collect()
}

fn only_utf8(function: &str, charset: &str) -> Result<(), Error> {
    if charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("utf8") {
        return Ok(());
    }
    Err(Error::unsupported(format!(
        "{function}: charset {charset:?} is not supported: use \"UTF-8\""
    )))
}
