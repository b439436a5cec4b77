//! Mode overwrite: rows of a table replaced by others in one commit.
//!
//! The table is read at one version, which decides what goes: all of its files; those of the
//! partitions that were written to (`partitionOverwriteMode`); or what `replaceWhere` is true of. A
//! file that holds rows of both kinds goes, too, and its other rows are written again. Which files
//! hold such rows is asked of partition values and statistics first, and of the files that are left
//! by reading them.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{AsArray as _, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use async_trait::async_trait;
use datafusion::datasource::provider_as_source;
use datafusion::execution::SessionState;
use datafusion::functions_aggregate::expr_fn::bool_or;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, col};
use deltalake::DeltaTable;
use deltalake::delta_datafusion::FileSelection;
use deltalake::kernel::Snapshot;
use deltalake::protocol::{DeltaOperation, SaveMode};
use uuid::Uuid;
use weir_plan::logical::WriteNode;
use weir_plan::manifest::collect_manifest;
use weir_plan::{Error, ErrorKind, Result};

use super::commit::{Identity, Proposal, commit};
use super::entry::Files;
use super::error::table_error;
use super::features::{check_removable, check_rewritable, check_writable};
use super::live::{LiveFile, live_files};
use super::predicate::ReplaceWhere;
use super::replace::{PartitionSet, Replacement, Scope};
use super::row_check::{CHECK_COLUMN, RowCheck, Rule};
use super::sink::{DeltaSink, DeltaWriteStep};
use super::spec::WriteSpec;
use super::table::{Table, TableMeta};

/// Runs the plans of a write: where the write's session runs its queries.
#[async_trait]
pub trait PlanRunner: Send + Sync {
    /// The rows of `plan`'s root.
    ///
    /// # Errors
    /// What the plan's nodes report.
    async fn run(&self, plan: LogicalPlan) -> Result<Vec<RecordBatch>>;
}

/// The version a replacement is computed from.
struct Base {
    version: u64,
    snapshot: Snapshot,
    meta: TableMeta,
    files: Vec<LiveFile>,
}

impl DeltaSink {
    /// Replaces rows of the table by those of `input`, as the options say, in one commit. Returns the
    /// version that has it; `None` when the table has the write's transaction already.
    ///
    /// With `expected_version`, the write is taken to be computed from that version of the table: it
    /// fails when a later commit changed what it replaces.
    ///
    /// # Errors
    /// `Conflict` when another commit changed what is replaced; `InvalidArgument` for options that are
    /// none and for rows that `replaceWhere` is not true of; `SchemaMismatch` for rows that do not fit
    /// the table; `Unsupported` for a table that does not allow it. The table is as it was after any
    /// of these; after `Unavailable` or `Storage`, the message says whether that is known.
    pub async fn overwrite(
        &self,
        input: LogicalPlan,
        state: &SessionState,
        runner: &dyn PlanRunner,
        expected_version: Option<u64>,
    ) -> Result<Option<u64>> {
        let mut table = self.table().lock().await;
        table.read().await?;
        if self.is_done(&mut table).await? {
            return Ok(None);
        }
        let base = self.base(&table, expected_version).await?;
        let schema = Arc::clone(input.schema().inner());
        let mut spec = self.spec(&schema, base.as_ref().map(|base| &base.meta))?;
        let predicate = self.predicate(&spec, base.as_ref(), state)?;

        let input = match &predicate {
            None => input,
            Some(predicate) => {
                spec.row_check = Some(check(predicate, Rule::AllMustMatch));
                let matches = predicate.over(input.schema())?;
                with_check(input, matches)?
            }
        };
        let mut entries = self.write(&spec, input, runner).await?;
        let new_files = Files::decode(&entries)?;

        let (scope, removes) = match (&base, predicate) {
            (None, None) => (Scope::Table, Vec::new()),
            (None, Some(predicate)) => (Scope::Where(Box::new(predicate)), Vec::new()),
            (Some(base), None) if self.is_dynamic(&spec) => {
                let adds = new_files.iter().flat_map(|files| &files.adds);
                let written: Vec<_> = adds.map(as_live).collect();
                let set = PartitionSet::of(&written, spec.arrow_schema()?, &spec.partition_by)?;
                let scope = Scope::Partitions(set);
                let removes = matched(&base.files, &scope)?;
                (scope, removes)
            }
            (Some(base), None) => (Scope::Table, base.files.clone()),
            (Some(base), Some(predicate)) => {
                let removes = self
                    .remove_matching(base, &predicate, &spec, runner, &mut entries)
                    .await?;
                (Scope::Where(Box::new(predicate)), removes)
            }
        };
        let predicate = match &scope {
            Scope::Where(predicate) => Some(predicate.text().to_owned()),
            Scope::Table | Scope::Partitions(_) => None,
        };
        let files = Files::decode(&entries)?.unwrap_or_else(|| Files {
            adds: Vec::new(),
            schema: spec.schema.clone(),
            partition_by: spec.partition_by.clone(),
        });
        let proposal = Proposal {
            identity: self
                .transaction_identity()
                .unwrap_or_else(|| Identity::Mark(Uuid::new_v4().to_string())),
            operation: DeltaOperation::Write {
                mode: SaveMode::Overwrite,
                partition_by: (!files.partition_by.is_empty()).then(|| files.partition_by.clone()),
                predicate,
            },
            files,
            info: std::collections::BTreeMap::new(),
            merge_schema: self.options().merge_schema,
            must_create: false,
            replacement: Some(Replacement {
                base: base.map(|base| base.version),
                scope,
                removes,
                serializable: self.options().serializable,
                new_schema: self.options().overwrite_schema,
            }),
        };
        let outcome = commit(&mut table, &proposal).await?;
        Ok(Some(outcome.version))
    }

