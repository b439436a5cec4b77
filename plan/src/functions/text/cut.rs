//! Parts of text, and text filled up to a length.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BinaryArray, Int32Array, StringArray};
use arrow::datatypes::DataType;

use crate::functions::arguments::{Arg, fit, ints, texts};
use crate::functions::kernel::Kernel;

/// Every kernel of this module.
pub(in crate::functions) const KERNELS: &[&Kernel] =
    &[&SUBSTRING, &SUBSTRING_INDEX, &LEFT, &RIGHT, &LPAD, &RPAD];

/// `substring(text or binary, position, length)`; a position below 0 counts from the end.
pub static SUBSTRING: Kernel = Kernel {
    name: "substring",
    coerce: |types| {
        let first = match types.first()? {
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView => Arg::Bytes,
            _ => Arg::Text,
        };
        fit(types, &[first, Arg::Int, Arg::Int], 3)
    },
    returns: |types, _| match types[0] {
        DataType::Binary => DataType::Binary,
        _ => DataType::Utf8,
    },
    eval: |args| {
        let (at, length) = (ints(&args[1]), ints(&args[2]));
        if args[0].data_type() == &DataType::Binary {
            let rows = args[0].as_binary::<i32>().iter().zip(at).zip(length);
            let cut = rows.map(|row| match row {
                ((Some(bytes), Some(at)), Some(length)) => Some(sub_bytes(bytes, at, length)),
                _ => None,
            });
            return Ok(Arc::new(cut.collect::<BinaryArray>()));
        }
        let text = texts(&args[0])?;
        let cut = text.iter().zip(at).zip(length).map(|row| match row {
            ((Some(text), Some(at)), Some(length)) => Some(substring(text, at, length)),
            _ => None,
        });
        Ok(Arc::new(cut.collect::<StringArray>()))
    },
};

/// `substring_index(text, delimiter, count)`: what is before the `count`th delimiter, or, of a count below 0, after
/// the one counted from the end.
pub static SUBSTRING_INDEX: Kernel = Kernel {
    name: "substring_index",
    coerce: |types| fit(types, &[Arg::Text, Arg::Text, Arg::Int], 3),
    returns: |_, _| DataType::Utf8,
    eval: |args| {
        let (text, delimiters, counts) = (texts(&args[0])?, texts(&args[1])?, ints(&args[2]));
        let rows = text.iter().zip(&delimiters).zip(counts);
        let cut = rows.map(|row| match row {
            ((Some(text), Some(delimiter)), Some(count)) => {
                Some(substring_index(text, delimiter, count))
            }
            _ => None,
        });
        Ok(Arc::new(cut.collect::<StringArray>()))
    },
};

/// `left(text, length)`.
pub static LEFT: Kernel = Kernel {
    name: "left",
    coerce: |types| fit(types, &[Arg::Text, Arg::Int], 2),
    returns: |_, _| DataType::Utf8,
    eval: |args| {
        let (text, lengths) = (texts(&args[0])?, ints(&args[1]));
        let cut = text.iter().zip(lengths);
        let cut = cut.map(|(text, length)| Some(substring(text?, 1, length?)));
        Ok(Arc::new(cut.collect::<StringArray>()))
    },
};

/// `right(text, length)`.
pub static RIGHT: Kernel = Kernel {
    name: "right",
    coerce: |types| fit(types, &[Arg::Text, Arg::Int], 2),
    returns: |_, _| DataType::Utf8,
    eval: |args| {
        let (text, lengths) = (texts(&args[0])?, ints(&args[1]));
        let cut = text.iter().zip(lengths).map(|(text, length)| {
            let (text, length) = (text?, length?);
            Some(match length {
                ..=0 => "",
                _ => substring(text, -length, length),
            })
        });
        Ok(Arc::new(cut.collect::<StringArray>()))
    },
};

