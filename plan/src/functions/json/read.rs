//! JSON values into columns of given types, as Spark's `JacksonParser` converts them.
//!
//! A value that is not of its column's type is null and leaves its record partial: the other fields
//! are kept (`spark.sql.json.enablePartialResults`, on by default). In an array or a map such a value
//! makes the whole array or map null. Text that is no JSON makes the record malformed.

use arrow::datatypes::{Field, Fields};

use super::compact::{compact, scalar};
use super::cursor::{Cursor, Malformed, Token};
use super::number::parse_decimal;
use super::options::JsonOptions;
use crate::error::{Error, Result};
use crate::functions::column::{Column, Kind, offset};
use crate::functions::time::text::{parse_date, parse_timestamp, parse_timestamp_ntz};

/// How a value fitted its column; in each case the column has one more row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fit {
    Whole,
    /// Something within it is null that was not.
    Partial,
    /// It is null and was not.
    Bad,
}

/// Why reading stopped.
#[derive(Debug)]
pub(super) enum Stop {
    Malformed,
    Failed(Error),
}

impl From<Malformed> for Stop {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// What kept the first value of a record that did not fit its column from it.
#[derive(Debug)]
pub(super) struct Misfit {
    /// The names of the fields it is in, from the inside.
    path: Vec<String>,
    /// Its JSON, cut.
    text: String,
    /// What it was to be.
    wanted: &'static str,
}

/// How much of a value that does not fit is shown.
const SHOWN_CHARS: usize = 60;

impl std::fmt::Display for Misfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.path.is_empty() {
            let path: Vec<_> = self.path.iter().rev().map(String::as_str).collect();
            write!(f, "field {:?}: ", path.join("."))?;
        }
        write!(f, "{} is no {}", self.text, self.wanted)
    }
}

/// Buffers that values share, and what the user asked for.
#[derive(Debug)]
pub(super) struct Reader<'o> {
    options: &'o JsonOptions,
    name: String,
    text: String,
    copy: String,
    /// Of the record that is read, if the user asked for it.
    misfit: Option<Misfit>,
    /// Of the value that is read.
    defaults: Option<&'o Defaults>,
}

/// What stands for members that an object does not have, null where there is none. A member that is null has been written.
#[derive(Debug, Default)]
pub(in crate::functions) struct Defaults {
    /// Its JSON.
    pub(in crate::functions) text: Option<String>,
    pub(in crate::functions) inner: Inner,
}

/// The defaults within a value.
#[derive(Debug, Default)]
pub(in crate::functions) enum Inner {
    #[default]
    None,
    /// One for each field of a struct.
    Fields(Vec<Defaults>),
    /// Of an array's items or a map's values.
    Item(Box<Defaults>),
}

impl Inner {
    fn field(&self, index: usize) -> Option<&Defaults> {
        match self {
            Self::Fields(fields) => fields.get(index),
            _ => None,
        }
    }

    fn item(&self) -> Option<&Defaults> {
        match self {
            Self::Item(item) => Some(item),
            _ => None,
        }
    }
}

impl<'o> Reader<'o> {
    pub(super) fn new(options: &'o JsonOptions) -> Self {
        Self {
            options,
            name: String::new(),
            text: String::new(),
            copy: String::new(),
            misfit: None,
            defaults: None,
        }
    }

    /// A reader of values that have `defaults`.
    pub(super) fn with_defaults(self, defaults: Option<&'o Defaults>) -> Self {
        Self { defaults, ..self }
    }

    /// Why the last record did not fit.
    pub(super) fn take_misfit(&mut self) -> Option<Misfit> {
        self.misfit.take()
    }

