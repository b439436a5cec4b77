//! The predicate of `replaceWhere`: which rows it is true of, and which files can hold such rows.
//!
//! A row for which it is null is not matched. Files are judged by their partition values, exactly
//! where the predicate asks for nothing else, and by their statistics, which can only prove that a
//! file holds no such row.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode as _, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, DataFusionError, ScalarValue};
use datafusion::execution::SessionState;
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{Expr, ExprSchemable as _, Volatility, cast, lit, when};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::pruning::{PruningPredicate, PruningPredicateBuilder};
use weir_plan::{Error, Result};

use super::file_stats::{FileStats, partition_array};
use super::live::LiveFile;

/// See the module's documentation.
#[derive(Debug, Clone)]
pub(super) struct ReplaceWhere {
    text: String,
    /// Over the table's columns, as it spells them.
    expr: Expr,
    columns: Vec<String>,
    schema: SchemaRef,
    partition_by: Vec<String>,
    /// What asks for partition columns alone, over a batch of those.
    partitions: Option<Arc<dyn PhysicalExpr>>,
    /// The whole, over statistics; `None` when nothing but partition columns is asked for.
    pruning: Option<PruningPredicate>,
}

impl ReplaceWhere {
    /// The predicate `text` over a table of `schema`.
    ///
    /// # Errors
    /// `InvalidArgument` for what is no predicate over the table's columns, or not a fixed one.
    pub(super) fn parse(
        text: &str,
        schema: SchemaRef,
        partition_by: &[String],
        state: &SessionState,
    ) -> Result<Self> {
        let invalid = |error: DataFusionError| {
            let error = Error::from(error);
            Error::invalid_argument(format!(
                "option \"replaceWhere\" is {text:?}, which is no predicate over the table's columns ({})",
                names(&schema)
            ))
            .with_source(error)
        };
        let df_schema = DFSchema::try_from(schema.as_ref().clone()).map_err(invalid)?;
        let expr = resolve(text, &schema, &df_schema, state).map_err(invalid)?;
        check_fixed(text, &expr)?;
        let mut columns: Vec<String> = expr
            .column_refs()
            .into_iter()
            .map(|column| column.name.clone())
            .collect();
        columns.sort();
        let only_partitions = |expr: &Expr| {
            expr.column_refs()
                .iter()
                .all(|c| partition_by.contains(&c.name))
        };
        let terms = split_conjunction_owned(expr.clone());
        let own = terms.iter().filter(|term| only_partitions(term)).cloned();
        let partitions = match conjunction(own) {
            Some(own) => {
                let own_schema = partition_schema(&schema, partition_by);
                let own_schema =
                    DFSchema::try_from(own_schema.as_ref().clone()).map_err(invalid)?;
                Some(
                    state
                        .create_physical_expr(own, &own_schema)
                        .map_err(invalid)?,
                )
            }
            None => None,
        };
        let physical = state
            .create_physical_expr(expr.clone(), &df_schema)
            .map_err(invalid)?;
        if physical.data_type(&schema).map_err(invalid)? != arrow::datatypes::DataType::Boolean {
            return Err(Error::invalid_argument(format!(
                "option \"replaceWhere\" is {text:?}, which is not true or false of a row; compare \
                 columns with values"
            )));
        }
        let pruning = match only_partitions(&expr) {
            true => None,
            false => Some(
                PruningPredicateBuilder::new()
                    .with_file_schema(Arc::clone(&schema))
                    .try_build(physical)
                    .map_err(invalid)?,
            ),
        };
        Ok(Self {
            text: text.to_owned(),
            expr,
            columns,
            schema,
            partition_by: partition_by.to_vec(),
            partitions,
            pruning,
        })
    }

    /// As the user wrote it.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The columns it asks for.
    pub(super) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Whether it is true of all of a file's rows or of none.
    pub(super) fn is_of_partitions(&self) -> bool {
        self.pruning.is_none()
    }

    /// Of each of `files`, whether it can hold a row that matches.
    pub(super) fn may_match(&self, files: &[LiveFile]) -> Result<Vec<bool>> {
        let mut may = vec![true; files.len()];
        if let Some(expr) = &self.partitions {
            let schema = partition_schema(&self.schema, &self.partition_by);
            let columns = schema
                .fields()
                .iter()
                .map(|field| partition_array(files, field))
                .collect::<Result<Vec<_>>>()?;
            let options = RecordBatchOptions::new().with_row_count(Some(files.len()));
            let batch = RecordBatch::try_new_with_options(schema, columns, &options)
                .map_err(|error| self.failed(error.into()))?;
            let values = expr
                .evaluate(&batch)
                .and_then(|value| value.into_array(files.len()))
                .map_err(|error| self.failed(error))?;
            let values = values.as_boolean();
            for (row, may) in may.iter_mut().enumerate() {
                *may = values.is_valid(row) && values.value(row);
            }
        }
        if let Some(pruning) = &self.pruning {
            let stats = FileStats::new(files, &self.schema, &self.partition_by);
            let kept = pruning.prune(&stats).map_err(|error| self.failed(error))?;
            for (may, kept) in may.iter_mut().zip(kept) {
                *may &= kept;
            }
        }
        Ok(may)
    }

