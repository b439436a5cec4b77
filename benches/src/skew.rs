//! What salting does for a join whose keys are skewed: `cargo run --release -p weir-benches --bin skew`.
//!
//! Facts are joined with a side that is too large to be broadcast, and counted: distinct users and amounts by category. One key has 90% of
//! the facts, or a hundredth of the keys has half of them, or all have as many. Every query runs with skew looked for and not, in turn.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use clap::Parser;
use serde::Deserialize;
use weir::datafusion::arrow::array::RecordBatch;
use weir::datafusion::arrow::util::pretty::pretty_format_batches;
use weir::{Error, ExplainMode, Result, SaveMode, Session};
use weir_tests::environment;

/// Join skewed keys, salted and not; print a Markdown table.
#[derive(Debug, Parser)]
#[command(name = "skew")]
pub struct Arguments {
    /// Rows of the facts.
    #[arg(long, default_value_t = 10_000_000)]
    pub rows: u64,

    /// Timed runs of each query; the median is shown.
    #[arg(long, default_value_t = 3)]
    pub runs: usize,

    /// What to run on.
    #[arg(long, value_name = "MASTER", num_args = 1.., default_values = ["local-cluster[2,1]", "local-cluster[4,1]"])]
    pub masters: Vec<String>,

    /// Run the query on Spark, too, with two threads: it is fetched at its first use, about 0.5 GB.
    #[arg(long)]
    pub spark: bool,

    /// Keep the tables in this directory, and use those that an earlier run left there.
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
}

/// Of 100,000 that facts have, and 400,000 that there are: too many to be broadcast. `v` numbers the facts.
const KEYS: &[(&str, &str, &str)] = &[
    (
        "hot",
        "one of 90%",
        "case when v % 10 < 9 then 7 else (v * 7919) % 100000 end",
    ),
    (
        "warm",
        "1% of 50%",
        "case when v % 2 = 0 then (v * 7919) % 1000 else (v * 7919) % 100000 end",
    ),
    ("uniform", "uniform", "(v * 7919) % 100000"),
];

/// What is done with the joined rows: little, or something that takes longer than the join. Spark has the same functions.
const QUERIES: &[(&str, &str)] = &[
    (
        "count distinct",
        "select d.category, count(distinct f.user) as users, sum(f.amount) as amount
        from facts f join dims d on f.key = d.key
        group by d.category order by d.category",
    ),
    (
        "and a digest of each row",
        "select d.category, count(distinct f.user) as users,
            max(md5(concat(d.name, cast(f.user as string)))) as digest
        from facts f join dims d on f.key = d.key
        group by d.category order by d.category",
    ),
];

/// Writes the tables, runs, prints.
///
/// # Errors
/// When a session cannot be made, a query fails, its rows differ when it is salted, or the side is broadcast.
///
/// # Panics
/// When there is no temporary directory.
pub async fn measure(arguments: Arguments) -> Result<()> {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let directory = arguments.keep.as_deref().unwrap_or(temporary.path());
    write_tables(directory, arguments.rows).await?;
    println!(
        "| master | query | keys | salted | not salted | not / salted | salted / uniform | max / median task time, at most, of stages that take a tenth of the time: salted | not salted |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for master in &arguments.masters {
        for (what, query) in QUERIES {
            measure_query(&arguments, directory, master, what, query).await?;
        }
    }
    if arguments.spark {
        spark(directory, arguments.runs)?;
    }
    Ok(())
}

/// One query on one master, over each of the tables.
async fn measure_query(
    arguments: &Arguments,
    directory: &Path,
    master: &str,
    what: &str,
    query: &str,
) -> Result<()> {
    let mut measured = Vec::new();
    for (table, title, _) in KEYS {
        let on = session(master, directory, table, true, query).await?;
        let off = session(master, directory, table, false, query).await?;
        let (mut salted, mut plain) = (Vec::new(), Vec::new());
        // The first of each warms up.
        for _ in 0..=arguments.runs {
            let (rows, elapsed) = run(&on, query).await?;
            salted.push(elapsed);
            let (expected, elapsed) = run(&off, query).await?;
            plain.push(elapsed);
            if rows != expected {
                return Err(Error::internal(format!("{title}: other rows when salted")));
            }
        }
        let times = (median(&salted[1..]), median(&plain[1..]));
        let skews = (skew_of(&on, query).await?, skew_of(&off, query).await?);
        measured.push((title, times, skews));
    }
    let uniform = measured
        .last()
        .map_or(f64::NAN, |(_, (salted, _), _)| *salted);
    for (title, (salted, plain), (salted_skew, plain_skew)) in measured {
        println!(
            "| {master} | {what} | {title} | {salted:.2} s | {plain:.2} s | {:.2} | {:.2} | {salted_skew:.1} | {plain_skew:.1} |",
            plain / salted,
            salted / uniform
        );
    }
    Ok(())
}

/// What Spark's script says of a table.
#[derive(Debug, Deserialize)]
struct OnSpark {
    table: String,
    /// Seconds, with skewed partitions split.
    split: f64,
    /// Seconds, with partitions as they are.
    whole: f64,
}

