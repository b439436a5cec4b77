//! Regular expressions and `LIKE`.

use std::sync::Arc;

use arrow::array::{BooleanArray, ListBuilder, StringArray, StringBuilder};
use arrow::datatypes::{DataType, Field};

use super::java_regex::JavaRegex;
use crate::error::{Error, Result};
use crate::functions::arguments::{Arg, failed, fit, ints, texts};
use crate::functions::kernel::Kernel;

/// Every kernel of this module.
pub(in crate::functions) const KERNELS: &[&Kernel] = &[
    &RLIKE,
    &LIKE,
    &ILIKE,
    &REGEXP_EXTRACT,
    &REGEXP_EXTRACT_ALL,
    &REGEXP_REPLACE,
    &REGEXP_COUNT,
    &SPLIT,
];

/// A list of texts.
fn list_of_text() -> DataType {
    DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)))
}

/// The pattern of the row before, which most likely is this row's, as `parse` made it.
struct Known<T> {
    parse: fn(&str) -> Result<T>,
    last: Option<(String, T)>,
}

impl<T> Known<T> {
    fn new(parse: fn(&str) -> Result<T>) -> Self {
        Self { parse, last: None }
    }

    fn get(&mut self, pattern: &str) -> Result<&T> {
        if self.last.as_ref().is_none_or(|(known, _)| known != pattern) {
            self.last = Some((pattern.to_owned(), (self.parse)(pattern)?));
        }
        match &self.last {
            Some((_, parsed)) => Ok(parsed),
            None => Err(Error::internal("no pattern")),
        }
    }
}

/// `rlike(text, pattern)`: whether it is found anywhere.
pub static RLIKE: Kernel = Kernel {
    name: "rlike",
    coerce: |types| fit(types, &[Arg::Text; 2], 2),
    returns: |_, _| DataType::Boolean,
    eval: |args| {
        let (text, patterns) = (texts(&args[0])?, texts(&args[1])?);
        let mut known = Known::new(JavaRegex::new);
        let found = text.iter().zip(&patterns).map(|row| match row {
            (Some(text), Some(pattern)) => Ok(Some(known.get(pattern)?.is_match(text))),
            _ => Ok(None),
        });
        Ok(Arc::new(found.collect::<Result<BooleanArray>>()?))
    },
};

/// `like(text, pattern)`.
pub static LIKE: Kernel = Kernel {
    name: "like",
    coerce: |types| fit(types, &[Arg::Text; 2], 2),
    returns: |_, _| DataType::Boolean,
    eval: |args| {
        let (text, patterns) = (texts(&args[0])?, texts(&args[1])?);
        let mut known = Known::new(like_items);
        let found = text.iter().zip(&patterns).map(|row| match row {
            (Some(text), Some(pattern)) => Ok(Some(is_like(text, known.get(pattern)?))),
            _ => Ok(None),
        });
        Ok(Arc::new(found.collect::<Result<BooleanArray>>()?))
    },
};

/// `ilike(text, pattern)`, both in small letters.
pub static ILIKE: Kernel = Kernel {
    name: "ilike",
    coerce: |types| fit(types, &[Arg::Text; 2], 2),
    returns: |_, _| DataType::Boolean,
    eval: |args| {
        let (text, patterns) = (texts(&args[0])?, texts(&args[1])?);
        let mut known = Known::new(|pattern| like_items(&pattern.to_lowercase()));
        let found = text.iter().zip(&patterns).map(|row| match row {
            (Some(text), Some(pattern)) => {
                Ok(Some(is_like(&text.to_lowercase(), known.get(pattern)?)))
            }
            _ => Ok(None),
        });
        Ok(Arc::new(found.collect::<Result<BooleanArray>>()?))
    },
};

/// `regexp_extract(text, pattern, group)`: of the first match; empty where there is none.
pub static REGEXP_EXTRACT: Kernel = Kernel {
    name: "regexp_extract",
    coerce: |types| fit(types, &[Arg::Text, Arg::Text, Arg::Int], 3),
    returns: |_, _| DataType::Utf8,
    eval: |args| {
        let (text, patterns) = (texts(&args[0])?, texts(&args[1])?);
        let mut known = Known::new(JavaRegex::new);
        let rows = text.iter().zip(&patterns).zip(ints(&args[2]));
        let extracted = rows.map(|row| match row {
            ((Some(text), Some(pattern)), Some(group)) => {
                let regex = known.get(pattern)?;
                let Some(spans) = regex.find(text, 0) else {
                    return Ok(Some(""));
                };
                let group = group_index("regexp_extract", regex, pattern, group)?;
                let span = spans.get(group).copied().flatten();
                Ok(Some(span.map_or("", |(start, end)| &text[start..end])))
            }
            _ => Ok(None),
        });
        Ok(Arc::new(extracted.collect::<Result<StringArray>>()?))
    },
};

