//! One check: what it demands of the table, and what it means if that does not hold.

use std::str::FromStr;
use std::time::Duration;

use serde_json::{Number, Value};
use weir::quality::{Action, ErrorType};
use weir::settings::parse_duration;
use weir::{Error, Result, did_you_mean};

use super::fields::Fields;

const COMMON: &[&str] = &["name", "type", "severity", "where", "action", "error_type"];
/// Of checks that count rows.
const TOLERANT: &[&str] = &["mostly", "tolerance"];

/// Each type of check and its own keys.
pub(super) const TYPES: &[(&str, &[&str], bool)] = &[
    ("not_null", &["column"], true),
    ("unique", &["column", "columns"], true),
    (
        "range",
        &["column", "min", "max", "exclusive_min", "exclusive_max"],
        true,
    ),
    ("in_set", &["column", "values"], true),
    ("matches", &["column", "pattern"], true),
    ("sql", &["predicate"], true),
    (
        "references",
        &["column", "columns", "table", "to", "version"],
        true,
    ),
    ("row_count", &["min", "max", "equals"], false),
    ("freshness", &["column", "max_age"], false),
];

/// A named check.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::check_table) struct Check {
    /// Where it stands, for messages.
    pub(in crate::check_table) place: String,
    pub(in crate::check_table) name: String,
    pub(in crate::check_table) severity: Severity,
    /// What a stream does with a row that breaks it; of a table, nothing is done.
    pub(in crate::check_table) action: Option<Action>,
    /// What a stream's dead letter says is wrong with it.
    pub(in crate::check_table) error_type: Option<ErrorType>,
    /// A SQL condition of the rows it is about.
    pub(in crate::check_table) filter: Option<String>,
    pub(in crate::check_table) allowed: Allowed,
    pub(in crate::check_table) kind: Kind,
}

/// What a check that fails means for the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::check_table) enum Severity {
    /// The job ends with exit code 3.
    Error,
    Warn,
    Info,
}

/// How many of a check's rows may break it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::check_table) enum Allowed {
    None,
    /// At least this part must not.
    Mostly(f64),
    /// At most this part may.
    Tolerance(f64),
}

/// One end of a range.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::check_table) enum Bound {
    Number(Number),
    /// A date or a time.
    Text(String),
}

/// What a check demands.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::check_table) enum Kind {
    NotNull {
        column: String,
    },
    Unique {
        columns: Vec<String>,
    },
    Range {
        column: String,
        min: Option<Bound>,
        max: Option<Bound>,
        exclusive_min: bool,
        exclusive_max: bool,
    },
    InSet {
        column: String,
        values: Vec<Value>,
    },
    Matches {
        column: String,
        pattern: String,
    },
    Sql {
        predicate: String,
    },
    References {
        columns: Vec<String>,
        table: String,
        to: Vec<String>,
        version: Option<u64>,
    },
    RowCount {
        min: Option<u64>,
        max: Option<u64>,
    },
    Freshness {
        column: String,
        max_age: Duration,
    },
}

impl Severity {
    const NAMES: [&'static str; 3] = ["error", "warn", "info"];

    pub(in crate::check_table) fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
        }
    }
}

impl Allowed {
    /// Whether no row may.
    pub(in crate::check_table) fn is_none(self) -> bool {
        self == Self::None
    }

    /// Whether `broken` of `rows` rows are few enough. Of no rows, none are broken.
    pub(in crate::check_table) fn permits(self, broken: u64, rows: u64) -> bool {
        if broken == 0 {
            return true;
        }
        let part = |of: u64| of as f64 / rows as f64;
        match self {
            Self::None => false,
            Self::Mostly(least) => part(rows.saturating_sub(broken)) >= least,
            Self::Tolerance(most) => part(broken) <= most,
        }
    }
}