/// `lpad(text, length, pad)`.
pub static LPAD: Kernel = Kernel {
    name: "lpad",
    coerce: |types| fit(types, &[Arg::Text, Arg::Int, Arg::Text], 3),
    returns: |_, _| DataType::Utf8,
    eval: |args| padded(args, |text, padding| padding + text),
};

/// `rpad(text, length, pad)`.
pub static RPAD: Kernel = Kernel {
    name: "rpad",
    coerce: |types| fit(types, &[Arg::Text, Arg::Int, Arg::Text], 3),
    returns: |_, _| DataType::Utf8,
    eval: |args| padded(args, |text, padding| text.to_owned() + &padding),
};

fn padded(
    args: &[ArrayRef],
    join: fn(&str, String) -> String,
) -> crate::functions::arguments::Evaluated {
    let (text, pads) = (texts(&args[0])?, texts(&args[2])?);
    let lengths: &Int32Array = ints(&args[1]);
    let rows = text.iter().zip(lengths).zip(&pads).map(|row| match row {
        ((Some(text), Some(length)), Some(pad)) => {
            let wanted = usize::try_from(length).unwrap_or(0);
            let cut = substring(text, 1, length);
            let missing = wanted - cut.chars().count();
            Some(join(cut, pad.chars().cycle().take(missing).collect()))
        }
        _ => None,
    });
    Ok(Arc::new(rows.collect::<StringArray>()))
}

/// `UTF8String.substringSQL`.
fn substring(text: &str, at: i32, length: i32) -> &str {
    let (at, length) = (i64::from(at), i64::from(length));
    let start = match at {
        1.. => at - 1,
        0 => 0,
        _ => i64::try_from(text.chars().count()).unwrap_or(i64::MAX) + at,
    };
    let end = start + length;
    // The end is counted from where text that is too short would have begun.
    let (Ok(end), start) = (usize::try_from(end), usize::try_from(start).unwrap_or(0)) else {
        return "";
    };
    if end <= start {
        return "";
    }
    let byte = |count: usize| {
        let mut starts = text.char_indices().map(|(at, _)| at);
        starts.nth(count).unwrap_or(text.len())
    };
    &text[byte(start)..byte(end)]
}

/// `ByteArray.subStringSQL`.
fn sub_bytes(bytes: &[u8], at: i32, length: i32) -> &[u8] {
    let size = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
    let start = match i64::from(at) {
        at @ 1.. => at - 1,
        0 => 0,
        at => size + at,
    };
    let end = (start + i64::from(length)).min(size);
    match (usize::try_from(start.max(0)), usize::try_from(end)) {
        (Ok(start), Ok(end)) if start < end => &bytes[start..end],
        _ => &[],
    }
}

/// `UTF8String.subStringIndex`; delimiters may overlap.
fn substring_index<'a>(text: &'a str, delimiter: &str, count: i32) -> &'a str {
    if delimiter.is_empty() || count == 0 {
        return "";
    }
    let (bytes, wanted) = (text.as_bytes(), delimiter.as_bytes());
    let is_at = |at: &usize| bytes[*at..].starts_with(wanted);
    let nth = usize::try_from(count.unsigned_abs() - 1).unwrap_or(usize::MAX);
    let mut places = 0..bytes.len();
    if count > 0 {
        match places.filter(is_at).nth(nth) {
            Some(at) => &text[..at],
            None => text,
        }
    } else {
        match places.by_ref().rev().filter(is_at).nth(nth) {
            Some(at) => &text[at + wanted.len()..],
            None => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn substring_before_the_beginning_is_cut_off() {
        assert_eq!(substring("abc", -5, 3), "a");
        assert_eq!(substring("abc", -5, 2), "");
        assert_eq!(substring("aé😀d", 2, 2), "é😀");
        assert_eq!(substring("abc", i32::MAX, i32::MAX), "");
        assert_eq!(substring("abc", i32::MIN, i32::MAX), "ab");
    }
}
