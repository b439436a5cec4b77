//! Aggregation in two steps, for groups so large that the task which has one takes longer than all others: of a group's rows in each of so
//! many buckets, then of a group's buckets.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Column, TableReference};
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, cast, lit};
use weir_plan::{Error, Result};

use crate::functions::{self, pmod, xxhash64};

/// What the columns of this module are called, so that they are not taken for the user's.
const OWN: &str = "__weir";

/// `plan` grouped by `keys`, with the columns that an aggregation would have: those of `keys`, then those of `calls`.
///
/// # Errors
/// `Unsupported`, naming it, for a call that cannot be made of parts.
pub(super) fn aggregate_in_two_steps(
    plan: LogicalPlan,
    keys: &[Expr],
    calls: &[Expr],
    buckets: u32,
) -> Result<LogicalPlan> {
    let salt = salt(calls, buckets)?.alias_qualified(Some(OWN), "salt");
    let steps = calls.iter().zip(0..).map(|(call, number)| {
        let Expr::AggregateFunction(of) = call else {
            return Err(Error::internal(format!("{call} is no aggregate")));
        };
        Step::of(of, call, number, &plan)
    });
    let steps: Vec<Step> = steps.collect::<Result<_>>()?;
    let groups: Vec<Expr> = keys.iter().cloned().chain([salt]).collect();
    let parts: Vec<Expr> = steps.iter().flat_map(|step| step.parts.clone()).collect();
    let in_buckets = LogicalPlanBuilder::from(plan)
        .aggregate(groups, parts)?
        .build()?;

    let schema = in_buckets.schema();
    let keys = (0..keys.len()).map(|at| Expr::Column(Column::from(schema.qualified_field(at))));
    let keys: Vec<Expr> = keys.collect();
    let wholes: Vec<Expr> = steps.iter().flat_map(|step| step.wholes.clone()).collect();
    let whole = LogicalPlanBuilder::from(in_buckets).aggregate(keys.clone(), wholes)?;
    let results = steps.into_iter().map(|step| step.result);
    Ok(whole.project(keys.into_iter().chain(results))?.build()?)
}

/// The bucket of a row: any, but rows of the same value in one where values are counted once.
fn salt(calls: &[Expr], buckets: u32) -> Result<Expr> {
    let mut distinct: Vec<&Expr> = Vec::new();
    for call in calls {
        let Expr::AggregateFunction(AggregateFunction { params, .. }) = call else {
            continue;
        };
        for value in params.args.iter().filter(|_| params.distinct) {
            if !distinct.contains(&value) {
                distinct.push(value);
            }
        }
    }
    match distinct.as_slice() {
        [] => {
            let random = datafusion::functions::math::expr_fn::random();
            let bucket =
                datafusion::functions::math::expr_fn::floor(random * lit(f64::from(buckets)));
            Ok(cast(bucket, DataType::Int32))
        }
        [value] => {
            let hash = xxhash64(vec![(*value).clone()]);
            Ok(pmod(hash, lit(i64::from(buckets))))
        }
        several => {
            let several: Vec<String> = several.iter().map(ToString::to_string).collect();
            Err(Error::unsupported(format!(
                "salted() puts the same values of one column into one bucket, and different ones of {} are asked for: aggregate them apart, \
                 and join the results",
                several.join(", ")
            )))
        }
    }
}

/// How one call is made of parts.
struct Step {
    /// Of a bucket.
    parts: Vec<Expr>,
    /// Of those, for a group.
    wholes: Vec<Expr>,
    /// Of those, under the call's name.
    result: Expr,
}

impl Step {
    fn of(of: &AggregateFunction, call: &Expr, number: usize, plan: &LogicalPlan) -> Result<Self> {
        let refused = |why: &str| {
            let name = call.schema_name();
            Error::unsupported(format!("salted() does not take {name}: {why}"))
        };
        if !of.params.order_by.is_empty() {
            return Err(refused("its rows are in an order"));
        }
        let data_type = call.get_type(plan.schema())?;
        let part = |place: usize| format!("part{number}_{place}");
        let own = |name: String| Expr::Column(Column::new(Some(TableReference::bare(OWN)), name));
        let name = call.schema_name().to_string();
        let named = |expr: Expr, place: usize| expr.alias_qualified(Some(OWN), part(place));
        let one = |combine: fn(Expr) -> Expr| {
            let whole = combine(own(part(0)));
            let column = own(format!("whole{number}"));
            Self {
                parts: vec![named(call.clone(), 0)],
                wholes: vec![whole.alias_qualified(Some(OWN), format!("whole{number}"))],
                result: cast(column, data_type.clone()).alias(name.clone()),
            }
        };
        match of.func.name() {
            "weir_sum" | "sum" | "count" => Ok(one(functions::sum)),
            "min" => Ok(one(functions::min)),
            "max" => Ok(one(functions::max)),
            "avg" if !of.params.distinct => {
                let [value] = &of.params.args[..] else {
                    return Err(refused("it has more than one argument"));
                };
                if data_type != DataType::Float64 {
                    return Err(refused("its mean is no double; cast it to one"));
                }
                let filtered = |mut expr: Expr| {
                    if let Expr::AggregateFunction(part) = &mut expr {
                        part.params.filter.clone_from(&of.params.filter);
                    }
                    expr
                };
                let value = cast(value.clone(), DataType::Float64);
                let sum = filtered(functions::sum(value.clone()));
                let count = filtered(functions::count(value));
                let [sums, counts] = ["sums", "counts"].map(|what| format!("{what}{number}"));
                let whole = |place: usize, name: &String| {
                    functions::sum(own(part(place))).alias_qualified(Some(OWN), name)
                };
                Ok(Self {
                    parts: vec![named(sum, 0), named(count, 1)],
                    wholes: vec![whole(0, &sums), whole(1, &counts)],
                    result: (own(sums) / cast(own(counts), DataType::Float64)).alias(name),
                })
            }
            _ => Err(refused(
                "only sum, count, min, max, avg, and the counts and sums of different values are made of those of buckets",
            )),
        }
    }
}
