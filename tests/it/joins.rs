//! How joins are chosen, what `explain` says of it, and that the rows are the same however a join is done.

mod bad;
mod broadcast;
mod groups;
mod order;
mod salting;

use weir::datafusion::arrow::util::pretty::pretty_format_batches;
use weir::functions::broadcast;
use weir::prelude::*;
use weir::{ErrorKind, ExplainMode, SessionBuilder};
use weir_tests::files::TempLake;

/// A session with `threshold` for broadcasts, and the tables of `lake`.
async fn session(lake: &TempLake, master: &str, threshold: &str) -> Session {
    let node = env!("CARGO_BIN_EXE_weir-test-node");
    let builder: SessionBuilder = Session::builder()
        .master(master)
        .config("weir.executor.program", node)
        .config("weir.sql.shuffle.partitions", 4)
        .config("weir.sql.files.maxPartitionBytes", 1)
        .config("weir.sql.autoBroadcastJoinThreshold", threshold);
    let session = builder.create().await.unwrap();
    for (name, rows) in [("orders", ORDERS), ("products", PRODUCTS)] {
        let place = lake.table(name);
        let path = place.display().to_string();
        if !place.exists() {
            let rows = session.sql(rows).await.unwrap().write();
            let rows = rows.format("parquet").option("maxRecordsPerFile", 20);
            rows.save(&path).await.unwrap();
        }
        let rows = session.read().parquet(&path).await.unwrap();
        rows.create_or_replace_temp_view(name).unwrap();
    }
    session
}

/// Keys that match once, several times, not at all, and null.
const ORDERS: &str = "
    select case when value % 7 = 6 then null else value % 20 end as id, value as amount
    from generate_series(1, 100) as t(value)";
const PRODUCTS: &str = "
    select case when value % 9 = 8 then null else value % 30 end as id, value * 10 as price
    from generate_series(5, 44) as t(value)";

async fn table(session: &Session, name: &str) -> DataFrame {
    let rows = session.sql(&format!("select * from {name}")).await.unwrap();
    rows.alias(name).unwrap()
}

/// The part of `explain` about joins.
async fn joins_of(frame: &DataFrame) -> String {
    let text = frame.explain_string(ExplainMode::Simple).await.unwrap();
    let joins = text.split("== Joins ==\n").nth(1);
    joins.unwrap_or_else(|| panic!("{text}")).trim().to_owned()
}

