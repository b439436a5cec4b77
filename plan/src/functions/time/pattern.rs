//! Spark's datetime patterns (`yyyy-MM-dd'T'HH:mm:ss[.SSS][XXX]`), read and written in UTC.
//!
//! Understood: `y M L d D H h k K m s S a E Q q G X x Z z V O`, quoted text and optional sections. Other
//! letters, and counts of them Spark refuses, are refused by name, as Spark 3 and later do.

use std::fmt::Write;

use super::civil::{
    MICROS_PER_DAY, MICROS_PER_SECOND, civil_of, day_of_year, days_of, iso_weekday, split,
};
use super::text::to_utc;
use crate::error::{Error, Result};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

/// A pattern, ready to read and write.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pattern {
    items: Vec<Item>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Item {
    Literal(char),
    /// A letter, how often it stands, and whether a number follows at once.
    Field(char, usize, bool),
    Optional(Vec<Item>),
}

impl Pattern {
    /// Understands `pattern`.
    ///
    /// # Errors
    /// `InvalidArgument` for a letter or a count that is not supported, naming it.
    pub fn parse(pattern: &str) -> Result<Self> {
        let chars: Vec<char> = pattern.chars().collect();
        let mut at = 0;
        let items = items(&chars, &mut at, false).map_err(|what| {
            Error::invalid_argument(format!("datetime pattern {pattern:?} {what}"))
        })?;
        Ok(Self { items })
    }

    /// `micros` since the epoch, in UTC.
    #[must_use]
    pub fn format(&self, micros: i64) -> String {
        let mut out = String::new();
        let (days, of_day) = split(micros);
        write_items(&self.items, days, of_day, &mut out);
        out
    }

    /// Microseconds since the epoch; what the pattern has not is that of 1970-01-01 00:00:00. `None`
    /// when `text` does not fit, to its end.
    #[must_use]
    pub fn read(&self, text: &str) -> Option<i64> {
        let mut found = Found::default();
        let rest = read_items(&self.items, text, &mut found)?;
        rest.is_empty().then(|| found.micros())?
    }

    /// As [`Self::read`], the date only.
    #[must_use]
    pub fn read_date(&self, text: &str) -> Option<i32> {
        let mut found = Found::default();
        let rest = read_items(&self.items, text, &mut found)?;
        rest.is_empty().then(|| found.days())?
    }
}

fn items(chars: &[char], at: &mut usize, inside: bool) -> Result<Vec<Item>, String> {
    let mut items = Vec::new();
    while let Some(&first) = chars.get(*at) {
        *at += 1;
        match first {
            '\'' => {
                // Two quotes are one, within quoted text and without.
                if chars.get(*at) == Some(&'\'') {
                    *at += 1;
                    items.push(Item::Literal('\''));
                    continue;
                }
                loop {
                    match chars.get(*at) {
                        Some('\'') if chars.get(*at + 1) == Some(&'\'') => {
                            items.push(Item::Literal('\''));
                            *at += 2;
                        }
                        Some('\'') => {
                            *at += 1;
                            break;
                        }
                        Some(other) => {
                            items.push(Item::Literal(*other));
                            *at += 1;
                        }
                        None => return Err("has an unclosed quote".to_owned()),
                    }
                }
            }
            '[' => items.push(Item::Optional(self::items(chars, at, true)?)),
            ']' if inside => return Ok(mark_adjacent(items)),
            ']' | '{' | '}' | '#' => return Err(format!("has the reserved character {first:?}")),
            letter if letter.is_ascii_alphabetic() => {
                let mut count = 1;
                while chars.get(*at) == Some(&letter) {
                    count += 1;
                    *at += 1;
                }
                let most = match letter {
                    'y' => 6,
                    'M' | 'L' | 'E' | 'Q' | 'q' | 'z' | 'O' | 'G' => 4,
                    'd' | 'H' | 'h' | 'k' | 'K' | 'm' | 's' | 'V' => 2,
                    'D' | 'Z' => 3,
                    'S' => 9,
                    'a' => 1,
                    'X' | 'x' => 5,
                    _ => {
                        return Err(format!(
                            "has the letter {letter:?}, which is not supported: use y M d D H h m s S a E Q X x Z z \
                             V, and quotes around text"
                        ));
                    }
                };
                if count > most
                    || (matches!(letter, 'V') && count != 2)
                    || (letter == 'O' && count != 1 && count != 4)
                {
                    return Err(format!(
                        "has {count} letters {letter:?} in a row, which is not supported"
                    ));
                }
                items.push(Item::Field(letter, count, false));
            }
            other => items.push(Item::Literal(other)),
        }
    }
    if inside {
        return Err("has an unclosed [".to_owned());
    }
    Ok(mark_adjacent(items))
}