/// `regexp_extract_all(text, pattern, group)`: of every match.
pub static REGEXP_EXTRACT_ALL: Kernel = Kernel {
    name: "regexp_extract_all",
    coerce: |types| fit(types, &[Arg::Text, Arg::Text, Arg::Int], 3),
    returns: |_, _| list_of_text(),
    eval: |args| {
        let (text, patterns) = (texts(&args[0])?, texts(&args[1])?);
        let mut known = Known::new(JavaRegex::new);
        let mut out = ListBuilder::new(StringBuilder::new());
        for row in text.iter().zip(&patterns).zip(ints(&args[2])) {
            let ((Some(text), Some(pattern)), Some(group)) = row else {
                out.append_null();
                continue;
            };
            let regex = known.get(pattern)?;
            for spans in regex.matches(text) {
                let group = group_index("regexp_extract_all", regex, pattern, group)?;
                let span = spans.get(group).copied().flatten();
                out.values()
                    .append_value(span.map_or("", |(start, end)| &text[start..end]));
            }
            out.append(true);
        }
        Ok(Arc::new(out.finish()))
    },
};

/// `regexp_count(text, pattern)`: how many matches there are.
pub static REGEXP_COUNT: Kernel = Kernel {
    name: "regexp_count",
    coerce: |types| fit(types, &[Arg::Text; 2], 2),
    returns: |_, _| DataType::Int32,
    eval: |args| {
        let (text, patterns) = (texts(&args[0])?, texts(&args[1])?);
        let mut known = Known::new(JavaRegex::new);
        let counted = text.iter().zip(&patterns).map(|row| match row {
            (Some(text), Some(pattern)) => {
                let count = known.get(pattern)?.matches(text).count();
                Ok(Some(i32::try_from(count).unwrap_or(i32::MAX)))
            }
            _ => Ok(None),
        });
        Ok(Arc::new(
            counted.collect::<Result<arrow::array::Int32Array>>()?,
        ))
    },
};

/// `regexp_replace(text, pattern, replacement)`: every match; `$1` and `${name}` are its groups.
pub static REGEXP_REPLACE: Kernel = Kernel {
    name: "regexp_replace",
    coerce: |types| fit(types, &[Arg::Text; 3], 3),
    returns: |_, _| DataType::Utf8,
    eval: |args| {
        let (text, patterns, other) = (texts(&args[0])?, texts(&args[1])?, texts(&args[2])?);
        let mut known = Known::new(JavaRegex::new);
        let rows = text.iter().zip(&patterns).zip(&other);
        let replaced = rows.map(|row| match row {
            ((Some(text), Some(pattern)), Some(other)) => {
                replace_all(known.get(pattern)?, text, other).map(Some)
            }
            _ => Ok(None),
        });
        Ok(Arc::new(replaced.collect::<Result<StringArray>>()?))
    },
};

/// `split(text, pattern, limit)`: a limit above 0 is the most parts there are.
pub static SPLIT: Kernel = Kernel {
    name: "split",
    coerce: |types| fit(types, &[Arg::Text, Arg::Text, Arg::Int], 3),
    returns: |_, _| list_of_text(),
    eval: |args| {
        let (text, patterns) = (texts(&args[0])?, texts(&args[1])?);
        let mut known = Known::new(JavaRegex::new);
        let mut out = ListBuilder::new(StringBuilder::new());
        for row in text.iter().zip(&patterns).zip(ints(&args[2])) {
            let ((Some(text), Some(pattern)), Some(limit)) = row else {
                out.append_null();
                continue;
            };
            let most = usize::try_from(limit).ok().filter(|most| *most > 0);
            let parts = match pattern {
                "" if !text.is_empty() => characters(text, most),
                _ => split(known.get(pattern)?, text, most),
            };
            parts
                .into_iter()
                .for_each(|part| out.values().append_value(part));
            out.append(true);
        }
        Ok(Arc::new(out.finish()))
    },
};

fn group_index(function: &str, regex: &JavaRegex, pattern: &str, group: i32) -> Result<usize> {
    let index = usize::try_from(group).ok();
    index
        .filter(|index| *index <= regex.groups())
        .ok_or_else(|| {
            failed(format!(
                "{function}: {pattern:?} has no group {group}, its last is {}",
                regex.groups()
            ))
        })
}

/// `Matcher.replaceAll`.
fn replace_all(regex: &JavaRegex, text: &str, replacement: &str) -> Result<String> {
    let mut out = String::with_capacity(text.len());
    let mut copied = 0;
    for spans in regex.matches(text) {
        let Some(whole) = spans[0] else { break };
        out.push_str(&text[copied..whole.0]);
        expand(regex, text, &spans, replacement, &mut out)?;
        copied = whole.1;
    }
    out.push_str(&text[copied..]);
    Ok(out)
}

