//! `silver_to_gold` over tables that Python writes; what gold must hold is computed in plain Python.

use std::time::Instant;

use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use crate::bronze::RUN_WITHIN;
use crate::layers::{Layers, Shape, random};

const SILVER: Shape<'_> = (
    &[
        ("event_id", "string"),
        ("order_id", "string"),
        ("product_id", "string"),
        ("quantity", "int"),
        ("amount", "decimal(18,2)"),
        ("event_date", "date"),
    ],
    Some("event_date"),
);
const PRODUCTS: Shape<'_> = (
    &[
        ("product_id", "string"),
        ("name", "string"),
        ("category", "string"),
    ],
    None,
);
const COLUMNS: [&str; 7] = [
    "event_date",
    "category",
    "matched",
    "order_count",
    "item_count",
    "quantity",
    "revenue",
];
const DAYS: [&str; 4] = ["2026-01-30", "2026-01-31", "2026-02-01", "2026-02-02"];

struct Gold(Layers);

impl Gold {
    async fn new() -> Option<Self> {
        Some(Self(Layers::new("silver_to_gold").await?))
    }

    async fn silver(&self, rows: &[Value]) {
        self.0.write("silver", SILVER, rows).await;
    }

    async fn products(&self, rows: &[Value]) {
        self.0.write("products", PRODUCTS, rows).await;
    }

    fn arguments(&self, date: &str) -> Vec<String> {
        let url = |table| self.0.url(table);
        [
            ("--silver", url("silver")),
            ("--products", url("products")),
            ("--gold", url("gold")),
            ("--date", date.to_owned()),
        ]
        .into_iter()
        .flat_map(|(name, value)| [name.to_owned(), value])
        .collect()
    }

    async fn run(&self, date: &str) -> Value {
        let arguments = self.arguments(date);
        self.0.succeed(&as_str(&arguments)).await
    }

    async fn refuse(&self, date: &str, kind: &str, parts: &[&str]) {
        let arguments = self.arguments(date);
        let code = if kind == "invalid_argument" { 2 } else { 1 };
        self.0.refuse(&as_str(&arguments), code, kind, parts).await;
    }

    async fn rows(&self) -> Vec<Vec<Value>> {
        self.0.rows("gold", &COLUMNS).await
    }

    async fn expected(&self, first: &str, last: &str) -> Vec<Vec<Value>> {
        let (silver, products) = (self.0.url("silver"), self.0.url("products"));
        let arguments = [silver.as_str(), &products, first, last];
        self.0
            .expected("expect_gold.py", &arguments, &COLUMNS)
            .await
    }
}

