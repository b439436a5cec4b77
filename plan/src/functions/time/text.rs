//! Text to dates and times as Spark's casts read it (`SparkDateTimeUtils.stringToDate`,
//! `stringToTimestamp`): fields may lack leading zeros, what is left out is zero, a zone may follow.
//!
//! A time without a date (`T12:00`), which Spark sets on the current day, is not a time here: the
//! same text must give the same value whenever it is read.

use arrow::array::timezone::Tz;
use chrono::{Offset, TimeZone};

use super::civil::{MICROS_PER_DAY, MICROS_PER_SECOND, days_of};

/// Days since the epoch; `None` for what is no date.
#[must_use]
pub fn parse_date(text: &str) -> Option<i32> {
    let bytes = trim(text).as_bytes();
    let mut fields = Fields::new(bytes)?;
    let (mut month, mut day) = (1, 1);
    let year = fields.year(7)?;
    if !fields.done() {
        fields.expect(b'-')?;
        month = fields.number(1, 2)?;
        if !fields.done() {
            fields.expect(b'-')?;
            day = fields.number(1, 2)?;
            // Whatever follows a blank or a T is not looked at.
            if !fields.done() && !matches!(fields.peek(), Some(b' ' | b'T')) {
                return None;
            }
        }
    }
    days_of(year, month, day)
}

/// Microseconds since the epoch; text without a zone is in UTC. `None` for what is no time.
#[must_use]
pub fn parse_timestamp(text: &str) -> Option<i64> {
    let (local, zone) = parse_local(text)?;
    match zone {
        None => Some(local),
        Some(zone) => to_utc(local, zone),
    }
}

/// Microseconds since the epoch on a clock without a zone; `None` also for text that names a zone.
#[must_use]
pub fn parse_timestamp_ntz(text: &str) -> Option<i64> {
    match parse_local(text)? {
        (local, None) => Some(local),
        (_, Some(_)) => None,
    }
}

/// A local time in `zone` as one in UTC; `None` for a zone there is not.
pub(super) fn to_utc(local: i64, zone: &str) -> Option<i64> {
    let seconds = match zone {
        "Z" | "UTC" | "GMT" | "UT" => 0,
        _ => match offset_seconds(zone) {
            Some(seconds) => seconds,
            None => return region(local, zone),
        },
    };
    local.checked_sub(seconds * MICROS_PER_SECOND)
}

/// The time and the zone's text.
fn parse_local(text: &str) -> Option<(i64, Option<&str>)> {
    let text = trim(text);
    let mut fields = Fields::new(text.as_bytes())?;
    let year = fields.year(6)?;
    let (mut month, mut day) = (1, 1);
    let (mut hour, mut minute, mut second, mut micros) = (0, 0, 0, 0);
    let mut zone = None;
    'read: {
        if fields.done() {
            break 'read;
        }
        fields.expect(b'-')?;
        month = fields.number(1, 2)?;
        if fields.done() {
            break 'read;
        }
        fields.expect(b'-')?;
        day = fields.number(1, 2)?;
        if fields.done() {
            break 'read;
        }
        if !matches!(fields.peek(), Some(b' ' | b'T')) {
            return None;
        }
        fields.at += 1;
        hour = fields.number(1, 2)?;
        if fields.done() {
            break 'read;
        }
        fields.expect(b':')?;
        minute = fields.number(1, 2)?;
        if fields.done() {
            break 'read;
        }
        fields.expect(b':')?;
        second = fields.number(1, 2)?;
        if fields.peek() == Some(b'.') {
            fields.at += 1;
            micros = fields.micros();
        }
        if !fields.done() {
            zone = Some(text.get(fields.at..)?.trim());
        }
    }
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = i64::from(days_of(year, month, day)?);
    let of_day = ((hour * 60 + minute) * 60 + second) * MICROS_PER_SECOND + micros;
    Some((days.checked_mul(MICROS_PER_DAY)?.checked_add(of_day)?, zone))
}

