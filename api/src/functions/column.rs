//! What PySpark's `Column` can do and DataFusion's `Expr` cannot.

use datafusion::logical_expr::{Cast, Expr, Operator, SortExpr, TryCast, binary_expr, lit};
use weir_plan::Result;
use weir_plan::functions::ddl;

/// Methods of PySpark's `Column` that DataFusion's `Expr` lacks.
pub trait ColumnExt: Sized {
    /// As type `to`, a Spark type name (`"string"`, `"decimal(10,2)"`, `"array<struct<a: int>>"`).
    /// A value that cannot be converted fails the query, as in Spark's ANSI mode.
    ///
    /// # Errors
    /// `InvalidArgument` for an unknown type name, `Unsupported` for a type Weir has not.
    fn cast(self, to: &str) -> Result<Expr>;

    /// As [`Self::cast`], with null for a value that cannot be converted.
    ///
    /// # Errors
    /// As [`Self::cast`].
    fn try_cast(self, to: &str) -> Result<Expr>;

    /// Whether it is one of `values`: PySpark's `isin`.
    #[must_use]
    fn isin(self, values: impl IntoIterator<Item = Expr>) -> Expr;

    /// Whether both are equal or both null: PySpark's `eqNullSafe`.
    #[must_use]
    fn eq_null_safe(self, other: Expr) -> Expr;

    /// Whether the text has a match of a regular expression: [`rlike`](super::rlike).
    #[must_use]
    fn rlike(self, pattern: &str) -> Expr;

    /// Whether the text has `part` in it.
    #[must_use]
    fn contains(self, part: Expr) -> Expr;

    /// Whether the text begins with `prefix`.
    #[must_use]
    fn startswith(self, prefix: Expr) -> Expr;

    /// Whether the text ends with `suffix`.
    #[must_use]
    fn endswith(self, suffix: Expr) -> Expr;

    /// `length` characters from `position` on: [`substring`](super::substring).
    #[must_use]
    fn substr(self, position: i32, length: i32) -> Expr;

    /// A struct's field: PySpark's `getField`.
    #[must_use]
    fn get_field(self, name: &str) -> Expr;

    /// Ascending, nulls first: what a column alone means too.
    fn asc(self) -> SortExpr;

    /// Descending, nulls last.
    fn desc(self) -> SortExpr;

    /// Ascending, nulls first.
    fn asc_nulls_first(self) -> SortExpr;

    /// Ascending, nulls last.
    fn asc_nulls_last(self) -> SortExpr;

    /// Descending, nulls first.
    fn desc_nulls_first(self) -> SortExpr;

    /// Descending, nulls last.
    fn desc_nulls_last(self) -> SortExpr;
}

impl ColumnExt for Expr {
    fn cast(self, to: &str) -> Result<Expr> {
        Ok(Expr::Cast(Cast::new(Box::new(self), ddl::parse_type(to)?)))
    }

    fn try_cast(self, to: &str) -> Result<Expr> {
        Ok(Expr::TryCast(TryCast::new(
            Box::new(self),
            ddl::parse_type(to)?,
        )))
    }

    fn isin(self, values: impl IntoIterator<Item = Expr>) -> Expr {
        self.in_list(values.into_iter().collect(), false)
    }

    fn eq_null_safe(self, other: Expr) -> Expr {
        binary_expr(self, Operator::IsNotDistinctFrom, other)
    }

    fn rlike(self, pattern: &str) -> Expr {
        super::rlike(self, lit(pattern))
    }

    fn contains(self, part: Expr) -> Expr {
        super::contains(self, part)
    }

    fn startswith(self, prefix: Expr) -> Expr {
        super::startswith(self, prefix)
    }

    fn endswith(self, suffix: Expr) -> Expr {
        super::endswith(self, suffix)
    }

    fn substr(self, position: i32, length: i32) -> Expr {
        super::substring(self, lit(position), lit(length))
    }

    fn get_field(self, name: &str) -> Expr {
        datafusion::functions::expr_fn::get_field(self, name)
    }

    fn asc(self) -> SortExpr {
        self.sort(true, true)
    }

    fn desc(self) -> SortExpr {
        self.sort(false, false)
    }

    fn asc_nulls_first(self) -> SortExpr {
        self.sort(true, true)
    }

    fn asc_nulls_last(self) -> SortExpr {
        self.sort(true, false)
    }

    fn desc_nulls_first(self) -> SortExpr {
        self.sort(false, true)
    }

    fn desc_nulls_last(self) -> SortExpr {
        self.sort(false, false)
    }
}

/// A column to sort by: an expression, which is [ascending](ColumnExt::asc), or one with its order.
pub trait IntoSort {
    /// The column with its order.
    fn into_sort(self) -> SortExpr;
}

impl IntoSort for Expr {
    fn into_sort(self) -> SortExpr {
        self.asc()
    }
}

impl IntoSort for SortExpr {
    fn into_sort(self) -> SortExpr {
        self
    }
}