fn mark_adjacent(mut items: Vec<Item>) -> Vec<Item> {
    for index in 1..items.len() {
        let number =
            matches!(items[index], Item::Field(letter, count, _) if is_number(letter, count));
        if let Item::Field(_, _, adjacent) = &mut items[index - 1] {
            *adjacent = number;
        }
    }
    items
}

fn is_number(letter: char, count: usize) -> bool {
    match letter {
        'M' | 'L' | 'Q' | 'q' => count <= 2,
        'y' | 'd' | 'D' | 'H' | 'h' | 'k' | 'K' | 'm' | 's' | 'S' => true,
        _ => false,
    }
}

fn write_items(items: &[Item], days: i32, of_day: i64, out: &mut String) {
    for item in items {
        match item {
            Item::Literal(c) => out.push(*c),
            Item::Optional(inside) => write_items(inside, days, of_day, out),
            Item::Field(letter, count, _) => write_field(*letter, *count, days, of_day, out),
        }
    }
}

fn write_field(letter: char, count: usize, days: i32, of_day: i64, out: &mut String) {
    let (year, month, day) = civil_of(days);
    let seconds = of_day / MICROS_PER_SECOND;
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let name = |full: &'static str| if count == 4 { full } else { &full[..3] };
    let month_name = MONTHS[usize::try_from(month - 1).unwrap_or(0)];
    let day_name = DAYS[usize::try_from(iso_weekday(days) - 1).unwrap_or(0)];
    let half_hour = if hour % 12 == 0 { 12 } else { hour % 12 };
    // The year of an era: 0 is 1 BC.
    let year = if year <= 0 { 1 - year } else { year };
    let quarter = (month - 1) / 3 + 1;
    // Writing into a string cannot fail.
    let _ = match letter {
        'y' if count == 2 => write!(out, "{:02}", year % 100),
        // More digits than letters are announced by a sign.
        'y' if count >= 4 && year >= 10_i64.pow(u32::try_from(count).unwrap_or(4)) => {
            write!(out, "+{year}")
        }
        'y' => write!(out, "{year:0count$}"),
        'M' | 'L' if count <= 2 => write!(out, "{month:0count$}"),
        'M' | 'L' => write!(out, "{}", name(month_name)),
        'd' => write!(out, "{day:0count$}"),
        'D' => write!(out, "{:0count$}", day_of_year(days)),
        'H' => write!(out, "{hour:0count$}"),
        'h' => write!(out, "{half_hour:0count$}"),
        'k' => write!(out, "{:0count$}", if hour == 0 { 24 } else { hour }),
        'K' => write!(out, "{:0count$}", hour % 12),
        'm' => write!(out, "{minute:0count$}"),
        's' => write!(out, "{second:0count$}"),
        'S' => {
            let nanos = format!("{:09}", of_day % MICROS_PER_SECOND * 1000);
            write!(out, "{}", &nanos[..count])
        }
        'a' => write!(out, "{}", if hour < 12 { "AM" } else { "PM" }),
        'E' => write!(out, "{}", name(day_name)),
        'Q' | 'q' if count <= 2 => write!(out, "{quarter:0count$}"),
        'Q' | 'q' if count == 3 => write!(out, "Q{quarter}"),
        'Q' | 'q' => write!(
            out,
            "{quarter}{} quarter",
            ["st", "nd", "rd", "th"][usize::try_from(quarter - 1).unwrap_or(3)]
        ),
        'G' if count == 4 => write!(
            out,
            "{}",
            if civil_of(days).0 <= 0 {
                "Before Christ"
            } else {
                "Anno Domini"
            }
        ),
        'G' => write!(out, "{}", if civil_of(days).0 <= 0 { "BC" } else { "AD" }),
        'X' => write!(out, "Z"),
        'x' if count == 1 => write!(out, "+00"),
        'x' if count.is_multiple_of(2) => write!(out, "+0000"),
        'x' => write!(out, "+00:00"),
        'Z' => write!(out, "+0000"),
        'z' if count == 4 => write!(out, "Coordinated Universal Time"),
        'z' | 'V' => write!(out, "UTC"),
        _ => write!(out, "GMT"),
    };
}

#[derive(Default, Clone)]
struct Found {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    hour: Option<i64>,
    half_hour: Option<i64>,
    afternoon: Option<bool>,
    minute: i64,
    second: i64,
    micros: i64,
    weekday: Option<i32>,
    zone: Option<String>,
}

