//! Queries on `local-cluster[E,C]`: the rows of `local`, whatever dies meanwhile.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use weir::datafusion::arrow::util::pretty::pretty_format_batches;
use weir::prelude::*;
use weir::{ExplainMode, Master, SaveMode, SessionBuilder};
use weir_tests::files::TempLake;
use weir_tests::process::{eventually, kill_process, lives, pause_process, resume_process};

/// Rows of some seconds' work for three executors of one thread, in the debug build.
const ROWS: i64 = 400_000;

pub(crate) const QUERY: &str = "
    select l.bucket, count(*) as pairs, count(distinct r.id) as ids, sum(l.amount) as total
    from facts l join facts r on l.id = r.id + 1
    group by l.bucket order by l.bucket";

pub(crate) async fn local() -> Session {
    Session::builder()
        .master("local[2]")
        .create()
        .await
        .unwrap()
}

/// Of a session on `executors` executors of one thread, which spreads every scan over all of them.
fn builder(executors: usize) -> SessionBuilder {
    let node = env!("CARGO_BIN_EXE_weir-test-node");
    Session::builder()
        .master(format!("local-cluster[{executors},1]"))
        .config("weir.executor.program", node)
        .config("weir.sql.files.maxPartitionBytes", 1)
}

async fn cluster(executors: usize) -> Session {
    let session = builder(executors).create().await.unwrap();
    let master = Master::LocalCluster {
        executors,
        threads: 1,
    };
    assert_eq!(session.master(), &master);
    assert_eq!(session.executors().len(), executors);
    session
}

/// Parquet files of [`ROWS`] rows: `id`, `bucket`, `amount`.
pub(crate) async fn facts(lake: &TempLake) -> String {
    let place = lake.table("facts").display().to_string();
    let session = local().await;
    let rows = session.range(0, ROWS, 1).unwrap();
    rows.create_or_replace_temp_view("numbers").unwrap();
    let rows = "select id, id % 97 as bucket, (id * 7919) % 1000 as amount from numbers";
    let rows = session.sql(rows).await.unwrap();
    let writer = rows.write().mode(SaveMode::Overwrite).format("parquet");
    writer
        .option("maxRecordsPerFile", ROWS / 12)
        .save(&place)
        .await
        .unwrap();
    place
}

pub(crate) async fn view(session: &Session, facts: &str) {
    let rows = session.read().parquet(facts).await.unwrap();
    rows.create_or_replace_temp_view("facts").unwrap();
}

