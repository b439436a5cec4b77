//! JSON as text again, the way Jackson copies it: without blanks, floating-point numbers as Java writes
//! doubles.

use super::cursor::{Cursor, Malformed, Token};
use super::to_json::{quote, quote_escaped};
use crate::functions::strings::java_double;

/// A value that is neither string nor object nor array, `text` being how it stands.
pub(super) fn scalar(token: Token, text: &str, out: &mut String) {
    match token {
        Token::Number { float: true } => match text.parse::<f64>() {
            Ok(value) if value.is_finite() => out.push_str(&java_double(value)),
            Ok(value) => quote(&java_double(value), out),
            Err(_) => out.push_str(text),
        },
        Token::Number { .. } if text == "-0" => out.push('0'),
        Token::NonNumeric => {
            let value = match text.trim_start_matches(['+', '-']) {
                "NaN" => "NaN",
                _ if text.starts_with('-') => "-Infinity",
                _ => "Infinity",
            };
            quote(value, out);
        }
        _ => out.push_str(text),
    }
}

/// The object or array at the cursor, without blanks.
pub(super) fn compact(
    cursor: &mut Cursor<'_>,
    scratch: &mut String,
    out: &mut String,
) -> Result<(), Malformed> {
    let mut open: Vec<u8> = Vec::new();
    loop {
        cursor.blank();
        let start = cursor.position();
        match cursor.token()? {
            Token::String => quote_escaped(cursor.string(scratch)?.as_str(), out),
            token @ (Token::Object | Token::Array) => {
                let (begin, end) = if token == Token::Object {
                    ('{', b'}')
                } else {
                    ('[', b']')
                };
                cursor.step();
                out.push(begin);
                if !cursor.empty(end)? {
                    open.push(end);
                    if end == b'}' {
                        quote_escaped(cursor.name(scratch)?.as_str(), out);
                        out.push(':');
                    }
                    continue;
                }
                out.push(char::from(end));
            }
            token => scalar(token, cursor.since(start), out),
        }
        loop {
            let Some(&end) = open.last() else {
                return Ok(());
            };
            if cursor.more(end)? {
                out.push(',');
                if end == b'}' {
                    quote_escaped(cursor.name(scratch)?.as_str(), out);
                    out.push(':');
                }
                break;
            }
            out.push(char::from(end));
            open.pop();
        }
    }
}