/// `Matcher.appendExpandedReplacement`.
fn expand(
    regex: &JavaRegex,
    text: &str,
    spans: &[Option<(usize, usize)>],
    replacement: &str,
    out: &mut String,
) -> Result<()> {
    let bad = |what: &str| {
        failed(format!(
            "regexp_replace: replacement {replacement:?} {what}"
        ))
    };
    let mut chars = replacement.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.push(chars.next().ok_or_else(|| bad("ends with a backslash"))?),
            '$' => {
                let group = if chars.peek() == Some(&'{') {
                    chars.next();
                    let name: String = chars.by_ref().take_while(|c| *c != '}').collect();
                    regex
                        .named(&name)
                        .ok_or_else(|| bad("names a group there is not"))?
                } else {
                    let digit =
                        |c: Option<&char>| c.and_then(|c| c.to_digit(10)).map(|d| d as usize);
                    let mut group = digit(chars.peek())
                        .ok_or_else(|| bad("has a $ without a group: write \\$"))?;
                    chars.next();
                    if group > regex.groups() {
                        return Err(bad("has the number of a group there is not"));
                    }
                    // More digits belong to the number as long as there is such a group.
                    while let Some(next) = digit(chars.peek()) {
                        if group * 10 + next > regex.groups() {
                            break;
                        }
                        group = group * 10 + next;
                        chars.next();
                    }
                    group
                };
                if let Some((start, end)) = spans.get(group).copied().flatten() {
                    out.push_str(&text[start..end]);
                }
            }
            c => out.push(c),
        }
    }
    Ok(())
}

/// `Pattern.split`, with what is empty at the end kept.
fn split<'a>(regex: &JavaRegex, text: &'a str, most: Option<usize>) -> Vec<&'a str> {
    let mut parts = Vec::new();
    let mut begin = 0;
    let mut matches = regex.matches(text);
    while most.is_none_or(|most| parts.len() + 1 < most) {
        let Some(Some(whole)) = matches.next().map(|spans| spans[0]) else {
            break;
        };
        // An empty match at the beginning leaves nothing before it.
        if whole.1 == 0 {
            continue;
        }
        parts.push(&text[begin..whole.0]);
        begin = whole.1;
    }
    parts.push(&text[begin..]);
    parts
}

/// `UTF8String.split` by nothing: each character, the last with what is left.
fn characters(text: &str, most: Option<usize>) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if most.is_some_and(|most| parts.len() + 1 == most) || rest.len() == c.len_utf8() {
            break;
        }
        let (one, more) = rest.split_at(c.len_utf8());
        parts.push(one);
        rest = more;
    }
    parts.push(rest);
    parts
}

#[derive(Debug, PartialEq, Eq)]
enum Like {
    Char(char),
    One,
    Any,
}

fn like_items(pattern: &str) -> Result<Vec<Like>> {
    let mut items = Vec::with_capacity(pattern.len());
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        items.push(match c {
            '%' => Like::Any,
            '_' => Like::One,
            '\\' => match chars.next() {
                Some(c @ ('%' | '_' | '\\')) => Like::Char(c),
                _ => {
                    return Err(Error::invalid_argument(format!(
                        "like: pattern {pattern:?} has a backslash that is not before %, _ or another one"
                    )));
                }
            },
            c => Like::Char(c),
        });
    }
    Ok(items)
}

/// Whether `text` fits: on a mismatch the last `%` takes one more character.
fn is_like(text: &str, items: &[Like]) -> bool {
    let mut rest = text.chars();
    let mut at = 0;
    let mut again: Option<(usize, std::str::Chars<'_>)> = None;
    loop {
        if items.get(at) == Some(&Like::Any) {
            at += 1;
            again = Some((at, rest.clone()));
            continue;
        }
        let mut next = rest.clone();
        match (items.get(at), next.next()) {
            (None, None) => return true,
            (Some(Like::One), Some(_)) => {
                rest = next;
                at += 1;
                continue;
            }
            (Some(Like::Char(wanted)), Some(c)) if *wanted == c => {
                rest = next;
                at += 1;
                continue;
            }
            _ => {}
        }
        let Some((after, skipped)) = &mut again else {
            return false;
        };
        if skipped.next().is_none() {
            return false;
        }
        at = *after;
        rest = skipped.clone();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_matches_whole_text() {
        for (text, pattern, expected) in [
            ("abc", "a%c", true),
            ("abc", "a_", false),
            ("", "%", true),
            ("a%c", "a\\%c", true),
            ("abc", "a\\%c", false),
            ("a\nb😀", "a%_", true),
            ("aab", "%ab", true),
            ("aabx", "%ab", false),
        ] {
            let items = like_items(pattern).unwrap();
            assert_eq!(is_like(text, &items), expected, "{text} {pattern}");
        }
        assert!(like_items("a\\b").is_err());
    }
}
