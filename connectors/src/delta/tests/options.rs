//! Options and locations, as users give them.

use weir_plan::{ErrorKind, Options, StreamSink as _};

use super::support::{Place, people, stores};
use crate::delta::{DeltaSink, read_table};

fn sink(location: &str, options: &[(&str, &str)]) -> weir_plan::Result<DeltaSink> {
    let options = options.iter().copied().collect();
    DeltaSink::try_new(location, Vec::new(), &options, &stores())
}

#[test]
fn unknown_option_is_refused_with_the_nearest() {
    let error = sink("t", &[("mergeSchemas", "true")]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(
        error.to_string().contains("did you mean \"mergeSchema\""),
        "{error}"
    );
}

#[test]
fn values_an_option_does_not_take_are_refused() {
    for (key, value) in [
        ("mergeSchema", "yes"),
        ("targetFileSize", "big"),
        ("targetFileSize", "0"),
        ("compression", "gzip9"),
        ("distributionMode", "range"),
    ] {
        let error = sink("t", &[(key, value)]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.to_string().contains(&format!("{value:?}")), "{error}");
    }
}

#[tokio::test]
async fn options_of_batch_writes_are_refused_to_streams_by_name() {
    for (options, named) in [
        (vec![("txnAppId", "a"), ("txnVersion", "1")], "txnAppId"),
        (vec![("replaceWhere", "id = 1")], "replaceWhere"),
        (vec![("overwriteSchema", "false")], "overwriteSchema"),
        (
            vec![("partitionOverwriteMode", "static")],
            "partitionOverwriteMode",
        ),
    ] {
        let place = Place::new();
        let sink = place.sink_with(&[], &options);
        let error = sink
            .open(weir_plan::QueryId::random(), people(&[]).schema())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        assert!(error.to_string().contains(named), "{error}");
    }
}

#[test]
fn options_that_contradict_each_other_or_lack_one_are_refused() {
    for (options, parts) in [
        (
            vec![("replaceWhere", "id = 1"), ("overwriteSchema", "true")],
            ["replaceWhere", "overwriteSchema"],
        ),
        (
            vec![
                ("replaceWhere", "id = 1"),
                ("partitionOverwriteMode", "dynamic"),
            ],
            ["replaceWhere", "partitionOverwriteMode"],
        ),
        (
            vec![
                ("overwriteSchema", "true"),
                ("partitionOverwriteMode", "dynamic"),
            ],
            ["overwriteSchema", "partitionOverwriteMode"],
        ),
        (vec![("txnAppId", "a")], ["txnAppId", "txnVersion"]),
        (vec![("txnVersion", "1")], ["txnAppId", "txnVersion"]),
        (
            vec![("txnAppId", "a"), ("txnVersion", "-1")],
            ["txnVersion", "-1"],
        ),
        (
            vec![("partitionOverwriteMode", "dynamik")],
            ["partitionOverwriteMode", "dynamik"],
        ),
    ] {
        let error = sink("t", &options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        for part in parts {
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}

#[test]
fn paths_and_file_urls_of_one_table_are_one_location() {
    let there = sink("/lake/a b/t", &[]).unwrap().location();
    assert_eq!(there, "file:///lake/a%20b/t/");
    for same in [
        "/lake/a b/t/",
        "file:///lake/a%20b/t",
        "/lake/x/../a b/./t",
        "/lake//a b//t",
    ] {
        assert_eq!(sink(same, &[]).unwrap().location(), there, "{same}");
    }
    assert!(
        sink("relative/t", &[])
            .unwrap()
            .location()
            .ends_with("/relative/t/")
    );
    assert_eq!(sink("/t", &[]).unwrap().kind(), "delta");
}

#[test]
fn other_stores_are_refused_naming_the_scheme() {
    for location in ["hdfs://host/t", "ftp://host/t", "memory://t"] {
        let error = sink(location, &[]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        let scheme = location.split(':').next().unwrap();
        assert!(
            error.to_string().contains(&format!("{scheme}://")),
            "{error}"
        );
    }
    assert_eq!(
        sink(" ", &[]).unwrap_err().kind(),
        ErrorKind::InvalidArgument
    );
}

#[test]
fn path_that_the_library_would_unescape_is_refused() {
    for location in ["/lake/a%41b", "file:///lake/a%2541b"] {
        let error = sink(location, &[]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        assert!(error.to_string().contains("\"%41\""), "{error}");
    }
    // A URL's own escapes, and a lone percent sign, are none.
    for location in ["file:///lake/a%20b", "/lake/50%", "/lake/5%z"] {
        sink(location, &[]).unwrap();
    }
}

#[tokio::test]
async fn compression_names_the_files() {
    for (codec, suffix) in [
        ("zstd", ".zstd."),
        ("none", "c000.parquet"),
        ("lz4", ".lz4raw."),
    ] {
        let place = Place::new();
        let sink = place.sink_with(&[], &[("compression", codec)]);
        let written = super::support::write(&sink, &[vec![people(&[1])]])
            .await
            .unwrap();
        assert!(written.files[0].contains(suffix), "{}", written.files[0]);
        super::support::commit(&sink, weir_plan::QueryId::random(), 0, &written)
            .await
            .unwrap();
        assert_eq!(place.query("select id from t").await, "1");
    }
}

#[tokio::test]
async fn reader_options_contradicting_each_other_are_refused() {
    let options: Options = [("versionAsOf", "1"), ("timestampAsOf", "2026-01-31")]
        .into_iter()
        .collect();
    let error = read_table("/nowhere", &options, &stores())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    for (key, value) in [
        ("versionAsOf", "-1"),
        ("timestampAsOf", "soon"),
        ("versionAs", "1"),
    ] {
        let options: Options = [(key, value)].into_iter().collect();
        let error = read_table("/nowhere", &options, &stores())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    }
}

#[tokio::test]
async fn reads_of_changes_are_refused_by_name() {
    for key in ["readChangeFeed", "startingVersion", "endingTimestamp"] {
        let options: Options = [(key, "1")].into_iter().collect();
        let error = read_table("/t", &options, &stores()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.to_string().contains(key), "{error}");
    }
    let options: Options = [("versionsAsOf", "1")].into_iter().collect();
    let error = read_table("/t", &options, &stores()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    assert!(error.to_string().contains("versionAsOf"), "{error}");
}