impl Found {
    fn days(&self) -> Option<i32> {
        let year = self.year.unwrap_or(1970);
        let days = match self.day_of_year {
            Some(day) if self.month.is_none() => {
                let days = days_of(year, 1, 1)?.checked_add(i32::try_from(day).ok()? - 1)?;
                (day >= 1 && civil_of(days).0 == year).then_some(days)?
            }
            _ => days_of(year, self.month.unwrap_or(1), self.day.unwrap_or(1))?,
        };
        match self.weekday {
            Some(weekday) if weekday != iso_weekday(days) => None,
            _ => Some(days),
        }
    }

    fn micros(&self) -> Option<i64> {
        let hour = match (self.hour, self.half_hour) {
            (Some(hour), _) => hour,
            (None, Some(hour)) => hour + if self.afternoon == Some(true) { 12 } else { 0 },
            (None, None) => 0,
        };
        if hour > 23 || self.minute > 59 || self.second > 59 {
            return None;
        }
        let of_day =
            ((hour * 60 + self.minute) * 60 + self.second) * MICROS_PER_SECOND + self.micros;
        let local = i64::from(self.days()?)
            .checked_mul(MICROS_PER_DAY)?
            .checked_add(of_day)?;
        match &self.zone {
            None => Some(local),
            Some(zone) => to_utc(local, zone),
        }
    }
}

fn read_items<'a>(items: &[Item], mut text: &'a str, found: &mut Found) -> Option<&'a str> {
    for item in items {
        text = match item {
            Item::Literal(c) => text.strip_prefix(*c)?,
            Item::Optional(inside) => {
                let mut tried = found.clone();
                match read_items(inside, text, &mut tried) {
                    Some(rest) => {
                        *found = tried;
                        rest
                    }
                    None => text,
                }
            }
            Item::Field(letter, count, adjacent) => {
                read_field(*letter, *count, *adjacent, text, found)?
            }
        };
    }
    Some(text)
}

fn read_field<'a>(
    letter: char,
    count: usize,
    adjacent: bool,
    text: &'a str,
    found: &mut Found,
) -> Option<&'a str> {
    // As Java reads them: one letter takes any width, more are the exact width.
    let width = |most: usize| {
        if count == 1 && !adjacent {
            (1, most)
        } else {
            (count, count)
        }
    };
    let within = |(value, rest): (i64, &'a str), least: i64, most: i64| {
        (least..=most).contains(&value).then_some((value, rest))
    };
    let rest = match letter {
        'y' => {
            let (value, rest) = match count {
                2 => number(text, (2, 2)).map(|(value, rest)| (2000 + value, rest))?,
                4.. => match text.strip_prefix('+') {
                    Some(text) => number(text, (count + 1, 7))?,
                    None => number(text, (count, count))?,
                },
                _ => number(text, (count, 7))?,
            };
            found.year = Some(value);
            rest
        }
        'M' | 'L' if count <= 2 => {
            let (value, rest) = within(number(text, width(2))?, 1, 12)?;
            found.month = Some(value);
            rest
        }
        'M' | 'L' => {
            let (index, rest) = named(text, &MONTHS, count)?;
            found.month = Some(index + 1);
            rest
        }
        'd' => {
            let (value, rest) = within(number(text, width(2))?, 1, 31)?;
            found.day = Some(value);
            rest
        }
        'D' => {
            let (value, rest) = within(number(text, (count, 3))?, 1, 366)?;
            found.day_of_year = Some(value);
            rest
        }
        'H' => {
            let (value, rest) = within(number(text, width(2))?, 0, 23)?;
            found.hour = Some(value);
            rest
        }
        'k' => {
            let (value, rest) = within(number(text, width(2))?, 1, 24)?;
            found.hour = Some(value % 24);
            rest
        }
        'h' => {
            let (value, rest) = within(number(text, width(2))?, 1, 12)?;
            found.half_hour = Some(value % 12);
            rest
        }
        'K' => {
            let (value, rest) = within(number(text, width(2))?, 0, 11)?;
            found.half_hour = Some(value);
            rest
        }
        'm' => {
            let (value, rest) = within(number(text, width(2))?, 0, 59)?;
            found.minute = value;
            rest
        }
        's' => {
            let (value, rest) = within(number(text, width(2))?, 0, 59)?;
            found.second = value;
            rest
        }
        'S' => {
            let digits = text
                .bytes()
                .take(count)
                .take_while(u8::is_ascii_digit)
                .count();
            if digits == 0 {
                return None;
            }
            let scaled = format!("{:0<9}", &text[..digits]);
            found.micros = scaled.parse::<i64>().ok()? / 1000;
            &text[digits..]
        }
        'a' => {
            let half = text.get(..2)?;
            found.afternoon = Some(match half {
                "AM" => false,
                "PM" => true,
                _ if half.eq_ignore_ascii_case("am") => false,
                _ if half.eq_ignore_ascii_case("pm") => true,
                _ => return None,
            });
            &text[2..]
        }
        'E' => {
            let (index, rest) = named(text, &DAYS, count)?;
            found.weekday = i32::try_from(index + 1).ok();
            rest
        }
        'G' => text.strip_prefix(if count == 4 { "Anno Domini" } else { "AD" })?,
        'X' | 'x' | 'Z' | 'O' | 'z' | 'V' => {
            let end = text
                .find(|c: char| {
                    !(c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | ':' | '/' | '_'))
                })
                .unwrap_or(text.len());
            let zone = &text[..end];
            let offset = zone.starts_with(['+', '-']) || (letter == 'X' && zone == "Z");
            if zone.is_empty() || (matches!(letter, 'X' | 'x' | 'Z') && !offset) {
                return None;
            }
            found.zone = Some(zone.to_owned());
            &text[end..]
        }
        // A quarter alone gives no date.
        _ => return None,
    };
    Some(rest)
}

