//! `repartition` and `coalesce`: rows are in as many partitions, and files, as was said, wherever they run.

use std::collections::BTreeMap;
use std::path::Path;

use weir::datafusion::arrow::array::AsArray as _;
use weir::datafusion::arrow::datatypes::Int64Type;
use weir::datafusion::arrow::util::pretty::pretty_format_batches;
use weir::functions::{hash, pmod};
use weir::prelude::*;
use weir::{ErrorKind, ExplainMode};
use weir_tests::files::{TempLake, files_under};

use crate::cluster::{facts, view};

const MASTERS: &[&str] = &["local[2]", "local-cluster[2,1]", "local-cluster[3,2]"];

async fn session(master: &str) -> Session {
    let session = Session::builder()
        .master(master)
        .config(
            "weir.executor.program",
            env!("CARGO_BIN_EXE_weir-test-node"),
        )
        .config("weir.sql.files.maxPartitionBytes", 1)
        .config("weir.sql.shuffle.partitions", 4);
    session.create().await.unwrap()
}

/// The values of column `column` in each file that `rows` are written to.
async fn written(rows: DataFrame, column: &str, place: &Path) -> Vec<Vec<i64>> {
    let session = rows.session().clone();
    let path = place.display().to_string();
    rows.write().format("parquet").save(&path).await.unwrap();
    let mut files = Vec::new();
    for file in files_under(place, ".parquet") {
        let file = file.display().to_string();
        let rows = session.read().parquet(&file).await.unwrap();
        let rows = rows.select([column]).unwrap().collect().await.unwrap();
        let values = rows.iter().flat_map(|batch| {
            batch
                .column(0)
                .as_primitive::<Int64Type>()
                .values()
                .to_vec()
        });
        files.push(values.collect());
    }
    std::fs::remove_dir_all(place).unwrap();
    files
}

fn total(files: &[Vec<i64>]) -> usize {
    files.iter().map(Vec::len).sum()
}

