//! Window functions: `sum(col("n")).over(&Window::partition_by([col("k")]).order_by([col("t")]))`.
//!
//! Frames and the order of nulls default as in Spark: with an order, from the partition's beginning to
//! the current row and its peers; without one, the whole partition.

use datafusion::common::ScalarValue;
use datafusion::functions_aggregate::expr_fn as aggregates;
use datafusion::functions_window::expr_fn as windows;
use datafusion::functions_window::nth_value::{first_value_udwf, last_value_udwf, nth_value_udwf};
use datafusion::logical_expr::expr::{NullTreatment, WindowFunction};
use datafusion::logical_expr::{
    Cast, Expr, ExprFunctionExt, SortExpr, WindowFrame, WindowFrameBound, WindowFrameUnits,
    WindowFunctionDefinition, lit,
};
use weir_plan::{Error, Result};

use super::column::IntoSort;

/// Where window specifications begin.
#[derive(Debug, Clone, Copy)]
pub struct Window;

impl Window {
    /// The partition's first row.
    pub const UNBOUNDED_PRECEDING: i64 = i64::MIN;
    /// The row itself; of a range, it and its peers.
    pub const CURRENT_ROW: i64 = 0;
    /// The partition's last row.
    pub const UNBOUNDED_FOLLOWING: i64 = i64::MAX;

    /// Rows with the same values of `exprs` make a partition.
    #[must_use]
    pub fn partition_by(exprs: impl IntoIterator<Item = Expr>) -> WindowSpec {
        WindowSpec::default().partition_by(exprs)
    }

    /// All rows are one partition, ordered by `exprs`.
    #[must_use]
    pub fn order_by<S: IntoSort>(exprs: impl IntoIterator<Item = S>) -> WindowSpec {
        WindowSpec::default().order_by(exprs)
    }

    /// All rows are one partition; see [`WindowSpec::rows_between`].
    #[must_use]
    pub fn rows_between(start: i64, end: i64) -> WindowSpec {
        WindowSpec::default().rows_between(start, end)
    }

    /// All rows are one partition; see [`WindowSpec::range_between`].
    #[must_use]
    pub fn range_between(start: i64, end: i64) -> WindowSpec {
        WindowSpec::default().range_between(start, end)
    }
}

/// Partitions, their order, and the rows around each that a function sees.
#[derive(Debug, Clone, Default)]
pub struct WindowSpec {
    partition_by: Vec<Expr>,
    order_by: Vec<SortExpr>,
    frame: Option<(WindowFrameUnits, i64, i64)>,
}

impl WindowSpec {
    /// See [`Window::partition_by`].
    #[must_use]
    pub fn partition_by(mut self, exprs: impl IntoIterator<Item = Expr>) -> Self {
        self.partition_by = exprs.into_iter().collect();
        self
    }

    /// The order within a partition; a column alone is ascending, nulls first.
    #[must_use]
    pub fn order_by<S: IntoSort>(mut self, exprs: impl IntoIterator<Item = S>) -> Self {
        self.order_by = exprs.into_iter().map(IntoSort::into_sort).collect();
        self
    }

    /// The rows from `start` to `end`, counted from the current row: -1 is the row before it.
    #[must_use]
    pub fn rows_between(mut self, start: i64, end: i64) -> Self {
        self.frame = Some((WindowFrameUnits::Rows, start, end));
        self
    }

    /// The rows whose value of the one column ordered by is within `start` to `end` of the current
    /// row's. The column must be a number unless both ends are constants of [`Window`]: dates, of which Spark
    /// counts days, are refused when the dataframe is planned.
    #[must_use]
    pub fn range_between(mut self, start: i64, end: i64) -> Self {
        self.frame = Some((WindowFrameUnits::Range, start, end));
        self
    }

