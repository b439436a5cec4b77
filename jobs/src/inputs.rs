//! The tables a job reads: each at one version, with the columns the job needs.

use weir::datafusion::arrow::datatypes::DataType;
use weir::delta::DeltaTable;
use weir::{DataFrame, Error, Result, Session, did_you_mean};

/// A table at one version.
#[derive(Debug, Clone)]
pub struct Input {
    location: String,
    /// The version, whatever is committed meanwhile.
    pub version: u64,
    /// Its rows.
    pub rows: DataFrame,
}

/// What a job can do with a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// A string.
    Text,
    /// A string or a whole number: what names things.
    Key,
    /// A whole number.
    Integer,
    /// A decimal: money is not added up as floating-point numbers.
    Decimal,
    /// A day.
    Date,
    /// A moment; one without a zone is UTC.
    Timestamp,
}

impl Input {
    /// The table that `argument` names, at its newest version.
    ///
    /// # Errors
    /// `NotFound` when there is none; `InvalidPlan` when it lacks one of `columns` or has it of
    /// another kind, naming the table and the column.
    pub async fn open(
        session: &Session,
        argument: &str,
        location: &str,
        columns: &[(&str, ColumnKind)],
    ) -> Result<Self> {
        let named = |error: Error| error.context(argument);
        let table = DeltaTable::for_path(session, location).await;
        let table = table.map_err(named)?;
        let input = Self {
            location: location.to_owned(),
            version: table.version(),
            rows: table.to_df().map_err(named)?,
        };
        input.check(columns).map_err(named)?;
        Ok(input)
    }

    fn check(&self, columns: &[(&str, ColumnKind)]) -> Result<()> {
        let known = self.rows.columns();
        for (name, kind) in columns {
            if !known.iter().any(|column| column == name) {
                return Err(Error::invalid_plan(format!(
                    "table {} has no column {name:?}, which this job needs{}",
                    self.location,
                    did_you_mean(name, known.iter().map(String::as_str))
                )));
            }
            let field = self.rows.schema().field_with_unqualified_name(name);
            let found = field.map_err(Error::from)?.data_type();
            if !kind.takes(found) {
                return Err(Error::invalid_plan(format!(
                    "column {name:?} of table {} is {found}; this job needs {}",
                    self.location,
                    kind.text()
                )));
            }
        }
        Ok(())
    }
}

impl ColumnKind {
    fn takes(self, found: &DataType) -> bool {
        match (self, found) {
            // Partition columns may come as dictionaries.
            (_, DataType::Dictionary(_, values)) => self.takes(values),
            (Self::Text, _) => is_text(found),
            (Self::Key, _) => is_text(found) || found.is_integer(),
            (Self::Integer, _) => found.is_integer(),
            (Self::Decimal, _) => found.is_decimal(),
            (Self::Date, _) => matches!(found, DataType::Date32 | DataType::Date64),
            (Self::Timestamp, _) => matches!(found, DataType::Timestamp(..)),
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Key => "a string or a whole number",
            Self::Integer => "a whole number",
            Self::Decimal => "a decimal, such as DECIMAL(18,2)",
            Self::Date => "a date",
            Self::Timestamp => "a timestamp",
        }
    }
}

fn is_text(found: &DataType) -> bool {
    matches!(
        found,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    )
}