fn number(text: &str, (least, most): (usize, usize)) -> Option<(i64, &str)> {
    let digits = text
        .bytes()
        .take(most)
        .take_while(u8::is_ascii_digit)
        .count();
    if digits < least {
        return None;
    }
    Some((text[..digits].parse().ok()?, &text[digits..]))
}

fn named<'a>(text: &'a str, names: &[&str], count: usize) -> Option<(i64, &'a str)> {
    names.iter().zip(0..).find_map(|(name, index)| {
        let name = if count == 4 { name } else { &name[..3] };
        let head = text.get(..name.len())?;
        head.eq_ignore_ascii_case(name)
            .then(|| (index, &text[name.len()..]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: i64 = 1_582_977_600_123_456;

    #[test]
    fn pattern_writes_and_reads_back() {
        for (pattern, text) in [
            ("yyyy-MM-dd'T'HH:mm:ss.SSSSSS", "2020-02-29T12:00:00.123456"),
            ("yyyyMMddHHmmssSSSSSS", "20200229120000123456"),
            (
                "EEE, d MMM yyyy hh:mm:ss.SSSSSS a XXX",
                "Sat, 29 Feb 2020 12:00:00.123456 PM Z",
            ),
            (
                "dd/MM/yy HH:mm:ss[.SSSSSS]xx",
                "29/02/20 12:00:00.123456+0000",
            ),
            ("yyyy.DDD H:m:s.SSSSSS", "2020.060 12:0:0.123456"),
            (
                "MMMM d, yyyy 'o''clock' H S",
                "February 29, 2020 o'clock 12 1",
            ),
        ] {
            let compiled = Pattern::parse(pattern).unwrap();
            assert_eq!(compiled.format(NOON), text, "{pattern}");
            let read = compiled.read(text).unwrap();
            assert_eq!(compiled.format(read), text, "{pattern}");
        }
    }

    #[test]
    fn text_that_does_not_fit_is_none() {
        let pattern = Pattern::parse("yyyy-MM-dd").unwrap();
        for text in [
            "2020-2-29",
            "2021-02-29",
            "2020-02-29 ",
            "20-02-29",
            "",
            "2020-02-2é",
        ] {
            assert_eq!(pattern.read(text), None, "{text}");
        }
        let lenient = Pattern::parse("y-M-d[ H:m]").unwrap();
        assert_eq!(lenient.read_date("2020-2-9"), days_of(2020, 2, 9));
        assert_eq!(lenient.read_date("2020-2-9 1:2"), days_of(2020, 2, 9));
    }

    #[test]
    fn unsupported_letters_are_refused_by_name() {
        for (pattern, part) in [
            ("YYYY-MM-dd", "'Y'"),
            ("ww", "'w'"),
            ("yyyy'T", "unclosed quote"),
            ("[yyyy", "unclosed ["),
            ("MMMMM", "5 letters 'M'"),
            ("yyyy#", "'#'"),
        ] {
            let error = Pattern::parse(pattern).unwrap_err().to_string();
            assert!(error.contains(part), "{pattern}: {error}");
        }
    }
}