    fn window_frame(&self) -> Result<WindowFrame> {
        let Some((units, start, end)) = self.frame else {
            // `Some(false)`: an order that is not strict, so that peers belong together.
            return Ok(WindowFrame::new(
                (!self.order_by.is_empty()).then_some(false),
            ));
        };
        if start > end || start == i64::MAX || end == i64::MIN {
            return Err(Error::invalid_plan(format!(
                "the window's frame begins at {start}, after its end {end}"
            )));
        }
        if units == WindowFrameUnits::Range {
            if self.order_by.is_empty() && (start, end) != (i64::MIN, i64::MAX) {
                return Err(Error::invalid_plan("range_between needs order_by"));
            }
            if self.order_by.len() > 1 && !(is_plain(start) && is_plain(end)) {
                return Err(Error::invalid_plan(format!(
                    "range_between({start}, {end}) needs one column in order_by, not {}",
                    self.order_by.len()
                )));
            }
        }
        let frame = WindowFrame::new_bounds(units, bound(units, start), bound(units, end));
        Ok(frame)
    }
}

/// Whether an end of a range has no distance.
fn is_plain(bound: i64) -> bool {
    matches!(bound, i64::MIN | 0 | i64::MAX)
}

/// An end of a frame. The engine counts rows without a sign, and makes a range's distance, given as text, a value
/// of the type ordered by.
fn bound(units: WindowFrameUnits, at: i64) -> WindowFrameBound {
    let distance = |at: u64| match units {
        WindowFrameUnits::Range => ScalarValue::Utf8(Some(at.to_string())),
        _ => ScalarValue::UInt64(Some(at)),
    };
    match at {
        i64::MIN => WindowFrameBound::Preceding(ScalarValue::UInt64(None)),
        i64::MAX => WindowFrameBound::Following(ScalarValue::UInt64(None)),
        0 => WindowFrameBound::CurrentRow,
        before if before < 0 => WindowFrameBound::Preceding(distance(before.unsigned_abs())),
        after => WindowFrameBound::Following(distance(after.unsigned_abs())),
    }
}

/// Functions that see their partition whatever the frame.
const UNFRAMED: &[&str] = &[
    "row_number",
    "rank",
    "dense_rank",
    "percent_rank",
    "cume_dist",
    "ntile",
    "lag",
    "lead",
];
/// Those the engine counts without a sign and Spark as `int`.
const COUNTING: &[&str] = &["row_number", "rank", "dense_rank", "ntile"];

/// PySpark's `Column.over`.
pub trait WindowExt {
    /// The aggregate or window function over each row's window.
    ///
    /// # Errors
    /// `InvalidPlan` when it is neither, for a frame that is empty or does not suit the function, and for a
    /// ranking function without an order.
    fn over(self, window: &WindowSpec) -> Result<Expr>;
}

impl WindowExt for Expr {
    fn over(self, window: &WindowSpec) -> Result<Expr> {
        let function = match self {
            Expr::Alias(alias) => return Ok(alias.expr.over(window)?.alias(alias.name)),
            // What a function of Weir's makes of the engine's aggregate.
            Expr::Cast(mut cast) => {
                cast.expr = Box::new(cast.expr.over(window)?);
                return Ok(Expr::Cast(cast));
            }
            Expr::ScalarFunction(mut call)
                if matches!(call.args.as_slice(), [Expr::AggregateFunction(_)]) =>
            {
                let args = call.args.into_iter().map(|arg| arg.over(window));
                call.args = args.collect::<Result<_>>()?;
                return Ok(Expr::ScalarFunction(call));
            }
            Expr::WindowFunction(function) => *function,
            Expr::AggregateFunction(aggregate) => {
                if !aggregate.params.order_by.is_empty() {
                    return Err(Error::invalid_plan(format!(
                        "{} has an order of its own, which a window has not",
                        aggregate.func.name()
                    )));
                }
                // As window functions they follow frames that slide; as aggregates they cannot.
                let definition = match aggregate.func.name() {
                    "first_value" => WindowFunctionDefinition::WindowUDF(first_value_udwf()),
                    "last_value" => WindowFunctionDefinition::WindowUDF(last_value_udwf()),
                    "nth_value" => WindowFunctionDefinition::WindowUDF(nth_value_udwf()),
                    _ => WindowFunctionDefinition::AggregateUDF(aggregate.func),
                };
                let mut function = WindowFunction::new(definition, aggregate.params.args);
                function.params.filter = aggregate.params.filter;
                function.params.distinct = aggregate.params.distinct;
                function.params.null_treatment = aggregate.params.null_treatment;
                function
            }
            other => {
                return Err(Error::invalid_plan(format!(
                    "{other} is no aggregate or window function, so that it has no over()"
                )));
            }
        };
        let name = function.fun.name().to_owned();
        if UNFRAMED.contains(&name.as_str()) {
            if window.frame.is_some() {
                return Err(Error::invalid_plan(format!(
                    "{name} has no frame: leave rows_between or range_between out"
                )));
            }
            if window.order_by.is_empty() {
                return Err(Error::invalid_plan(format!(
                    "{name} needs a window with order_by"
                )));
            }
        }
        let frame = window.window_frame()?;
        let mut order_by = window.order_by.clone();
        if let (Some((WindowFrameUnits::Range, start, end)), [only]) =
            (window.frame, order_by.as_mut_slice())
            && !(is_plain(start) && is_plain(end))
        {
            // Of dates the engine would take the distance for months. A product has to be of
            // numbers, and this one is simplified away.
            only.expr = std::mem::take(&mut only.expr) * lit(1_i8);
        }
        let null_treatment = function.params.null_treatment;
        let (filter, distinct) = (function.params.filter.clone(), function.params.distinct);
        if distinct && name != "array_agg" {
            return Err(Error::invalid_plan(format!(
                "{name} of different values has no over(): of them Spark has windows of collect_set alone"
            )));
        }
        let mut built = Expr::from(function)
            .partition_by(window.partition_by.clone())
            .order_by(order_by)
            .window_frame(frame)
            .null_treatment(null_treatment)
            .build()?;
        // The builder forgets both.
        if let Expr::WindowFunction(function) = &mut built {
            function.params.filter = filter;
            function.params.distinct = distinct;
        }
        if COUNTING.contains(&name.as_str()) {
            return Ok(Expr::Cast(Cast::new(
                Box::new(built),
                datafusion::arrow::datatypes::DataType::Int32,
            )));
        }
        Ok(built)
    }
}

