//! Verbs that choose, compute and name columns.

use datafusion::logical_expr::Expr;
use weir_plan::{Error, Result};

use super::arguments::IntoColumn;
use super::{DataFrame, resolve, sql_text};

impl DataFrame {
    /// The columns `exprs`: expressions, or names. Names differ in the result; give an
    /// [alias](datafusion::logical_expr::Expr::alias) to one that comes twice.
    ///
    /// # Errors
    /// `InvalidPlan` for a column that does not exist, naming the nearest, for one that both sides of a join
    /// have, and for types that do not fit.
    pub fn select<C: IntoColumn>(self, exprs: impl IntoIterator<Item = C>) -> Result<Self> {
        let mut columns = Vec::new();
        for expr in exprs {
            let expr = expr.into_column();
            match resolve::star(&expr, self.schema()) {
                Some(all) => columns.extend(all),
                None => columns.push(resolve::resolve_named(expr, self.schema())?),
            }
        }
        let inner = self.inner.select(columns)?;
        Ok(Self::new(self.session, inner))
    }

    /// As [`Self::select`], of SQL texts: `["id", "price * quantity as amount", "*"]`.
    ///
    /// # Errors
    /// As [`Self::select`], and `InvalidPlan` for text that does not parse.
    pub fn select_expr<'a>(self, texts: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let mut columns = Vec::new();
        for text in texts {
            let text = text.trim();
            let starred = crate::functions::col(text);
            match resolve::star(&starred, self.schema()) {
                Some(all) => columns.extend(all),
                None => columns.push(self.expr(text)?),
            }
        }
        self.select(columns)
    }

    /// SQL text as an expression over this dataframe's columns: PySpark's `F.expr`, which Weir reads with
    /// the columns at hand. Functions and grammar are those of [`Session::sql`](crate::Session::sql); a
    /// literal such as `1.5` is a double (in Spark a decimal).
    ///
    /// # Errors
    /// `InvalidPlan` for text that does not parse or a column that does not exist.
    pub fn expr(&self, text: &str) -> Result<Expr> {
        sql_text::parse(self, text)
    }

    /// Its column `name`, told apart from those of the same name on the other side of a join if this
    /// dataframe has an [alias](Self::alias). PySpark's `frame["name"]`.
    ///
    /// # Errors
    /// `InvalidPlan` for a column that does not exist, naming the nearest.
    pub fn col(&self, name: &str) -> Result<Expr> {
        resolve::resolve(crate::functions::col(name), self.schema())
    }

    /// All columns and `name`, replacing a column of that name.
    ///
    /// # Errors
    /// As [`Self::select`].
    pub fn with_column(self, name: &str, expr: Expr) -> Result<Self> {
        self.with_columns([(name, expr)])
    }

    /// All columns and those given, each replacing a column of its name. None of the expressions sees
    /// another's result.
    ///
    /// # Errors
    /// As [`Self::select`]; `InvalidPlan` for a name that is given twice.
    pub fn with_columns<'a>(
        self,
        columns: impl IntoIterator<Item = (&'a str, Expr)>,
    ) -> Result<Self> {
        let mut given: Vec<(&str, Expr)> = columns.into_iter().collect();
        for (index, (name, _)) in given.iter().enumerate() {
            if given[..index].iter().any(|(other, _)| other == name) {
                return Err(Error::invalid_plan(format!(
                    "with_columns gives column {name:?} twice"
                )));
            }
        }
        let mut selected = Vec::new();
        for (index, column) in resolve::all_columns(self.schema()).enumerate() {
            let name = self.schema().field(index).name();
            match given.iter().find(|(given, _)| given == name) {
                Some((name, expr)) => selected.push(expr.clone().alias(*name)),
                None => selected.push(column),
            }
        }
        given.retain(|(name, _)| resolve::matching(name, self.schema()).is_empty());
        selected.extend(given.into_iter().map(|(name, expr)| expr.alias(name)));
        self.select(selected)
    }

    /// Column `existing` under the name `new`.
    ///
    /// # Errors
    /// `InvalidPlan` when `existing` does not exist. (Spark renames nothing and says nothing.)
    pub fn with_column_renamed(self, existing: &str, new: &str) -> Result<Self> {
        self.with_columns_renamed([(existing, new)])
    }

    /// The first of each pair under the name of its second. Renames do not see each other, so that names can
    /// be swapped.
    ///
    /// # Errors
    /// As [`Self::with_column_renamed`].
    pub fn with_columns_renamed<'a>(
        self,
        names: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self> {
        let names: Vec<(&str, &str)> = names.into_iter().collect();
        self.check_columns(names.iter().map(|(existing, _)| *existing))?;
        let columns: Vec<Expr> = self
            .schema()
            .iter()
            .zip(resolve::all_columns(self.schema()))
            .map(|((side, field), column)| {
                match names.iter().find(|(existing, _)| existing == field.name()) {
                    Some((_, new)) => column.alias_qualified(side.cloned(), *new),
                    None => column,
                }
            })
            .collect();
        self.select(columns)
    }

    /// All columns under the names `names`, by position.
    ///
    /// # Errors
    /// `InvalidPlan` when there are more or fewer names than columns, or one comes twice.
    pub fn to_df<'a>(self, names: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let names: Vec<&str> = names.into_iter().collect();
        if names.len() != self.schema().fields().len() {
            return Err(Error::invalid_plan(format!(
                "to_df takes one name per column: {} names for {} columns ({})",
                names.len(),
                self.schema().fields().len(),
                self.columns().join(", ")
            )));
        }
        let columns: Vec<Expr> = resolve::all_columns(self.schema())
            .zip(names)
            .map(|(column, name)| column.alias(name))
            .collect();
        self.select(columns)
    }

    /// Without the columns `names`; a name that both sides of a join had loses both.
    ///
    /// # Errors
    /// `InvalidPlan` for a column that does not exist. (Spark ignores it.)
    pub fn drop<'a>(self, names: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let names: Vec<&str> = names.into_iter().collect();
        self.check_columns(names.iter().copied())?;
        let kept: Vec<Expr> = self
            .schema()
            .iter()
            .zip(resolve::all_columns(self.schema()))
            .filter(|((_, field), _)| !names.contains(&field.name().as_str()))
            .map(|(_, column)| column)
            .collect();
        self.select(kept)
    }

    /// The same rows, whose columns a join tells apart as `name.column`: `col("o.id")`.
    ///
    /// # Errors
    /// `InvalidPlan` when two of its columns have one name.
    pub fn alias(self, name: &str) -> Result<Self> {
        // Quoted, so that the engine does not change its capitals or split it at a dot.
        let inner = self
            .inner
            .alias(&format!("\"{}\"", name.replace('"', "\"\"")))?;
        Ok(Self::new(self.session, inner))
    }

    /// What `step` makes of it: steps of one's own in a chain of verbs.
    ///
    /// # Errors
    /// What `step` returns.
    pub fn transform(self, step: impl FnOnce(Self) -> Result<Self>) -> Result<Self> {
        step(self)
    }

    pub(super) fn check_columns<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Result<()> {
        for name in names {
            if resolve::matching(name, self.schema()).is_empty() {
                return Err(resolve::unknown(name, self.schema()));
            }
        }
        Ok(())
    }
}