    /// Appends the value at the cursor to `column`.
    #[inline]
    pub(super) fn read(
        &mut self,
        column: &mut Column,
        cursor: &mut Cursor<'_>,
    ) -> Result<Fit, Stop> {
        let first = cursor.value()?;
        if first == b'n' {
            cursor.token()?;
            column.push_null()?;
            return Ok(Fit::Whole);
        }
        let row = column.len();
        let start = cursor.position();
        let fit = match &mut column.kind {
            Kind::Struct(columns, fields) if first == b'{' => {
                self.object(columns, fields, row, cursor)?
            }
            Kind::List(offsets, item, _) if first == b'[' => {
                let fit = self.array(item, cursor)?;
                if fit != Fit::Bad {
                    offsets.push(offset(item.len())?);
                }
                fit
            }
            Kind::Map(offsets, pair, _) if first == b'{' => {
                let fit = self.map(pair, offsets.last().copied().unwrap_or(0), cursor)?;
                if fit != Fit::Bad {
                    offsets.push(offset(pair[0].len())?);
                }
                fit
            }
            Kind::Struct(..) | Kind::List(..) | Kind::Map(..) => {
                cursor.skip()?;
                Fit::Bad
            }
            scalar => self.scalar(scalar, cursor)?,
        };
        match fit {
            Fit::Bad => {
                if self.options.error_field.is_some() && self.misfit.is_none() {
                    let text = cursor.since(start).trim();
                    self.misfit = Some(Misfit {
                        path: Vec::new(),
                        text: text.chars().take(SHOWN_CHARS).collect(),
                        wanted: column.kind.name(),
                    });
                }
                if let Kind::List(offsets, item, _) = &mut column.kind {
                    item.truncate(
                        offsets
                            .last()
                            .map_or(0, |end| usize::try_from(*end).unwrap_or(0)),
                    );
                }
                column.push_null()?;
            }
            Fit::Whole | Fit::Partial => column.nulls.append_non_null(),
        }
        Ok(fit)
    }

    /// The fields of the object at the cursor. Of a repeated name the last value stays.
    fn object(
        &mut self,
        columns: &mut [Column],
        fields: &Fields,
        row: usize,
        cursor: &mut Cursor<'_>,
    ) -> Result<Fit, Stop> {
        cursor.step();
        let mut fit = Fit::Whole;
        let defaults = self.defaults;
        if !cursor.empty(b'}')? {
            // Records of one program have their fields in one order: look where the last one ended.
            let mut guess = 0;
            loop {
                let mut name = std::mem::take(&mut self.name);
                let found = {
                    let text = cursor.name(&mut name)?;
                    position(fields, text.as_str(), guess)
                };
                self.name = name;
                match found {
                    Some(index) => {
                        guess = index + 1;
                        let told = self.misfit.is_some();
                        let inner = defaults.and_then(|own| own.inner.field(index));
                        let column = &mut columns[index];
                        if column.len() > row {
                            // A value that does not fit leaves the earlier one.
                            let mut ahead = cursor.clone();
                            let bad = self.read_within(inner, column, &mut ahead)? == Fit::Bad;
                            column.truncate(if bad { row + 1 } else { row });
                            if bad {
                                *cursor = ahead;
                                fit = Fit::Partial;
                            }
                        }
                        if column.len() == row
                            && self.read_within(inner, column, cursor)? != Fit::Whole
                        {
                            fit = Fit::Partial;
                        }
                        if let (false, Some(misfit)) = (told, &mut self.misfit) {
                            misfit.path.push(fields[index].name().clone());
                        }
                    }
                    None => cursor.skip()?,
                }
                if !cursor.more(b'}')? {
                    break;
                }
            }
        }
        for (index, column) in columns.iter_mut().enumerate() {
            if column.len() == row {
                match defaults.and_then(|own| own.inner.field(index)) {
                    Some(default) => self.read_default(default, column, &fields[index])?,
                    None => column.push_null()?,
                }
            }
        }
        Ok(fit)
    }

    /// The value at the cursor, within which `defaults` stand for what is not there.
    #[inline]
    fn read_within(
        &mut self,
        defaults: Option<&'o Defaults>,
        column: &mut Column,
        cursor: &mut Cursor<'_>,
    ) -> Result<Fit, Stop> {
        let outer = std::mem::replace(&mut self.defaults, defaults);
        let fit = self.read(column, cursor);
        self.defaults = outer;
        fit
    }

