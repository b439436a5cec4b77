//! Which join comes first: `weir.sql.joinReorder.enabled`.

use weir::ExplainMode;
use weir::prelude::*;
use weir_tests::files::TempLake;

use super::{joins_of, rows_of};

const TABLES: &[(&str, &str)] = &[
    (
        "countries",
        "select value as id, 'country ' || value as name from generate_series(0, 24) as t(value)",
    ),
    (
        "customers",
        "select value as id, value % 25 as country, 'customer ' || value as name
        from generate_series(0, 399) as t(value)",
    ),
    (
        "orders",
        "select value as id, value % 400 as customer, value % 7 as amount
        from generate_series(0, 3999) as t(value)",
    ),
];

async fn session(lake: &TempLake, master: &str, format: &str, reorder: bool) -> Session {
    let node = env!("CARGO_BIN_EXE_weir-test-node");
    let builder = Session::builder()
        .master(master)
        .config("weir.executor.program", node)
        .config("weir.sql.shuffle.partitions", 4)
        .config("weir.sql.joinReorder.enabled", reorder);
    let session = builder.create().await.unwrap();
    for (name, rows) in TABLES {
        let place = lake.table(&format!("{name}-{format}"));
        let path = place.display().to_string();
        if !place.exists() {
            let rows = session.sql(rows).await.unwrap().write();
            rows.format(format).save(&path).await.unwrap();
        }
        let rows = match format {
            "delta" => session.read().delta(&path).await.unwrap(),
            _ => session.read().parquet(&path).await.unwrap(),
        };
        rows.create_or_replace_temp_view(name).unwrap();
    }
    session
}

/// What is compared by each join, that at the bottom first.
async fn order_of(session: &Session, query: &str) -> Vec<String> {
    let joins = joins_of(&session.sql(query).await.unwrap()).await;
    let first = |line: &str| line.split(": ").next().unwrap().to_owned();
    let unnumbered = |text: String| {
        let keep = text.split('@').enumerate().map(|(at, part)| match at {
            0 => part,
            _ => part.trim_start_matches(|digit: char| digit.is_ascii_digit()),
        });
        keep.collect::<String>()
    };
    let own: Vec<&str> = joins.lines().take_while(|line| !line.is_empty()).collect();
    own.into_iter().rev().map(first).map(unnumbered).collect()
}

const FILTERED: &str = "select o.*, c.name as buyer, n.name as country from orders o join customers c on o.customer = c.id
    join countries n on c.country = n.id where n.name in ('country 3', 'country 4')";

const FEW_GROUPS: &str = "select c.name, o.id from customers c join orders o on o.customer = c.id
    where c.id in (select customer from orders group by customer having sum(amount) > 35)";

#[tokio::test(flavor = "multi_thread")]
async fn joins_that_leave_rows_out_come_first_and_give_the_same_rows() {
    let lake = TempLake::new();
    for (master, format) in [
        ("local[2]", "parquet"),
        ("local[2]", "delta"),
        ("local-cluster[2,1]", "parquet"),
    ] {
        let on = session(&lake, master, format, true).await;
        let off = session(&lake, master, format, false).await;
        for (query, moved, as_written) in [
            (
                FILTERED,
                ["Inner join on id = country", "Inner join on id = customer"],
                ["Inner join on id = customer", "Inner join on id = country"],
            ),
            (
                FEW_GROUPS,
                [
                    "LeftSemi join on id = customer",
                    "Inner join on id = customer",
                ],
                [
                    "Inner join on id = customer",
                    "LeftSemi join on id = customer",
                ],
            ),
        ] {
            let plan = on.sql(query).await.unwrap();
            let plan = plan.explain_string(ExplainMode::Extended).await.unwrap();
            assert_eq!(
                order_of(&on, query).await,
                moved,
                "{master}, {format}:\n{plan}"
            );
            assert_eq!(
                order_of(&off, query).await,
                as_written,
                "{master}, {format}"
            );
            let (on, off) = (on.sql(query).await.unwrap(), off.sql(query).await.unwrap());
            assert_eq!(on.schema(), off.schema());
            let rows = rows_of(on).await;
            assert!(rows.lines().count() > 10, "{rows}");
            assert_eq!(rows, rows_of(off).await, "{master}, {format}: {query}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn joins_that_do_not_leave_rows_out_or_look_at_both_sides_stay_where_they_are() {
    let lake = TempLake::new();
    let on = session(&lake, "local[2]", "parquet", true).await;
    let off = session(&lake, "local[2]", "parquet", false).await;
    for query in [
        // Nothing is filtered.
        "select o.*, n.name as country from orders o join customers c on o.customer = c.id join countries n on c.country = n.id",
        // The filtered side is larger.
        "select o.*, n.name as country from countries n join customers c on c.country = n.id join orders o on o.customer = c.id where o.amount > 3",
        // A customer without an order is a row, too.
        "select o.*, n.name as country from orders o right join customers c on o.customer = c.id
            join countries n on c.country = n.id where n.name = 'country 3'",
        // Both sides are looked at.
        "select o.*, n.name as country from orders o join customers c on o.customer = c.id
            join countries n on c.country = n.id and n.id < o.amount where n.name <> 'country 3'",
        // All groups there are.
        "select c.name, o.id from customers c join orders o on o.customer = c.id
            where c.id in (select customer from orders group by customer)",
    ] {
        assert_eq!(
            order_of(&on, query).await,
            order_of(&off, query).await,
            "{query}"
        );
        let (on, off) = (on.sql(query).await.unwrap(), off.sql(query).await.unwrap());
        assert_eq!(rows_of(on).await, rows_of(off).await, "{query}");
    }
}
