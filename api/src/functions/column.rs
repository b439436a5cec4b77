//! What PySpark's `Column` can do and DataFusion's `Expr` cannot.

use datafusion::logical_expr::{Cast, Expr, SortExpr, TryCast};
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
