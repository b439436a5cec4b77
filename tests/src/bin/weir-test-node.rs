//! The jobs as child processes of the tests, with faults at exact steps of the commit protocol.
//!
//! `weir-test-node kafka_to_bronze ARGS...` is the job's own `main`; `submit-count` is a program of its own,
//! made as a user makes one. Environment:
//! - `WEIR_FAULT_AT=STEP[:BATCH]`, STEP one of `started`, `offsets_logged`, `mid_write`, `prepared`,
//!   `sink_committed`, `closed`; without a batch, the first one that takes the step;
//! - `WEIR_FAULT=kill`: SIGKILL to itself there; `pause`: write `PAUSED` on stderr and wait for a line
//!   on stdin;
//! - `WEIR_FAULT_TABLE=DIR`: where `mid_write` watches for a data file of the batch.

#![allow(clippy::panic, clippy::expect_used, reason = "a test's helper")]

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use weir::{BatchStep, QueryEvent, QueryListener};
use weir_tests::files::files_under;

#[global_allocator]
static ALLOCATOR: weir::program::Allocator = weir::program::ALLOCATOR;

fn main() -> ExitCode {
    if let Some(ended) = weir::program::run_as_executor() {
        return ended;
    }
    let mut arguments = std::env::args_os();
    let program = arguments.next().unwrap_or_default();
    let job = arguments.next().unwrap_or_default();
    let arguments = std::iter::once(program).chain(arguments);
    let listeners: Vec<Arc<dyn QueryListener>> = match Fault::from_environment() {
        Some(fault) => vec![Arc::new(fault)],
        None => Vec::new(),
    };
    match job.to_str() {
        Some("kafka_to_bronze") => weir_jobs::kafka_to_bronze::main(arguments, listeners),
        Some("bronze_to_silver") => weir_jobs::bronze_to_silver::main(arguments),
        Some("silver_to_gold") => weir_jobs::silver_to_gold::main(arguments),
        Some("sessionize") => weir_jobs::sessionize::main(arguments),
        Some("check_table") => weir_jobs::check_table::main(arguments),
        Some("aggregate") => weir::program::run(aggregate(arguments.collect())),
        Some("stream") => weir::program::run(stream(arguments.collect())),
        Some("accounts") => weir::program::run(accounts(arguments.collect(), listeners)),
        Some("submit-count") => weir::program::run(count(arguments.collect())),
        _ => panic!("no job {}", job.display()),
    }
}

/// `submit-count FILES TABLE`: writes the rows of Parquet files into a Delta table, and prints their number.
async fn count(arguments: Vec<OsString>) -> weir::Result<()> {
    let [_, files, table] = arguments.as_slice() else {
        panic!("{arguments:?}: FILES TABLE");
    };
    let path = |argument: &OsString| argument.to_str().expect("a path").to_owned();
    let session = weir::Session::builder().get_or_create().await?;
    let rows = session.read().parquet(&path(files)).await?;
    rows.write().format("delta").save(&path(table)).await?;
    let rows = session.read().delta(&path(table)).await?;
    let rows = rows.count().await?;
    weir::program::print_line(format_args!("{{\"rows\": {rows}}}"))
}

/// `aggregate FILES TABLE`: joins and aggregations of Parquet files with `id` and `amount`, written into a Delta table. With a
/// threshold of durable exchanges of 0, both sides of the last join are parts that are kept.
async fn aggregate(arguments: Vec<OsString>) -> weir::Result<()> {
    let [_, files, table] = arguments.as_slice() else {
        panic!("{arguments:?}: FILES TABLE");
    };
    let path = |argument: &OsString| argument.to_str().expect("a path").to_owned();
    let session = weir::Session::builder()
        .config("weir.sql.files.maxPartitionBytes", 1)
        // Whatever the size of its sides, a join shuffles them.
        .config("weir.sql.autoBroadcastJoinThreshold", -1)
        .get_or_create()
        .await?;
    let rows = session.read().parquet(&path(files)).await?;
    rows.create_or_replace_temp_view("facts")?;
    let rows = session
        .sql(
            "select p.number, p.pairs, p.total, s.size from (
                 select l.id % 50000 as number, count(*) as pairs, sum(l.amount + r.amount) as total
                 from facts l join facts r on l.id = r.id + 1 group by l.id % 50000) p
             join (select id % 50000 as number, count(*) as size from facts group by id % 50000) s
             on p.number + 1 = s.number + 1",
        )
        .await?;
    let writer = rows.write().mode(weir::SaveMode::Overwrite);
    writer.format("delta").save(&path(table)).await
}