impl Kind {
    /// The check's `type`.
    pub(in crate::check_table) fn type_name(&self) -> &'static str {
        match self {
            Self::NotNull { .. } => "not_null",
            Self::Unique { .. } => "unique",
            Self::Range { .. } => "range",
            Self::InSet { .. } => "in_set",
            Self::Matches { .. } => "matches",
            Self::Sql { .. } => "sql",
            Self::References { .. } => "references",
            Self::RowCount { .. } => "row_count",
            Self::Freshness { .. } => "freshness",
        }
    }

    /// The table's columns it names.
    pub(in crate::check_table) fn columns(&self) -> &[String] {
        match self {
            Self::NotNull { column }
            | Self::Range { column, .. }
            | Self::InSet { column, .. }
            | Self::Matches { column, .. }
            | Self::Freshness { column, .. } => std::slice::from_ref(column),
            Self::Unique { columns } | Self::References { columns, .. } => columns,
            Self::Sql { .. } | Self::RowCount { .. } => &[],
        }
    }
}

impl Check {
    /// The check that stands as number `number` in `suite`.
    pub(super) fn parse(suite: &str, number: usize, value: Value) -> Result<Self> {
        let mut fields = Fields::new(format!("{suite}, check {number}"), value)?;
        let name = fields.text("name")?;
        let name = fields.required("name", name)?;
        let place = format!("{suite}, check {name:?}");
        fields.move_to(place.clone());
        let kind = fields.text("type")?;
        let kind = fields.required("type", kind)?;
        let types = TYPES.iter();
        let Some((kind, own, tolerant)) = types.clone().find(|(known, ..)| *known == kind) else {
            return Err(fields.error(format!(
                "unknown type {kind:?}{}",
                did_you_mean(&kind, types.map(|(known, ..)| *known))
            )));
        };
        let tolerance = if *tolerant { TOLERANT } else { &[] };
        // It was taken above, and is a known key all the same.
        let known = [COMMON, own, tolerance].concat();
        fields.refuse_unknown(&known)?;
        let severity = severity(&mut fields)?;
        let filter = fields.text("where")?;
        let action = named(&mut fields, "action")?;
        let error_type = named(&mut fields, "error_type")?;
        let allowed = allowed(&mut fields)?;
        let kind = parse_kind(kind, &mut fields)?;
        Ok(Self {
            place,
            name,
            severity,
            action,
            error_type,
            filter,
            allowed,
            kind,
        })
    }
}

/// The value of `key`, which has a name.
fn named<T: FromStr<Err = Error>>(fields: &mut Fields, key: &str) -> Result<Option<T>> {
    let Some(given) = fields.text(key)? else {
        return Ok(None);
    };
    let named = given.parse().map_err(|error| fields.error(error))?;
    Ok(Some(named))
}

fn severity(fields: &mut Fields) -> Result<Severity> {
    let Some(given) = fields.text("severity")? else {
        return Ok(Severity::Error);
    };
    [Severity::Error, Severity::Warn, Severity::Info]
        .into_iter()
        .find(|severity| severity.as_str() == given)
        .ok_or_else(|| {
            let hint = did_you_mean(&given, Severity::NAMES);
            fields.error(format!("unknown severity {given:?}{hint}"))
        })
}

fn allowed(fields: &mut Fields) -> Result<Allowed> {
    match (fields.fraction("mostly")?, fields.fraction("tolerance")?) {
        (None, None) => Ok(Allowed::None),
        (Some(mostly), None) => Ok(Allowed::Mostly(mostly)),
        (None, Some(tolerance)) => Ok(Allowed::Tolerance(tolerance)),
        (Some(_), Some(_)) => Err(fields.error(
            "mostly (the part of the rows that must hold) and tolerance (the part that may break) \
             are both set; give one of them",
        )),
    }
}

fn parse_kind(kind: &str, fields: &mut Fields) -> Result<Kind> {
    Ok(match kind {
        "not_null" => Kind::NotNull {
            column: column(fields)?,
        },
        "unique" => Kind::Unique {
            columns: columns(fields)?,
        },
        "range" => range(fields)?,
        "in_set" => in_set(fields)?,
        "matches" => matches(fields)?,
        "sql" => {
            let predicate = fields.text("predicate")?;
            Kind::Sql {
                predicate: fields.required("predicate", predicate)?,
            }
        }
        "references" => references(fields)?,
        "row_count" => row_count(fields)?,
        "freshness" => {
            let max_age = fields.text("max_age")?;
            let max_age = fields.required("max_age", max_age)?;
            Kind::Freshness {
                column: column(fields)?,
                max_age: parse_duration("max_age", &max_age)
                    .map_err(|error| fields.error(error))?,
            }
        }
        // Every type of the list has its arm; a test goes through the list.
        other => {
            return Err(Error::internal(format!(
                "check type {other:?} has no parser"
            )));
        }
    })
}

