//! What verbs take for a column, a condition or a sort key: expressions, and text as PySpark reads it.

use datafusion::logical_expr::{Expr, SortExpr};
use weir_plan::Result;

use super::{DataFrame, sql_text};
use crate::functions::{ColumnExt, IntoSort, col};

/// A column: an expression, or the name of one. `"*"` is all columns, `"o.*"` those of the side that
/// [`DataFrame::alias`] calls `o`.
pub trait IntoColumn {
    /// The column.
    fn into_column(self) -> Expr;
}

impl IntoColumn for Expr {
    fn into_column(self) -> Expr {
        self
    }
}

/// A condition: an expression, or SQL text (`"amount > 0 and kind is not null"`).
pub trait IntoPredicate {
    /// The condition over the columns of `frame`.
    ///
    /// # Errors
    /// `InvalidPlan` for text that does not parse or names a column that does not exist.
    fn into_predicate(self, frame: &DataFrame) -> Result<Expr>;
}

impl IntoPredicate for Expr {
    fn into_predicate(self, _: &DataFrame) -> Result<Expr> {
        Ok(self)
    }
}

macro_rules! text_arguments {
    ($($text:ty),*) => {$(
        impl IntoColumn for $text {
            fn into_column(self) -> Expr {
                col(self)
            }
        }

        impl IntoPredicate for $text {
            fn into_predicate(self, frame: &DataFrame) -> Result<Expr> {
                sql_text::parse(frame, self.as_ref())
            }
        }

        impl IntoSort for $text {
            fn into_sort(self) -> SortExpr {
                col(self).asc()
            }
        }
    )*};
}

text_arguments!(&str, String, &String);