/// `stream BROKER TOPIC TABLE CHECKPOINT [FILES]`: drains a topic into a Delta table, rows clustered by partition: two stages. With
/// Parquet files, joined with an aggregation of them that has a row for each partition up to 12.
async fn stream(arguments: Vec<OsString>) -> weir::Result<()> {
    use weir::datafusion::arrow::datatypes::DataType;
    use weir::prelude::*;
    let arguments: Vec<&str> = arguments
        .iter()
        .filter_map(|argument| argument.to_str())
        .collect();
    let [_, broker, topic, table, checkpoint, rest @ ..] = arguments.as_slice() else {
        panic!("{arguments:?}: BROKER TOPIC TABLE CHECKPOINT [FILES]");
    };
    let session = Session::builder()
        .config("weir.sql.autoBroadcastJoinThreshold", -1)
        .get_or_create()
        .await?;
    let records = session
        .read_stream()
        .format("kafka")
        .option("kafka.bootstrap.servers", broker)
        .option("subscribe", topic)
        .option("startingOffsets", "earliest")
        .load()
        .await?;
    let mut rows = records.select([col("partition"), col("offset"), col("value")])?;
    if let [files] = rest {
        let facts = session.read().parquet(files).await?;
        let next = (col("id") % lit(12) + lit(1)).alias("next");
        let counted = facts.group_by([next]).agg([count(lit(1)).alias("size")])?;
        // Another key than its rows are grouped by: they are shuffled again.
        let partition = weir::datafusion::logical_expr::cast(col("next") - lit(1), DataType::Int32);
        let counted = counted.select([partition.alias("partition"), col("size")])?;
        rows = rows.join(counted, ["partition"], "inner")?;
    }
    rows.write_stream()
        .format("delta")
        .partition_by(["partition"])
        .option("distributionMode", "hash")
        .option("checkpointLocation", checkpoint)
        .trigger(Trigger::AvailableNow)
        .start(table)
        .await?
        .await_termination()
        .await
}

/// `accounts BROKER TOPIC TABLE CHECKPOINT [OPTION=VALUE]...`: drains records like `{"id":"a","balance":"1.00"}` into a Delta table of
/// accounts. What is no such record, or has no balance, is a dead letter. Options are the writer's, but `source.NAME` ones. Prints each
/// batch's progress and, last, the counts.
async fn accounts(
    arguments: Vec<OsString>,
    listeners: Vec<Arc<dyn QueryListener>>,
) -> weir::Result<()> {
    use weir::datafusion::functions::core::expr_fn::get_field;
    use weir::prelude::*;
    use weir::quality::{Action, Expectation, Expectations};
    let arguments: Vec<&str> = arguments
        .iter()
        .filter_map(|argument| argument.to_str())
        .collect();
    let [_, broker, topic, table, checkpoint, options @ ..] = arguments.as_slice() else {
        panic!("{arguments:?}: BROKER TOPIC TABLE CHECKPOINT [OPTION=VALUE]...");
    };
    let mut source = weir::Options::new();
    let mut sink = weir::Options::new();
    for option in options {
        let (key, value) = option.split_once('=').expect("OPTION=VALUE");
        match key.strip_prefix("source.") {
            Some(key) => source.set(key, value),
            None => sink.set(key, value),
        }
    }
    let session = Session::builder().get_or_create().await?;
    let records = session
        .read_stream()
        .format("kafka")
        .option("kafka.bootstrap.servers", broker)
        .option("subscribe", topic)
        .option("startingOffsets", "earliest")
        .option("includeHeaders", true)
        .options(source)
        .load()
        .await?;
    let fields = "id STRING, balance DECIMAL(18,2), _corrupt_record STRING";
    let account = from_json(
        col("value").cast("string")?,
        fields,
        [("mode", "PERMISSIVE")],
    )?;
    let origin = || ["topic", "partition", "offset"].map(col);
    let parsed = records.select(origin().into_iter().chain([account.alias("account")]))?;
    let field = |name: &str| get_field(col("account"), name).alias(name);
    let fields = ["id", "balance", "_corrupt_record"].map(field);
    let rows = parsed.select(origin().into_iter().chain(fields))?;
    let rules = Expectations::new([
        Expectation::decoded("decoded", col("_corrupt_record")).action(Action::Quarantine),
        Expectation::new("balance_given", col("balance").is_not_null())
            .reason("field balance is missing")
            .action(Action::Quarantine),
        Expectation::new("balance_not_zero", col("balance").not_eq(lit(0))),
    ]);
    let mut writer = rows
        .write_stream()
        .format("delta")
        .expectations(rules)
        .without_columns(["_corrupt_record"])
        .option("checkpointLocation", checkpoint)
        .options(sink)
        .trigger(Trigger::AvailableNow);
    for listener in listeners {
        writer = writer.listener(listener);
    }
    let query = writer.start(table).await?;
    query.await_termination().await?;
    for progress in query.recent_progress() {
        let progress = serde_json::to_string(&progress).expect("progress is JSON");
        weir::program::print_line(progress)?;
    }
    let summary = query.summary();
    weir::program::print_line(format_args!(
        "{{\"query_id\":\"{}\",\"batches\":{},\"input\":{},\"rows\":{},\"dead_letters\":{},\"over\":{}}}",
        query.id(),
        summary.batches,
        summary.input_rows,
        summary.output_rows,
        summary.dead_letter_rows,
        summary.batches_over_max_dlq_rate
    ))
}