fn column(fields: &mut Fields) -> Result<String> {
    let column = fields.text("column")?;
    fields.required("column", column)
}

fn columns(fields: &mut Fields) -> Result<Vec<String>> {
    match (fields.names("column")?, fields.names("columns")?) {
        (Some(_), Some(_)) => {
            Err(fields.error("column and columns are both set; give one of them"))
        }
        (Some(names), None) | (None, Some(names)) => Ok(names),
        (None, None) => Err(fields.error("key \"columns\" is missing")),
    }
}

fn range(fields: &mut Fields) -> Result<Kind> {
    let mut bound = |key: &str| match fields.value(key) {
        None => Ok(None),
        Some(Value::Number(number)) => Ok(Some(Bound::Number(number))),
        Some(Value::String(text)) => Ok(Some(Bound::Text(text))),
        Some(other) => Err(fields.wrong(key, &other, "a number, a date or a time")),
    };
    let (min, max) = (bound("min")?, bound("max")?);
    let (exclusive_min, exclusive_max) =
        (fields.flag("exclusive_min")?, fields.flag("exclusive_max")?);
    if min.is_none() && max.is_none() {
        return Err(fields.error("neither min nor max is set; give one or both"));
    }
    for (flag, bound, key) in [(exclusive_min, &min, "min"), (exclusive_max, &max, "max")] {
        if flag && bound.is_none() {
            return Err(fields.error(format!("exclusive_{key} is set without {key}")));
        }
    }
    if let (Some(Bound::Number(low)), Some(Bound::Number(high))) = (&min, &max)
        && low.as_f64() > high.as_f64()
    {
        return Err(fields.error(format!("min {low} is above max {high}")));
    }
    Ok(Kind::Range {
        column: column(fields)?,
        min,
        max,
        exclusive_min,
        exclusive_max,
    })
}

fn in_set(fields: &mut Fields) -> Result<Kind> {
    let values = fields.list("values")?;
    let values = fields.required("values", values)?;
    if values.is_empty() {
        return Err(fields.error("values is empty; list at least one"));
    }
    let odd = |value: &&Value| !(value.is_string() || value.is_number() || value.is_boolean());
    if let Some(other) = values.iter().find(odd) {
        return Err(fields.wrong(
            "one of values",
            other,
            "texts, numbers, true or false (null is let pass; not_null refuses it)",
        ));
    }
    Ok(Kind::InSet {
        column: column(fields)?,
        values,
    })
}

fn matches(fields: &mut Fields) -> Result<Kind> {
    let pattern = fields.text("pattern")?;
    let pattern = fields.required("pattern", pattern)?;
    if let Err(error) = regex::Regex::new(&pattern) {
        return Err(fields.error(format!("pattern is no regular expression: {error}")));
    }
    Ok(Kind::Matches {
        column: column(fields)?,
        pattern,
    })
}

fn references(fields: &mut Fields) -> Result<Kind> {
    let columns = columns(fields)?;
    let table = fields.text("table")?;
    let table = fields.required("table", table)?;
    let to = fields.names("to")?.unwrap_or_else(|| columns.clone());
    if to.len() != columns.len() {
        return Err(fields.error(format!(
            "to has {} columns and columns has {}; they belong together one by one",
            to.len(),
            columns.len()
        )));
    }
    Ok(Kind::References {
        columns,
        table,
        to,
        version: fields.count("version")?,
    })
}

fn row_count(fields: &mut Fields) -> Result<Kind> {
    let (min, max) = (fields.count("min")?, fields.count("max")?);
    let (min, max) = match (fields.count("equals")?, min, max) {
        (Some(equals), None, None) => (Some(equals), Some(equals)),
        (Some(_), ..) => return Err(fields.error("equals is set beside min or max")),
        (None, None, None) => {
            return Err(fields.error("none of min, max and equals is set; give one"));
        }
        (None, min, max) => (min, max),
    };
    if let (Some(low), Some(high)) = (min, max)
        && low > high
    {
        return Err(fields.error(format!("min {low} is above max {high}")));
    }
    Ok(Kind::RowCount { min, max })
}