fn as_str(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

fn line(order: &str, product: Option<&str>, amount: &str, date: &str) -> Value {
    json!({
        "event_id": format!("{order}-{product:?}"), "order_id": order, "product_id": product,
        "quantity": 2, "amount": amount, "event_date": date,
    })
}

fn product(id: &str, category: Option<&str>) -> Value {
    json!({"product_id": id, "name": format!("product {id}"), "category": category})
}

/// Orders of several lines over [`DAYS`], of products the dimension has (p0 to p39) and has not.
fn random_orders(random: &mut StdRng, lines: usize) -> Vec<Value> {
    (0..lines)
        .map(|n| {
            let product = random.random_range(0..45);
            let cents: u32 = random.random_range(0..1_000_000);
            json!({
                "event_id": format!("e{n}"),
                "order_id": format!("o{}", random.random_range(0..lines / 3)),
                "product_id": (product > 0).then(|| format!("p{product}")),
                "quantity": random.random_bool(0.9).then(|| random.random_range(0..10)),
                "amount": format!("{}.{:02}", cents / 100, cents % 100),
                "event_date": DAYS[random.random_range(0..DAYS.len())],
            })
        })
        .collect()
}

/// p0 to p39 in some categories, one of which is null.
fn dimension() -> Vec<Value> {
    let category = |n: usize| (!n.is_multiple_of(7)).then(|| format!("c{}", n % 7));
    (0..40)
        .map(|n| product(&format!("p{n}"), category(n).as_deref()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_add_up_by_day_and_category_and_unknown_products_stay_apart() {
    let Some(gold) = Gold::new().await else {
        return;
    };
    let (first, second, outside) = (DAYS[1], DAYS[2], DAYS[3]);
    gold.products(&[
        product("book", Some("media")),
        product("film", Some("media")),
        product("sofa", Some("home")),
        product("thing", None),
        // What users call their categories is theirs.
        product("odd", Some("(unmatched)")),
    ])
    .await;
    let mut silver = vec![
        line("1", Some("book"), "10.00", first),
        line("1", Some("film"), "5.50", first),
        line("1", Some("sofa"), "100.00", first),
        line("2", Some("book"), "0.05", first),
        line("3", Some("gone"), "7.00", first),
        line("3", None, "8.00", first),
        line("4", Some("thing"), "9.00", first),
        line("4", Some("odd"), "1.00", first),
        // Spelt otherwise, it is another product.
        line("5", Some("Book"), "2.00", second),
        line("6", Some("book"), "9999999999999999.99", second),
        line("7", Some("book"), "9999999999999999.99", second),
        line("8", Some("book"), "3.00", outside),
    ];
    silver[3]["quantity"] = Value::Null;
    silver[6]["quantity"] = Value::Null;
    gold.silver(&silver).await;
    let outcome = gold.run(&format!("{first}..{second}")).await;
    assert_eq!(outcome["silver_rows"], 11, "{outcome}");
    assert_eq!(outcome["matched_rows"], 8, "{outcome}");
    assert_eq!(outcome["unmatched_rows"], 3, "{outcome}");
    assert_eq!(outcome["gold_rows"], 7, "{outcome}");
    assert_eq!(outcome["dates_with_rows"], 2, "{outcome}");
    assert_eq!(outcome["revenue"], "20000000000000142.53", "{outcome}");
    assert_eq!(outcome["first_date"], first, "{outcome}");
    assert_eq!(outcome["last_date"], second, "{outcome}");
    assert_eq!(outcome["silver_version"], 0, "{outcome}");
    assert_eq!(outcome["products_version"], 0, "{outcome}");
    assert_eq!(outcome["gold_version"], 0, "{outcome}");
    let mut expected = vec![
        json!([first, "media", true, 2, 3, 4, "15.55"]),
        json!([first, "home", true, 1, 1, 2, "100.00"]),
        json!([first, "(unmatched)", true, 1, 1, 2, "1.00"]),
        json!([first, null, true, 1, 1, null, "9.00"]),
        json!([first, null, false, 1, 2, 4, "15.00"]),
        json!([second, null, false, 1, 1, 2, "2.00"]),
        json!([second, "media", true, 2, 2, 4, "19999999999999999.98"]),
    ];
    expected.sort_by_key(Value::to_string);
    let found: Vec<Value> = gold.rows().await.into_iter().map(Value::from).collect();
    assert_eq!(found, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn random_orders_give_what_python_computes_whichever_ranges_they_are_run_in_and_how_often() {
    let Some(gold) = Gold::new().await else {
        return;
    };
    gold.products(&dimension()).await;
    gold.silver(&random_orders(&mut random(), 3_000)).await;
    let all = gold.expected(DAYS[0], DAYS[3]).await;
    assert!(all.len() > 4 * 7, "every category on every day: {all:?}");
    // Parts first, from the middle, then over each other.
    gold.run(DAYS[2]).await;
    assert_eq!(gold.rows().await, gold.expected(DAYS[2], DAYS[2]).await);
    gold.run(&format!("{}..{}", DAYS[0], DAYS[1])).await;
    assert_eq!(gold.rows().await, gold.expected(DAYS[0], DAYS[2]).await);
    for range in ["0001-01-01..9999-12-31", DAYS[1], "2026-01-30..2026-02-02"] {
        let outcome = gold.run(range).await;
        assert_eq!(gold.rows().await, all, "{outcome}");
        let rows = |name: &str| outcome[name].as_u64().unwrap();
        assert_eq!(
            rows("matched_rows") + rows("unmatched_rows"),
            rows("silver_rows"),
            "{outcome}"
        );
        assert!(rows("unmatched_rows") > 0, "{outcome}");
    }
    // The same days by two processes at once: the one that comes second starts over.
    let arguments = gold.arguments("2026-01-30..2026-02-02");
    let arguments = as_str(&arguments);
    let (one, other) = tokio::join!(gold.0.succeed(&arguments), gold.0.succeed(&arguments));
    assert_eq!(gold.rows().await, all, "{one} {other}");
}

#[tokio::test(flavor = "multi_thread")]
async fn date_that_silver_lost_is_empty_in_gold_and_other_dates_stay() {
    let Some(gold) = Gold::new().await else {
        return;
    };
    gold.products(&dimension()).await;
    // No orders at all: a table without rows.
    gold.silver(&[]).await;
    let outcome = gold.run(DAYS[0]).await;
    assert_eq!(outcome["silver_rows"], 0, "{outcome}");
    assert_eq!(outcome["gold_rows"], 0, "{outcome}");
    assert_eq!(outcome["revenue"], Value::Null, "{outcome}");
    assert!(gold.rows().await.is_empty());

    let lines = |days: &[&str]| -> Vec<Value> {
        days.iter()
            .map(|day| line("1", Some("p1"), "1.25", day))
            .collect()
    };
    gold.silver(&lines(&DAYS)).await;
    gold.run(&format!("{}..{}", DAYS[0], DAYS[3])).await;
    assert_eq!(gold.rows().await.len(), 4);
    gold.silver(&lines(&DAYS[..1])).await;
    let outcome = gold.run(&format!("{}..{}", DAYS[1], DAYS[2])).await;
    assert_eq!(outcome["silver_rows"], 0, "{outcome}");
    let rows = gold.rows().await;
    let days: Vec<&str> = rows.iter().map(|row| row[0].as_str().unwrap()).collect();
    assert_eq!(days, [DAYS[0], DAYS[3]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn dimension_that_would_double_or_hide_rows_is_refused_by_key() {
    let Some(gold) = Gold::new().await else {
        return;
    };
    gold.silver(&[line("1", Some("p1"), "1.00", DAYS[0])]).await;
    let mut rows = dimension();
    rows.extend([product("p3", Some("c3")), product("p3", None)]);
    rows.push(product("p1", Some("other")));
    gold.products(&rows).await;
    let table = gold.0.url("products");
    let twice = [
        "--products",
        table.as_str(),
        "version 0",
        "2 product_id more than once",
        "\"p3\" in 3 rows, \"p1\" in 2 rows;",
        "run the job again",
    ];
    gold.refuse(DAYS[0], "compute", &twice).await;
    // No more than five by name.
    let many: Vec<Value> = dimension().into_iter().chain(dimension()).collect();
    gold.products(&many).await;
    let parts = ["40 product_id", "\"p0\" in 2 rows", "and 35 more"];
    gold.refuse(DAYS[0], "compute", &parts).await;

    let mut rows = dimension();
    rows.push(json!({"product_id": null, "name": "?", "category": "c1"}));
    gold.products(&rows).await;
    let parts = ["--products", "1 rows whose product_id is null"];
    gold.refuse(DAYS[0], "compute", &parts).await;
    assert!(!gold.0.lake.table("gold").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_that_name_products_match_their_text() {
    let Some(gold) = Gold::new().await else {
        return;
    };
    let shape: Shape<'_> = (&[("product_id", "bigint"), ("category", "string")], None);
    let rows = [
        json!({"product_id": 7, "category": "a"}),
        json!({"product_id": 70, "category": "b"}),
    ];
    gold.0.write("products", shape, &rows).await;
    let lines = ["7", "70", "07"].map(|id| line(id, Some(id), "1.00", DAYS[0]));
    gold.silver(&lines).await;
    let outcome = gold.run(DAYS[0]).await;
    assert_eq!(outcome["matched_rows"], 2, "{outcome}");
    assert_eq!(outcome["unmatched_rows"], 1, "{outcome}");
}

#[tokio::test(flavor = "multi_thread")]
async fn table_or_argument_that_does_not_suit_is_named() {
    let Some(gold) = Gold::new().await else {
        return;
    };
    let day = DAYS[0];
    let path = |table: &str| gold.0.url(table).trim_start_matches("file://").to_owned();
    gold.refuse(day, "not_found", &["--products", &path("products")])
        .await;
    gold.products(&dimension()).await;
    gold.refuse(day, "not_found", &["--silver", &path("silver")])
        .await;
    gold.silver(&[line("1", Some("p1"), "1.00", day)]).await;
    for (wrong, parts) in [
        ("2026-02-30", "a date like 2026-01-31"),
        ("2026-02-01..2026-01-31", "before it begins"),
    ] {
        gold.refuse(wrong, "invalid_argument", &["--date", wrong, parts])
            .await;
    }
    let with = |more: [&str; 2]| {
        let mut arguments = gold.arguments(day);
        arguments.extend(more.map(str::to_owned));
        arguments
    };
    for (more, parts) in [
        (["--conf", "weir.sql.shuffle"], vec!["--conf", "KEY=VALUE"]),
        (
            ["--conf", "weir.memory.limits=1GB"],
            vec!["weir.memory.limits", "weir.memory.limit"],
        ),
        (["--max-runtime", "soon"], vec!["--max-runtime", "soon"]),
        (["--dates", "x"], vec!["--dates", "--date"]),
    ] {
        let arguments = with(more);
        gold.0
            .refuse(&as_str(&arguments), 2, "invalid_argument", &parts)
            .await;
    }

    // Columns, of each table.
    let wrong: [(&str, Shape<'_>, &[&str]); 6] = [
        (
            "products",
            (&[("product", "string"), ("category", "string")], None),
            &["--products", "no column \"product_id\"", "\"product\""],
        ),
        (
            "products",
            (&[("product_id", "string"), ("name", "string")], None),
            &["--products", "no column \"category\"", "product_id, name"],
        ),
        (
            "products",
            (&[("product_id", "double"), ("category", "string")], None),
            &["--products", "\"product_id\"", "Float64", "whole number"],
        ),
        (
            "silver",
            (&[("event_date", "date"), ("product_id", "string")], None),
            &["--silver", "no column \"order_id\""],
        ),
        (
            "silver",
            (&[("event_date", "string"), ("order_id", "string")], None),
            &["--silver", "\"event_date\"", "a date"],
        ),
        (
            "silver",
            (
                &[
                    ("event_date", "date"),
                    ("order_id", "string"),
                    ("product_id", "string"),
                    ("quantity", "int"),
                    ("amount", "double"),
                ],
                None,
            ),
            &["--silver", "\"amount\"", "Float64", "a decimal"],
        ),
    ];
    for (table, shape, parts) in wrong {
        gold.products(&dimension()).await;
        gold.0.write(table, shape, &[]).await;
        let url = gold.0.url(table);
        gold.refuse(day, "invalid_plan", &[parts, &[&url]].concat())
            .await;
    }
    assert!(!gold.0.lake.table("gold").exists());

    // Gold that is another table.
    gold.silver(&[line("1", Some("p1"), "1.00", day)]).await;
    gold.0
        .write("gold", PRODUCTS, &[product("p1", Some("c1"))])
        .await;
    let arguments = gold.arguments(day);
    let finished = gold.0.run(&as_str(&arguments)).await.expect_failure();
    let message = finished.last_json()["error"]["message"].to_string();
    assert!(message.contains("--gold"), "{message}");
    assert!(message.contains("event_date"), "{message}");
    assert_eq!(
        gold.0
            .rows("gold", &["product_id", "name", "category"])
            .await
            .len(),
        1,
        "it is as it was"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_random_moments_gold_is_as_before_or_as_after_and_in_the_end_as_run_once() {
    let Some(gold) = Gold::new().await else {
        return;
    };
    let mut random = random();
    let range = format!("{}..{}", DAYS[0], DAYS[3]);
    gold.products(&dimension()).await;
    gold.silver(&random_orders(&mut random, 500)).await;
    let begun = Instant::now();
    gold.run(&range).await;
    let usual = begun.elapsed();
    let before = gold.rows().await;
    gold.silver(&random_orders(&mut random, 3_000)).await;
    let after = gold.expected(DAYS[0], DAYS[3]).await;
    assert_ne!(before, after);
    let arguments = gold.arguments(&range);
    gold.0
        .kill_until_replaced(
            &as_str(&arguments),
            &mut random,
            usual,
            ("gold", &COLUMNS),
            [&before, &after],
        )
        .await;
    gold.run(&range).await;
    assert_eq!(gold.rows().await, after);
}

#[tokio::test(flavor = "multi_thread")]
async fn run_that_another_one_overtook_starts_over_from_the_newer_silver() {
    let Some(gold) = Gold::new().await else {
        return;
    };
    let mut random = random();
    let range = format!("{}..{}", DAYS[0], DAYS[3]);
    gold.products(&dimension()).await;
    gold.silver(&random_orders(&mut random, 300)).await;
    let begun = Instant::now();
    gold.run(&range).await;
    let longest = begun.elapsed();
    let arguments = gold.arguments(&range);
    let arguments = as_str(&arguments);
    let (mut overtaken, mut at_first) = (0, 0);
    for n in 0..40 {
        // Some are the table's first.
        if n % 3 == 0 {
            std::fs::remove_dir_all(gold.0.lake.table("gold")).unwrap();
        }
        let late = gold
            .0
            .pause_at_random(&arguments, &mut random, longest)
            .await;
        gold.silver(&random_orders(&mut random, 300)).await;
        gold.run(&range).await;
        late.resume();
        let finished = late.wait(RUN_WITHIN).await.expect_success();
        let expected = gold.expected(DAYS[0], DAYS[3]).await;
        assert_eq!(gold.rows().await, expected, "{finished}");
        overtaken += i32::from(finished.stderr.contains("starting over"));
        at_first += i32::from(finished.stderr.contains("was made meanwhile"));
        if overtaken >= 4 && at_first >= 1 {
            return;
        }
    }
    panic!("only {overtaken} of 40 runs were overtaken, {at_first} of them the table's first");
}