    /// What is true of the table's rows that match.
    pub(super) fn matching(&self) -> Expr {
        self.expr.clone()
    }

    /// The predicate over rows of `input` as they will be in the table: of its types, with nulls for
    /// columns they lack and for empty strings in partition columns.
    pub(super) fn over(&self, input: &DFSchema) -> Result<Expr> {
        let over = self.expr.clone().transform(|expr| match &expr {
            Expr::Column(column) => Ok(Transformed::yes(self.value(&column.name, input)?)),
            _ => Ok(Transformed::no(expr)),
        });
        Ok(over.map_err(|error| self.failed(error))?.data)
    }

    fn value(&self, name: &str, input: &DFSchema) -> Result<Expr, DataFusionError> {
        let field = self.schema.field_with_name(name)?;
        let lower = name.to_lowercase();
        let given = input
            .columns()
            .into_iter()
            .find(|column| column.name.to_lowercase() == lower);
        let Some(given) = given else {
            return Ok(lit(ScalarValue::try_from(field.data_type())?));
        };
        let mut value = Expr::Column(given);
        if value.get_type(input)? != *field.data_type() {
            value = cast(value, field.data_type().clone());
        }
        let is_text = *field.data_type() == arrow::datatypes::DataType::Utf8;
        if is_text && self.partition_by.iter().any(|column| column == name) {
            let null = lit(ScalarValue::try_from(field.data_type())?);
            return when(value.clone().eq(lit("")), null).otherwise(value);
        }
        Ok(value)
    }

    fn failed(&self, error: DataFusionError) -> Error {
        Error::from(error).context(format!("replaceWhere {:?}", self.text))
    }
}

/// The partition columns of `schema`, in order.
fn partition_schema(schema: &Schema, partition_by: &[String]) -> SchemaRef {
    let fields: Vec<_> = partition_by
        .iter()
        .filter_map(|name| schema.field_with_name(name).ok().cloned())
        .collect();
    Arc::new(Schema::new(fields))
}

/// `text` over `schema`, whose columns are found without regard to case.
fn resolve(
    text: &str,
    schema: &Schema,
    df_schema: &DFSchema,
    state: &SessionState,
) -> Result<Expr, DataFusionError> {
    let first = match state.create_logical_expr(text, df_schema) {
        Ok(expr) => return Ok(expr),
        Err(error) => error,
    };
    // The parser puts names in lower case.
    let lower: Vec<_> = schema
        .fields()
        .iter()
        .map(|field| {
            field
                .as_ref()
                .clone()
                .with_name(field.name().to_lowercase())
        })
        .collect();
    let lower = DFSchema::try_from(Schema::new(lower))?;
    let Ok(expr) = state.create_logical_expr(text, &lower) else {
        return Err(first);
    };
    let spelled = expr.transform(|expr| match &expr {
        Expr::Column(column) => {
            let own = schema
                .fields()
                .iter()
                .find(|field| field.name().to_lowercase() == column.name);
            Ok(own.map_or_else(
                || Transformed::no(expr.clone()),
                |own| Transformed::yes(Expr::Column(Column::from_name(own.name()))),
            ))
        }
        _ => Ok(Transformed::no(expr)),
    })?;
    Ok(spelled.data)
}

/// Refuses what has not the same value each time it is asked of a row.
fn check_fixed(text: &str, expr: &Expr) -> Result<()> {
    let mut found = None;
    let visited = expr.apply(|part| {
        match part {
            Expr::ScalarFunction(call)
                if call.func.signature().volatility != Volatility::Immutable =>
            {
                found = Some(format!("function {}", call.func.name()));
            }
            Expr::AggregateFunction(_) | Expr::WindowFunction(_) => {
                found = Some(format!("aggregate {part}"));
            }
            Expr::ScalarSubquery(_) | Expr::InSubquery(_) | Expr::Exists(_) => {
                found = Some("a subquery".to_owned());
            }
            _ => return Ok(TreeNodeRecursion::Continue),
        }
        Ok(TreeNodeRecursion::Stop)
    });
    visited?;
    match found {
        None => Ok(()),
        Some(what) => Err(Error::unsupported(format!(
            "option \"replaceWhere\" is {text:?} with {what}, whose value is not fixed for a row; \
             give a literal value"
        ))),
    }
}

fn names(schema: &Schema) -> String {
    let names: Vec<_> = schema
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .collect();
    names.join(", ")
}
