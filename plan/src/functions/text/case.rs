//! Capitals, and blanks around text.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use arrow::datatypes::DataType;

use crate::functions::arguments::{Arg, Evaluated, fit, texts};
use crate::functions::kernel::Kernel;

/// Every kernel of this module.
pub(in crate::functions) const KERNELS: &[&Kernel] =
    &[&UPPER, &LOWER, &INITCAP, &TRIM, &LTRIM, &RTRIM, &REVERSE];

macro_rules! text_to_text {
    ($(#[$doc:meta])* $constant:ident, $name:literal, $map:expr) => {
        $(#[$doc])*
        pub static $constant: Kernel = Kernel {
            name: $name,
            coerce: |types| fit(types, &[Arg::Text], 1),
            returns: |_, _| DataType::Utf8,
            eval: |args| each(&args[0], $map),
        };
    };
}

macro_rules! trimmed {
    ($(#[$doc:meta])* $constant:ident, $name:literal, $trim:ident) => {
        $(#[$doc])*
        pub static $constant: Kernel = Kernel {
            name: $name,
            coerce: |types| fit(types, &[Arg::Text, Arg::Text], 1),
            returns: |_, _| DataType::Utf8,
            eval: |args| match args {
                [text, chars] => {
                    let (text, chars) = (texts(text)?, texts(chars)?);
                    let rows = text.iter().zip(&chars).map(|(text, chars)| {
                        let chars = chars?;
                        Some(text?.$trim(|c| chars.contains(c)))
                    });
                    Ok(Arc::new(rows.collect::<StringArray>()))
                }
                _ => {
                    let text = texts(&args[0])?;
                    let rows = text.iter().map(|text| text.map(|text| text.$trim(' ')));
                    Ok(Arc::new(rows.collect::<StringArray>()))
                }
            },
        };
    };
}

text_to_text!(
    /// `upper(text)`.
    UPPER, "upper", str::to_uppercase
);
text_to_text!(
    /// `lower(text)`.
    LOWER, "lower", str::to_lowercase
);
text_to_text!(
    /// `initcap(text)`.
    INITCAP, "initcap", initcap
);
text_to_text!(
    /// `reverse(text)`.
    REVERSE, "reverse", |text| text.chars().rev().collect()
);
trimmed!(
    /// `trim(text[, characters])`: blanks only unless others are given.
    TRIM, "trim", trim_matches
);
trimmed!(
    /// `ltrim(text[, characters])`.
    LTRIM, "ltrim", trim_start_matches
);
trimmed!(
    /// `rtrim(text[, characters])`.
    RTRIM, "rtrim", trim_end_matches
);

fn each(text: &ArrayRef, map: fn(&str) -> String) -> Evaluated {
    let text = texts(text)?;
    let rows = text.iter().map(|text| text.map(map));
    Ok(Arc::new(rows.collect::<StringArray>()))
}

/// A word ends at a blank, and at nothing else. Its first character is made a capital of its own, not of
/// its small letter.
fn initcap(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split_inclusive(' ') {
        let Some(first) = word.chars().next() else {
            continue;
        };
        out.push(title(first));
        let small = word.to_lowercase();
        let of_first: usize = first.to_lowercase().map(char::len_utf8).sum();
        out.push_str(&small[of_first..]);
    }
    out
}

/// A capital of one character, which of `ß` there is none; of a letter that is two only the first is one.
fn title(c: char) -> char {
    match c {
        'Ǆ' | 'ǆ' => 'ǅ',
        'Ǉ' | 'ǉ' => 'ǈ',
        'Ǌ' | 'ǌ' => 'ǋ',
        'Ǳ' | 'ǳ' => 'ǲ',
        _ => {
            let mut upper = c.to_uppercase();
            match (upper.next(), upper.next()) {
                (Some(upper), None) => upper,
                _ => c,
            }
        }
    }
}
