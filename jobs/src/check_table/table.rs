//! The table being checked, at one version, and a suite's names and SQL in its terms.

use chrono::{DateTime, Utc};
use weir::datafusion::arrow::datatypes::DataType;
use weir::datafusion::common::tree_node::TreeNode;
use weir::datafusion::logical_expr::Expr;
use weir::delta::DeltaTable;
use weir::{DataFrame, Error, Result, Session, did_you_mean};

use super::suite::{Check, Kind};

/// One version of a table.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) url: String,
    pub(super) version: u64,
    pub(super) rows: DataFrame,
}

impl Table {
    /// The table at `url`, at `version` or the newest there is now. `as_of` is what `now()` gives.
    ///
    /// # Errors
    /// `NotFound` when there is no table, or no such version of it.
    pub(super) async fn open(
        session: &Session,
        url: &str,
        version: Option<u64>,
        as_of: DateTime<Utc>,
    ) -> Result<Self> {
        let (version, rows) = match version {
            Some(version) => {
                let reader = session.read().option("versionAsOf", version);
                (version, reader.delta(url).await?)
            }
            None => {
                let table = DeltaTable::for_path(session, url).await?;
                (table.version(), table.to_df()?)
            }
        };
        let (mut state, plan) = rows.into_datafusion().into_parts();
        state.execution_props_mut().query_execution_start_time = Some(as_of);
        let rows = weir::datafusion::dataframe::DataFrame::new(state, plan);
        Ok(Self {
            url: url.to_owned(),
            version,
            rows: DataFrame::from_datafusion(session, rows),
        })
    }

    /// Refuses a name that is no column, naming `place` and the nearest one.
    pub(super) fn check_columns(&self, place: &str, names: &[String]) -> Result<()> {
        let columns = self.rows.columns();
        match names.iter().find(|name| !columns.contains(name)) {
            Some(name) => Err(Error::invalid_argument(format!(
                "{place}: table {} has no column {name:?}{}",
                self.url,
                did_you_mean(name, columns.iter().map(String::as_str))
            ))),
            None => Ok(()),
        }
    }

    /// The type of column `name`; of its values, where equal ones are stored once.
    pub(super) fn type_of(&self, name: &str) -> Result<DataType> {
        let field = self.rows.schema().field_with_unqualified_name(name);
        Ok(match field.map_err(Error::from)?.data_type() {
            DataType::Dictionary(_, values) => values.as_ref().clone(),
            other => other.clone(),
        })
    }

    /// The SQL expression that `place` has under `key`.
    fn parse(&self, place: &str, key: &str, sql: &str) -> Result<Expr> {
        let refused =
            |message: String| Error::invalid_argument(format!("{place}: {key}: {message}"));
        let rows = self.rows.clone().into_datafusion();
        let parsed = rows.parse_sql_expr(sql);
        let parsed = parsed.map_err(|error| refused(Error::from(error).to_string()))?;
        let of_rows = parsed.exists(|part| {
            Ok(matches!(
                part,
                Expr::AggregateFunction(_)
                    | Expr::WindowFunction(_)
                    | Expr::ScalarSubquery(_)
                    | Expr::InSubquery(_)
                    | Expr::Exists(_)
            ))
        });
        if of_rows.map_err(Error::from)? {
            return Err(refused(format!(
                "{sql:?} looks at more than one row; it takes a condition of a row"
            )));
        }
        Ok(parsed)
    }
}

/// A check with its SQL parsed and its columns found.
#[derive(Debug, Clone)]
pub(super) struct Bound<'a> {
    pub(super) check: &'a Check,
    /// Its `where`.
    pub(super) filter: Option<Expr>,
    /// Its `predicate`.
    pub(super) predicate: Option<Expr>,
}

impl<'a> Bound<'a> {
    /// `check` over `table`.
    ///
    /// # Errors
    /// `InvalidArgument`, naming the suite and the check, for a column the table lacks and for SQL
    /// that is none.
    pub(super) fn new(table: &Table, check: &'a Check) -> Result<Self> {
        table.check_columns(&check.place, check.kind.columns())?;
        let parse = |key: &str, sql: &str| table.parse(&check.place, key, sql);
        let filter = check.filter.as_deref();
        Ok(Self {
            check,
            filter: filter.map(|sql| parse("where", sql)).transpose()?,
            predicate: match &check.kind {
                Kind::Sql { predicate } => Some(parse("predicate", predicate)?),
                _ => None,
            },
        })
    }
}