async fn answer(session: &Session) -> weir::Result<String> {
    let rows = session.sql(QUERY).await?.collect().await?;
    Ok(pretty_format_batches(&rows).unwrap().to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn query_on_a_cluster_gives_the_rows_of_local_and_runs_on_every_executor() {
    let lake = TempLake::new();
    let facts = facts(&lake).await;
    let session = local().await;
    view(&session, &facts).await;
    let expected = answer(&session).await.unwrap();
    let session = cluster(3).await;
    view(&session, &facts).await;
    let got = answer(&session).await.unwrap();
    assert_eq!(got, expected);
    let plan = session.sql(QUERY).await.unwrap();
    let plan = plan.into_datafusion().create_physical_plan().await.unwrap();
    let shown = weir::datafusion::physical_plan::displayable(plan.as_ref())
        .indent(false)
        .to_string();
    assert!(shown.contains("input_tasks=3"), "{shown}");
}

/// Joins with what is sorted, limited or aggregated. Planned for one partition, nothing is exchanged before that.
const OF_ALL_ROWS: &[&str] = &[
    "select count(*) as n from facts f join (select max(id) as id from facts) m on f.id = m.id",
    "select sum(f.id) as n from facts f join (select id from facts order by amount, id limit 5) s on f.id = s.id",
    "select count(*) as n from facts f join (select id from facts limit 7) s on f.id = s.id",
    "select sum(s.n) as n from facts f join (select bucket, count(*) as n from facts group by bucket) s on f.bucket = s.bucket",
    "select count(*) as n from facts f join (select id, row_number() over (order by id) as k from facts) s on f.id = s.id and s.k < 5",
    "select count(*) as n from facts where amount < (select avg(amount) from facts)",
];

#[tokio::test(flavor = "multi_thread")]
async fn threshold_says_which_side_of_a_join_is_broadcast() {
    let lake = TempLake::new();
    let facts = facts(&lake).await;
    for (threshold, broadcast) in [("-1", false), ("1GB", true)] {
        let session = builder(2)
            .config("weir.sql.autoBroadcastJoinThreshold", threshold)
            .create()
            .await
            .unwrap();
        view(&session, &facts).await;
        let joined = session.sql(QUERY).await.unwrap();
        let plan = joined.explain_string(ExplainMode::Simple).await.unwrap();
        assert_eq!(plan.contains("BroadcastExec"), broadcast, "{plan}");
        assert_eq!(plan.contains("mode=Partitioned"), !broadcast, "{plan}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sorts_limits_and_aggregations_of_one_partition_see_all_rows() {
    let lake = TempLake::new();
    let facts = facts(&lake).await;
    let alone = local().await;
    view(&alone, &facts).await;
    for partitions in [1, 2] {
        let session = builder(2)
            .config("weir.sql.shuffle.partitions", partitions)
            .create()
            .await
            .unwrap();
        view(&session, &facts).await;
        for query in OF_ALL_ROWS {
            let rows = async |session: &Session| {
                let rows = session.sql(query).await.unwrap().collect().await.unwrap();
                pretty_format_batches(&rows).unwrap().to_string()
            };
            let (got, expected) = (rows(&session).await, rows(&alone).await);
            assert_eq!(got, expected, "{query}, {partitions} partitions");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn executors_of_one_thread_share_what_has_no_join() {
    let lake = TempLake::new();
    let facts = facts(&lake).await;
    let session = cluster(2).await;
    view(&session, &facts).await;
    for query in [
        "select bucket, sum(amount) from facts group by bucket",
        "select sum(amount) from facts",
    ] {
        let plan = session.sql(query).await.unwrap();
        let plan = plan.explain_string(ExplainMode::Simple).await.unwrap();
        assert!(plan.contains("input_tasks=2"), "{plan}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn executors_end_with_their_session() {
    let session = cluster(2).await;
    let processes: Vec<u32> = session
        .executors()
        .iter()
        .map(|executor| executor.process_id.unwrap())
        .collect();
    assert!(processes.iter().copied().all(lives));
    drop(session);
    eventually(Duration::from_secs(10), || {
        !processes.iter().copied().any(lives)
    })
    .await;
}

#[derive(Debug, Clone, Copy)]
enum Fault {
    Kill,
    Pause,
}

/// Rounds of a query during which executor `n` is killed, or paused, at a random moment.
async fn rounds(fault: Fault, rounds: u64, seed: u64, within: Duration) {
    let lake = TempLake::new();
    let facts = facts(&lake).await;
    let session = local().await;
    view(&session, &facts).await;
    let expected = answer(&session).await.unwrap();
    let usual = {
        let session = cluster(3).await;
        view(&session, &facts).await;
        answer(&session).await.unwrap();
        let begun = Instant::now();
        answer(&session).await.unwrap();
        begun.elapsed()
    };
    println!("without a fault the query takes {usual:?}");
    for round in 0..rounds {
        let mut random = StdRng::seed_from_u64(seed + round);
        let session = cluster(3).await;
        let victim = random.random_range(0..3_usize);
        let process = session.executors()[victim].process_id.unwrap();
        view(&session, &facts).await;
        let after = random.random_range(Duration::ZERO..usual);
        let begun = Instant::now();
        let query = tokio::spawn({
            let session = session.clone();
            async move { answer(&session).await }
        });
        tokio::time::sleep(after).await;
        match fault {
            Fault::Kill => kill_process(process),
            Fault::Pause => pause_process(process),
        }
        let answered = tokio::time::timeout(within, query).await;
        let took = begun.elapsed();
        if let Fault::Pause = fault {
            resume_process(process);
        }
        let got = answered
            .unwrap_or_else(|_| panic!("seed {}: no answer within {within:?}", seed + round))
            .unwrap();
        println!(
            "seed {}: executor {victim} after {after:?}: {took:?}",
            seed + round
        );
        assert_eq!(got.unwrap(), expected, "seed {}", seed + round);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn query_that_loses_an_executor_gives_the_same_rows() {
    rounds(Fault::Kill, 4, 1000, Duration::from_mins(2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn query_with_a_paused_executor_gives_the_same_rows() {
    rounds(Fault::Pause, 2, 2000, Duration::from_mins(2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_that_lose_the_same_executor_at_once_all_give_their_rows() {
    let lake = TempLake::new();
    let facts = facts(&lake).await;
    let session = local().await;
    view(&session, &facts).await;
    let expected = answer(&session).await.unwrap();
    let session = cluster(3).await;
    view(&session, &facts).await;
    let begun = Instant::now();
    answer(&session).await.unwrap();
    let usual = begun.elapsed();
    let queries: Vec<_> = (0..3)
        .map(|_| {
            let session = session.clone();
            tokio::spawn(async move { answer(&session).await })
        })
        .collect();
    tokio::time::sleep(usual / 2).await;
    kill_process(session.executors()[1].process_id.unwrap());
    for query in queries {
        assert_eq!(query.await.unwrap().unwrap(), expected);
    }
}
