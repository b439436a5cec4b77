//! What it costs a long query to lose an executor late, with a durable exchange and without: `cargo run --release -p weir-benches --bin
//! recovery`.
//!
//! The query pairs the line items of each order, a part that takes half of its time and is shuffled again by another key, and goes on from
//! there. It runs whole; then an executor is killed when so much of that time is over.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Parser;
use weir::datafusion::arrow::array::RecordBatch;
use weir::{Error, Result, Session};
use weir_tests::process::kill_process;

use crate::scaling::tables::Tables;

/// Kill an executor late in a query of minutes; print a Markdown table.
#[derive(Debug, Parser)]
#[command(name = "recovery")]
pub struct Arguments {
    /// The scale factor of TPC-H's tables: gigabytes of text.
    #[arg(long, default_value_t = 5.0)]
    pub scale: f64,

    /// Keep the tables in this directory, and use those that an earlier run left there.
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,

    /// The part of the query's time after which an executor is killed.
    #[arg(long, default_value_t = 0.9)]
    pub after: f64,
}

const QUERY: &str = "
    with pairs as (
        select l.l_linenumber as line, r.l_partkey as part, count(*) as pairs,
            max(sha256(concat(l.l_comment, r.l_comment))) as digest
        from lineitem l join lineitem r on l.l_orderkey = r.l_orderkey
        group by l.l_linenumber, r.l_partkey)
    select part % 100 as bucket, count(*) as lines, sum(pairs) as pairs,
        max(sha256(concat(encode(digest, 'hex'), l_comment))) as digest
    from pairs join lineitem on part = l_partkey
    group by part % 100 order by bucket";

/// Writes the tables, runs, prints.
///
/// # Errors
/// When a session cannot be made, a query fails, or its rows are others after the kill.
///
/// # Panics
/// When the tables cannot be written.
pub async fn measure(arguments: Arguments) -> Result<()> {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let directory = arguments.keep.as_deref().unwrap_or(temporary.path());
    let tables = Tables::open(directory, arguments.scale);
    println!("| part kept | nothing dies | an executor killed after | ended after | repeated |");
    println!("|---|---|---|---|---|");
    for (title, threshold) in [("no", -1), ("yes", 0)] {
        let (expected, whole) = run(&tables, threshold, None).await?;
        let killed = whole.mul_f64(arguments.after);
        let (rows, elapsed) = run(&tables, threshold, Some(killed)).await?;
        if rows != expected {
            return Err(Error::internal("other rows after the kill"));
        }
        println!(
            "| {title} | {:.1} s | {:.1} s | {:.1} s | {:.1} s |",
            whole.as_secs_f64(),
            killed.as_secs_f64(),
            elapsed.as_secs_f64(),
            (elapsed.saturating_sub(whole)).as_secs_f64()
        );
    }
    Ok(())
}

async fn run(
    tables: &Tables,
    threshold: i64,
    kill_after: Option<Duration>,
) -> Result<(Vec<RecordBatch>, Duration)> {
    let session = Session::builder()
        .master("local-cluster[3,1]")
        .config("weir.sql.durableExchangeThreshold", threshold)
        .create()
        .await?;
    tables.register(&session).await?;
    let victim = session
        .executors()
        .iter()
        .find_map(|executor| executor.process_id);
    let begun = Instant::now();
    let query = session.sql(QUERY).await?;
    let killing = async {
        if let (Some(after), Some(victim)) = (kill_after, victim) {
            tokio::time::sleep(after).await;
            kill_process(victim);
        }
    };
    let (rows, ()) = tokio::join!(query.collect(), killing);
    Ok((rows?, begun.elapsed()))
}
