//! Streaming writes: from a dataframe to a started query.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::execution::object_store::ObjectStoreRegistry;
use url::Url;
use weir_connectors::dead_letters::{DeadLetterOptions, DeadLetters};
use weir_connectors::delta::DeltaSink;
use weir_connectors::local_path::without_dots;
use weir_plan::dead_letters::{LetterRule, LetterSink};
use weir_plan::object_url::root_of;
use weir_plan::{Error, Options, RegisteredSchema, Result, StreamSink as _};
use weir_streaming::checkpoint::last_parameters;
use weir_streaming::{
    Clock, Contract, DryRun, EvolvingRows, MAX_DLQ_RATE, OverRate, QueryListener, QuerySpec,
    StreamingQuery, SystemClock, Trigger, store,
};

use super::format;
use super::reader_schema::{MakeRows, ReaderSchema, SubjectRows};
use crate::dataframe::DataFrame;
use crate::quality::{Expectations, RulesOf, ruled};

const CHECKPOINT_LOCATION: &str = "checkpointLocation";

/// Writes a stream; Spark's `DataStreamWriter`.
pub struct DataStreamWriter {
    frame: DataFrame,
    format: Option<String>,
    output_mode: String,
    partition_by: Vec<String>,
    options: Options,
    query_name: Option<String>,
    trigger: Trigger,
    clock: Arc<dyn Clock>,
    listeners: Vec<Arc<dyn QueryListener>>,
    expectations: Option<RulesOf>,
    hidden: Vec<String>,
    reader: Option<(ReaderSchema, MakeRows)>,
}

impl std::fmt::Debug for DataStreamWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DataStreamWriter")
            .field("format", &self.format)
            .field("partition_by", &self.partition_by)
            .field("options", &self.options)
            .field("trigger", &self.trigger)
            .finish_non_exhaustive()
    }
}

impl DataStreamWriter {
    pub(crate) fn new(frame: DataFrame) -> Self {
        Self {
            frame,
            format: None,
            output_mode: "append".to_owned(),
            partition_by: Vec::new(),
            options: Options::new(),
            query_name: None,
            // Spark's default: as fast as it can.
            trigger: Trigger::ProcessingTime(std::time::Duration::ZERO),
            clock: Arc::new(SystemClock),
            listeners: Vec::new(),
            expectations: None,
            hidden: Vec::new(),
            reader: None,
        }
    }

    /// `delta`.
    #[must_use]
    pub fn format(mut self, format: impl Into<String>) -> Self {
        self.format = Some(format.into());
        self
    }

    /// Rules of the rows. Each batch's rows are told apart as they are written, in the one pass over them: what breaks a rule is counted,
    /// left out, ends the query, or goes to the dead letters (options `dlqTable`, `dlqTopic`) before the other rows are committed.
    #[must_use]
    pub fn expectations(self, rules: Expectations) -> Self {
        self.expectations_of(move |_| Ok(rules.clone()))
    }

    /// As [`Self::expectations`], with rules that are made of the rows: of each version of a [`Self::reader_schema`], whose columns may be
    /// others. Their names, actions and texts are the same for each.
    #[must_use]
    pub fn expectations_of(
        mut self,
        rules: impl Fn(&DataFrame) -> Result<Expectations> + Send + Sync + 'static,
    ) -> Self {
        self.expectations = Some(Arc::new(rules));
        self
    }

    /// Columns that the rules look at and the table does not get: a decoder's error, a corrupt record.
    #[must_use]
    pub fn without_columns<S: Into<String>>(
        mut self,
        columns: impl IntoIterator<Item = S>,
    ) -> Self {
        self.hidden = columns.into_iter().map(Into::into).collect();
        self
    }

    /// Rows that `rows` makes of the stream's records and of a subject's schema, which follows what producers register while the query runs:
    /// new fields become columns of the table (option `mergeSchema`), and nothing has to be started again.
    ///
    /// The schema of a batch is logged with its offsets, so that a batch that runs again after a crash makes the rows it was planned to make.
    /// Of what was produced before a batch was planned, no field is missed that the newest version has by then. `rows` is called for each
    /// version, on this process only, and says the same whenever it is called.
    #[must_use]
    pub fn reader_schema(
        mut self,
        reader: ReaderSchema,
        rows: impl Fn(DataFrame, &RegisteredSchema) -> Result<DataFrame> + Send + Sync + 'static,
    ) -> Self {
        self.reader = Some((reader, Arc::new(rows)));
        self
    }

