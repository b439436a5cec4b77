//! Verbs on columns and rows, and a session's own dataframes.

use serde_json::json;
use weir::prelude::*;

use super::golden::{Case, Table, check};
use crate::stream::session;

fn orders() -> Table {
    Table {
        name: "orders",
        schema: "id INT, kind STRING, n INT, v DOUBLE, big BIGINT, ok BOOLEAN",
        rows: json!([
            [1, "a", 4, 1.5, 10, true],
            [2, "a", null, -2.0, null, false],
            [3, "b", 3, null, 30, null],
            [4, null, 7, 0.5, 40, true],
            [5, null, 7, 0.5, null, true],
            [6, "c", null, null, null, null]
        ]),
    }
}

fn twins() -> Table {
    Table {
        name: "twins",
        schema: "k STRING, n INT",
        rows: json!([
            ["a", 1],
            ["a", 1],
            ["a", null],
            ["a", null],
            [null, 2],
            [null, 2],
            [null, 3]
        ]),
    }
}

fn none() -> Table {
    Table {
        name: "none",
        schema: "id INT, kind STRING",
        rows: json!([]),
    }
}

fn nested() -> Table {
    Table {
        name: "nested",
        schema: "id SMALLINT, l ARRAY<STRING>, m MAP<STRING,BIGINT>, s STRUCT<x:INT,y:ARRAY<STRUCT<z:DECIMAL(4,1)>>>, t TIMESTAMP",
        rows: json!([]),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn verbs_on_columns_and_rows_give_what_spark_gives() {
    let session = session().await;
    let tables = [orders(), twins(), none(), nested()];
    let [orders, twins, none, nested] = [0, 1, 2, 3]
        .map(|at| &tables[at])
        .map(|t| t.frame(&session));
    let o = || orders.clone();
    let by_id = |frame: weir::Result<DataFrame>| frame?.order_by(["id"]);
    let mut cases: Vec<Case> = vec![
        ("orders.select('kind', 'id')", o().select(["kind", "id"])),
        (
            "orders.select('*', (F.col('n') + 1).alias('m'))",
            o().select([col("*"), (col("n") + lit(1)).alias("m")]),
        ),
        ("orders.select('nope')", o().select(["nope"])),
        (
            "orders.select((F.col('n') / 2).alias('half'), (F.col('n') / F.col('big')).alias('q'))",
            o().select([
                (col("n") / lit(2)).alias("half"),
                (col("n") / col("big")).alias("q"),
            ]),
        ),
        (
            "orders.select((F.col('n') / F.lit(0)).alias('q'))",
            o().select([(col("n") / lit(0)).alias("q")]),
        ),
        ("none.select('id')", none.clone().select(["id"])),
        (
            "orders.selectExpr('id', 'n * 2 as twice', 'N + 1 AS More', 'kind = \\'a\\' as is_a')",
            o().select_expr([
                "id",
                "n * 2 as twice",
                "N + 1 AS More",
                "kind = 'a' as is_a",
            ]),
        ),
        (
            "orders.selectExpr('*', '1 as one', '3000000000 as long', 'n / 2 as half')",
            o().select_expr(["*", "1 as one", "3000000000 as long", "n / 2 as half"]),
        ),
        (
            "orders.selectExpr('missing + 1 as x')",
            o().select_expr(["missing + 1 as x"]),
        ),
        ("orders.selectExpr('n +')", o().select_expr(["n +"])),
        (
            "orders.select('id', F.expr('case when v > 0 then \\'up\\' else \\'down\\' end').alias('way'))",
            o().expr("case when v > 0 then 'up' else 'down' end")
                .and_then(|way| o().select([col("id"), way.alias("way")])),
        ),
        (
            "orders.filter(F.col('n') > 3)",
            o().filter(col("n").gt(lit(3))),
        ),
        (
            "orders.filter('n > 3 and kind is not null')",
            o().filter("n > 3 and kind is not null"),
        ),
        (
            "orders.filter('KIND in (\\'a\\', \\'c\\')')",
            o().filter("KIND in ('a', 'c')"),
        ),
        ("orders.where('v < 0 or ok')", o().where_("v < 0 or ok")),
        ("orders.where(F.col('ok'))", o().where_(col("ok"))),
        ("orders.filter('nope > 1')", o().filter("nope > 1")),
        ("orders.filter('n + 1')", o().filter("n + 1")),
        (
            "orders.withColumn('m', F.col('n') * 2)",
            o().with_column("m", col("n") * lit(2)),
        ),
        (
            "orders.withColumn('n', F.col('v'))",
            o().with_column("n", col("v")),
        ),
        (
            "orders.withColumns({'n': F.col('id'), 'm': F.col('n'), 'kind': F.lit('x')})",
            o().with_columns([("n", col("id")), ("m", col("n")), ("kind", lit("x"))]),
        ),
        (
            "orders.withColumn('m', F.col('nope'))",
            o().with_column("m", col("nope")),
        ),
        (
            "orders.withColumnRenamed('n', 'number')",
            o().with_column_renamed("n", "number"),
        ),
        (
            "orders.withColumnsRenamed({'n': 'v1', 'kind': 'n'})",
            o().with_columns_renamed([("n", "v1"), ("kind", "n")]),
        ),
        ("orders.drop('n', 'v')", o().drop(["n", "v"])),
        ("twins.toDF('x', 'y')", twins.clone().to_df(["x", "y"])),
        ("twins.toDF('x')", twins.clone().to_df(["x"])),
        (
            "orders.alias('o').select('o.id', F.col('kind'))",
            o().alias("o").and_then(|o| o.select(["o.id", "kind"])),
        ),
        (
            "orders.alias('o').select('p.id')",
            o().alias("o").and_then(|o| o.select(["p.id"])),
        ),
        (
            "orders.select(orders['id'])",
            o().col("id").and_then(|id| o().select([id])),
        ),
        (
            "orders.select(orders['nope'])",
            o().col("nope").and_then(|id| o().select([id])),
        ),
        (
            "orders.transform(lambda f: f.filter('n = 7')).select('id')",
            o().transform(|f| f.filter("n = 7"))
                .and_then(|f| f.select(["id"])),
        ),
        (
            "orders.orderBy('n', 'id').select('id')",
            o().order_by(["n", "id"]).and_then(|f| f.select(["id"])),
        ),
        (
            "orders.sort(F.desc('n'), F.asc('id')).select('id')",
            o().sort([col("n").desc(), col("id").asc()])
                .and_then(|f| f.select(["id"])),
        ),
        (
            "orders.sort(F.col('v').desc_nulls_first(), F.desc('id')).select('id')",
            o().sort([col("v").desc_nulls_first(), col("id").desc()])
                .and_then(|f| f.select(["id"])),
        ),
        // What was left out can be sorted by.
        (
            "orders.select('id').orderBy(F.col('big').asc_nulls_last(), F.desc('id'))",
            o().select(["id"])
                .and_then(|f| f.order_by([col("big").asc_nulls_last(), col("id").desc()])),
        ),
        ("orders.orderBy('nope')", o().order_by(["nope"])),
        (
            "orders.orderBy('id').limit(2)",
            by_id(Ok(o())).and_then(|f| f.limit(2)),
        ),
        ("orders.limit(0)", o().limit(0)),
        (
            "orders.orderBy('id').offset(4)",
            by_id(Ok(o())).and_then(|f| f.offset(4)),
        ),
        (
            "orders.orderBy('id').offset(2).limit(2).select('id')",
            by_id(Ok(o())).and_then(|f| f.offset(2)?.limit(2)?.select(["id"])),
        ),
        ("orders.offset(100)", o().offset(100)),
        (
            "twins.distinct().orderBy('k', 'n')",
            twins
                .clone()
                .distinct()
                .and_then(|f| f.order_by(["k", "n"])),
        ),
        ("none.distinct()", none.clone().distinct()),
        (
            "twins.dropDuplicates().orderBy('k', 'n')",
            twins
                .clone()
                .drop_duplicates([])
                .and_then(|f| f.order_by(["k", "n"])),
        ),
        (
            "twins.dropDuplicates(['k']).select('k').orderBy('k')",
            twins
                .clone()
                .drop_duplicates(["k"])
                .and_then(|f| f.select(["k"])?.order_by(["k"])),
        ),
        (
            "twins.dropDuplicates(['k', 'n']).orderBy('k', 'n')",
            twins
                .clone()
                .drop_duplicates(["k", "n"])
                .and_then(|f| f.order_by(["k", "n"])),
        ),
        (
            "twins.dropDuplicates(['nope'])",
            twins.clone().drop_duplicates(["nope"]),
        ),
    ];
    cases.extend(session_cases(&session, &orders, &none, &nested).await);
    check("verbs", &tables, cases).await;
}

/// What is no dataframe becomes one of one row, so that it can be compared.
async fn session_cases(
    session: &Session,
    orders: &DataFrame,
    none: &DataFrame,
    nested: &DataFrame,
) -> Vec<Case> {
    let one =
        |exprs: Vec<weir::datafusion::logical_expr::Expr>| session.range(0, 1, 1)?.select(exprs);
    let sorted = orders.clone().order_by(["id"]).unwrap();
    let again = |batches: weir::Result<Vec<_>>| {
        let schema = std::sync::Arc::new(orders.schema().as_arrow().clone());
        session.create_dataframe(schema, batches?)
    };
    orders.create_or_replace_temp_view("verbs_orders").unwrap();
    let from_view = session.table("verbs_orders").await;
    let from_sql = session
        .sql("select id, n from verbs_orders where n = 7 order by id")
        .await;
    assert!(session.drop_temp_view("verbs_orders").unwrap());
    let dropped = session.drop_temp_view("verbs_orders").unwrap();
    let first = sorted.first().await.map(|row| row.into_iter().collect());
    vec![
        ("spark.range(3)", session.range(0, 3, 1)),
        ("spark.range(2, 9, 3)", session.range(2, 9, 3)),
        ("spark.range(5, 0, -2)", session.range(5, 0, -2)),
        ("spark.range(5, 0, 1)", session.range(5, 0, 1)),
        ("spark.range(0, 3, 0)", session.range(0, 3, 0)),
        (
            "(orders.createOrReplaceTempView('verbs_orders'), spark.table('verbs_orders'))[1]",
            from_view,
        ),
        (
            "spark.table('verbs_nothing')",
            session.table("verbs_nothing").await,
        ),
        (
            "spark.sql('select id, n from verbs_orders where n = 7 order by id')",
            from_sql,
        ),
        (
            "spark.createDataFrame([(spark.catalog.dropTempView('verbs_orders'), spark.catalog.dropTempView('verbs_orders'))], 'a BOOLEAN, b BOOLEAN')",
            one(vec![lit(true).alias("a"), lit(dropped).alias("b")]),
        ),
        (
            "spark.createDataFrame(orders.orderBy('id').collect(), orders.schema)",
            again(sorted.collect().await),
        ),
        (
            "spark.createDataFrame(orders.orderBy('id').take(2), orders.schema)",
            again(sorted.take(2).await),
        ),
        (
            "spark.createDataFrame(orders.orderBy('id').head(3), orders.schema)",
            again(sorted.head(3).await),
        ),
        (
            "spark.createDataFrame([orders.orderBy('id').first()], orders.schema)",
            again(first),
        ),
        (
            "spark.createDataFrame(orders.orderBy('id').tail(2), orders.schema)",
            again(sorted.tail(2).await),
        ),
        (
            "spark.createDataFrame(orders.orderBy('id').tail(0), orders.schema)",
            again(sorted.tail(0).await),
        ),
        (
            "spark.createDataFrame(orders.orderBy('id').tail(99), orders.schema)",
            again(sorted.tail(99).await),
        ),
        (
            "spark.createDataFrame([(orders.count(), none.count(), orders.isEmpty(), none.isEmpty(), none.first() is None)], 'a BIGINT, b BIGINT, c BOOLEAN, d BOOLEAN, e BOOLEAN')",
            one(vec![
                lit(orders.count().await.unwrap() as i64).alias("a"),
                lit(none.count().await.unwrap() as i64).alias("b"),
                lit(orders.is_empty().await.unwrap()).alias("c"),
                lit(none.is_empty().await.unwrap()).alias("d"),
                lit(none.first().await.unwrap().is_none()).alias("e"),
            ]),
        ),
        (
            "spark.createDataFrame([(','.join(orders.columns), str(orders.dtypes))], 'a STRING, b STRING')",
            one(vec![
                lit(orders.columns().join(",")).alias("a"),
                lit(format!("{:?}", orders.dtypes()).replace("\"", "'")).alias("b"),
            ]),
        ),
        (
            "spark.createDataFrame([(nested._jdf.schema().treeString().rstrip(),)], 'a STRING')",
            one(vec![lit(nested.schema_string()).alias("a")]),
        ),
    ]
}
