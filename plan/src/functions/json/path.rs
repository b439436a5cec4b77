//! `get_json_object(text, path)`: one value out of JSON text, as text.

use arrow::array::{Array, ArrayRef, AsArray, StringBuilder};
use datafusion::common::DataFusionError;
use std::sync::Arc;

use super::compact::{compact, scalar};
use super::cursor::{Cursor, Liberties, Malformed, Token};
use crate::error::{Error, Result};

const LIBERTIES: Liberties = Liberties {
    single_quotes: true,
    control_characters: true,
    non_numeric_numbers: false,
    leading_zeros: false,
};

#[derive(Debug, PartialEq, Eq)]
enum Step {
    Name(String),
    Index(usize),
}

/// Over a column of texts and one of paths.
pub(in crate::functions) fn get_json_object_kernel(
    args: &[ArrayRef],
) -> Result<ArrayRef, DataFusionError> {
    let (texts, paths) = (args[0].as_string::<i32>(), args[1].as_string::<i32>());
    let mut out = StringBuilder::with_capacity(texts.len(), 0);
    let mut last: Option<(&str, Option<Vec<Step>>)> = None;
    let mut scratch = String::new();
    for row in 0..texts.len() {
        if texts.is_null(row) || paths.is_null(row) {
            out.append_null();
            continue;
        }
        let path = paths.value(row);
        if last.as_ref().is_none_or(|(text, _)| *text != path) {
            last = Some((path, parse_path(path)?));
        }
        let steps = last.as_ref().and_then(|(_, steps)| steps.as_deref());
        let mut cursor = Cursor::new(texts.value(row), LIBERTIES);
        let mut value = String::new();
        match steps.map(|steps| find(&mut cursor, steps, &mut scratch, &mut value)) {
            Some(Ok(true)) => out.append_value(value),
            _ => out.append_null(),
        }
    }
    Ok(Arc::new(out.finish()))
}

/// `$.a.b[0]['c d']`; `None` for what is no path, which gives null as in Spark.
fn parse_path(path: &str) -> Result<Option<Vec<Step>>> {
    let Some(mut rest) = path.strip_prefix('$') else {
        return Ok(None);
    };
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let wildcard =
            rest.starts_with(".*") || rest.starts_with("[*]") || rest.starts_with("['*']");
        if wildcard {
            return Err(Error::unsupported(format!(
                "get_json_object: wildcards (path {path:?}) are not supported"
            )));
        }
        if let Some(after) = rest.strip_prefix("['") {
            let Some((name, after)) = after.split_once("']") else {
                return Ok(None);
            };
            steps.push(Step::Name(name.to_owned()));
            rest = after;
        } else if let Some(after) = rest.strip_prefix('[') {
            let Some((Ok(index), after)) = after
                .split_once(']')
                .map(|(index, after)| (index.parse(), after))
            else {
                return Ok(None);
            };
            steps.push(Step::Index(index));
            rest = after;
        } else if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            if end == 0 {
                return Ok(None);
            }
            steps.push(Step::Name(after[..end].to_owned()));
            rest = &after[end..];
        } else {
            return Ok(None);
        }
    }
    Ok(Some(steps))
}

/// Whether there is a value at `steps`; its text goes to `out`. What surrounds it is read to its end, so that
/// broken text gives an error; a member that is null is passed over, an item that is null is `null`.
fn find(
    cursor: &mut Cursor<'_>,
    steps: &[Step],
    scratch: &mut String,
    out: &mut String,
) -> Result<bool, Malformed> {
    cursor.blank();
    let start = cursor.position();
    let token = cursor.token()?;
    let Some((step, rest)) = steps.split_first() else {
        match token {
            Token::String => out.push_str(cursor.string(scratch)?.as_str()),
            Token::Object | Token::Array => compact(cursor, scratch, out)?,
            token => scalar(token, cursor.since(start), out),
        }
        return Ok(true);
    };
    let mut found = false;
    match (step, token) {
        (Step::Name(wanted), Token::Object) => {
            cursor.step();
            if cursor.empty(b'}')? {
                return Ok(false);
            }
            loop {
                let is_it = cursor.name(scratch)?.as_str() == wanted;
                if is_it && !found && cursor.value()? != b'n' {
                    found = find(cursor, rest, scratch, out)?;
                } else {
                    cursor.skip()?;
                }
                if !cursor.more(b'}')? {
                    return Ok(found);
                }
            }
        }
        (Step::Index(wanted), Token::Array) => {
            cursor.step();
            if cursor.empty(b']')? {
                return Ok(false);
            }
            let mut index = 0;
            loop {
                if index == *wanted {
                    found = find(cursor, rest, scratch, out)?;
                } else {
                    cursor.skip()?;
                }
                index += 1;
                if !cursor.more(b']')? {
                    return Ok(found);
                }
            }
        }
        (_, Token::Object | Token::Array | Token::String) => cursor.skip()?,
        // The token was taken.
        _ => {}
    }
    Ok(false)
}
