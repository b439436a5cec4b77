//! Text found in text, and what is put in its place.

use std::sync::Arc;

use arrow::array::{BooleanArray, Int32Array, StringArray};
use arrow::datatypes::DataType;

use crate::functions::arguments::{Arg, fit, ints, texts};
use crate::functions::kernel::Kernel;

/// Every kernel of this module.
pub(in crate::functions) const KERNELS: &[&Kernel] = &[
    &INSTR,
    &LOCATE,
    &REPLACE,
    &TRANSLATE,
    &LEVENSHTEIN,
    &CONTAINS,
    &STARTSWITH,
    &ENDSWITH,
];

macro_rules! text_in_text {
    ($(#[$doc:meta])* $constant:ident, $name:literal, $test:ident) => {
        $(#[$doc])*
        pub static $constant: Kernel = Kernel {
            name: $name,
            coerce: |types| fit(types, &[Arg::Text, Arg::Text], 2),
            returns: |_, _| DataType::Boolean,
            eval: |args| {
                let (text, parts) = (texts(&args[0])?, texts(&args[1])?);
                let rows = text.iter().zip(&parts);
                let found = rows.map(|(text, part)| Some(text?.$test(part?)));
                Ok(Arc::new(found.collect::<BooleanArray>()))
            },
        };
    };
}

text_in_text!(
    /// `contains(text, part)`.
    CONTAINS, "contains", contains
);
text_in_text!(
    /// `startswith(text, prefix)`.
    STARTSWITH, "startswith", starts_with
);
text_in_text!(
    /// `endswith(text, suffix)`.
    ENDSWITH, "endswith", ends_with
);

/// `instr(text, part)`: where it begins, 0 for nowhere.
pub static INSTR: Kernel = Kernel {
    name: "instr",
    coerce: |types| fit(types, &[Arg::Text, Arg::Text], 2),
    returns: |_, _| DataType::Int32,
    eval: |args| {
        let (text, parts) = (texts(&args[0])?, texts(&args[1])?);
        let rows = text.iter().zip(&parts);
        let found = rows.map(|(text, part)| Some(position(text?, part?, 0)));
        Ok(Arc::new(found.collect::<Int32Array>()))
    },
};

/// `locate(part, text, position)`: where it begins from `position` on, 0 for nowhere.
pub static LOCATE: Kernel = Kernel {
    name: "locate",
    coerce: |types| fit(types, &[Arg::Text, Arg::Text, Arg::Int], 3),
    returns: |_, _| DataType::Int32,
    eval: |args| {
        let (parts, text) = (texts(&args[0])?, texts(&args[1])?);
        let rows = text.iter().zip(&parts).zip(ints(&args[2]));
        let found = rows.map(|((text, part), from)| {
            let Some(from) = from else { return Some(0) };
            let (text, part) = (text?, part?);
            Some(match usize::try_from(from) {
                Ok(from @ 1..) => position(text, part, from - 1),
                _ => 0,
            })
        });
        Ok(Arc::new(found.collect::<Int32Array>()))
    },
};

/// `replace(text, search, replacement)`.
pub static REPLACE: Kernel = Kernel {
    name: "replace",
    coerce: |types| fit(types, &[Arg::Text; 3], 3),
    returns: |_, _| DataType::Utf8,
    eval: |args| {
        let (text, search, other) = (texts(&args[0])?, texts(&args[1])?, texts(&args[2])?);
        let rows = text.iter().zip(&search).zip(&other);
        let replaced = rows.map(|((text, search), other)| {
            let (text, search, other) = (text?, search?, other?);
            Some(match search {
                "" => text.to_owned(),
                _ => text.replace(search, other),
            })
        });
        Ok(Arc::new(replaced.collect::<StringArray>()))
    },
};

/// `translate(text, from, to)`: characters of `from` become those of `to` at their places, or go.
pub static TRANSLATE: Kernel = Kernel {
    name: "translate",
    coerce: |types| fit(types, &[Arg::Text; 3], 3),
    returns: |_, _| DataType::Utf8,
    eval: |args| {
        let (text, from, to) = (texts(&args[0])?, texts(&args[1])?, texts(&args[2])?);
        let rows = text.iter().zip(&from).zip(&to);
        let translated = rows.map(|((text, from), to)| {
            let (text, from, to) = (text?, from?, to?);
            let one = |c: char| match from.chars().position(|other| other == c) {
                None => Some(c),
                Some(at) => to.chars().nth(at),
            };
            Some(text.chars().filter_map(one).collect::<String>())
        });
        Ok(Arc::new(translated.collect::<StringArray>()))
    },
};

/// `levenshtein(one, other)`: how many characters to insert, remove or replace.
pub static LEVENSHTEIN: Kernel = Kernel {
    name: "levenshtein",
    coerce: |types| fit(types, &[Arg::Text; 2], 2),
    returns: |_, _| DataType::Int32,
    eval: |args| {
        let (one, other) = (texts(&args[0])?, texts(&args[1])?);
        let rows = one.iter().zip(&other);
        let distances = rows.map(|(one, other)| {
            let distance = strsim::levenshtein(one?, other?);
            Some(i32::try_from(distance).unwrap_or(i32::MAX))
        });
        Ok(Arc::new(distances.collect::<Int32Array>()))
    },
};

/// From 1; 0 when `part` is not in `text` after its first `skipped` characters.
fn position(text: &str, part: &str, skipped: usize) -> i32 {
    if part.is_empty() {
        return 1;
    }
    let Some((from, _)) = text.char_indices().nth(skipped) else {
        return 0;
    };
    match text[from..].find(part) {
        None => 0,
        Some(at) => {
            let before = skipped + text[from..from + at].chars().count();
            i32::try_from(before + 1).unwrap_or(i32::MAX)
        }
    }
}
