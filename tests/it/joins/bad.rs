//! Joins that cannot be meant, and keys of which there is nothing to say.

use weir::ErrorKind;
use weir::prelude::*;
use weir_tests::files::TempLake;

use super::{rows_of, session, table};

#[tokio::test(flavor = "multi_thread")]
async fn joins_that_cannot_be_meant_are_refused_with_the_remedy() {
    let lake = TempLake::new();
    let session = session(&lake, "local[2]", "-1").await;
    let (orders, products) = (
        table(&session, "orders").await,
        table(&session, "products").await,
    );
    let lists = products
        .clone()
        .with_column("id", weir::functions::array(vec![col("id")]));
    let lists = lists.unwrap();
    let by_id = orders
        .clone()
        .col("id")
        .unwrap()
        .eq(products.col("id").unwrap());
    let both = orders
        .clone()
        .join(products.clone(), by_id, "inner")
        .unwrap();
    for (error, parts) in [
        (
            orders.clone().join(lists, "id", "left"),
            vec![
                "column \"id\" is bigint on the left and array<bigint> on the right",
                "cast one",
            ],
        ),
        (
            orders.clone().join(products.clone(), lit(true), "inner"),
            vec!["names no column", "use cross_join()"],
        ),
        (
            both.select(["id"]),
            vec!["\"id\" is ambiguous", "orders.id", "products.id"],
        ),
    ] {
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidPlan, "{error}");
        for part in parts {
            assert!(error.to_string().contains(part), "{error}");
        }
    }
    // Texts and numbers are compared, as in Spark.
    let text = products.expr("cast(id as string)").unwrap();
    let texts = products.with_column("id", text).unwrap();
    let joined = orders.join(texts, "id", "inner").unwrap();
    assert!(joined.count().await.unwrap() > 0);
}

/// All keys null, all of one key, or no rows at all.
#[tokio::test(flavor = "multi_thread")]
async fn sides_without_usable_keys_join_as_they_should() {
    const NULLS: &str =
        "select cast(null as bigint) as id, value as a from generate_series(1, 500) as t(value)";
    const ONE: &str = "select 7 as id, value as b from generate_series(1, 40) as t(value)";
    const NONE: &str = "select 7 as id, 1 as c where 1 = 2";
    let lake = TempLake::new();
    for master in ["local[2]", "local-cluster[2,1]"] {
        for threshold in ["-1", "1MB"] {
            let session = session(&lake, master, threshold).await;
            for (left, right, how, expected) in [
                (NULLS, ONE, "inner", 0),
                (NULLS, ONE, "left", 500),
                (NULLS, NULLS, "full", 1000),
                (NULLS, ONE, "anti", 500),
                (ONE, ONE, "inner", 1600),
                (ONE, ONE, "semi", 40),
                (ONE, NONE, "left", 40),
                (NONE, ONE, "inner", 0),
                (NONE, ONE, "right", 40),
                (NONE, NONE, "full", 0),
            ] {
                let left = session.sql(left).await.unwrap().alias("l").unwrap();
                let right = session.sql(right).await.unwrap().alias("r").unwrap();
                for salted in [false, true] {
                    let left = match salted {
                        true => left.clone().salted(8).unwrap(),
                        false => left.clone(),
                    };
                    let joined = left.join(right.clone(), "id", how).unwrap();
                    let count = joined.count().await.unwrap();
                    assert_eq!(
                        count, expected,
                        "{master}, {threshold}, {how}, salted {salted}"
                    );
                }
            }
            let grouped = session.sql(NULLS).await.unwrap().group_by(["id"]);
            assert!(rows_of(grouped.count().unwrap()).await.contains("500"));
        }
    }
}
