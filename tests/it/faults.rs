//! The fault matrix: whatever dies, and whenever, a query and a stream give each row once.
//!
//! A driver, three executors, and a program in a process of its own. `cargo test -p weir-tests --test it faults:: -- --nocapture`
//! prints what happened and how long it took; docs/reliability.md has the table.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use weir::prelude::*;
use weir_tests::cluster::Cluster;
use weir_tests::files::files_under;
use weir_tests::kafka::{Broker, Record, broker_or_skip};
use weir_tests::process::{Process, built_program, eventually};
use weir_tests::proxy::Proxy;

use crate::cluster::{facts, local};

/// How long anything may take with a fault: it ends, right or wrong.
const WITHIN: Duration = Duration::from_mins(2);

const RECORDS: usize = 200_000;
const PARTITIONS: i32 = 12;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    Batch,
    Stream,
}

/// Work, and whether what its aggregations give is kept before it is joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kind {
    work: Work,
    durable: bool,
}

impl Kind {
    const ALL: [Self; 4] = [
        Self::of(Work::Batch, false),
        Self::of(Work::Batch, true),
        Self::of(Work::Stream, false),
        Self::of(Work::Stream, true),
    ];

    const fn of(work: Work, durable: bool) -> Self {
        Self { work, durable }
    }
}

/// What a program says when it has kept a part of its query.
const KEPT: &str = "a part of the query is done and kept";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// An executor is killed when the first rows of a stage that reads files or Kafka leave it.
    KillInMap,
    /// When such a stage has ended there.
    KillBetweenStages,
    /// When the first rows of a stage that reads an exchange leave it. Of a batch only: the last stage of
    /// the stream gives rows when it has written.
    KillInReduce,
    /// When a part of the query has been kept.
    KillAfterPart,
    /// When the first data file is there.
    KillInWrite,
    /// When a task of the sink has ended there.
    KillAfterWrite,
    KillDriver,
    /// The program is killed when the first data file is there, and run again.
    KillJob,
    /// An executor is stopped for longer than its heartbeat, and goes on when its tasks have run elsewhere.
    Pause,
    /// Nothing reaches an executor any longer, and nobody is told.
    Cut,
    /// Connections between executors go silent while the session reaches all of them.
    CutBetween,
    /// An executor is killed after so many milliseconds.
    KillAfter(u64),
}

/// What the program reads and writes, and how it is known to be right.
struct Job {
    arguments: Vec<String>,
    table: String,
    query: String,
    expected: Vec<i64>,
    /// `WEIR_CONF`.
    settings: String,
    /// The parts of a run that are kept.
    parts: usize,
}