    /// `append`.
    #[must_use]
    pub fn output_mode(mut self, mode: impl Into<String>) -> Self {
        self.output_mode = mode.into();
        self
    }

    /// The columns whose values become directories of the table.
    #[must_use]
    pub fn partition_by<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.partition_by = columns.into_iter().map(Into::into).collect();
        self
    }

    /// An option of the format, or `checkpointLocation`.
    #[must_use]
    pub fn option(mut self, key: impl Into<String>, value: impl std::fmt::Display) -> Self {
        self.options.set(key, value);
        self
    }

    /// Several options.
    #[must_use]
    pub fn options(mut self, options: Options) -> Self {
        self.options.extend(options);
        self
    }

    /// A name for progress and logs.
    #[must_use]
    pub fn query_name(mut self, name: impl Into<String>) -> Self {
        self.query_name = Some(name.into());
        self
    }

    /// When to look for records, and when to end.
    #[must_use]
    pub fn trigger(mut self, trigger: Trigger) -> Self {
        self.trigger = trigger;
        self
    }

    /// Where batch times come from; for tests.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Hears this query's events, after the session's listeners.
    #[must_use]
    pub fn listener(mut self, listener: Arc<dyn QueryListener>) -> Self {
        self.listeners.push(listener);
        self
    }

    /// Starts the query, writing to the table at `location`.
    ///
    /// # Errors
    /// `InvalidArgument` for options, `Unsupported` for modes and plans that cannot be streamed,
    /// `CheckpointMismatch` and `SchemaMismatch` for what does not fit what is there.
    pub async fn start(self, location: &str) -> Result<StreamingQuery> {
        StreamingQuery::start(self.spec(location).await?).await
    }

    /// What [`Self::start`] would read now; writes nothing.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn dry_run(self, location: &str) -> Result<DryRun> {
        DryRun::plan(self.spec(location).await?).await
    }

    async fn spec(mut self, location: &str) -> Result<QuerySpec> {
        format::check("write_stream()", self.format.as_deref(), &["delta"])?;
        if !self.output_mode.eq_ignore_ascii_case("append") {
            return Err(Error::unsupported(format!(
                "output mode {:?} is not supported yet; use \"append\"",
                self.output_mode
            )));
        }
        let checkpoint = self.options.remove(CHECKPOINT_LOCATION).ok_or_else(|| {
            Error::invalid_argument(format!(
                "option {CHECKPOINT_LOCATION:?} is required: a directory that only this query uses"
            ))
        })?;
        let session = self.frame.session();
        let stores = session.stores();
        let letters = DeadLetterOptions::take(&mut self.options)?;
        let sink = DeltaSink::try_new(location, self.partition_by, &self.options, stores)?;
        let checkpoint = store::open(&checkpoint, stores)?;
        check_apart(&sink.location(), &checkpoint.location())?;
        if self.expectations.is_none() {
            refuse_without_rules(&letters, &self.hidden)?;
        }
        let place = letters.names_a_place();
        let (plan, rules, evolving) = match self.reader {
            Some((reader, make)) => {
                let last = last_parameters(checkpoint.as_ref()).await?;
                let rows =
                    SubjectRows::start(self.frame.clone(), reader, make, last.as_ref()).await?;
                let rows = rows.with_rules(self.expectations, self.hidden, place);
                let (plan, rules) = rows.first_plan()?;
                (plan, rules, Some(Arc::new(rows) as Arc<dyn EvolvingRows>))
            }
            None => {
                let rules = self.expectations.as_ref();
                let (plan, rules) = ruled(&self.frame, rules, &self.hidden, place)?;
                (plan, rules, None)
            }
        };
        let contract = match rules {
            None => None,
            Some(rules) => {
                let location = checkpoint.location();
                let stores: Arc<dyn ObjectStoreRegistry> = session.shared_stores();
                Some(contract(rules, &letters, &sink, &location, &stores)?)
            }
        };
        let mut listeners = session.listeners();
        listeners.extend(self.listeners);
        Ok(QuerySpec {
            name: self.query_name,
            plan,
            evolving,
            contract,
            sink: Arc::new(sink),
            checkpoint,
            trigger: self.trigger,
            retain_batches: session.settings().min_batches_to_retain()?,
            listeners,
            runner: session.runner(),
            clock: self.clock,
        })
    }
}

