//! Text as Java writes and reads it: numbers, Base64.

use std::fmt::Write;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// RFC 4648 with padding, in one line.
pub(super) fn encode_base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let get = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let word = get(0) << 16 | get(1) << 8 | get(2);
        for index in 0..4 {
            if index <= chunk.len() {
                let six = (word >> (18 - 6 * index)) & 63;
                out.push(char::from(ALPHABET[six as usize]));
            } else {
                out.push('=');
            }
        }
    }
    out
}

/// The bytes of Base64 text, padded or not; `None` for other text.
pub(super) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    if text.len() - digits.len() > 2 || digits.len() % 4 == 1 {
        return None;
    }
    let mut out = Vec::with_capacity(digits.len() / 4 * 3 + 2);
    let (mut word, mut bits) = (0_u32, 0);
    for byte in digits.bytes() {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        word = word << 6 | u32::from(six);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push((word >> bits).to_le_bytes()[0]);
        }
    }
    Some(out)
}

/// `Double.toString`: a fraction always, an exponent below 10^-3 and from 10^7 on.
pub(super) fn java_double(value: f64) -> String {
    java_number(
        value.is_nan(),
        value.is_infinite(),
        value < 0.0,
        value == 0.0,
        value.abs(),
        format!("{value:e}"),
    )
}

/// `Float.toString`.
pub(super) fn java_float(value: f32) -> String {
    java_number(
        value.is_nan(),
        value.is_infinite(),
        value < 0.0,
        value == 0.0,
        f64::from(value.abs()),
        format!("{value:e}"),
    )
}

fn java_number(
    nan: bool,
    infinite: bool,
    negative: bool,
    zero: bool,
    size: f64,
    scientific: String,
) -> String {
    if nan {
        return "NaN".to_owned();
    }
    if infinite {
        return if negative { "-Infinity" } else { "Infinity" }.to_owned();
    }
    if zero {
        return if scientific.starts_with('-') {
            "-0.0"
        } else {
            "0.0"
        }
        .to_owned();
    }
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let mut out = String::from(if negative { "-" } else { "" });
    if (1e-3..1e7).contains(&size) {
        if exponent < 0 {
            let zeros = usize::try_from(-exponent - 1).unwrap_or(0);
            let _ = write!(out, "0.{}{digits}", "0".repeat(zeros));
        } else {
            let whole = usize::try_from(exponent + 1).unwrap_or(1);
            let padded = format!("{digits:0<whole$}");
            let (whole, fraction) = padded.split_at(whole);
            let _ = write!(
                out,
                "{whole}.{}",
                if fraction.is_empty() { "0" } else { fraction }
            );
        }
    } else {
        let (first, rest) = digits.split_at(1);
        let _ = write!(
            out,
            "{first}.{}E{exponent}",
            if rest.is_empty() { "0" } else { rest }
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_java_does() {
        for (value, text) in [
            (1.0, "1.0"),
            (-0.5, "-0.5"),
            (0.001, "0.001"),
            (0.0001, "1.0E-4"),
            (1_234_567.5, "1234567.5"),
            (12_345_678.0, "1.2345678E7"),
            (-0.0, "-0.0"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(java_double(value), text);
        }
        assert_eq!(java_float(0.1), "0.1");
    }

    #[test]
    fn base64_goes_both_ways() {
        for (bytes, text) in [
            (&b""[..], ""),
            (b"f", "Zg=="),
            (b"fo", "Zm8="),
            (b"foo", "Zm9v"),
        ] {
            assert_eq!(encode_base64(bytes), text);
            assert_eq!(decode_base64(text).as_deref(), Some(bytes));
        }
        assert_eq!(decode_base64("Zg"), Some(b"f".to_vec()));
        assert_eq!(decode_base64("Z"), None);
        assert_eq!(decode_base64("Z*=="), None);
    }
}
