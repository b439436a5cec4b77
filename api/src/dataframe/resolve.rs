//! From the expressions a program writes to those the engine plans: columns found, names given.
//!
//! Every verb passes its expressions through here, so that an unknown or ambiguous column reads the same
//! from each of them, and `/` means what it means in Spark.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, TableReference};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Operator, SortExpr, lit, when};
use weir_plan::options::did_you_mean;
use weir_plan::{Error, Result};

/// `expr` with its columns found in `schema`.
///
/// # Errors
/// `InvalidPlan` for a column that does not exist, naming the nearest, and for one that several sides of a
/// join have, naming them.
pub(super) fn resolve(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    let expr = expr.transform_up(|expr| match expr {
        Expr::Column(name) => Ok(Transformed::yes(Expr::Column(find(name, schema)?))),
        other => Ok(Transformed::no(other)),
    })?;
    let expr = expr.data.transform_up(|expr| divide(expr, schema))?;
    Ok(expr.data)
}

/// As [`resolve`]; what has no name of its own is called as it was written, without the sides of its columns.
pub(super) fn resolve_named(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    let name = match &expr {
        Expr::Column(_) | Expr::Alias(_) => None,
        other => Some(other.schema_name().to_string()),
    };
    let expr = resolve(expr, schema)?;
    Ok(match name {
        Some(name) => expr.alias(name),
        None => expr,
    })
}

/// As [`resolve`], for what is sorted by: a column that is not there is left to the engine, which also
/// finds those that the select before left out.
pub(super) fn resolve_sort(sort: SortExpr, schema: &DFSchema) -> Result<SortExpr> {
    let expr = sort.expr.transform_up(|expr| match expr {
        Expr::Column(name) => Ok(match find(name.clone(), schema) {
            Ok(found) => Transformed::yes(Expr::Column(found)),
            Err(_) if matching(&name.name, schema).is_empty() => {
                Transformed::no(Expr::Column(name))
            }
            Err(error) => return Err(error.into()),
        }),
        other => Ok(Transformed::no(other)),
    })?;
    Ok(SortExpr {
        expr: expr.data,
        ..sort
    })
}

/// Every column of `schema`, by its side and name.
pub(super) fn all_columns(schema: &DFSchema) -> impl Iterator<Item = Expr> {
    schema.iter().map(|field| Expr::Column(Column::from(field)))
}

/// What `expr` stands for when it is `*` or, after a join, `side.*`.
pub(super) fn star(expr: &Expr, schema: &DFSchema) -> Option<Vec<Expr>> {
    let Expr::Column(Column {
        relation: None,
        name,
        ..
    }) = expr
    else {
        return None;
    };
    if !matching(name, schema).is_empty() {
        return None;
    }
    if name == "*" {
        return Some(all_columns(schema).collect());
    }
    let side = name.strip_suffix(".*")?;
    let columns: Vec<Expr> = schema
        .iter()
        .filter(|(qualifier, _)| qualifier.is_some_and(|q| q.table() == side))
        .map(|field| Expr::Column(Column::from(field)))
        .collect();
    (!columns.is_empty()).then_some(columns)
}

/// Refuses `name` when several columns of `schema` are called so.
///
/// # Errors
/// `InvalidPlan`, naming the sides they come from.
pub(super) fn unambiguous(name: &str, schema: &DFSchema) -> Result<()> {
    let found = matching(name, schema);
    if found.len() < 2 {
        return Ok(());
    }
    let sides: Vec<String> = found.iter().map(Column::flat_name).collect();
    Err(Error::invalid_plan(format!(
        "column {name:?} is ambiguous: it is {}; say which, as in col({:?}), \
         and name the sides of a join with alias()",
        sides.join(" and "),
        sides[0]
    )))
}

/// The columns of `schema` called `name`, whatever their side.
pub(super) fn matching(name: &str, schema: &DFSchema) -> Vec<Column> {
    schema
        .iter()
        .filter(|(_, field)| field.name() == name)
        .map(Column::from)
        .collect()
}

/// `no column "x"`, with the nearest.
pub(super) fn unknown(name: &str, schema: &DFSchema) -> Error {
    let names = schema.fields().iter().map(|field| field.name().as_str());
    Error::invalid_plan(format!("no column {name:?}{}", did_you_mean(name, names)))
}

fn find(column: Column, schema: &DFSchema) -> Result<Column> {
    if column.relation.is_some() {
        return match schema.has_column(&column) {
            true => Ok(column),
            false => Err(unknown(&column.flat_name(), schema)),
        };
    }
    unambiguous(&column.name, schema)?;
    if let Some(found) = matching(&column.name, schema).pop() {
        return Ok(found);
    }
    // PySpark's `F.col("side.column")`.
    if let Some((side, name)) = column.name.split_once('.') {
        let qualified = Column::new(Some(TableReference::bare(side)), name);
        if schema.has_column(&qualified) {
            return Ok(qualified);
        }
    }
    Err(unknown(&column.name, schema))
}

/// `/` of two whole numbers is a double in Spark, and an error for a divisor of zero.
fn divide(expr: Expr, schema: &DFSchema) -> datafusion::common::Result<Transformed<Expr>> {
    let Expr::BinaryExpr(BinaryExpr {
        left,
        op: Operator::Divide,
        right,
    }) = &expr
    else {
        return Ok(Transformed::no(expr));
    };
    if !left.get_type(schema)?.is_integer() || !right.get_type(schema)?.is_integer() {
        return Ok(Transformed::no(expr));
    }
    let double = |expr: Expr| expr.cast_to(&DataType::Float64, schema);
    let quotient = double(*left.clone())? / double(*right.clone())?;
    // The engine divides doubles by zero without complaint, but not whole numbers.
    let zero = Expr::eq(*right.clone(), lit(0));
    let refused = double(expr)?;
    let checked = when(zero, refused).otherwise(quotient)?;
    Ok(Transformed::yes(checked))
}