#[derive(Debug, Clone, Copy)]
enum Action {
    Kill,
    Pause,
}

struct Fault {
    step: String,
    batch: Option<u64>,
    action: Action,
    table: Option<PathBuf>,
    done: AtomicBool,
}

impl Fault {
    fn from_environment() -> Option<Self> {
        let at = std::env::var("WEIR_FAULT_AT").ok()?;
        let (step, batch) = match at.split_once(':') {
            Some((step, batch)) => (step, Some(batch.parse().expect("a batch number"))),
            None => (at.as_str(), None),
        };
        let action = match std::env::var("WEIR_FAULT").as_deref() {
            Ok("kill") => Action::Kill,
            Ok("pause") => Action::Pause,
            other => panic!("WEIR_FAULT is {other:?}"),
        };
        Some(Self {
            step: step.to_owned(),
            batch,
            action,
            table: std::env::var_os("WEIR_FAULT_TABLE").map(PathBuf::from),
            done: AtomicBool::new(false),
        })
    }

    fn is_due(&self, step: &str, batch: Option<u64>) -> bool {
        self.step == step
            && (self.batch.is_none() || self.batch == batch)
            && !self.done.swap(true, Ordering::SeqCst)
    }
}

impl QueryListener for Fault {
    fn on_event(&self, event: &QueryEvent) {
        match event {
            QueryEvent::Started { .. } if self.is_due("started", None) => act(self.action),
            QueryEvent::Step { batch_id, step } => {
                let batch = Some(batch_id.0);
                if *step == BatchStep::OffsetsLogged && self.is_due("mid_write", batch) {
                    let table = self.table.clone().expect("WEIR_FAULT_TABLE");
                    act_at_first_file(self.action, table);
                }
                let name = match step {
                    BatchStep::OffsetsLogged => "offsets_logged",
                    BatchStep::Prepared => "prepared",
                    BatchStep::DeadLettersCommitted => "dead_letters_committed",
                    BatchStep::SinkCommitted => "sink_committed",
                    BatchStep::Closed => "closed",
                };
                if self.is_due(name, batch) {
                    act(self.action);
                }
            }
            _ => {}
        }
    }
}

fn act(action: Action) {
    match action {
        Action::Kill => die(),
        Action::Pause => {
            eprintln!("PAUSED");
            let mut line = String::new();
            let _ = std::io::stdin().read_line(&mut line);
        }
    }
}

/// Acts as soon as the batch's first data file exists: other tasks are still writing.
fn act_at_first_file(action: Action, table: PathBuf) {
    let data =
        move || -> BTreeSet<PathBuf> { files_under(&table, ".parquet").into_iter().collect() };
    let before = data();
    std::thread::spawn(move || {
        loop {
            if data().difference(&before).next().is_some() {
                act(action);
                return;
            }
            std::thread::yield_now();
        }
    });
}

#[allow(
    unsafe_code,
    reason = "there is no safe way to send SIGKILL to oneself"
)]
fn die() {
    // SAFETY: kill(2) with our own process id touches no memory.
    unsafe {
        libc::kill(libc::getpid(), libc::SIGKILL);
    }
    loop {
        std::thread::park();
    }
}