    /// What stands for a member that is not there.
    fn read_default(
        &mut self,
        default: &'o Defaults,
        column: &mut Column,
        field: &Field,
    ) -> Result<(), Stop> {
        let Some(text) = &default.text else {
            return Ok(column.push_null()?);
        };
        let mut cursor = Cursor::new(text, self.options.liberties);
        match self.read_within(Some(default), column, &mut cursor) {
            Ok(Fit::Whole) => Ok(()),
            Err(Stop::Failed(error)) => Err(Stop::Failed(error)),
            _ => {
                let why = self.take_misfit();
                let why = why.map_or_else(|| "it is no JSON".to_owned(), |why| why.to_string());
                Err(Stop::Failed(Error::invalid_argument(format!(
                    "the default of property {:?} does not fit its type: {why}",
                    field.name()
                ))))
            }
        }
    }

    fn array(&mut self, item: &mut Column, cursor: &mut Cursor<'_>) -> Result<Fit, Stop> {
        cursor.step();
        let mut fit = Fit::Whole;
        if cursor.empty(b']')? {
            return Ok(fit);
        }
        let inner = self.defaults.and_then(|own| own.inner.item());
        loop {
            fit = fit.max(self.read_within(inner, item, cursor)?);
            if !cursor.more(b']')? {
                return Ok(fit);
            }
        }
    }

    fn map(
        &mut self,
        pair: &mut [Column; 2],
        start: i32,
        cursor: &mut Cursor<'_>,
    ) -> Result<Fit, Stop> {
        cursor.step();
        let start = usize::try_from(start).unwrap_or(0);
        let [keys, values] = pair;
        let mut fit = Fit::Whole;
        if cursor.empty(b'}')? {
            return Ok(fit);
        }
        let inner = self.defaults.and_then(|own| own.inner.item());
        loop {
            let mut name = std::mem::take(&mut self.name);
            if let Kind::Text(bytes) = &mut keys.kind {
                bytes.push(cursor.name(&mut name)?.as_str().as_bytes())?;
            }
            self.name = name;
            keys.nulls.append_non_null();
            fit = fit.max(self.read_within(inner, values, cursor)?);
            if !cursor.more(b'}')? {
                break;
            }
        }
        if fit == Fit::Bad {
            keys.truncate(start);
            values.truncate(start);
        }
        Ok(fit)
    }

    /// Appends the value alone, its null bit left to the caller; nothing when it is `Bad`.
    #[inline]
    fn scalar(&mut self, kind: &mut Kind, cursor: &mut Cursor<'_>) -> Result<Fit, Stop> {
        cursor.blank();
        let start = cursor.position();
        let token = cursor.token()?;
        match token {
            Token::String => {
                let mut scratch = std::mem::take(&mut self.text);
                let fit = {
                    let text = cursor.string(&mut scratch)?;
                    self.text_value(kind, text.as_str())?
                };
                self.text = scratch;
                Ok(fit)
            }
            Token::Object | Token::Array => match kind {
                // What is no string is its JSON, as in Spark.
                Kind::Text(bytes) => {
                    let mut out = std::mem::take(&mut self.copy);
                    out.clear();
                    compact(cursor, &mut self.text, &mut out)?;
                    bytes.push(out.as_bytes())?;
                    self.copy = out;
                    Ok(Fit::Whole)
                }
                _ => {
                    cursor.skip()?;
                    Ok(Fit::Bad)
                }
            },
            Token::Number { float } => self.number_value(kind, cursor.since(start), float),
            Token::NonNumeric => match kind {
                Kind::Text(bytes) => {
                    self.copy.clear();
                    scalar(token, cursor.since(start), &mut self.copy);
                    bytes.push(self.copy.as_bytes())?;
                    Ok(Fit::Whole)
                }
                Kind::Float32(_) | Kind::Float64(_) => Ok(self.special(kind, cursor.since(start))),
                _ => Ok(Fit::Bad),
            },
            Token::True | Token::False => match kind {
                Kind::Boolean(values) => {
                    values.append(token == Token::True);
                    Ok(Fit::Whole)
                }
                Kind::Text(bytes) => {
                    bytes.push(cursor.since(start).as_bytes())?;
                    Ok(Fit::Whole)
                }
                _ => Ok(Fit::Bad),
            },
            Token::Null => Ok(Fit::Bad),
        }
    }

