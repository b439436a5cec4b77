//! `broken_rules(rules, row, conditions...)`: which row rules a row breaks, as a list of their names.
//!
//! A condition that is false or null is broken. A rule that must not be broken ends the query, naming
//! itself, how many of the rows at hand break it, and one of them.
//!
//! The function is declared volatile, though it is not: the optimizer copies no volatile expression
//! into a filter and merges it into no second projection, so that neither the conditions nor the
//! parsing below them are computed twice.

use std::sync::{Arc, LazyLock};

use arrow::array::{Array, AsArray, BooleanArray, ListArray, ListBuilder, StringBuilder};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field};
use datafusion::common::{DataFusionError, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, lit,
};
use serde::{Deserialize, Serialize};

use super::row_text::row_json;
use crate::error::{Error, ErrorKind, Result};

pub(super) const NAME: &str = "weir_broken_rules";

static BROKEN_RULES: LazyLock<Arc<ScalarUDF>> =
    LazyLock::new(|| Arc::new(ScalarUDF::from(BrokenRules::new())));

/// One rule of [`broken_rules`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowRule {
    /// Its name.
    pub name: String,
    /// Whether a row that breaks it ends the query.
    pub fails: bool,
}

/// The names of the rules that a row breaks, in the order of `rules`; `conditions` are theirs. `row`
/// is a struct of what an error shows of a row.
///
/// # Errors
/// `Internal` when there is not one condition for each rule.
pub fn broken_rules(rules: &[RowRule], row: Expr, conditions: Vec<Expr>) -> Result<Expr> {
    if rules.len() != conditions.len() {
        return Err(Error::internal("a row rule without a condition"));
    }
    let rules = serde_json::to_string(rules)
        .map_err(|error| Error::internal("cannot encode row rules").with_source(error))?;
    let mut arguments = vec![lit(rules), row];
    arguments.extend(conditions);
    Ok(BROKEN_RULES.call(arguments))
}

/// The function, for a registry.
pub(super) fn function() -> Arc<ScalarUDF> {
    Arc::clone(&BROKEN_RULES)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct BrokenRules {
    signature: Signature,
}

impl BrokenRules {
    fn new() -> Self {
        Self {
            signature: Signature::variadic_any(Volatility::Volatile),
        }
    }
}

impl ScalarUDFImpl for BrokenRules {
    fn name(&self) -> &'static str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType, DataFusionError> {
        // As `ListBuilder` makes it.
        let item = Field::new_list_field(DataType::Utf8, true);
        Ok(DataType::List(Arc::new(item)))
    }

    fn invoke_with_args(
        &self,
        arguments: ScalarFunctionArgs,
    ) -> Result<ColumnarValue, DataFusionError> {
        let count = arguments.number_rows;
        let mut given = arguments.args.into_iter();
        let (Some(ColumnarValue::Scalar(ScalarValue::Utf8(Some(rules)))), Some(row)) =
            (given.next(), given.next())
        else {
            return Err(Error::internal(format!("{NAME} takes rules and a row")).into());
        };
        let rules: Vec<RowRule> = serde_json::from_str(&rules)
            .map_err(|error| Error::internal("row rules are damaged").with_source(error))?;
        let conditions = given
            .map(|condition| Ok(condition.into_array(count)?.as_boolean().clone()))
            .collect::<Result<Vec<_>, DataFusionError>>()?;
        let row = row.into_array(count)?;
        let holds =
            |condition: &BooleanArray, at: usize| condition.is_valid(at) && condition.value(at);
        for (rule, condition) in rules.iter().zip(&conditions).filter(|(rule, _)| rule.fails) {
            let broken = count - condition.true_count();
            let first = (0..count).find(|at| !holds(condition, *at));
            if let (Some(first), Some(row)) = (first, row.as_struct_opt()) {
                return Err(failure(&rule.name, broken, count, &row_json(row, first)?).into());
            }
        }
        let mut names = ListBuilder::new(StringBuilder::new());
        if conditions
            .iter()
            .all(|condition| condition.true_count() == count)
        {
            // As a rule, no rule is broken.
            return Ok(ColumnarValue::Array(Arc::new(none_broken(names, count)?)));
        }
        for at in 0..count {
            for (rule, condition) in rules.iter().zip(&conditions) {
                if !holds(condition, at) {
                    names.values().append_value(&rule.name);
                }
            }
            names.append(true);
        }
        Ok(ColumnarValue::Array(Arc::new(names.finish())))
    }
}

/// `count` empty lists, of `names`' type.
fn none_broken(
    mut names: ListBuilder<StringBuilder>,
    count: usize,
) -> Result<ListArray, DataFusionError> {
    let (item, _, values, _) = names.finish().into_parts();
    let offsets = OffsetBuffer::new_zeroed(count);
    Ok(ListArray::try_new(item, offsets, values, None)?)
}

fn failure(rule: &str, broken: usize, count: usize, example: &str) -> Error {
    Error::new(
        ErrorKind::Compute,
        format!(
            "rule {rule:?} is broken by {broken} of {count} rows read together, such as {example}; \
             nothing was written"
        ),
    )
}