async fn shown(rows: &DataFrame) -> String {
    let rows = rows.collect().await.unwrap();
    pretty_format_batches(&rows).unwrap().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn repartition_writes_as_many_files_of_about_as_many_rows() {
    let lake = TempLake::new();
    let facts = facts(&lake).await;
    for master in MASTERS {
        let session = session(master).await;
        view(&session, &facts).await;
        for partitions in [1, 2, 3, 5, 8] {
            let rows = session
                .sql("select id from facts where id < 10000")
                .await
                .unwrap();
            let rows = rows.repartition(partitions).unwrap();
            let files = written(rows, "id", &lake.table("written")).await;
            assert_eq!(files.len(), partitions, "{master}");
            assert_eq!(total(&files), 10_000, "{master}");
            let mean = 10_000 / partitions;
            for file in &files {
                // Each partition that was read begins with another.
                assert!(
                    file.len().abs_diff(mean) <= 64,
                    "{master}: {} of {mean}",
                    file.len()
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn repartition_by_columns_keeps_their_rows_together_in_spark_s_partition() {
    let lake = TempLake::new();
    let facts = facts(&lake).await;
    for master in MASTERS {
        let session = session(master).await;
        view(&session, &facts).await;
        let rows = session.sql("select id, bucket from facts").await.unwrap();
        let count = rows.count().await.unwrap();
        let number = pmod(hash(vec![col("bucket")]), lit(5));
        let numbered = rows.clone().with_column("number", number).unwrap();
        let numbers = numbered
            .select(["bucket", "number"])
            .unwrap()
            .distinct()
            .unwrap();
        let numbers: BTreeMap<i64, i64> = {
            let number = col("number");
            let number = weir::datafusion::logical_expr::cast(
                number,
                weir::datafusion::arrow::datatypes::DataType::Int64,
            );
            let numbers = numbers.with_column("number", number).unwrap();
            let batches = numbers.collect().await.unwrap();
            let pairs = batches.iter().flat_map(|batch| {
                let columns = [0, 1].map(|at| batch.column(at).as_primitive::<Int64Type>());
                let [buckets, numbers] = columns.map(|column| column.values().to_vec());
                buckets.into_iter().zip(numbers).collect::<Vec<_>>()
            });
            pairs.collect()
        };
        let rows = rows.repartition_by(5, ["bucket"]).unwrap();
        let files = written(rows, "bucket", &lake.table("written")).await;
        assert_eq!(files.len(), 5, "{master}");
        assert_eq!(total(&files) as u64, count, "{master}");
        let mut seen = Vec::new();
        for file in files {
            let mut of_file: Vec<i64> = file.iter().map(|bucket| numbers[bucket]).collect();
            of_file.dedup();
            assert_eq!(of_file.len(), 1, "{master}: {of_file:?}");
            seen.extend(of_file);
        }
        seen.sort_unstable();
        assert_eq!(seen, [0, 1, 2, 3, 4], "{master}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn repartition_by_range_writes_files_whose_ranges_do_not_overlap() {
    let lake = TempLake::new();
    let facts = facts(&lake).await;
    for master in MASTERS {
        let session = session(master).await;
        view(&session, &facts).await;
        let rows = session
            .sql("select id, bucket from facts where id < 50000")
            .await
            .unwrap();
        let ranges = |rows: &DataFrame| rows.clone().repartition_by_range(4, ["id"]).unwrap();
        let files = written(ranges(&rows), "id", &lake.table("written")).await;
        assert_eq!((files.len(), total(&files)), (4, 50_000), "{master}");
        let bounds = files.iter().map(|file| {
            let bounds = (
                file.iter().min().copied(),
                file.iter().max().copied(),
                file.len(),
            );
            assert!(bounds.2.abs_diff(12_500) < 1_500, "{master}: {bounds:?}");
            bounds
        });
        let mut bounds: Vec<_> = bounds.collect();
        bounds.sort_unstable();
        assert!(
            bounds.windows(2).all(|pair| pair[0].1 < pair[1].0),
            "{master}: {bounds:?}"
        );

        // The same rows, whatever comes after, and twice.
        let twice = ranges(&ranges(&rows)).filter("bucket = 5").unwrap();
        let expected = rows
            .clone()
            .filter("bucket = 5")
            .unwrap()
            .sort(["id"])
            .unwrap();
        let got = twice.sort(["id"]).unwrap();
        assert_eq!(shown(&got).await, shown(&expected).await, "{master}");

        // A key that half of the rows have has one partition; nulls come last if they are to.
        let skewed = "select case when id % 2 = 0 then cast(null as bigint) else id end as id from facts where id < 1000";
        let skewed = session.sql(skewed).await.unwrap();
        let by = [col("id").desc_nulls_last()];
        let skewed = skewed.repartition_by_range(4, by).unwrap();
        let nulls = skewed.with_column(
            "id",
            weir::functions::coalesce(vec![col("id"), lit(-1_i64)]),
        );
        let files = written(nulls.unwrap(), "id", &lake.table("written")).await;
        assert_eq!(total(&files), 1000, "{master}");
        let with_nulls = files.iter().filter(|file| file.contains(&-1)).count();
        assert_eq!(
            with_nulls,
            1,
            "{master}: {:?}",
            files.iter().map(Vec::len).collect::<Vec<_>>()
        );
        assert!(files.len() >= 2, "{master}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn small_partitions_of_shuffled_rows_are_written_together_unless_asked_for() {
    const GROUPED: &str = "select bucket, count(*) as n from facts group by bucket";
    let lake = TempLake::new();
    let facts = facts(&lake).await;
    for (master, tasks) in [("local[2]", 1), ("local-cluster[2,1]", 2)] {
        for (key, value, files_of) in [
            ("enabled", "true", 1..=tasks),
            ("enabled", "false", 4..=4 * tasks),
            // Nothing is smaller than this.
            ("minPartitionSize", "0", 4..=4 * tasks),
        ] {
            let session = Session::builder()
                .master(master)
                .config(
                    "weir.executor.program",
                    env!("CARGO_BIN_EXE_weir-test-node"),
                )
                .config("weir.sql.shuffle.partitions", 4)
                .config(format!("weir.sql.adaptive.coalescePartitions.{key}"), value);
            let session = session.create().await.unwrap();
            view(&session, &facts).await;
            let rows = session.sql(GROUPED).await.unwrap();
            let files = written(rows.clone(), "bucket", &lake.table("written")).await;
            let lengths: Vec<usize> = files.iter().map(Vec::len).collect();
            let case = format!("{master}, {key} {value}: {lengths:?}");
            // As in Spark, the first partition writes the columns, if it has no rows.
            let filled = lengths.iter().filter(|rows| **rows > 0).count();
            assert!(files_of.contains(&filled), "{case}");
            let mut buckets: Vec<i64> = files.into_iter().flatten().collect();
            buckets.sort_unstable();
            assert_eq!(buckets, (0..97).collect::<Vec<_>>(), "{case}");
            let asked = rows.repartition(3).unwrap();
            assert_eq!(
                written(asked, "bucket", &lake.table("written")).await.len(),
                3,
                "{case}"
            );
        }
    }
    for (key, value) in [("enabled", "maybe"), ("minPartitionSize", "much")] {
        let key = format!("weir.sql.adaptive.coalescePartitions.{key}");
        let session = Session::builder().master("local[1]").config(&key, value);
        let error = session.create().await.unwrap_err().to_string();
        assert!(error.contains(&key) && error.contains(value), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn coalesce_writes_no_more_files_and_exchanges_nothing() {
    let lake = TempLake::new();
    let facts = facts(&lake).await;
    for master in MASTERS {
        let session = session(master).await;
        view(&session, &facts).await;
        let rows = session.sql("select id from facts").await.unwrap();
        let count = rows.count().await.unwrap();
        let before = written(rows.clone(), "id", &lake.table("written"))
            .await
            .len();
        assert!(before >= 3, "{master}: {before}");
        for partitions in [1, 2, 3, 100] {
            let rows = rows.clone().coalesce(partitions).unwrap();
            let plan = rows.explain_string(ExplainMode::Simple).await.unwrap();
            assert!(!plan.contains("RepartitionExec"), "{plan}");
            let rows = rows.with_column("id", col("id") + lit(1)).unwrap();
            let files = written(rows, "id", &lake.table("written")).await;
            assert!(files.len() <= partitions, "{master}: {}", files.len());
            assert!(files.len() == partitions || partitions > 1, "{master}");
            assert_eq!(total(&files) as u64, count, "{master}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn repartitioned_rows_are_those_that_were_there_whatever_comes_after() {
    let lake = TempLake::new();
    let facts = facts(&lake).await;
    for master in MASTERS {
        let session = session(master).await;
        view(&session, &facts).await;
        let plain = session
            .sql("select id, bucket, amount from facts")
            .await
            .unwrap();
        let read = plain.clone();
        let of = |how: &str| match how {
            "plain" => read.clone(),
            "turns" => read.clone().repartition(3).unwrap(),
            "one" => read.clone().repartition(1).unwrap(),
            "by" => read
                .clone()
                .repartition_by(2, [col("bucket") % lit(7), col("id")])
                .unwrap(),
            "together" => read.clone().coalesce(2).unwrap(),
            "twice" => read
                .clone()
                .repartition(2)
                .unwrap()
                .coalesce(1)
                .unwrap()
                .repartition(4)
                .unwrap(),
            other => panic!("{other}"),
        };
        type Query = fn(DataFrame) -> DataFrame;
        let queries: &[(&str, Query)] = &[
            ("filtered, other columns", |rows| {
                let rows = rows.filter("bucket = 3").unwrap();
                rows.select(["amount"]).unwrap().sort(["amount"]).unwrap()
            }),
            ("no columns", |rows| {
                rows.agg([weir::functions::count(lit(1)).alias("n")])
                    .unwrap()
            }),
            ("grouped", |rows| {
                let sum = weir::functions::sum(col("amount")).alias("sum");
                let rows = rows.group_by(["bucket"]).agg([sum]).unwrap();
                rows.sort(["bucket"]).unwrap()
            }),
            ("joined", |rows| {
                let other = rows.clone().filter("id % 10 = 0").unwrap();
                let other = other
                    .select([col("id"), col("bucket").alias("other")])
                    .unwrap();
                let rows = rows.join(other.repartition_by(3, ["id"]).unwrap(), "id", "inner");
                rows.unwrap().sort(["id"]).unwrap()
            }),
            ("limited", |rows| {
                rows.sort([col("id").desc()]).unwrap().limit(7).unwrap()
            }),
        ];
        for (name, query) in queries {
            let expected = shown(&query(of("plain"))).await;
            for how in ["turns", "one", "by", "together", "twice"] {
                assert_eq!(
                    shown(&query(of(how))).await,
                    expected,
                    "{master}: {name}, {how}"
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn repartition_by_a_column_of_the_engine_s_own_name_keeps_it() {
    let session = session("local[2]").await;
    let rows = session.range(0, 10, 1).unwrap();
    let rows = rows.select([
        col("id").alias("__weir_partition"),
        col("id").alias("__weir_slot"),
    ]);
    let rows = rows
        .unwrap()
        .repartition_by(3, ["__weir_partition"])
        .unwrap();
    let rows = rows.sort(["__weir_slot"]).unwrap();
    let columns = rows.schema().fields().len();
    assert_eq!((rows.count().await.unwrap(), columns), (10, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_that_cannot_be_are_refused_with_their_number() {
    let session = session("local[2]").await;
    let rows = || session.range(0, 10, 1).unwrap();
    for (error, said) in [
        (
            rows().repartition(0),
            "repartition(0): rows are in at least 1 partition",
        ),
        (rows().repartition(10_001), "at most 10000"),
        (rows().coalesce(0), "coalesce(0)"),
        (rows().repartition_by(0, ["id"]), "repartition(0)"),
        (
            rows().repartition_by(2, Vec::<&str>::new()),
            "repartition by no columns",
        ),
    ] {
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        assert!(error.to_string().contains(said), "{error}");
    }
    let error = rows().repartition_by(2, ["idd"]).unwrap_err();
    assert!(error.to_string().contains("did you mean \"id\""), "{error}");
}

/// The physical plan of `rows`, without places and sizes of files.
async fn plan_of(rows: &DataFrame) -> String {
    let text = rows.explain_string(ExplainMode::Simple).await.unwrap();
    let lines = text
        .lines()
        .map(|line| match line.split_once("DataSourceExec") {
            Some((before, _)) => format!("{before}DataSourceExec"),
            None => line.to_owned(),
        });
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_shows_exchanges_that_were_asked_for_on_one_machine_and_on_executors() {
    let lake = TempLake::new();
    let facts = facts(&lake).await;
    let mut shown = String::new();
    for master in ["local[2]", "local-cluster[2,1]"] {
        let session = session(master).await;
        view(&session, &facts).await;
        let rows = session.sql("select id, bucket from facts").await.unwrap();
        let rows = || rows.clone();
        for (verb, rows) in [
            ("repartition(5)", rows().repartition(5)),
            (
                "repartition_by(5, bucket)",
                rows().repartition_by(5, ["bucket"]),
            ),
            (
                "repartition_by_range(5, id)",
                rows().repartition_by_range(5, ["id"]),
            ),
            ("coalesce(2)", rows().coalesce(2)),
        ] {
            let plan = plan_of(&rows.unwrap()).await;
            shown += &format!(
                "{master}, {verb}\n    {}\n",
                plan.trim().replace('\n', "\n    ")
            );
        }
    }
    insta::assert_snapshot!(shown);
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_of_two_tables_that_look_alike_are_each_their_own() {
    for master in ["local[2]", "local-cluster[2,1]"] {
        let session = session(master).await;
        let ranges = |from: i64| {
            let rows = session.range(from, from + 1000, 1).unwrap();
            rows.repartition_by_range(2, ["id"]).unwrap()
        };
        let both = ranges(0).union(ranges(1000)).unwrap();
        let sums = [
            weir::functions::count_distinct(col("id")).alias("n"),
            weir::functions::sum(col("id")).alias("sum"),
        ];
        let sums = shown(&both.agg(sums).unwrap()).await;
        assert!(sums.contains("| 2000 | 1999000 |"), "{master}: {sums}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_above_coalesced_partitions_are_of_all_rows() {
    let lake = TempLake::new();
    let facts = facts(&lake).await;
    for master in MASTERS {
        let session = session(master).await;
        view(&session, &facts).await;
        for coalesced in [1, 2] {
            let rows = "select bucket, count(*) as n from facts group by bucket";
            let rows = session
                .sql(rows)
                .await
                .unwrap()
                .coalesce(coalesced)
                .unwrap();
            for (limited, expected) in [
                (rows.clone().limit(10), 10),
                (rows.clone().offset(90), 7),
                (rows.clone().offset(5).unwrap().limit(3), 3),
            ] {
                let batches = limited.unwrap().collect().await.unwrap();
                let count: usize = batches.iter().map(|batch| batch.num_rows()).sum();
                assert_eq!(count, expected, "{master}, {coalesced}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_that_were_asked_for_stay_below_a_broadcast_join() {
    let lake = TempLake::new();
    let facts = facts(&lake).await;
    let session = session("local[2]").await;
    view(&session, &facts).await;
    let few = "select bucket, count(*) as n from facts group by bucket";
    let few = session.sql(few).await.unwrap().hint("broadcast").unwrap();
    let rows = session
        .sql("select id, bucket from facts where id < 1000")
        .await
        .unwrap();
    let joined = rows
        .repartition(8)
        .unwrap()
        .join(few, "bucket", "inner")
        .unwrap();
    let files = written(joined, "id", &lake.table("written")).await;
    assert_eq!((files.len(), total(&files)), (8, 1000));
}