fn spark(directory: &Path, runs: usize) -> Result<()> {
    let failed = |what: String| Error::internal(format!("Spark: {what}"));
    let support = Path::new(env!("CARGO_MANIFEST_DIR")).join("support/spark");
    let python = environment::python(&support.join("requirements.txt"));
    let python = python.map_err(|unavailable| failed(unavailable.to_string()))?;
    println!(
        "\n| Spark, local[2] | query | split | not split | not / split |\n|---|---|---|---|---|"
    );
    for (what, query) in QUERIES {
        let mut command = Command::new(&python);
        command.arg("-B").arg(support.join("skew.py"));
        command.arg("--directory").arg(directory);
        command.args(["--threads", "2", "--runs", &runs.to_string()]);
        command.args(["--query", query, "--tables"]);
        command.args(KEYS.iter().map(|(table, ..)| table));
        command.env("SPARK_LOCAL_IP", "127.0.0.1");
        let output = command.stderr(Stdio::inherit()).output();
        let output = output.map_err(|error| failed(error.to_string()))?;
        if !output.status.success() {
            return Err(failed(output.status.to_string()));
        }
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let line = serde_json::from_str(line);
            let OnSpark {
                table,
                split,
                whole,
            } = line.map_err(|error| failed(error.to_string()))?;
            println!(
                "| {table} | {what} | {split:.2} s | {whole:.2} s | {:.2} |",
                whole / split
            );
        }
    }
    Ok(())
}

async fn write_tables(directory: &Path, rows: u64) -> Result<()> {
    let session = Session::builder().master("local[*]").create().await?;
    let facts = KEYS.iter().map(|(table, _, key)| {
        let columns = format!("{key} as key, (v * 31) % 1000003 as user, v % 997 as amount");
        let facts = format!("select {columns} from generate_series(1, {rows}) as t(v)");
        (*table, facts)
    });
    let dims = "select v as key, 'category ' || (v % 50) as category, 'the name of ' || v as name
        from generate_series(0, 399999) as t(v)";
    for (table, rows_of) in facts.chain([("dims", dims.to_owned())]) {
        let place = directory.join(table);
        if place.exists() {
            continue;
        }
        let written = session.sql(&rows_of).await?.write();
        let written = written.mode(SaveMode::Overwrite).format("parquet");
        written
            .option("maxRecordsPerFile", rows.div_ceil(8))
            .save(&place.display().to_string())
            .await?;
    }
    Ok(())
}

/// Less than the smaller table has: this is about joins that shuffle both sides.
const BROADCAST_BELOW: &str = "1MB";

async fn session(
    master: &str,
    directory: &Path,
    facts: &str,
    salt: bool,
    query: &str,
) -> Result<Session> {
    let session = Session::builder()
        .master(master)
        .config("weir.sql.adaptive.skewJoin.enabled", salt)
        .config("weir.sql.autoBroadcastJoinThreshold", BROADCAST_BELOW)
        .create()
        .await?;
    for (view, table) in [("facts", facts), ("dims", "dims")] {
        let place = directory.join(table).display().to_string();
        let rows = session.read().parquet(&place).await?;
        rows.create_or_replace_temp_view(view)?;
    }
    let plan = session.sql(query).await?;
    let plan = plan.explain_string(ExplainMode::Simple).await?;
    if plan.contains("broadcast hash join") {
        return Err(Error::internal(format!("a side is broadcast:\n{plan}")));
    }
    let joins = plan.split("== Joins ==").nth(1).unwrap_or_default();
    eprintln!("{master}, {facts}, looked for {salt}: {}", joins.trim());
    Ok(session)
}

async fn run(session: &Session, query: &str) -> Result<(String, f64)> {
    let begun = Instant::now();
    let rows: Vec<RecordBatch> = session.sql(query).await?.collect().await?;
    let elapsed: Duration = begun.elapsed();
    let rows = pretty_format_batches(&rows)
        .map_err(|error| Error::internal("rows have no form as text").with_source(error))?;
    Ok((rows.to_string(), elapsed.as_secs_f64()))
}

/// How many times longer the slowest task of a stage took than the one in the middle: of the most uneven stage, of those that take a tenth of
/// the query's time or more.
async fn skew_of(session: &Session, query: &str) -> Result<f64> {
    let profile = session.sql(query).await?.profile().await?;
    let stages = profile.to_string();
    eprintln!(
        "{}",
        stages.split("== Stages ==").nth(1).unwrap_or_default()
    );
    let total: Duration = profile.stages.iter().map(|stage| stage.total).sum();
    let stages = profile.stages.iter();
    let skews = stages.filter(|stage| stage.total * 10 >= total);
    let worst = skews.map(weir::StageProfile::skew).max_by(f64::total_cmp);
    worst.ok_or_else(|| Error::internal(format!("no tasks in\n{profile}")))
}

fn median(runs: &[f64]) -> f64 {
    let mut sorted = runs.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}