/// The row's number in its partition, from 1 (`int`).
#[must_use]
pub fn row_number() -> Expr {
    windows::row_number()
}

/// 1 and the number of rows before the row's peers (`int`): peers share it and leave a gap.
#[must_use]
pub fn rank() -> Expr {
    windows::rank()
}

/// As [`rank`], without gaps.
#[must_use]
pub fn dense_rank() -> Expr {
    windows::dense_rank()
}

/// `(rank - 1) / (rows - 1)`.
#[must_use]
pub fn percent_rank() -> Expr {
    windows::percent_rank()
}

/// The share of rows up to the row and its peers.
#[must_use]
pub fn cume_dist() -> Expr {
    windows::cume_dist()
}

/// The number of the row's part (`int`), of `parts` as equal as can be.
#[must_use]
pub fn ntile(parts: i32) -> Expr {
    windows::ntile(lit(i64::from(parts)))
}

/// `expr` of the row `offset` before; `default`, or null, where there is none.
#[must_use]
pub fn lag(expr: Expr, offset: i64, default: Option<ScalarValue>) -> Expr {
    windows::lag(expr, Some(offset), default)
}

/// `expr` of the row `offset` after; `default`, or null, where there is none.
#[must_use]
pub fn lead(expr: Expr, offset: i64, default: Option<ScalarValue>) -> Expr {
    windows::lead(expr, Some(offset), default)
}

/// `expr` of the frame's `n`th row, from 1; null where there are fewer.
#[must_use]
pub fn nth_value(expr: Expr, n: i64) -> Expr {
    windows::nth_value(expr, n)
}

/// The first value of a group or frame; with `ignore_nulls` the first that is not null. Which row of a
/// group comes first is not said, as in Spark.
#[must_use]
pub fn first(expr: Expr, ignore_nulls: bool) -> Expr {
    with_nulls(aggregates::first_value(expr, vec![]), ignore_nulls)
}

/// The last value of a group or frame: see [`first`].
#[must_use]
pub fn last(expr: Expr, ignore_nulls: bool) -> Expr {
    with_nulls(aggregates::last_value(expr, vec![]), ignore_nulls)
}

fn with_nulls(expr: Expr, ignore_nulls: bool) -> Expr {
    match expr {
        Expr::AggregateFunction(mut aggregate) if ignore_nulls => {
            aggregate.params.null_treatment = Some(NullTreatment::IgnoreNulls);
            Expr::AggregateFunction(aggregate)
        }
        other => other,
    }
}
