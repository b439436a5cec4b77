//! Reading a table at its newest and at older versions.

use std::time::Duration;

use weir_plan::{ErrorKind, Options, QueryId};

use super::support::{Place, drain, people, stores};
use crate::delta::read_table;

#[tokio::test]
async fn older_versions_are_read_by_number_and_time() {
    let place = Place::new();
    let sink = place.sink();
    let query = QueryId::random();
    drain(&sink, query, 0, people(&[1])).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let between = chrono::Utc::now().to_rfc3339();
    tokio::time::sleep(Duration::from_millis(100)).await;
    drain(&sink, query, 1, people(&[2])).await.unwrap();

    let count = "select count(*) from t";
    assert_eq!(place.query(count).await, "2");
    for (key, value) in [("versionAsOf", "0"), ("timestampAsOf", between.as_str())] {
        assert_eq!(
            place.query_with(count, &[(key, value)]).await.unwrap(),
            "1",
            "{key}"
        );
    }
    assert_eq!(
        place
            .query_with(count, &[("timestampAsOf", "2200-01-01")])
            .await
            .unwrap(),
        "2"
    );
    for (key, value) in [
        ("versionAsOf", "7"),
        ("timestampAsOf", "2001-01-01 00:00:00"),
    ] {
        let error = place.query_with(count, &[(key, value)]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{key}: {error}");
    }
}

#[tokio::test]
async fn no_table_is_not_found_naming_the_place() {
    let place = Place::new();
    for (key, value) in [("versionAsOf", "0"), ("timestampAsOf", "2026-01-31")] {
        let options: Options = [(key, value)].into_iter().collect();
        let error = read_table(&place.path(), &options, &stores())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{key}: {error}");
    }
    let error = read_table(&place.path(), &Options::new(), &stores())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains(&place.path()), "{error}");
}