    /// The table as the write takes it to be; `None` when there is none.
    async fn base(&self, table: &Table, expected: Option<u64>) -> Result<Option<Base>> {
        let (Some(newest), Some(meta)) = (table.version(), table.meta()) else {
            return match expected {
                None => Ok(None),
                Some(expected) => Err(Error::new(
                    ErrorKind::NotFound,
                    format!(
                        "the write expects version {expected} of {}, and there is no table",
                        self.place()
                    ),
                )),
            };
        };
        check_writable(&self.place(), &meta.protocol, &meta.metadata, &meta.schema)?;
        check_removable(&self.place(), &meta.metadata)?;
        let version = expected.unwrap_or(newest);
        if version > newest {
            return Err(Error::invalid_argument(format!(
                "the write expects version {version} of {}, whose newest is {newest}; give the \
                 version that was read",
                self.place()
            )));
        }
        let snapshot = Snapshot::try_new(table.log_store(), Some(version))
            .await
            .map_err(|error| table_error(table.url(), "reading the log of", error))?;
        let files = live_files(table.url(), table.log_store(), &snapshot).await?;
        Ok(Some(Base {
            version,
            meta: TableMeta::new(&snapshot),
            snapshot,
            files,
        }))
    }

    fn predicate(
        &self,
        spec: &WriteSpec,
        base: Option<&Base>,
        state: &SessionState,
    ) -> Result<Option<ReplaceWhere>> {
        let Some(text) = &self.options().replace_where else {
            return Ok(None);
        };
        // Over the columns the table has, not those the write adds.
        let own = base.map(|base| WriteSpec {
            schema: base.meta.schema.as_ref().clone(),
            ..spec.clone()
        });
        let schema = own.as_ref().unwrap_or(spec).arrow_schema()?;
        ReplaceWhere::parse(text, schema, &spec.partition_by, state).map(Some)
    }

    /// Runs the write of `input`; returns the entries of its files.
    async fn write(
        &self,
        spec: &WriteSpec,
        input: LogicalPlan,
        runner: &dyn PlanRunner,
    ) -> Result<Vec<String>> {
        let step = DeltaWriteStep::new(spec.clone(), Arc::clone(input.schema().inner()));
        let plan = WriteNode::plan(Arc::new(step), input)?;
        Ok(collect_manifest(&runner.run(plan).await?)?.files)
    }

    /// Dynamic mode replaces partitions; a table without any is replaced as a whole, as Delta Lake
    /// does.
    fn is_dynamic(&self, spec: &WriteSpec) -> bool {
        self.options().dynamic_partitions && !spec.partition_by.is_empty()
    }

    /// The files of `base` with rows that `predicate` is true of. Their other rows are written again:
    /// the entries of those files are added to `entries`.
    async fn remove_matching(
        &self,
        base: &Base,
        predicate: &ReplaceWhere,
        spec: &WriteSpec,
        runner: &dyn PlanRunner,
        entries: &mut Vec<String>,
    ) -> Result<Vec<LiveFile>> {
        let scope = Scope::Where(Box::new(predicate.clone()));
        let candidates = matched(&base.files, &scope)?;
        if predicate.is_of_partitions() || candidates.is_empty() {
            return Ok(candidates);
        }
        let place = self.place();
        for file in &candidates {
            if !file
                .url(self.url())?
                .as_str()
                .starts_with(self.url().as_str())
            {
                return Err(Error::unsupported(format!(
                    "{place} has file {:?} outside its directory, which this writer cannot replace in \
                     part; use a predicate on partition columns",
                    file.path
                )));
            }
        }
        let touched = self.touched(base, &candidates, predicate, runner).await?;
        if touched.is_empty() {
            return Ok(touched);
        }
        check_rewritable(&place, &base.meta.metadata)?;
        if let Some(file) = touched.iter().find(|file| file.deletion_vector.is_some()) {
            return Err(Error::unsupported(format!(
                "{place} has file {:?} with a deletion vector, which this writer cannot replace in \
                 part; use a predicate on partition columns, or purge the deleted rows first",
                file.path
            )));
        }
        let rows = scan(self, base, &touched, None).await?.build()?;
        let spec = WriteSpec {
            row_check: Some(check(predicate, Rule::NotMatching)),
            ..spec.clone()
        };
        let kept = with_check(rows, predicate.matching())?;
        entries.extend(self.write(&spec, kept, runner).await?);
        Ok(touched)
    }