/// `+h`, `+hh`, `+h:mm`, `+hhmm`, `+hh:mm:ss`, each also after UTC, GMT or UT.
fn offset_seconds(zone: &str) -> Option<i64> {
    let zone = ["UTC", "GMT", "UT"]
        .iter()
        .find_map(|name| zone.strip_prefix(name))
        .unwrap_or(zone);
    let (sign, rest) = match zone.as_bytes().first()? {
        b'+' => (1, &zone[1..]),
        b'-' => (-1, &zone[1..]),
        _ => return None,
    };
    let number = |text: &str| match text.len() {
        1 | 2 if text.bytes().all(|b| b.is_ascii_digit()) => text.parse::<i64>().ok(),
        _ => None,
    };
    let mut parts = rest.split(':');
    let first = parts.next()?;
    let (hours, minutes, seconds) =
        if first.len() == 4 && first.is_ascii() && parts.clone().next().is_none() {
            (number(&first[..2])?, number(&first[2..])?, 0)
        } else {
            let hours = number(first)?;
            let minutes = parts.next().map_or(Some(0), number)?;
            (hours, minutes, parts.next().map_or(Some(0), number)?)
        };
    if parts.next().is_some() || minutes > 59 || seconds > 59 {
        return None;
    }
    let total = (hours * 60 + minutes) * 60 + seconds;
    (total <= 18 * 3600).then_some(sign * total)
}

/// A region's local time; of an hour that comes twice the first, an hour that is skipped moved on, as
/// Java does.
fn region(local: i64, zone: &str) -> Option<i64> {
    let tz: Tz = zone.parse().ok()?;
    let naive = chrono::DateTime::from_timestamp_micros(local)?.naive_utc();
    let offset = match tz.offset_from_local_datetime(&naive) {
        chrono::LocalResult::Single(offset) | chrono::LocalResult::Ambiguous(offset, _) => {
            offset.fix()
        }
        chrono::LocalResult::None => {
            let before = naive.checked_sub_signed(chrono::TimeDelta::hours(3))?;
            tz.offset_from_local_datetime(&before).earliest()?.fix()
        }
    };
    local.checked_sub(i64::from(offset.local_minus_utc()) * MICROS_PER_SECOND)
}

/// Spark's `trimAll`: blanks and control characters.
fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| c <= ' ' || c == '\u{7f}')
}

struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
    negative: bool,
}

impl<'a> Fields<'a> {
    fn new(bytes: &'a [u8]) -> Option<Self> {
        let negative = *bytes.first()? == b'-';
        let at = usize::from(matches!(bytes.first(), Some(b'-' | b'+')));
        Some(Self {
            bytes,
            at,
            negative,
        })
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn done(&self) -> bool {
        self.at == self.bytes.len()
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn year(&mut self, digits_max: usize) -> Option<i64> {
        let year = self.number(4, digits_max)?;
        Some(if self.negative { -year } else { year })
    }

    fn number(&mut self, digits_min: usize, digits_max: usize) -> Option<i64> {
        let start = self.at;
        let mut value = 0;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            if self.at - start == digits_max {
                return None;
            }
            value = value * 10 + i64::from(digit - b'0');
            self.at += 1;
        }
        (self.at - start >= digits_min).then_some(value)
    }

    /// A fraction of a second; digits beyond microseconds are cut.
    fn micros(&mut self) -> i64 {
        let mut value = 0;
        let mut scale = MICROS_PER_SECOND / 10;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            value += i64::from(digit - b'0') * scale;
            scale /= 10;
            self.at += 1;
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_with_zones_are_read_as_utc() {
        let noon = 1_582_977_600_000_000;
        for text in [
            "2020-02-29 12:00:00",
            "2020-02-29T12:00:00Z",
            " 2020-2-29 12:0:0.000000 ",
            "2020-02-29 12",
            "2020-02-29T14:00:00+02:00",
            "2020-02-29T14:00:00.0 GMT+2",
            "2020-02-29T13:00:00 Europe/Paris",
        ] {
            assert_eq!(parse_timestamp(text), Some(noon), "{text}");
        }
        for text in [
            "",
            "2021-02-29",
            "2020-02-29 24:00:00",
            "12:00",
            "2020-02-29 12:00:00 Mars",
            "20-01-01",
            "x",
        ] {
            assert_eq!(parse_timestamp(text), None, "{text}");
        }
    }

    #[test]
    fn date_ends_at_a_blank_or_a_t() {
        assert_eq!(parse_date("1970-01-02T99"), Some(1));
        assert_eq!(parse_date("1970-1-2 xyz"), Some(1));
        assert_eq!(parse_date("1970"), Some(0));
        assert_eq!(parse_date("1970-01-02x"), None);
        assert_eq!(parse_date("-"), None);
    }
}
