//! Nulls and NaNs: filled in, or their rows left out. PySpark's `fillna` and `dropna`.

use std::collections::BTreeMap;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::functions::math::expr_fn::isnan;
use datafusion::logical_expr::{Cast, Expr, lit, not, when};
use weir_plan::{Error, Result};

use super::widen::plain;
use super::{DataFrame, resolve};
use crate::functions::coalesce;

/// What takes the place of a null.
#[derive(Debug, Clone, PartialEq)]
pub enum Fill {
    /// In numeric columns, as the column's type: 1.7 is 1 in a column of whole numbers.
    Number(f64),
    /// As [`Self::Number`], without a detour over doubles.
    Whole(i64),
    /// In columns of text.
    Text(String),
    /// In boolean columns.
    Boolean(bool),
}

impl From<f64> for Fill {
    fn from(value: f64) -> Self {
        Self::Number(value)
    }
}

impl From<i64> for Fill {
    fn from(value: i64) -> Self {
        Self::Whole(value)
    }
}

impl From<i32> for Fill {
    fn from(value: i32) -> Self {
        Self::Whole(value.into())
    }
}

impl From<&str> for Fill {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Fill {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<bool> for Fill {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl Fill {
    fn suits(&self, data_type: &DataType) -> bool {
        let data_type = plain(data_type);
        match self {
            Self::Number(_) | Self::Whole(_) => data_type.is_numeric(),
            Self::Text(_) => data_type.is_string(),
            Self::Boolean(_) => *data_type == DataType::Boolean,
        }
    }

    fn scalar(&self) -> ScalarValue {
        match self {
            Self::Number(value) => ScalarValue::from(*value),
            Self::Whole(value) => ScalarValue::from(*value),
            Self::Text(value) => ScalarValue::from(value.as_str()),
            Self::Boolean(value) => ScalarValue::from(*value),
        }
    }
}

/// Which rows [`DataFrame::dropna`] leaves out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropNa {
    rule: Rule,
    subset: Option<Vec<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    Any,
    All,
    Fewer(usize),
}

impl DropNa {
    fn new(rule: Rule) -> Self {
        Self { rule, subset: None }
    }

    /// Rows with a null. PySpark's default.
    #[must_use]
    pub fn any() -> Self {
        Self::new(Rule::Any)
    }

    /// Rows with nothing but nulls.
    #[must_use]
    pub fn all() -> Self {
        Self::new(Rule::All)
    }

    /// Rows with fewer than `values` values that are not null.
    #[must_use]
    pub fn thresh(values: usize) -> Self {
        Self::new(Rule::Fewer(values))
    }

    /// Looking at the columns `names` only.
    #[must_use]
    pub fn subset<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.subset = Some(names.into_iter().map(str::to_owned).collect());
        self
    }
}

impl DataFrame {
    /// `value` for the nulls of all columns of its kind: a number in numeric ones (in those of floats also
    /// for NaN), text in those of text, a boolean in boolean ones. Other columns stay as they are.
    ///
    /// # Errors
    /// `Compute` when the rows are computed, for a number that a column cannot hold.
    pub fn fillna(self, value: impl Into<Fill>) -> Result<Self> {
        let names = self.columns();
        self.fill_suitable(&value.into(), &names)
    }

    /// As [`Self::fillna`], in the columns `subset` only; those of another kind stay as they are.
    ///
    /// # Errors
    /// As [`Self::fillna`]; `InvalidPlan` for a column that does not exist.
    pub fn fillna_subset<'a>(
        self,
        value: impl Into<Fill>,
        subset: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self> {
        let names: Vec<String> = subset.into_iter().map(str::to_owned).collect();
        self.check_columns(names.iter().map(String::as_str))?;
        self.fill_suitable(&value.into(), &names)
    }

    /// For the nulls of each column its value, as the column's type.
    ///
    /// # Errors
    /// `InvalidPlan` for a column that does not exist or comes twice, and for a value that the column's type
    /// cannot hold.
    pub fn fillna_columns<'a, F: Into<Fill>>(
        self,
        values: impl IntoIterator<Item = (&'a str, F)>,
    ) -> Result<Self> {
        let mut fills = BTreeMap::new();
        for (name, value) in values {
            self.check_columns([name])?;
            if fills.insert(name.to_owned(), value.into()).is_some() {
                return Err(Error::invalid_plan(format!(
                    "fillna_columns gives a value for column {name:?} twice"
                )));
            }
        }
        self.fill(&fills)
    }

    /// Without the rows that `which` names; NaN counts as null.
    ///
    /// # Errors
    /// `InvalidPlan` for a column of the subset that does not exist.
    pub fn dropna(self, which: DropNa) -> Result<Self> {
        if let Some(names) = &which.subset {
            self.check_columns(names.iter().map(String::as_str))?;
        }
        let given: Vec<Expr> = self
            .schema()
            .iter()
            .zip(resolve::all_columns(self.schema()))
            .filter(|((_, field), _)| match &which.subset {
                Some(names) => names.contains(field.name()),
                None => true,
            })
            .map(|((_, field), column)| {
                let given = column.clone().is_not_null();
                match field.data_type().is_floating() {
                    true => given.and(not(isnan(column))),
                    false => given,
                }
            })
            .collect();
        let kept = match which.rule {
            Rule::Any => given.into_iter().reduce(Expr::and),
            Rule::All => given.into_iter().reduce(Expr::or),
            Rule::Fewer(values) => {
                let one = |given: Expr| when(given, lit(1_i64)).otherwise(lit(0_i64));
                let ones: Vec<Expr> = given.into_iter().map(one).collect::<Result<_, _>>()?;
                let least = i64::try_from(values).unwrap_or(i64::MAX);
                let count = ones.into_iter().reduce(|sum, one| sum + one);
                count.map(|count| count.gt_eq(lit(least)))
            }
        };
        match kept {
            Some(kept) => self.filter(kept),
            // No column, no null.
            None => Ok(self),
        }
    }

    fn fill_suitable(self, value: &Fill, names: &[String]) -> Result<Self> {
        let fills: BTreeMap<String, Fill> = self
            .schema()
            .fields()
            .iter()
            .filter(|field| names.contains(field.name()) && value.suits(field.data_type()))
            .map(|field| (field.name().clone(), value.clone()))
            .collect();
        self.fill(&fills)
    }

    fn fill(self, fills: &BTreeMap<String, Fill>) -> Result<Self> {
        let mut columns = Vec::new();
        for ((side, field), column) in self
            .schema()
            .iter()
            .zip(resolve::all_columns(self.schema()))
        {
            let Some(fill) = fills.get(field.name()) else {
                columns.push(column);
                continue;
            };
            let data_type = plain(field.data_type());
            let column = match data_type == field.data_type() {
                true => column,
                false => Expr::Cast(Cast::new(Box::new(column), data_type.clone())),
            };
            let value = fill.scalar().cast_to(data_type).map_err(|error| {
                Error::invalid_plan(format!(
                    "column {:?} ({}) cannot hold {:?}",
                    field.name(),
                    weir_plan::functions::ddl::type_name(data_type),
                    fill.scalar().to_string()
                ))
                .with_source(error)
            })?;
            let filled = match data_type.is_floating() {
                true => {
                    let missing = column.clone().is_null().or(isnan(column.clone()));
                    when(missing, lit(value)).otherwise(column)?
                }
                false => coalesce(vec![column, lit(value)]),
            };
            columns.push(filled.alias_qualified(side.cloned(), field.name()));
        }
        self.select(columns)
    }
}
