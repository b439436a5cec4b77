//! Batch writes: `df.write().format("delta").mode(..).save(..)`.

use weir_plan::{ErrorKind, Written};

use super::support::{Place, people, write};
use crate::delta::AppendMode::{Append, ErrorIfExists, Ignore};

#[tokio::test]
async fn append_creates_then_adds() {
    let place = Place::new();
    for (id, version) in [(1, 0), (2, 1)] {
        let sink = place.sink();
        let schema = people(&[]).schema();
        assert!(sink.prepare_append(schema.clone(), Append).await.unwrap());
        let written = write(&sink, &[vec![people(&[id])]]).await.unwrap();
        assert_eq!(
            sink.append(&written, schema, Append).await.unwrap(),
            Some(version)
        );
    }
    assert_eq!(place.query("select id from t order by id").await, "1\n2");
}

#[tokio::test]
async fn table_that_is_there_fails_or_is_left_by_mode() {
    let place = Place::new();
    let sink = place.sink();
    let schema = people(&[]).schema();
    let written = write(&sink, &[vec![people(&[1])]]).await.unwrap();
    assert!(
        sink.prepare_append(schema.clone(), ErrorIfExists)
            .await
            .unwrap()
    );
    assert_eq!(
        sink.append(&written, schema.clone(), ErrorIfExists)
            .await
            .unwrap(),
        Some(0)
    );

    let late = write(&place.sink(), &[vec![people(&[2])]]).await.unwrap();
    let error = sink
        .prepare_append(schema.clone(), ErrorIfExists)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.to_string().contains("exists"), "{error}");
    // Made between the check and the commit.
    let error = place
        .sink()
        .append(&late, schema.clone(), ErrorIfExists)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);

    assert!(!sink.prepare_append(schema.clone(), Ignore).await.unwrap());
    assert_eq!(
        place.sink().append(&late, schema, Ignore).await.unwrap(),
        None
    );
    assert_eq!(place.query("select id from t").await, "1");
}

#[tokio::test]
async fn write_without_rows_creates_the_table_and_adds_nothing_to_it() {
    let place = Place::new();
    let sink = place.sink_with(&["name"], &[]);
    let schema = people(&[]).schema();
    assert!(!sink.exists().await.unwrap());
    let nothing = Written::default();
    assert_eq!(
        sink.append(&nothing, schema.clone(), Append).await.unwrap(),
        Some(0)
    );
    assert!(sink.exists().await.unwrap());
    assert_eq!(sink.append(&nothing, schema, Append).await.unwrap(), None);
    assert_eq!(place.query("select count(*) from t").await, "0");
}