async fn rows_of(frame: DataFrame) -> String {
    let columns = frame.schema().fields().len();
    let order = (1..=columns).map(|at| at.to_string()).collect::<Vec<_>>();
    let order = order.join(", ");
    frame.create_or_replace_temp_view("joined").unwrap();
    let rows = format!("select * from joined order by {order}");
    let rows = frame.session().sql(&rows).await.unwrap();
    let rows = rows.collect().await.unwrap();
    pretty_format_batches(&rows).unwrap().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn joins_are_chosen_by_size_and_hint_and_explain_says_why() {
    let lake = TempLake::new();
    let mut shown = String::new();
    let mut show = |title: &str, joins: String| {
        shown += &format!("{title}\n    {}\n", joins.replace('\n', "\n    "));
    };
    for threshold in ["1MB", "-1"] {
        let session = session(&lake, "local[2]", threshold).await;
        let (orders, products) = (
            table(&session, "orders").await,
            table(&session, "products").await,
        );
        let joined = orders.clone().join(products.clone(), "id", "left").unwrap();
        show(
            &format!("left, threshold {threshold}"),
            joins_of(&joined).await,
        );
        for how in ["inner", "left", "right", "full", "semi", "anti"] {
            for hint in ["broadcast", "merge", "shuffle_hash"] {
                let hinted = products.clone().hint(hint).unwrap();
                let joined = orders.clone().join(hinted, "id", how).unwrap();
                show(
                    &format!("{how}, hint {hint} on the right, threshold {threshold}"),
                    joins_of(&joined).await,
                );
            }
        }
    }
    let session = session(&lake, "local[2]", "-1").await;
    let both = table(&session, "orders").await.hint("merge").unwrap();
    let products = table(&session, "products").await;
    let joined = both
        .join(
            broadcast(products).unwrap().filter("price > 30").unwrap(),
            "id",
            "inner",
        )
        .unwrap();
    show(
        "merge on the left, broadcast on the right, filtered",
        joins_of(&joined).await,
    );
    for query in [
        "select /*+ BROADCAST(p) */ * from orders o join products p on o.id = p.id",
        "select /*+ MERGE(o), broadcast(q) */ * from orders o left join (select * from products) q on o.id = q.id",
        "select /*+ shuffle_hash(orders) */ * from orders join products using (id)",
        "select /*+ BROADCAST(p) */ * from orders o join products p on o.id < p.id",
        "select /*+ MERGE(p) */ * from orders o join products p on o.id < p.id",
        "select * from (select /*+ MERGE(b) */ a.id from orders a join orders b on a.id = b.id) x join products p on x.id = p.id",
        "with p as (select * from products) select /*+ MAPJOIN(p) */ o.id from orders o, p where o.id = p.id",
        "select * from orders o cross join products p",
        "select * from orders where id not in (select id from products)",
    ] {
        show(query, joins_of(&session.sql(query).await.unwrap()).await);
    }
    insta::assert_snapshot!(shown);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_hint_gives_the_same_rows_for_every_join_type() {
    let lake = TempLake::new();
    for master in ["local[2]", "local-cluster[2,1]"] {
        let session = session(&lake, master, "-1").await;
        let (orders, products) = (
            table(&session, "orders").await,
            table(&session, "products").await,
        );
        for how in ["inner", "left", "right", "full", "semi", "anti"] {
            let expected = orders.clone().join(products.clone(), "id", how).unwrap();
            let expected = rows_of(expected).await;
            for hint in ["broadcast", "merge", "shuffle_hash"] {
                for (left, right) in [(true, false), (false, true)] {
                    let hinted = |frame: &DataFrame, wanted| match wanted {
                        true => frame.clone().hint(hint).unwrap(),
                        false => frame.clone(),
                    };
                    let (orders, products) = (hinted(&orders, left), hinted(&products, right));
                    let joined = orders.join(products, "id", how).unwrap();
                    let got = rows_of(joined).await;
                    assert_eq!(got, expected, "{master}: {how}, {hint} left {left}");
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hints_that_are_unknown_or_name_nothing_are_refused() {
    let lake = TempLake::new();
    let session = session(&lake, "local[2]", "-1").await;
    let orders = || table(&session, "orders");
    let sql = async |query: &str| session.sql(query).await.unwrap_err();
    for (error, kind, said) in [
        (
            orders().await.hint("brodcast").unwrap_err(),
            ErrorKind::InvalidArgument,
            "did you mean \"broadcast\"",
        ),
        (
            orders().await.hint("rebalance").unwrap_err(),
            ErrorKind::Unsupported,
            "hint \"rebalance\" is not supported",
        ),
        (
            sql("select /*+ BROADCAST(x) */ * from orders o join products p on o.id = p.id").await,
            ErrorKind::InvalidPlan,
            "hint broadcast(x) names no relation of its SELECT, which has o, p",
        ),
        (
            sql("select /*+ BROADCAST() */ * from orders").await,
            ErrorKind::InvalidPlan,
            "names no relation: write it as in BROADCAST(p)",
        ),
        (
            sql("select /*+ MERGE */ * from orders").await,
            ErrorKind::InvalidPlan,
            "name the relations it is for",
        ),
        (
            sql("select /*+ BROADCAST(orders) NOPE(orders) */ * from orders").await,
            ErrorKind::InvalidArgument,
            "unknown hint \"NOPE\"",
        ),
    ] {
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(said), "{error}");
    }
}

/// One partition shuffles nothing, and a join in it is not one that broadcasts.
#[tokio::test(flavor = "multi_thread")]
async fn join_in_one_partition_has_no_broadcast_to_limit() {
    let session = Session::builder()
        .master("local[1]")
        .config("weir.sql.broadcastLimit", "100B")
        .config("weir.sql.autoBroadcastJoinThreshold", -1)
        .create()
        .await
        .unwrap();
    let joined = "select a.value from generate_series(1, 5000) as a(value) join generate_series(1, 5000) as b(value) on a.value = b.value";
    let joined = session.sql(joined).await.unwrap();
    assert!(
        joins_of(&joined)
            .await
            .ends_with("because there is one partition")
    );
    assert_eq!(joined.count().await.unwrap(), 5_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn hints_in_a_scalar_subquery_are_followed_and_explained_queries_stay_whole() {
    let lake = TempLake::new();
    for master in ["local[2]", "local-cluster[2,1]"] {
        let session = session(&lake, master, "-1").await;
        let hinted = "select id from orders where amount > (select /*+ BROADCAST(p) */ avg(o.amount) from orders o join products p on o.id = p.id) and id is not null";
        let plain = hinted.replace("/*+ BROADCAST(p) */ ", "");
        let hinted = session.sql(hinted).await.unwrap();
        let said = joins_of(&hinted).await;
        assert!(
            said.contains("broadcast hash join, because hint broadcast"),
            "{said}"
        );
        let expected = rows_of(session.sql(&plain).await.unwrap()).await;
        assert_eq!(rows_of(hinted).await, expected, "{master}");
    }
    let session = session(&lake, "local[2]", "-1").await;
    let explained = "explain select * from orders o join products p on o.id = p.id";
    let explained = session
        .sql(explained)
        .await
        .unwrap()
        .collect()
        .await
        .unwrap();
    let explained = pretty_format_batches(&explained).unwrap().to_string();
    assert!(explained.contains("RepartitionExec"), "{explained}");
}
