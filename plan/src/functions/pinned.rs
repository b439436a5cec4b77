//! `pinned(name, value)`: a value a streaming batch's rows depend on, logged with its offsets.
//!
//! A job's load date is the example: a batch that was planned before midnight and is run again
//! after a crash must write the rows it was planned to write. The runtime collects the parameters of
//! a query, logs their values in `offsets/N`, and binds the logged values when batch `N` runs, now or
//! on another day. Outside a stream `pinned(name, value)` is just `value`.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, ScalarValue};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility, lit,
};

use crate::error::{Error, ErrorKind, Result};

/// Parameter names and values, as they are logged.
pub type PinnedParameters = BTreeMap<String, String>;

static PINNED: LazyLock<Arc<ScalarUDF>> =
    LazyLock::new(|| Arc::new(ScalarUDF::from(PinnedFunction::new())));

/// The string `value` under `name`: see the module's documentation.
#[must_use]
pub fn pinned(name: impl Into<String>, value: impl Into<String>) -> Expr {
    PINNED.call(vec![lit(name.into()), lit(value.into())])
}

/// The parameters of `plan`.
///
/// # Errors
/// `InvalidPlan` when one name has two values.
pub fn pinned_parameters(plan: &LogicalPlan) -> Result<PinnedParameters> {
    let mut found = PinnedParameters::new();
    let mut clash = None;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Some((name, value)) = as_pinned(expr) {
                    match found.get(name) {
                        Some(other) if other != value => {
                            clash = Some((name.to_owned(), other.clone(), value.to_owned()));
                        }
                        _ => {
                            found.insert(name.to_owned(), value.to_owned());
                        }
                    }
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })
    .map_err(Error::from)?;
    match clash {
        Some((name, one, other)) => Err(Error::invalid_plan(format!(
            "pinned parameter {name:?} has two values, {one:?} and {other:?}"
        ))),
        None => Ok(found),
    }
}

/// `plan` with every pinned parameter replaced by its value in `values`.
///
/// # Errors
/// `CheckpointMismatch` for a parameter that `values` lacks.
pub fn bind_pinned(plan: LogicalPlan, values: &PinnedParameters) -> Result<LogicalPlan> {
    let bound = plan
        .transform_up_with_subqueries(|node| {
            let preserver = NamePreserver::new(&node);
            node.map_expressions(|expr| {
                let saved = preserver.save(&expr);
                let bound = expr.transform_up(|expr| bind_one(expr, values))?;
                Ok(bound.update_data(|expr| saved.restore(expr)))
            })
        })
        .map_err(Error::from)?;
    Ok(bound.data)
}

fn bind_one(expr: Expr, values: &PinnedParameters) -> Result<Transformed<Expr>, DataFusionError> {
    let Some((name, _)) = as_pinned(&expr) else {
        return Ok(Transformed::no(expr));
    };
    match values.get(name) {
        Some(value) => Ok(Transformed::yes(lit(value.clone()))),
        None => Err(Error::new(
            ErrorKind::CheckpointMismatch,
            format!(
                "the logged batch has no value for pinned parameter {name:?}; \
                 finish it with the program that planned it, then change the program"
            ),
        )
        .into()),
    }
}

/// Name and value, when `expr` is a call of [`pinned`].
fn as_pinned(expr: &Expr) -> Option<(&str, &str)> {
    let Expr::ScalarFunction(call) = expr else {
        return None;
    };
    call.func.inner().downcast_ref::<PinnedFunction>()?;
    match call.args.as_slice() {
        [
            Expr::Literal(ScalarValue::Utf8(Some(name)), _),
            Expr::Literal(ScalarValue::Utf8(Some(value)), _),
        ] => Some((name, value)),
        _ => None,
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct PinnedFunction {
    signature: Signature,
}

impl PinnedFunction {
    fn new() -> Self {
        Self {
            signature: Signature::exact(
                vec![DataType::Utf8, DataType::Utf8],
                Volatility::Immutable,
            ),
        }
    }
}

impl ScalarUDFImpl for PinnedFunction {
    fn name(&self) -> &'static str {
        "pinned"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType, DataFusionError> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(
        &self,
        arguments: ScalarFunctionArgs,
    ) -> Result<ColumnarValue, DataFusionError> {
        let [_, value] = <[ColumnarValue; 2]>::try_from(arguments.args)
            .map_err(|_| Error::internal("pinned takes a name and a value"))?;
        Ok(value)
    }

    fn simplify(
        &self,
        mut arguments: Vec<Expr>,
        _context: &SimplifyContext,
    ) -> Result<ExprSimplifyResult, DataFusionError> {
        match arguments.pop() {
            Some(value) => Ok(ExprSimplifyResult::Simplified(value)),
            None => Ok(ExprSimplifyResult::Original(arguments)),
        }
    }
}

#[cfg(test)]
mod tests {
    use datafusion::logical_expr::LogicalPlanBuilder;

    use super::*;

    fn plan_with(value: &str) -> LogicalPlan {
        LogicalPlanBuilder::empty(true)
            .project([pinned("load_date", value).alias("load_date")])
            .unwrap()
            .build()
            .unwrap()
    }

    #[test]
    fn parameters_are_found_and_bound_to_other_values() {
        let plan = plan_with("2026-01-31");
        let mut values = pinned_parameters(&plan).unwrap();
        assert_eq!(values["load_date"], "2026-01-31");
        values.insert("load_date".to_owned(), "2026-01-30".to_owned());
        let bound = bind_pinned(plan, &values).unwrap();
        assert_eq!(
            bound.display_indent().to_string(),
            "Projection: Utf8(\"2026-01-30\") AS load_date\n  EmptyRelation: rows=1"
        );
        assert!(pinned_parameters(&bound).unwrap().is_empty());
    }

    #[test]
    fn parameter_missing_from_the_log_is_refused_by_name() {
        let error = bind_pinned(plan_with("a"), &PinnedParameters::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CheckpointMismatch);
        assert!(error.to_string().contains("load_date"), "{error}");
    }

    #[test]
    fn one_name_with_two_values_is_refused() {
        let plan = LogicalPlanBuilder::empty(true)
            .project([pinned("d", "1").alias("a"), pinned("d", "2").alias("b")])
            .unwrap()
            .build()
            .unwrap();
        assert!(pinned_parameters(&plan).is_err());
    }
}