    fn number_value(&mut self, kind: &mut Kind, text: &str, float: bool) -> Result<Fit, Stop> {
        let fitted = match kind {
            Kind::Int64(values) if !float => push(values, text.parse().ok()),
            Kind::Int32(values) if !float => push(values, text.parse().ok()),
            Kind::Int16(values) if !float => push(values, text.parse().ok()),
            // Jackson takes a byte of either sign.
            Kind::Int8(values) if !float => {
                let value = text
                    .parse::<i16>()
                    .ok()
                    .filter(|value| (-128..=255).contains(value));
                push(
                    values,
                    value.map(|value| value.to_le_bytes()[0].cast_signed()),
                )
            }
            Kind::Float64(values) => push(values, text.parse().ok()),
            Kind::Float32(values) => push(values, text.parse().ok()),
            Kind::Decimal(values, precision, scale) => {
                push(values, parse_decimal(text, *precision, *scale))
            }
            // A number is in seconds, as a cast from a number is.
            Kind::Timestamp(values, Some(_)) if !float => push(
                values,
                text.parse::<i64>()
                    .ok()
                    .and_then(|seconds| seconds.checked_mul(1_000_000)),
            ),
            Kind::Text(bytes) => {
                self.copy.clear();
                scalar(Token::Number { float }, text, &mut self.copy);
                bytes.push(self.copy.as_bytes())?;
                true
            }
            _ => false,
        };
        Ok(if fitted { Fit::Whole } else { Fit::Bad })
    }

    fn text_value(&self, kind: &mut Kind, text: &str) -> Result<Fit, Stop> {
        let fitted = match kind {
            Kind::Text(bytes) => {
                bytes.push(text.as_bytes())?;
                true
            }
            Kind::Timestamp(values, Some(_)) => push(
                values,
                match &self.options.timestamp_format {
                    Some(pattern) => pattern.read(text),
                    None => parse_timestamp(text),
                },
            ),
            Kind::Timestamp(values, None) => push(
                values,
                match &self.options.timestamp_ntz_format {
                    Some(pattern) => pattern.read(text),
                    None => parse_timestamp_ntz(text),
                },
            ),
            Kind::Date(values) => push(
                values,
                match &self.options.date_format {
                    Some(pattern) => pattern.read_date(text),
                    None => parse_date(text),
                },
            ),
            Kind::Decimal(values, precision, scale) => {
                push(values, parse_decimal(text, *precision, *scale))
            }
            // Jackson's own word, which Spark reads without quotes only.
            Kind::Float32(_) | Kind::Float64(_) if text == "INF" => false,
            Kind::Float32(_) | Kind::Float64(_) => return Ok(self.special(kind, text)),
            Kind::Binary(bytes) => match crate::functions::strings::decode_base64(text) {
                Some(value) => {
                    bytes.push(&value)?;
                    true
                }
                None => false,
            },
            _ => false,
        };
        Ok(if fitted { Fit::Whole } else { Fit::Bad })
    }

    fn special(&self, kind: &mut Kind, text: &str) -> Fit {
        let value = match text {
            _ if !self.options.liberties.non_numeric_numbers => return Fit::Bad,
            "NaN" => f64::NAN,
            "INF" | "+INF" | "Infinity" | "+Infinity" => f64::INFINITY,
            "-INF" | "-Infinity" => f64::NEG_INFINITY,
            _ => return Fit::Bad,
        };
        match kind {
            Kind::Float64(values) => values.push(value),
            #[allow(
                clippy::cast_possible_truncation,
                reason = "infinities and NaN stay what they are"
            )]
            Kind::Float32(values) => values.push(value as f32),
            _ => return Fit::Bad,
        }
        Fit::Whole
    }
}

#[inline]
fn push<T>(values: &mut Vec<T>, value: Option<T>) -> bool {
    let found = value.is_some();
    values.extend(value);
    found
}

/// Where the field `name` is, looked for from `guess` on.
#[inline]
fn position(fields: &Fields, name: &str, guess: usize) -> Option<usize> {
    if fields.get(guess).is_some_and(|field| field.name() == name) {
        return Some(guess);
    }
    fields.iter().position(|field| field.name() == name)
}
