//! What queries keep of themselves: `checkpoint()`, and the parts of long ones.

mod persist;

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_stream::StreamExt as _;
use weir::datafusion::arrow::array::AsArray as _;
use weir::datafusion::arrow::datatypes::{Int64Type, UInt64Type};
use weir::datafusion::arrow::util::pretty::pretty_format_batches;
use weir::prelude::*;
use weir::{ErrorKind, SessionBuilder};
use weir_tests::cluster::Cluster;
use weir_tests::files::{SmallDisk, TempLake, files_under};
use weir_tests::process::{anonymous_memory, kill_process};

use crate::cluster::{facts, local, view};

/// A session on `master` that keeps what it keeps in `kept`.
fn builder(master: &str, kept: &Path) -> SessionBuilder {
    Session::builder()
        .master(master)
        .config(
            "weir.executor.program",
            env!("CARGO_BIN_EXE_weir-test-node"),
        )
        .config("weir.sql.files.maxPartitionBytes", 1)
        .config("weir.checkpoint.dir", kept.display())
}

async fn shown(rows: &DataFrame) -> String {
    let batches = rows.collect().await.unwrap();
    pretty_format_batches(&batches).unwrap().to_string()
}

/// The files below `kept`, without the lock.
fn kept_files(kept: &Path) -> Vec<PathBuf> {
    files_under(kept, ".arrow")
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpointed_rows_are_there_without_their_source_and_an_executor_and_go_with_the_dataframe()
 {
    for master in ["local[2]", "local-cluster[2,1]"] {
        let lake = TempLake::new();
        let (facts, kept) = (facts(&lake).await, lake.table("kept"));
        let session = builder(master, &kept).create().await.unwrap();
        view(&session, &facts).await;
        let rows = session
            .sql("select bucket, count(*) as n, sum(amount) as amount from facts group by bucket")
            .await
            .unwrap();
        let expected = shown(&rows.clone().sort([col("bucket")]).unwrap()).await;
        let rows = rows.checkpoint().await.unwrap();
        assert!(!kept_files(&kept).is_empty());

        std::fs::remove_dir_all(&facts).unwrap();
        if let Some(process) = session
            .executors()
            .first()
            .and_then(|executor| executor.process_id)
        {
            kill_process(process);
        }
        let sorted = rows.clone().sort([col("bucket")]).unwrap();
        assert_eq!(shown(&sorted).await, expected, "{master}");
        assert_eq!(rows.count().await.unwrap(), 97);
        // Another dataframe reads them still.
        drop(rows);
        assert_eq!(shown(&sorted).await, expected, "{master}");
        drop(sorted);
        assert_eq!(kept_files(&kept), Vec::<PathBuf>::new());
        drop(session);
        assert_eq!(std::fs::read_dir(&kept).unwrap().count(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoint_keeps_every_type_and_names_that_occur_twice() {
    let lake = TempLake::new();
    let kept = lake.table("kept");
    let query = "select l.*, r.text, r.n as right_n, arrow_cast(r.text, 'Dictionary(Int32, Utf8)') as word from
        (select 1 as n, 'short' as text, arrow_cast('a text that is longer than a view holds', 'Utf8View') as long,
            [1, null, 3] as list, named_struct('a', 1, 'b', ['x']) as both, x'00ff' as bytes,
            cast(1.25 as decimal(20, 3)) as price, interval '1 month 2 days' as span,
            timestamp '2026-01-31T10:00:00' as at, date '2026-01-31' as day, true as yes,
            cast(null as double) as nothing, null as null_type
        union all select 2, null, null, null, null, null, null, null, null, null, null, 0.5, null) l
        join (select 1 as n, 'right' as text union all select 2, '') r on l.n = r.n";
    for master in ["local[2]", "local-cluster[2,1]"] {
        let session = builder(master, &kept).create().await.unwrap();
        let rows = session.sql(query).await.unwrap();
        let rows = DataFrame::from_datafusion(&session, rows.into_datafusion());
        let of_one = rows.clone().checkpoint().await.unwrap();
        assert_eq!(of_one.schema().as_arrow(), rows.schema().as_arrow());
        let expected = shown(&rows.sort([col("right_n")]).unwrap()).await;
        assert_eq!(
            shown(&of_one.sort([col("right_n")]).unwrap()).await,
            expected,
            "{master}"
        );
        let none = session.sql("select 1 as n where 1 = 2").await.unwrap();
        let none = none.checkpoint().await.unwrap();
        assert_eq!(none.count().await.unwrap(), 0);
    }
}

/// Queries with parts whose rows are shuffled again.
const IN_PARTS: &[(&str, usize)] = &[
    (
        "select a.bucket, a.n, b.total from (select bucket, count(*) as n from facts group by bucket) a
         join (select bucket, sum(amount) as total from facts group by bucket) b
         on a.bucket + 1 = b.bucket + 1 order by a.bucket",
        2,
    ),
    // Both sides are where the join needs them.
    (
        "select a.bucket, a.n, b.total from (select bucket, count(*) as n from facts group by bucket) a
         join (select bucket, sum(amount) as total from facts group by bucket) b on a.bucket = b.bucket
         order by a.bucket",
        0,
    ),
    (
        "select id, n, rank() over (partition by n order by id) as place from
            (select l.id, count(*) as n from facts l join facts r on l.id = r.id + 1 group by l.id) s
         order by id limit 20",
        1,
    ),
    (
        "select f.id, a.n from facts f left join (select distinct bucket as n from facts) a
         on f.id = a.n * 2 order by f.id limit 200",
        1,
    ),
    // Nothing is shuffled again.
    ("select bucket, count(*) as n from facts group by bucket order by bucket", 0),
];

#[tokio::test(flavor = "multi_thread")]
async fn parts_that_are_kept_give_the_rows_of_a_query_that_runs_whole() {
    let lake = TempLake::new();
    let (facts, kept) = (facts(&lake).await, lake.table("kept"));
    let alone = local().await;
    view(&alone, &facts).await;
    for (query, parts) in IN_PARTS {
        let session = builder("local-cluster[2,1]", &kept)
            .config("weir.sql.durableExchangeThreshold", 0)
            .config("weir.sql.autoBroadcastJoinThreshold", -1)
            .create()
            .await
            .unwrap();
        view(&session, &facts).await;
        let expected = shown(&alone.sql(query).await.unwrap()).await;
        assert_eq!(
            shown(&session.sql(query).await.unwrap()).await,
            expected,
            "{query}"
        );
        // The directory is made when a part is kept; what is in it goes with its query.
        assert_eq!(kept.exists(), *parts > 0, "{query}");
        assert_eq!(kept_files(&kept), Vec::<PathBuf>::new());
        let _ = std::fs::remove_dir_all(&kept);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoint_on_a_driver_without_a_directory_names_the_setting() {
    let cluster = Cluster::start(1).await;
    let session = Session::builder().master(cluster.master());
    let session = session.create().await.unwrap();
    let rows = session.range(0, 10, 1).unwrap();
    let error = rows.checkpoint().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.to_string().contains("weir.checkpoint.dir"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_of_exchanges_that_are_none_are_refused_by_name() {
    for (key, value) in [
        ("weir.sql.durableExchangeThreshold", "much"),
        ("weir.sql.durableExchangeThreshold", "-2"),
        ("weir.checkpoint.dir", "hdfs://lake/kept"),
        ("weir.io.compression.codec", "snappy"),
    ] {
        let session = Session::builder().master("local[1]").config(key, value);
        let error = session.create().await.unwrap_err().to_string();
        assert!(
            error.contains(key) && error.contains(value),
            "{key}: {error}"
        );
    }
}

/// The length of a text of [`wide`].
const TEXT: u64 = 224;

/// Every row of `wide` goes to the task of its bucket, and is sorted there.
const SORTED: &str = "select count(*) as n, sum(place) as places, sum(length(text)) as bytes from
    (select text, row_number() over (partition by bucket order by text) as place from wide) r";

/// Parquet files of `rows` rows of 1000 buckets.
async fn wide(lake: &TempLake, rows: u64) -> String {
    let place = lake.table("wide").display().to_string();
    let session = local().await;
    let numbers = session.range(0, i64::try_from(rows).unwrap(), 1).unwrap();
    numbers.create_or_replace_temp_view("numbers").unwrap();
    let wide = format!(
        "select id % 1000 as bucket, lpad(cast((id * 7919) % {rows} as string), {TEXT}, '.') as text
        from numbers"
    );
    let wide = session.sql(&wide).await.unwrap().write().format("parquet");
    wide.option("maxRecordsPerFile", rows / 4)
        .save(&place)
        .await
        .unwrap();
    place
}

/// The bytes of all files below `directory`.
fn bytes_under(directory: &Path) -> u64 {
    let files = files_under(directory, "");
    let lengths = files.iter().filter_map(|file| std::fs::metadata(file).ok());
    lengths.map(|file| file.len()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn shuffle_of_more_than_the_memory_of_all_executors_finishes_by_spilling() {
    const ROWS: u64 = 3_200_000;
    // Of both executors together.
    const LIMIT: u64 = 640 << 20;
    let lake = TempLake::new();
    let place = wide(&lake, ROWS).await;
    let spill = lake.file("spill");
    let session = builder("local-cluster[2,1]", &lake.table("kept"))
        .config("weir.memory.limit", LIMIT)
        .config("weir.local.dir", spill.display())
        // Wide rows: what a sort takes at once is to be a small part of its share.
        .config("datafusion.execution.batch_size", 2048)
        .create()
        .await
        .unwrap();
    let wide = session.read().parquet(&place).await.unwrap();
    wide.create_or_replace_temp_view("wide").unwrap();
    let executors = session.executors();
    let taken = || -> u64 {
        let processes = executors.iter().filter_map(|executor| executor.process_id);
        processes.map(anonymous_memory).sum()
    };
    let idle = taken();
    let frame = session.sql(SORTED).await.unwrap();
    let mut query = tokio::spawn(async move { frame.collect().await.unwrap() });
    let (mut spilled, mut peak) = (0, idle);
    let rows = loop {
        // How large its files are shows only while it runs.
        match tokio::time::timeout(Duration::from_millis(50), &mut query).await {
            Ok(rows) => break rows.unwrap(),
            Err(_) => {
                spilled = spilled.max(bytes_under(&spill));
                peak = peak.max(taken());
            }
        }
    };
    let number = |column: usize| {
        let column = rows[0].column(column);
        let unsigned = column.as_primitive_opt::<UInt64Type>();
        let signed = column.as_primitive_opt::<Int64Type>();
        let signed = signed.map(|numbers| numbers.value(0).unsigned_abs());
        unsigned.map(|numbers| numbers.value(0)).or(signed).unwrap()
    };
    let of_bucket = ROWS / 1000;
    assert_eq!(number(0), ROWS);
    assert_eq!(number(1), 1000 * of_bucket * (of_bucket + 1) / 2);
    assert_eq!(number(2), ROWS * TEXT);
    let shuffled = number(2);
    println!(
        "shuffled {shuffled} bytes, limit {LIMIT}, spilled {spilled} at once, executors at most {peak}, {idle} when idle"
    );
    assert!(shuffled > LIMIT);
    assert!(spilled > LIMIT, "{spilled}");
    assert!(peak < LIMIT, "{peak}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sorted_rows_arrive_when_one_partition_of_a_task_is_long_done_before_the_other() {
    const ROWS: i64 = 400_000;
    let lake = TempLake::new();
    let place = lake.table("wide").display().to_string();
    let session = local().await;
    let numbers = session.range(0, ROWS, 1).unwrap();
    numbers.create_or_replace_temp_view("numbers").unwrap();
    let wide = session.sql("select id, lpad(cast(id as string), 1000, '.') as text from numbers");
    let wide = wide.await.unwrap().write().format("parquet");
    wide.option("maxRecordsPerFile", ROWS / 4)
        .save(&place)
        .await
        .unwrap();
    let session = builder("local-cluster[2,1]", &lake.table("kept"))
        .config("datafusion.execution.batch_size", 256)
        .create()
        .await
        .unwrap();
    let wide = session.read().parquet(&place).await.unwrap();
    wide.create_or_replace_temp_view("wide").unwrap();
    // The last quarter takes seconds; more than a connection buffers is there before.
    let sorted = format!(
        "select id, case when id >= {ROWS} * 3 / 4 then encode(sha512(text), 'hex') else text end as text
        from wide order by id"
    );
    let sorted = session.sql(&sorted).await.unwrap();
    let mut batches = sorted.to_local_iterator().await.unwrap();
    let mut next = 0;
    while let Some(batch) = batches.next().await {
        for id in batch
            .unwrap()
            .column(0)
            .as_primitive::<Int64Type>()
            .values()
        {
            assert_eq!(*id, next);
            next += 1;
        }
    }
    assert_eq!(next, ROWS);
}

#[tokio::test(flavor = "multi_thread")]
async fn executor_whose_disk_is_full_fails_the_query_with_the_cause_and_runs_the_next() {
    let mut cluster = Cluster::start(0).await;
    let spill = cluster.lake.file("spill");
    let Some(_disk) = SmallDisk::mount_or_skip(&spill, 4 << 20) else {
        return;
    };
    for _ in 0..2 {
        cluster
            .add_executor(&["--cores", "1", "--memory", "300MB"])
            .await;
    }
    let place = wide(&cluster.lake, 1_000_000).await;
    let session = Session::builder()
        .master(cluster.master())
        .config("weir.sql.files.maxPartitionBytes", 1)
        .create()
        .await
        .unwrap();
    let wide = session.read().parquet(&place).await.unwrap();
    wide.create_or_replace_temp_view("wide").unwrap();
    let error = session
        .sql(SORTED)
        .await
        .unwrap()
        .collect()
        .await
        .unwrap_err();
    let shown = format!("{error:?}");
    assert!(shown.contains("No space left on device"), "{shown}");
    for executor in &mut cluster.executors {
        assert!(executor.process.is_running());
    }
    let counted = session
        .sql("select bucket from wide where bucket = 7")
        .await
        .unwrap();
    assert_eq!(counted.count().await.unwrap(), 1000);
}
