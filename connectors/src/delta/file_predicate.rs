//! Which files of a table can hold rows that a predicate is true of.
//!
//! Files are judged by their partition values, exactly where the predicate asks for nothing else, and by
//! their statistics, which can only prove that a file holds no such row.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::Session;
use datafusion::common::{DFSchema, DataFusionError};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::pruning::{PruningPredicate, PruningPredicateBuilder};

use super::file_stats::{FileStats, partition_array};
use super::live::LiveFile;

/// See the module's documentation.
#[derive(Debug, Clone)]
pub(super) struct FilePredicate {
    schema: SchemaRef,
    partition_by: Vec<String>,
    /// What asks for partition columns alone, over a batch of those.
    partitions: Option<Arc<dyn PhysicalExpr>>,
    /// The whole, over statistics; `None` when nothing but partition columns is asked for, or when
    /// statistics tell nothing about it.
    pruning: Option<Arc<PruningPredicate>>,
    of_partitions: bool,
}

impl FilePredicate {
    /// The predicate `expr` over a table of `schema`.
    ///
    /// # Errors
    /// DataFusion's, for what is no predicate over `schema`.
    pub(super) fn try_new(
        expr: &Expr,
        schema: SchemaRef,
        partition_by: &[String],
        session: &dyn Session,
    ) -> Result<Self, DataFusionError> {
        let only_partitions = |expr: &Expr| {
            let columns = expr.column_refs();
            columns
                .iter()
                .all(|column| partition_by.contains(&column.name))
        };
        let terms = split_conjunction_owned(expr.clone());
        let own = terms.into_iter().filter(|term| only_partitions(term));
        let partitions = match conjunction(own) {
            Some(own) => {
                let columns = partition_schema(&schema, partition_by);
                let columns = DFSchema::try_from(columns)?;
                Some(session.create_physical_expr(own, &columns)?)
            }
            None => None,
        };
        let of_partitions = only_partitions(expr);
        let pruning = if of_partitions {
            None
        } else {
            let columns = DFSchema::try_from(Arc::clone(&schema))?;
            PruningPredicateBuilder::new()
                .with_file_schema(Arc::clone(&schema))
                .build(session.create_physical_expr(expr.clone(), &columns)?)
        };
        Ok(Self {
            schema,
            partition_by: partition_by.to_vec(),
            partitions,
            pruning,
            of_partitions,
        })
    }

    /// Whether it is true of all of a file's rows or of none.
    pub(super) fn is_of_partitions(&self) -> bool {
        self.of_partitions
    }

    /// Of each of `files`, whether it can hold a row that matches.
    ///
    /// # Errors
    /// DataFusion's, when the predicate cannot be computed of a partition's values.
    pub(super) fn may_match(&self, files: &[LiveFile]) -> Result<Vec<bool>, DataFusionError> {
        let mut may = vec![true; files.len()];
        if let Some(expr) = &self.partitions {
            let schema = partition_schema(&self.schema, &self.partition_by);
            let columns = schema
                .fields()
                .iter()
                .map(|field| partition_array(files, field))
                .collect::<weir_plan::Result<Vec<_>>>()?;
            let options = RecordBatchOptions::new().with_row_count(Some(files.len()));
            let batch = RecordBatch::try_new_with_options(schema, columns, &options)?;
            let values = expr.evaluate(&batch)?.into_array(files.len())?;
            let values = values.as_boolean();
            for (row, may) in may.iter_mut().enumerate() {
                *may = values.is_valid(row) && values.value(row);
            }
        }
        if let Some(pruning) = &self.pruning {
            let stats = FileStats::new(files, &self.schema, &self.partition_by);
            for (may, kept) in may.iter_mut().zip(pruning.prune(&stats)?) {
                *may &= kept;
            }
        }
        Ok(may)
    }
}

/// The partition columns of `schema`, in order.
pub(super) fn partition_schema(schema: &Schema, partition_by: &[String]) -> SchemaRef {
    let fields: Vec<_> = partition_by
        .iter()
        .filter_map(|name| schema.field_with_name(name).ok().cloned())
        .collect();
    Arc::new(Schema::new(fields))
}