    /// Those of `candidates` that hold a row `predicate` is true of.
    async fn touched(
        &self,
        base: &Base,
        candidates: &[LiveFile],
        predicate: &ReplaceWhere,
        runner: &dyn PlanRunner,
    ) -> Result<Vec<LiveFile>> {
        let column = file_column(&base.meta.schema_names());
        // Not a filter, which would be pushed into the scan: see `row_check`.
        let plan = scan(self, base, candidates, Some(&column))
            .await?
            .aggregate([col(&column)], [bool_or(predicate.matching())])?
            .build()?;
        let mut found = HashSet::new();
        for batch in runner.run(plan).await? {
            let files = cast(batch.column(0), &DataType::Utf8).map_err(|error| {
                Error::internal("the names of files are no text").with_source(error)
            })?;
            let pairs = files
                .as_string::<i32>()
                .iter()
                .zip(batch.column(1).as_boolean());
            let matched = pairs.filter(|(_, matches)| *matches == Some(true));
            found.extend(matched.filter_map(|(file, _)| file).map(str::to_owned));
        }
        let mut touched = Vec::new();
        for file in candidates {
            if found.remove(file.url(self.url())?.as_str()) {
                touched.push(file.clone());
            }
        }
        match found.into_iter().next() {
            None => Ok(touched),
            Some(unknown) => Err(Error::internal(format!(
                "file {unknown:?} was read and is not in {}",
                self.place()
            ))),
        }
    }
}

/// Those of `files` that can hold rows of `scope`.
fn matched(files: &[LiveFile], scope: &Scope) -> Result<Vec<LiveFile>> {
    let may = scope.may_match(files)?;
    let pairs = files.iter().zip(may);
    Ok(pairs
        .filter(|(_, may)| *may)
        .map(|(file, _)| file.clone())
        .collect())
}

fn as_live(add: &deltalake::kernel::Add) -> LiveFile {
    LiveFile {
        path: add.path.clone(),
        size: add.size,
        partition_values: add.partition_values.clone().into_iter().collect(),
        stats: add.stats.clone(),
        deletion_vector: None,
        tags: None,
    }
}

fn check(predicate: &ReplaceWhere, rule: Rule) -> RowCheck {
    RowCheck {
        rule,
        predicate: predicate.text().to_owned(),
        columns: predicate.columns().to_vec(),
    }
}

/// `input` with the column that says of which rows `matches` is true.
fn with_check(input: LogicalPlan, matches: Expr) -> Result<LogicalPlan> {
    let columns = input.schema().columns();
    let mut exprs: Vec<Expr> = columns.into_iter().map(Expr::Column).collect();
    exprs.push(matches.alias(CHECK_COLUMN));
    Ok(LogicalPlanBuilder::from(input).project(exprs)?.build()?)
}

/// Reads `files` of `base`, with their names as `file_column`.
async fn scan(
    sink: &DeltaSink,
    base: &Base,
    files: &[LiveFile],
    file_column: Option<&str>,
) -> Result<LogicalPlanBuilder> {
    let paths = files.iter().map(|file| file.path.clone());
    let mut builder = DeltaTable::new(Arc::clone(sink.log_store()))
        .table_provider()
        .with_snapshot(base.snapshot.clone())
        .with_file_selection(FileSelection::from_file_paths(paths));
    if let Some(column) = file_column {
        builder = builder.with_file_column(column);
    }
    let provider = builder
        .await
        .map_err(|error| Error::from(error).context(format!("reading {}", sink.place())))?;
    Ok(LogicalPlanBuilder::scan(
        "replaced",
        provider_as_source(provider),
        None,
    )?)
}

/// A name for the column of file names that the table does not have.
fn file_column(names: &[String]) -> String {
    let mut name = "__weir_file".to_owned();
    while names.iter().any(|own| own.eq_ignore_ascii_case(&name)) {
        name.push('_');
    }
    name
}
