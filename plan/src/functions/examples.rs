//! `examples(row, n)`: up to `n` different rows of a group, as JSON, the same ones however the rows
//! came.
//!
//! They are the least by their text, so that neither the order of files nor the number of tasks
//! chooses them, and a task holds `n` texts at a time, whatever the size of the group.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, FieldRef, Int64Type};
use datafusion::common::{DataFusionError, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Expr, Signature, Volatility, lit,
};

use super::row_text::row_json;
use crate::error::Error;

pub(super) const NAME: &str = "weir_examples";

static EXAMPLES: LazyLock<Arc<AggregateUDF>> =
    LazyLock::new(|| Arc::new(AggregateUDF::from(Examples::new())));

/// Up to `n` different rows of struct `row`, as a list of JSON texts: see the module's documentation.
#[must_use]
pub fn examples(row: Expr, n: u32) -> Expr {
    EXAMPLES.call(vec![row, lit(i64::from(n))])
}

/// The function, for a registry.
pub(super) fn function() -> Arc<AggregateUDF> {
    Arc::clone(&EXAMPLES)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Examples {
    signature: Signature,
}

impl Examples {
    fn new() -> Self {
        Self {
            signature: Signature::any(2, Volatility::Immutable),
        }
    }
}

fn texts() -> DataType {
    DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)))
}

impl AggregateUDFImpl for Examples {
    fn name(&self) -> &'static str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType, DataFusionError> {
        match arguments {
            [DataType::Struct(_), DataType::Int64] => Ok(texts()),
            _ => Err(Error::invalid_plan(format!(
                "{NAME} takes a struct and a number, not {arguments:?}"
            ))
            .into()),
        }
    }

    fn accumulator(
        &self,
        arguments: AccumulatorArgs,
    ) -> Result<Box<dyn Accumulator>, DataFusionError> {
        // The number comes with every batch, too; here it bounds what is kept from the first row on.
        let limit = arguments
            .exprs
            .get(1)
            .and_then(|expr| expr.downcast_ref::<datafusion::physical_expr::expressions::Literal>())
            .and_then(|literal| match literal.value() {
                ScalarValue::Int64(Some(n)) => usize::try_from(*n).ok(),
                _ => None,
            })
            .ok_or_else(|| Error::invalid_plan(format!("{NAME} takes a literal number of rows")))?;
        Ok(Box::new(Least {
            limit,
            texts: BTreeSet::new(),
        }))
    }

    fn state_fields(&self, arguments: StateFieldsArgs) -> Result<Vec<FieldRef>, DataFusionError> {
        let state = [
            Field::new(format!("{}[texts]", arguments.name), texts(), true),
            Field::new(format!("{}[limit]", arguments.name), DataType::Int64, true),
        ];
        Ok(state.into_iter().map(Arc::new).collect())
    }
}

/// The `limit` least texts so far.
#[derive(Debug)]
struct Least {
    limit: usize,
    texts: BTreeSet<String>,
}

impl Least {
    fn add(&mut self, text: String) {
        let full = self.texts.len() >= self.limit;
        if full && self.texts.last().is_none_or(|last| *last <= text) {
            return;
        }
        self.texts.insert(text);
        if self.texts.len() > self.limit {
            self.texts.pop_last();
        }
    }

    fn list(&self) -> ScalarValue {
        let texts: Vec<_> = self
            .texts
            .iter()
            .map(|text| ScalarValue::from(text.as_str()))
            .collect();
        ScalarValue::List(ScalarValue::new_list(&texts, &DataType::Utf8, true))
    }
}

impl Accumulator for Least {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<(), DataFusionError> {
        let Some(rows) = values.first().and_then(|rows| rows.as_struct_opt()) else {
            return Err(Error::internal(format!("{NAME} was given no struct")).into());
        };
        for row in 0..rows.len() {
            self.add(row_json(rows, row)?);
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<(), DataFusionError> {
        let [lists, limits] = states else {
            return Err(Error::internal(format!("{NAME} was given another state")).into());
        };
        for limit in limits.as_primitive::<Int64Type>().iter().flatten() {
            self.limit = self.limit.max(usize::try_from(limit).unwrap_or_default());
        }
        for list in lists.as_list::<i32>().iter().flatten() {
            for text in list.as_string::<i32>().iter().flatten() {
                self.add(text.to_owned());
            }
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>, DataFusionError> {
        let limit = i64::try_from(self.limit).unwrap_or(i64::MAX);
        Ok(vec![self.list(), ScalarValue::from(limit)])
    }

    fn evaluate(&mut self) -> Result<ScalarValue, DataFusionError> {
        Ok(self.list())
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.texts.iter().map(String::capacity).sum::<usize>()
    }
}