/// Refuses what means nothing for a write without rules.
fn refuse_without_rules(letters: &DeadLetterOptions, hidden: &[String]) -> Result<()> {
    let what = match (letters.first_given(), hidden.first()) {
        (Some(key), _) => format!("option {key:?}"),
        (None, Some(column)) => format!("without_columns({column:?})"),
        (None, None) => return Ok(()),
    };
    Err(Error::invalid_argument(format!(
        "{what} is for a write with rules: give it expectations()"
    )))
}

/// What becomes of rows that break `rules`.
fn contract(
    rules: Vec<LetterRule>,
    options: &DeadLetterOptions,
    sink: &DeltaSink,
    checkpoint: &str,
    stores: &Arc<dyn ObjectStoreRegistry>,
) -> Result<Contract> {
    let letters = DeadLetters::of_options(options, checkpoint, stores)?;
    if let Some(dlq) = letters.as_ref().and_then(DeadLetters::table_url) {
        let own = sink.location();
        if own.starts_with(&dlq) || dlq.starts_with(&own) {
            return Err(Error::invalid_argument(format!(
                "option \"dlqTable\" is {dlq}, and the rows go to {own}: one table must not lie in the other"
            )));
        }
        check_apart(&dlq, checkpoint)?;
    }
    let letters = letters.map(|letters| Arc::new(letters) as Arc<dyn LetterSink>);
    let over_rate = match &options.over_rate {
        None => OverRate::default(),
        Some(text) => text
            .parse()
            .map_err(|error: Error| error.context("option \"maxDlqRateAction\""))?,
    };
    let contract = Contract {
        rules,
        letters,
        max_rate: options.max_rate.map_or(MAX_DLQ_RATE, |rate| rate.0),
        over_rate,
    };
    contract.check()?;
    Ok(contract)
}

/// Refuses a checkpoint that a VACUUM of the table would delete, with the next run committing every
/// batch a second time. VACUUM spares names that begin with "_" or ".", where Spark's users keep
/// checkpoints, too.
fn check_apart(table: &str, checkpoint: &str) -> Result<()> {
    let Some(table_path) = Url::parse(table).ok().and_then(path_of) else {
        return Ok(());
    };
    let checkpoint_path = match Url::parse(checkpoint).ok().and_then(path_of) {
        Some(path) => path,
        None => without_dots(Path::new(checkpoint)),
    };
    let Ok(below) = checkpoint_path.strip_prefix(&table_path) else {
        return Ok(());
    };
    let spared = |name: &OsStr| {
        let name = name.to_string_lossy();
        name.starts_with(['_', '.']) && name != "_delta_log"
    };
    if below.iter().any(spared) {
        return Ok(());
    }
    Err(Error::invalid_argument(format!(
        "checkpoint {checkpoint} lies in the table {table}, where VACUUM would delete it; \
         put it beside the table, or below a directory like _checkpoints in it"
    )))
}

/// A path that lies below another's if the place of `url` does: of an object store, with its root first.
fn path_of(url: Url) -> Option<PathBuf> {
    match url.scheme() {
        "file" => url.to_file_path().ok(),
        _ if url.has_host() => {
            Some(PathBuf::from(root_of(&url)).join(url.path().trim_matches('/')))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoint_that_vacuum_would_delete_is_refused() {
        let table = "file:///lake/my%20table/";
        for inside in [
            "/lake/my table",
            "/lake/my table/ck",
            "/lake/x/../my table/ck",
            "/lake/my table/_delta_log",
        ] {
            let error = check_apart(table, inside).unwrap_err();
            assert!(error.to_string().contains(inside), "{error}");
        }
        for apart in [
            "/lake/my table2",
            "/lake",
            "/lake/my table/../ck",
            "/lake/my table/_checkpoints/q",
            "memory:///",
            "s3://lake/my table/ck",
        ] {
            check_apart(table, apart).unwrap();
        }
        let table = "s3://lake/silver/orders/";
        check_apart(table, "s3://lake/silver/orders/ck").unwrap_err();
        for apart in [
            "s3://lake/silver/orders2",
            "s3://lake2/silver/orders/ck",
            "s3://lake/silver/orders/_checkpoints/q",
            "/lake/silver/orders/ck",
        ] {
            check_apart(table, apart).unwrap();
        }
    }
}