impl Job {
    async fn new(kind: Kind, cluster: &Cluster, broker: Option<&Broker>) -> Self {
        let table = cluster.lake.table("result").display().to_string();
        let kept = cluster.lake.table("kept").display().to_string();
        let settings = match kind.durable {
            true => serde_json::json!({
                "weir.checkpoint.dir": kept,
                "weir.sql.durableExchangeThreshold": "0",
            }),
            false => serde_json::json!({}),
        };
        let settings = settings.to_string();
        let facts = facts(&cluster.lake).await;
        match kind.work {
            Work::Batch => {
                let session = local().await;
                let rows = session.read().parquet(&facts).await.unwrap();
                rows.create_or_replace_temp_view("facts").unwrap();
                let expected = "select count(*), count(distinct number), sum(pairs), sum(total),
                        (select count(*) from facts) as facts from (
                    select l.id % 50000 as number, count(*) as pairs, sum(l.amount + r.amount) as total
                    from facts l join facts r on l.id = r.id + 1 group by l.id % 50000)";
                Self {
                    expected: numbers(&session, expected).await,
                    arguments: vec!["aggregate".to_owned(), facts, table.clone()],
                    table,
                    query:
                        "select count(*), count(distinct number), sum(pairs), sum(total), sum(size)
                        from result"
                            .to_owned(),
                    settings,
                    parts: if kind.durable { 2 } else { 0 },
                }
            }
            Work::Stream => {
                let broker = broker.unwrap();
                let topic = broker.new_topic("faults", PARTITIONS).await;
                let record = |n| Record::of(format!("record {n}"));
                let producer = broker.producer();
                producer
                    .produce_n(&topic, PARTITIONS, RECORDS, record)
                    .await;
                // Record n is the one with offset n / partitions of its partition.
                let offsets = i64::try_from(RECORDS).unwrap() / i64::from(PARTITIONS);
                let rest = i64::try_from(RECORDS).unwrap() % i64::from(PARTITIONS);
                let sum = i64::from(PARTITIONS) * offsets * (offsets - 1) / 2 + rest * offsets;
                let records = i64::try_from(RECORDS).unwrap();
                let checkpoint = cluster.lake.checkpoint("result").display().to_string();
                let mut arguments = vec!["stream", broker.bootstrap(), &topic, &table, &checkpoint];
                if kind.durable {
                    arguments.push(&facts);
                }
                Self {
                    arguments: arguments.into_iter().map(str::to_owned).collect(),
                    table,
                    query: "select count(*), count(distinct partition * 1000000000 + \"offset\"),
                        sum(\"offset\"), count(value) from result"
                        .to_owned(),
                    expected: vec![records, records, sum, records],
                    settings,
                    parts: usize::from(kind.durable),
                }
            }
        }
    }

    fn start(&self, cluster: &Cluster) -> Process {
        let mut program = Command::new(built_program("weir-test-node"));
        program
            .args(&self.arguments)
            .env("WEIR_MASTER", cluster.master())
            .env("WEIR_CONF", &self.settings)
            .env("WEIR_LOG", "weir=info,warn")
            .stdin(Stdio::null());
        Process::spawn(program)
    }

    async fn check(&self, what: &str) {
        let session = local().await;
        let rows = session.read().delta(&self.table).await.unwrap();
        rows.create_or_replace_temp_view("result").unwrap();
        assert_eq!(
            numbers(&session, &self.query).await,
            self.expected,
            "{what}"
        );
    }

    async fn wait_for_a_data_file(&self) {
        let table = std::path::Path::new(&self.table);
        eventually(WITHIN, || !files_under(table, ".parquet").is_empty()).await;
    }
}

async fn numbers(session: &Session, query: &str) -> Vec<i64> {
    let rows = session.sql(query).await.unwrap().collect().await.unwrap();
    let columns = rows[0].columns().iter();
    let numbers = columns.map(|column| {
        use weir::datafusion::arrow::array::AsArray as _;
        use weir::datafusion::arrow::datatypes::Int64Type;
        column.as_primitive::<Int64Type>().value(0)
    });
    numbers.collect()
}

/// A driver and three executors; the first of them behind a proxy if `proxied`.
async fn cluster(proxied: bool) -> (Cluster, Option<Proxy>) {
    let log = [(
        "WEIR_LOG",
        "weir=info,weir_executor=debug,weir_driver=info".into(),
    )];
    let mut cluster = Cluster::with_environment(0, &[], &log).await;
    let mut proxy = None;
    if proxied {
        let port = {
            let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            free.local_addr().unwrap()
        };
        let through = Proxy::start(port).await;
        let (listen, advertise) = (port.to_string(), through.address().to_string());
        let arguments = [
            "--cores",
            "1",
            "--listen",
            &listen,
            "--advertise",
            &advertise,
        ];
        cluster.add_executor(&arguments).await;
        proxy = Some(through);
    }
    while cluster.executors.len() < 3 {
        cluster.add_executor(&["--cores", "1"]).await;
    }
    (cluster, proxy)
}

/// Runs `kind` with `fault`; returns how long it took.
async fn run(kind: Kind, fault: Fault, broker: Option<&Broker>) -> Duration {
    let proxied = matches!(fault, Fault::Cut | Fault::CutBetween);
    let (mut cluster, proxy) = cluster(proxied).await;
    let job = Job::new(kind, &cluster, broker).await;
    let kept = if kind.durable { "kept, " } else { "" };
    let what = format!("{:?}, {kept}{fault:?}", kind.work);
    let begun = Instant::now();
    let mut program = job.start(&cluster);
    let victim = &mut cluster.executors[0].process;
    let source = match kind.work {
        Work::Batch => "DataSourceExec)",
        Work::Stream => "KafkaReadExec)",
    };
    match fault {
        Fault::None => {}
        Fault::KillInMap => {
            line(victim, source, "first rows").await;
            victim.kill();
        }
        Fault::KillBetweenStages => {
            line(victim, source, "ended").await;
            victim.kill();
        }
        Fault::KillInReduce => {
            line(victim, "(NetworkShuffleExec)", "first rows").await;
            victim.kill();
        }
        Fault::KillAfterPart => {
            line(&mut program, KEPT, "").await;
            victim.kill();
        }
        Fault::KillInWrite => {
            job.wait_for_a_data_file().await;
            victim.kill();
        }
        Fault::KillAfterWrite => {
            line(victim, "DeltaWriteExec", "ended").await;
            victim.kill();
        }
        Fault::KillDriver => {
            line(victim, source, "first rows").await;
            cluster.driver.kill();
        }
        Fault::KillJob => {
            job.wait_for_a_data_file().await;
            program.kill();
            program = job.start(&cluster);
        }
        Fault::Pause => {
            line(victim, source, "first rows").await;
            victim.pause();
        }
        Fault::Cut => {
            line(victim, source, "first rows").await;
            proxy.as_ref().unwrap().cut();
        }
        Fault::CutBetween => {
            line(victim, "(NetworkShuffleExec)", "first rows").await;
            // The first is the session's, which has sent the tasks.
            proxy.as_ref().unwrap().cut_all_but_the_first();
        }
        Fault::KillAfter(after) => {
            tokio::time::sleep(Duration::from_millis(after)).await;
            victim.kill();
        }
    }
    let finished = program.wait(WITHIN).await;
    let took = begun.elapsed();
    let finished = finished.expect_success();
    let attempts = 1 + finished
        .stderr
        .matches("runs again on those that live")
        .count();
    // No part that is kept is computed again.
    assert_eq!(
        finished.stderr.matches(KEPT).count(),
        job.parts,
        "{what}: {}",
        finished.stderr
    );
    job.check(&what).await;
    println!("| {what} | {attempts} | {:.1} |", took.as_secs_f64());
    if fault == Fault::Pause {
        // The woken executor is there again; what it still has to say reaches nobody.
        cluster.executors[0].process.resume();
        while cluster.shown_executors().await.len() < 3 {}
        job.check(&format!("{what}, afterwards")).await;
    }
    took
}

/// Waits for a line of a process's log that holds both.
async fn line(process: &mut Process, place: &str, what: &str) {
    let deadline = Instant::now() + WITHIN;
    loop {
        let log = process.stderr();
        if log
            .lines()
            .any(|line| line.contains(place) && line.contains(what))
        {
            return;
        }
        let said = || {
            log.lines()
                .filter(|line| line.contains("weir"))
                .collect::<Vec<_>>()
        };
        assert!(
            Instant::now() < deadline,
            "no {place}: {what} in {:#?}",
            said()
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

const OF_BATCHES: [Fault; 11] = [
    Fault::None,
    Fault::KillInMap,
    Fault::KillBetweenStages,
    Fault::KillInReduce,
    Fault::KillInWrite,
    Fault::KillAfterWrite,
    Fault::KillDriver,
    Fault::KillJob,
    Fault::Pause,
    Fault::Cut,
    Fault::CutBetween,
];

const OF_STREAMS: [Fault; 9] = [
    Fault::None,
    Fault::KillInMap,
    Fault::KillBetweenStages,
    Fault::KillInWrite,
    Fault::KillAfterWrite,
    Fault::KillDriver,
    Fault::KillJob,
    Fault::Pause,
    Fault::Cut,
];

#[tokio::test(flavor = "multi_thread")]
async fn batch_gives_each_row_once_whatever_dies() {
    for fault in OF_BATCHES {
        run(Kind::of(Work::Batch, false), fault, None).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn batch_with_durable_exchanges_gives_each_row_once_and_repeats_no_part() {
    for fault in OF_BATCHES.into_iter().chain([Fault::KillAfterPart]) {
        run(Kind::of(Work::Batch, true), fault, None).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stream_gives_each_record_once_whatever_dies() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    for fault in OF_STREAMS {
        run(Kind::of(Work::Stream, false), fault, Some(broker)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stream_with_durable_exchanges_gives_each_record_once_and_repeats_no_part() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    for fault in OF_STREAMS.into_iter().chain([Fault::KillAfterPart]) {
        run(Kind::of(Work::Stream, true), fault, Some(broker)).await;
    }
}

/// `WEIR_FAULT_ROUNDS` rounds from `WEIR_FAULT_SEED`: of any kind, an executor killed at a random moment.
#[tokio::test(flavor = "multi_thread")]
async fn rows_are_there_once_after_kills_at_random_moments() {
    let Some(broker) = broker_or_skip().await else {
        return;
    };
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let rounds: u64 = number("WEIR_FAULT_ROUNDS").unwrap_or(4);
    let seed: u64 = number("WEIR_FAULT_SEED").unwrap_or_else(|| rand::rng().random());
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    for _ in 0..rounds {
        let kind = Kind::ALL[random.random_range(0..Kind::ALL.len())];
        let after = random.random_range(0..2_500);
        run(kind, Fault::KillAfter(after), Some(broker)).await;
    }
}
