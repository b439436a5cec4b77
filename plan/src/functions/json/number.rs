//! Decimal numbers as text: read into a precision and scale, rounded half up.

/// The number `text` (optional sign, digits, fraction, exponent) with `scale` fractional digits;
/// `None` when it is no number or has more than `precision` digits.
pub(crate) fn parse_decimal(text: &str, precision: u8, scale: i8) -> Option<i128> {
    let (negative, rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (mantissa, exponent) = match rest.find(['e', 'E']) {
        Some(at) => (&rest[..at], rest[at + 1..].parse::<i32>().ok()?),
        None => (rest, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.len() + fraction.len() == 0 {
        return None;
    }
    // How many digits of whole + fraction are kept; the next one rounds.
    let kept = i64::try_from(whole.len()).ok()? + i64::from(exponent) + i64::from(scale);
    let mut value: i128 = 0;
    let mut taken = 0;
    let mut round_up = false;
    for digit in whole.bytes().chain(fraction.bytes()) {
        if !digit.is_ascii_digit() {
            return None;
        }
        if taken < kept {
            value = value
                .checked_mul(10)?
                .checked_add(i128::from(digit - b'0'))?;
        } else if taken == kept {
            round_up = digit >= b'5';
        }
        taken += 1;
    }
    if value != 0 {
        for _ in taken..kept {
            value = value.checked_mul(10)?;
        }
    }
    value = value.checked_add(i128::from(round_up))?;
    let limit = 10_i128.checked_pow(u32::from(precision))?;
    (value < limit).then_some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_rounded_half_up_and_bounded() {
        for (text, expected) in [
            ("1.005", Some(101)),
            ("-1.005", Some(-101)),
            ("1.0049", Some(100)),
            ("12", Some(1200)),
            ("1e1", Some(1000)),
            ("1.5E-2", Some(2)),
            ("0.0e999999", Some(0)),
            ("1e-999999", Some(0)),
            ("999.994", Some(99_999)),
            ("999.995", None),
            ("1000", None),
            ("1e99", None),
            ("", None),
            ("-", None),
            (".5", Some(50)),
            ("1.2.3", None),
            ("abc", None),
        ] {
            assert_eq!(parse_decimal(text, 5, 2), expected, "{text}");
        }
        // Rounded up, it is one more than fits in memory.
        let beyond = "1701411834604692317316873037158841057.275";
        assert_eq!(parse_decimal(beyond, 18, 2), None);
        let most = "9".repeat(38);
        assert_eq!(parse_decimal(&most, 38, 0), Some(10_i128.pow(38) - 1));
        assert_eq!(parse_decimal(&format!("{most}9"), 38, 0), None);
    }
}
