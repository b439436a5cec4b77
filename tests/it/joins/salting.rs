//! Salted joins: the rows of the plain ones, whatever is hot, and what is found to be hot.

use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use weir::datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use weir::datafusion::datasource::MemTable;
use weir::prelude::*;
use weir::{ErrorKind, SaveMode};
use weir_tests::files::TempLake;
use weir_tests::process::kill_process;

use super::{joins_of, rows_of, session, table};

const TYPES: [&str; 6] = ["inner", "left", "right", "full", "semi", "anti"];

/// Whether the right side may be salted, and the left: the copied side is the other.
fn legal(how: &str) -> [bool; 2] {
    match how {
        "inner" => [true, true],
        "left" | "semi" | "anti" => [false, true],
        "right" => [true, false],
        _ => [false, false],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn salted_sides_join_to_the_same_rows_or_explain_says_why_not() {
    let lake = TempLake::new();
    for master in ["local[2]", "local-cluster[2,1]"] {
        let session = session(&lake, master, "-1").await;
        let (orders, products) = (
            table(&session, "orders").await,
            table(&session, "products").await,
        );
        for how in TYPES {
            let plain = orders.clone().join(products.clone(), "id", how).unwrap();
            let expected = rows_of(plain).await;
            let [right, left] = legal(how);
            for buckets in [1, 7] {
                let salted = products.clone().salted(buckets).unwrap();
                let by_right = orders.clone().join(salted, "id", how).unwrap();
                let salted = orders.clone().salted(buckets).unwrap();
                let by_left = salted.join(products.clone(), "id", how).unwrap();
                for (joined, legal) in [(by_right, right), (by_left, left)] {
                    let said = joins_of(&joined).await;
                    assert_eq!(said.contains("salted hash join"), legal, "{how}: {said}");
                    let refused = format!("hint salted({buckets}) is not followed: rows of the");
                    assert_eq!(said.contains(&refused), !legal, "{how}: {said}");
                    assert_eq!(rows_of(joined).await, expected, "{master}: {how} {buckets}");
                }
            }
        }
        // A null that equals a null is a key like others.
        let null_safe = "select o.*, p.price from orders o left join products p on o.id is not distinct from p.id";
        let expected = rows_of(session.sql(null_safe).await.unwrap()).await;
        let salted = orders.clone().salted(5).unwrap();
        salted.create_or_replace_temp_view("salted").unwrap();
        let null_safe = null_safe.replace("orders o", "salted o");
        let salted = session.sql(&null_safe).await.unwrap();
        assert!(joins_of(&salted).await.contains("salted hash join"));
        assert_eq!(rows_of(salted).await, expected, "{master}: null-safe");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn salt_without_buckets_is_refused() {
    let lake = TempLake::new();
    let session = session(&lake, "local[2]", "-1").await;
    for buckets in [0, 1025] {
        let error = table(&session, "orders").await.salted(buckets).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        let said = error.to_string();
        assert!(said.contains(&format!("salted({buckets})")), "{said}");
        assert!(said.contains("at least 1 bucket"), "{said}");
    }
    for (setting, value) in [
        ("weir.sql.adaptive.skewJoin.buckets", "0"),
        ("weir.sql.adaptive.skewJoin.buckets", "-3"),
        ("weir.sql.adaptive.skewJoin.enabled", "maybe"),
        ("weir.sql.joinReorder.enabled", "often"),
        (
            "weir.sql.adaptive.skewJoin.skewedPartitionThresholdInBytes",
            "much",
        ),
    ] {
        let session = Session::builder().master("local[1]").config(setting, value);
        let error = session.create().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        let said = error.to_string();
        assert!(said.contains(setting) && said.contains(value), "{said}");
    }
}

/// Sessions that look at every side, however small.
async fn watchful(master: &str) -> Session {
    watchful_over(master, 64).await
}

/// With hot rows spread over so many buckets.
async fn watchful_over(master: &str, buckets: u32) -> Session {
    let node = env!("CARGO_BIN_EXE_weir-test-node");
    Session::builder()
        .master(master)
        .config("weir.executor.program", node)
        .config("weir.sql.shuffle.partitions", 4)
        .config("weir.sql.files.maxPartitionBytes", 1)
        .config("weir.sql.autoBroadcastJoinThreshold", -1)
        .config(
            "weir.sql.adaptive.skewJoin.skewedPartitionThresholdInBytes",
            0,
        )
        .config("weir.sql.adaptive.skewJoin.buckets", buckets)
        .create()
        .await
        .unwrap()
}

/// Adds the rows of a query to table `name`, in a Parquet file.
async fn add_file(session: &Session, rows: &str, lake: &TempLake, name: &str) {
    let rows = session.sql(rows).await.unwrap().write();
    let rows = rows.format("parquet").mode(SaveMode::Append);
    let place = lake.table(name).display().to_string();
    rows.save(&place).await.unwrap();
}

async fn view(session: &Session, lake: &TempLake, name: &str) {
    let place = lake.table(name).display().to_string();
    let rows = session.read().parquet(&place).await.unwrap();
    rows.create_or_replace_temp_view(name).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn hot_keys_are_found_and_only_they_are_salted() {
    let session = watchful("local[2]").await;
    let mut shown = String::new();
    for (title, key) in [
        (
            "one key is of 90%",
            "case when value % 10 < 9 then 7 else value % 1000 end",
        ),
        (
            "nulls are 60%",
            "case when value % 10 < 6 then null else value % 1000 end",
        ),
        ("all keys are null", "cast(null as bigint)"),
        ("all keys are one", "5"),
        ("uniform", "value % 1000"),
    ] {
        let facts = format!("select {key} as id, value from generate_series(1, 20000) as t(value)");
        let facts = session.sql(&facts).await.unwrap().collect().await.unwrap();
        let facts = MemTable::try_new(facts[0].schema(), vec![facts]).unwrap();
        let context = session.datafusion();
        context.deregister_table("facts").unwrap();
        context.register_table("facts", Arc::new(facts)).unwrap();
        for query in [
            "select f.*, d.name from facts f join dims d on f.id = d.id",
            "select f.*, d.name from facts f left join dims d on f.id = d.id",
        ] {
            let dims =
                "select value as id, 'n' || value as name from generate_series(0, 999) as t(value)";
            let dims = session.sql(dims).await.unwrap();
            dims.create_or_replace_temp_view("dims").unwrap();
            let joined = session.sql(query).await.unwrap();
            let said = joins_of(&joined).await;
            let said = said.replace("because no side is known to be under weir.sql.autoBroadcastJoinThreshold (0 bytes, or 0 rows where bytes are not known): ", "");
            let how = if query.contains("left") {
                "left"
            } else {
                "inner"
            };
            let plan = joined
                .explain_string(weir::ExplainMode::Simple)
                .await
                .unwrap();
            let nodes: Vec<&str> = plan
                .lines()
                .filter(|line| line.contains("SaltExec") || line.contains("HashJoinExec"))
                .map(str::trim)
                .collect();
            shown += &format!("{title}, {how}\n    {said}\n    {}\n", nodes.join("\n    "));
        }
    }
    insta::assert_snapshot!(shown);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_were_sampled_are_read_whole_by_the_query() {
    let lake = TempLake::new();
    let session = watchful("local[2]").await;
    for (name, rows) in [("facts", "value % 3 as id, value"), ("dims", "value as id")] {
        let rows = format!("select {rows} from generate_series(1, 9000) as t(value)");
        add_file(&session, &rows, &lake, name).await;
        view(&session, &lake, name).await;
    }
    let joined = "select f.value from facts f join dims d on f.id = d.id";
    let joined = session.sql(joined).await.unwrap();
    let said = joins_of(&joined).await;
    assert!(said.contains("hot keys spread over 64 buckets"), "{said}");
    assert_eq!(joined.count().await.unwrap(), 6_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn hot_rows_stay_beside_the_tasks_that_read_them_if_they_are_all_over_the_table() {
    const ROWS: u64 = 20_000;
    let lake = TempLake::new();
    let session = watchful("local-cluster[2,1]").await;
    let dims = "select value as id from generate_series(1, 1000) as t(value)";
    add_file(&session, dims, &lake, "dims").await;
    view(&session, &lake, "dims").await;
    // One task reads what is in one file.
    let mut received = Vec::new();
    for (name, files, beside) in [("many_files", 4, true), ("one_file", 1, false)] {
        for _ in 0..files {
            let rows = format!(
                "select case when value % 10 < 9 then 7 else value % 1000 + 1 end as id, value
                from generate_series(1, {}) as t(value)",
                ROWS / files
            );
            add_file(&session, &rows, &lake, name).await;
        }
        view(&session, &lake, name).await;
        let joined = format!("select f.value from {name} f join dims d on f.id = d.id");
        let joined = session.sql(&joined).await.unwrap();
        let said = joins_of(&joined).await;
        let spread = "hot keys spread over 64 buckets";
        assert!(said.contains(spread), "{name}: {said}");
        let stay = format!("{spread}, beside the tasks that read them: 7 (");
        assert_eq!(said.contains(&stay), beside, "{name}: {said}");
        assert_eq!(joined.count().await.unwrap(), ROWS, "{name}");
        let profile = joined.profile().await.unwrap();
        // A partition has one copy of what a hot row matches.
        let is_join = |line: &&str| line.contains("HashJoinExec");
        let compared = profile.plan.lines().find(is_join).unwrap();
        assert!(compared.contains("on=[(id@0, id@0)]"), "{compared}");
        let mut stages = profile.stages.iter();
        let join = stages.find(|stage| stage.what.contains("HashJoin"));
        received.push(join.unwrap().received_bytes);
    }
    // Of 20,000 rows, half of the 2,000 that are not hot, and half of all.
    assert!(received[0] < received[1] / 3, "{received:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn hot_on_executors_is_what_fills_half_of_one_of_all_their_partitions() {
    let lake = TempLake::new();
    let local = watchful("local[2]").await;
    for (name, rows) in [
        (
            "facts",
            "case when value % 25 < 2 then 7 else value % 1000 end as id, value",
        ),
        ("dims", "value as id"),
    ] {
        let rows = format!("select {rows} from generate_series(1, 20000) as t(value)");
        add_file(&local, &rows, &lake, name).await;
    }
    // Four partitions, and four in each of two: half of one of them is 12.5% and 6.25%.
    let executors = watchful("local-cluster[2,1]").await;
    for (session, is_hot) in [(&local, false), (&executors, true)] {
        for name in ["facts", "dims"] {
            view(session, &lake, name).await;
        }
        let joined = "select f.value from facts f join dims d on f.id = d.id";
        let said = joins_of(&session.sql(joined).await.unwrap()).await;
        assert_eq!(said.contains("hot keys spread"), is_hot, "{said}");
    }
}

/// Random rows: keys of which some are hot, some null, some without a match.
struct Rows {
    keys: Vec<Option<i64>>,
}

impl Rows {
    fn random(random: &mut StdRng, rows: usize) -> Self {
        let distinct = [1, 2, 10, 300][random.random_range(0..4)];
        let hot: f64 = [0.0, 0.3, 0.9, 1.0][random.random_range(0..4)];
        let null: f64 = [0.0, 0.1, 0.7][random.random_range(0..3)];
        let keys = (0..rows).map(|_| {
            if random.random_bool(null) {
                None
            } else if random.random_bool(hot) {
                Some(3)
            } else {
                Some(random.random_range(0..distinct))
            }
        });
        Self {
            keys: keys.collect(),
        }
    }

    /// In `pieces` partitions, with keys `k` as numbers or texts, and keys `j` of which some are null.
    fn frame(&self, session: &Session, name: &str, as_text: bool, pieces: usize) -> DataFrame {
        let key: ArrayRef = match as_text {
            true => {
                let keys = self
                    .keys
                    .iter()
                    .map(|key| key.map(|key| format!("key {key}")));
                Arc::new(StringArray::from_iter(keys))
            }
            false => Arc::new(Int64Array::from(self.keys.clone())),
        };
        let count = self.keys.len();
        let rows: ArrayRef = Arc::new(Int64Array::from_iter_values(0..count as i64));
        let second = (0..count as i64).map(|row| (row % 7 > 0).then_some(row % 2));
        let second: ArrayRef = Arc::new(Int64Array::from_iter(second));
        let batch = RecordBatch::try_from_iter_with_nullable([
            ("k", key, true),
            ("j", second, true),
            (name, rows, false),
        ])
        .unwrap();
        let size = count.div_ceil(pieces).max(1);
        let parts = (0..count.max(1)).step_by(size);
        let parts = parts.map(|at| vec![batch.slice(at, size.min(count - at))]);
        let table = MemTable::try_new(batch.schema(), parts.collect()).unwrap();
        let frame = session.datafusion().read_table(Arc::new(table)).unwrap();
        DataFrame::from_datafusion(session, frame)
    }
}

/// `WEIR_JOIN_CASES` cases from `WEIR_JOIN_SEED`.
#[tokio::test(flavor = "multi_thread")]
async fn random_tables_join_to_the_same_rows_salted_and_not() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let cases: u64 = number("WEIR_JOIN_CASES").unwrap_or(1_000);
    let seed: u64 = number("WEIR_JOIN_SEED").unwrap_or_else(|| rand::rng().random());
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let plain = plain("local[2]").await;
    // Buckets for all of the four partitions, and for some.
    let (many, few) = (
        watchful("local[2]").await,
        watchful_over("local[2]", 3).await,
    );
    let (mut found, mut salted) = (0, 0);
    for case in 0..cases {
        // Enough of them to be sampled, and few pairs.
        let sizes = [[1_500, 12], [40, 1_200], [60, 60], [1_100, 0]];
        let [left, right] = sizes[random.random_range(0..sizes.len())];
        let (left, right) = (
            Rows::random(&mut random, left),
            Rows::random(&mut random, right),
        );
        let how = TYPES[random.random_range(0..TYPES.len())];
        let as_text = random.random_bool(0.3);
        let pieces = random.random_range(1..4);
        let buckets = random.random_range(1..9);
        let explicit = random.random_range(0..3);
        let keys: &[&str] = [&["k"][..], &["k", "j"]][random.random_range(0..2)];
        let watchful = [&many, &few][random.random_range(0..2)];
        let join = |session: &Session, salted: usize| {
            let mut sides = [
                left.frame(session, "l", as_text, pieces),
                right.frame(session, "r", as_text, pieces),
            ];
            if let Some(side) = sides.get_mut(salted) {
                *side = side.clone().salted(buckets).unwrap();
            }
            let [left, mut right] = sides;
            if !keys.contains(&"j") {
                right = right.drop(["j"]).unwrap();
            }
            left.join(right, keys, how).unwrap()
        };
        let expected = rows_of(join(&plain, 2)).await;
        let joined = join(watchful, explicit);
        if case % 10 == 0 {
            let said = joins_of(&joined).await;
            found += usize::from(said.contains("hot keys spread"));
            salted +=
                usize::from(said.contains("hint salted") && said.contains("salted hash join"));
        }
        let got = rows_of(joined).await;
        let title = format!("case {case} of seed {seed}: {how}, {explicit} salted");
        assert_same(&got, &expected, &title);
    }
    if cases >= 1_000 {
        assert!(found > 0 && salted > 0, "{found} found, {salted} asked for");
    }
}

/// Says which rows differ: there are many.
fn assert_same(got: &str, expected: &str, title: &str) {
    if got == expected {
        return;
    }
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let (got, expected) = (lines(got), lines(expected));
    let differing = got
        .iter()
        .zip(&expected)
        .filter(|(got, expected)| got != expected);
    let differing: Vec<_> = differing.take(5).collect();
    panic!(
        "{title}: {} lines, not {}: {differing:#?}",
        got.len(),
        expected.len()
    );
}

async fn plain(master: &str) -> Session {
    Session::builder()
        .master(master)
        .config("weir.sql.shuffle.partitions", 4)
        .config("weir.sql.adaptive.skewJoin.enabled", "false")
        .create()
        .await
        .unwrap()
}

/// `WEIR_JOIN_KILLS` rounds from `WEIR_JOIN_SEED`.
#[tokio::test(flavor = "multi_thread")]
async fn random_tables_join_to_the_same_rows_salted_while_executors_die() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let rounds: u64 = number("WEIR_JOIN_KILLS").unwrap_or(6);
    let seed: u64 = number("WEIR_JOIN_SEED").unwrap_or_else(|| rand::rng().random());
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let alone = plain("local[2]").await;
    for round in 0..rounds {
        let lake = TempLake::new();
        let session = watchful("local-cluster[3,1]").await;
        let (left, right) = (
            Rows::random(&mut random, 12_000),
            Rows::random(&mut random, 12),
        );
        let sides = [(left, "l"), (right, "r")];
        for (rows, name) in &sides {
            let rows = rows.frame(&alone, name, false, 6).write();
            let rows = rows.mode(SaveMode::Overwrite).format("parquet");
            rows.option("maxRecordsPerFile", 2_000)
                .save(&lake.table(name).display().to_string())
                .await
                .unwrap();
        }
        let how = ["inner", "left", "semi", "anti"][random.random_range(0..4)];
        let join = async |session: &Session| {
            let read = async |name: &str| {
                let place = lake.table(name).display().to_string();
                session.read().parquet(&place).await.unwrap()
            };
            let (left, right) = (read("l").await, read("r").await);
            left.join(right, ["k", "j"], how).unwrap()
        };
        let expected = rows_of(join(&alone).await).await;
        let mut executors = session.executors();
        for _ in 0..2 {
            let dying = executors.remove(random.random_range(0..executors.len()));
            let after = Duration::from_millis(random.random_range(0..700));
            let killing = tokio::spawn(async move {
                tokio::time::sleep(after).await;
                kill_process(dying.process_id.unwrap());
            });
            let got = rows_of(join(&session).await).await;
            killing.await.unwrap();
            assert_same(
                &got,
                &expected,
                &format!("round {round} of seed {seed}: {how}"),
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_called_like_the_salt_stay() {
    let session = plain("local[2]").await;
    let rows = |rows: &'static str| async { session.sql(rows).await.unwrap() };
    let left =
        "select value % 3 as id, value as __weir_salt from generate_series(1, 9) as t(value)";
    let right = "select value as id, 'n' || value as name from generate_series(0, 5) as t(value)";
    let plain = rows(left)
        .await
        .join(rows(right).await, "id", "left")
        .unwrap();
    let salted = rows(left).await.salted(4).unwrap();
    let salted = salted.join(rows(right).await, "id", "left").unwrap();
    assert!(joins_of(&salted).await.contains("salted hash join"));
    assert_eq!(rows_of(salted).await, rows_of(plain).await);
}
