//! The predicate of `replaceWhere`: which rows it is true of, and which files can hold such rows.
//!
//! A row for which it is null is not matched.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode as _, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, DataFusionError, ScalarValue};
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Expr, ExprSchemable as _, Volatility, cast, lit, when};
use weir_plan::{Error, Result};

use super::file_predicate::FilePredicate;
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
    files: FilePredicate,
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
        let physical = state
            .create_physical_expr(expr.clone(), &df_schema)
            .map_err(invalid)?;
        if physical.data_type(&schema).map_err(invalid)? != arrow::datatypes::DataType::Boolean {
            return Err(Error::invalid_argument(format!(
                "option \"replaceWhere\" is {text:?}, which is not true or false of a row; compare \
                 columns with values"
            )));
        }
        let files = FilePredicate::try_new(&expr, Arc::clone(&schema), partition_by, state)
            .map_err(invalid)?;
        Ok(Self {
            text: text.to_owned(),
            expr,
            columns,
            schema,
            partition_by: partition_by.to_vec(),
            files,
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
        self.files.is_of_partitions()
    }

    /// Of each of `files`, whether it can hold a row that matches.
    pub(super) fn may_match(&self, files: &[LiveFile]) -> Result<Vec<bool>> {
        self.files
            .may_match(files)
            .map_err(|error| self.failed(error))
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
