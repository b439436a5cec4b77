//! Input that is wrong: named, with what to do about it.

use std::fs;

use weir::ErrorKind;
use weir::prelude::*;
use weir_tests::files::{SmallDisk, TempLake, files_under};

use super::{path, sql};
use crate::bronze::expect_parts;
use crate::stream::session;

#[tokio::test]
async fn options_of_reads_that_are_wrong_are_refused_by_name() {
    let session = session().await;
    for (format, key, value, kind, parts) in [
        (
            "parquet",
            "mergeShema",
            "true",
            ErrorKind::InvalidArgument,
            ["mergeShema", "\"mergeSchema\""],
        ),
        (
            "parquet",
            "mergeSchema",
            "maybe",
            ErrorKind::InvalidArgument,
            ["maybe", "true or false"],
        ),
        (
            "parquet",
            "mode",
            "FAILFAST",
            ErrorKind::InvalidArgument,
            ["mode", "the parquet reader"],
        ),
        (
            "parquet",
            "modifiedAfter",
            "x",
            ErrorKind::Unsupported,
            ["modifiedAfter", "recursiveFileLookup"],
        ),
        (
            "parquet",
            "pathGlobFilter",
            "[a",
            ErrorKind::InvalidArgument,
            ["[a", "pattern"],
        ),
        (
            "json",
            "multiLine",
            "true",
            ErrorKind::Unsupported,
            ["multiLine", "one record per line"],
        ),
        (
            "json",
            "mode",
            "LENIENT",
            ErrorKind::InvalidArgument,
            ["LENIENT", "DROPMALFORMED"],
        ),
        (
            "json",
            "samplingRatio",
            "0.5",
            ErrorKind::Unsupported,
            ["samplingRatio", "schema"],
        ),
        (
            "json",
            "dateFormat",
            "yyyy",
            ErrorKind::Unsupported,
            ["dateFormat", "the json reader"],
        ),
        (
            "json",
            "primitiveAsString",
            "true",
            ErrorKind::InvalidArgument,
            ["primitiveAsString", "\"primitivesAsString\""],
        ),
    ] {
        let reader = session.read().format(format).option(key, value);
        let error = reader.load_path("/nowhere").await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        expect_parts(&error.to_string(), &parts);
    }
}

#[tokio::test]
async fn options_of_writes_that_are_wrong_are_refused_and_nothing_is_made() {
    let lake = TempLake::new();
    let session = session().await;
    let place = lake.table("t");
    for (format, key, value, kind, parts) in [
        (
            "parquet",
            "compresion",
            "zstd",
            ErrorKind::InvalidArgument,
            ["compresion", "\"compression\""],
        ),
        (
            "parquet",
            "compression",
            "brotli",
            ErrorKind::InvalidArgument,
            ["\"brotli\"", "snappy, zstd, gzip"],
        ),
        (
            "json",
            "compression",
            "snappy",
            ErrorKind::InvalidArgument,
            ["\"snappy\"", "gzip, bzip2"],
        ),
        (
            "parquet",
            "maxRecordsPerFile",
            "-1",
            ErrorKind::InvalidArgument,
            ["-1", "a number of rows"],
        ),
        (
            "parquet",
            "targetFileSize",
            "big",
            ErrorKind::InvalidArgument,
            ["big", "64MB"],
        ),
        (
            "parquet",
            "partitionOverwriteMode",
            "dynamic",
            ErrorKind::Unsupported,
            ["dynamic", "static"],
        ),
        (
            "json",
            "lineSep",
            ";",
            ErrorKind::Unsupported,
            ["lineSep", "the json writer"],
        ),
        (
            "json",
            "parquet.block.size",
            "1MB",
            ErrorKind::InvalidArgument,
            ["parquet.block.size", "the json writer"],
        ),
    ] {
        let writer = sql(&session, "select 1 as n").await.write().format(format);
        let error = writer
            .option(key, value)
            .save(path(&place))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        expect_parts(&error.to_string(), &parts);
    }
    for (query, format, by, parts) in [
        (
            "select 1 as n, 2 as p",
            "parquet",
            vec!["q"],
            ["\"q\"", "n, p"],
        ),
        (
            "select 1 as n, 2 as part",
            "parquet",
            vec!["prt"],
            ["\"prt\"", "\"part\""],
        ),
        (
            "select 1 as n, 2 as p",
            "parquet",
            vec!["p", "P"],
            ["\"P\"", "twice"],
        ),
        (
            "select 1 as n",
            "parquet",
            vec!["n"],
            ["every column", "leave at least one"],
        ),
        (
            "select 1 as n, [1] as p",
            "json",
            vec!["p"],
            ["\"p\"", "directory"],
        ),
        (
            "select 1 as n, null as x",
            "parquet",
            vec![],
            ["\"x\"", "cast it"],
        ),
        (
            "select 1 as n, X'00' as x",
            "json",
            vec![],
            ["\"x\"", "base64"],
        ),
        (
            "select 1 as n, 2 as \"N\"",
            "parquet",
            vec![],
            ["\"N\"", "rename"],
        ),
        (
            "select 1 as n, '__HIVE_DEFAULT_PARTITION__' as p",
            "parquet",
            vec!["p"],
            ["__HIVE_DEFAULT_PARTITION__", "\"p\""],
        ),
    ] {
        let writer = sql(&session, query)
            .await
            .write()
            .format(format)
            .partition_by(by);
        let error = writer.save(path(&place)).await.unwrap_err();
        expect_parts(&error.to_string(), &parts);
    }
    assert!(!place.exists());
}

#[tokio::test]
async fn formats_and_places_that_are_not_supported_are_refused_by_name() {
    let session = session().await;
    for format in ["csv", "text", "orc"] {
        let error = session
            .read()
            .format(format)
            .load_path("/x")
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        expect_parts(&error.to_string(), &[&format!("{format:?}"), "parquet"]);
        let writer = sql(&session, "select 1 as n").await.write().format(format);
        let error = writer.save("/x").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }
    let error = session.read().parquet("s3://bucket/x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    expect_parts(&error.to_string(), &["s3://"]);
    let error = session.read().format("parquet").load().await.unwrap_err();
    expect_parts(&error.to_string(), &["load_path"]);
    let none: [&str; 0] = [];
    let error = session
        .read()
        .format("json")
        .load_paths(none)
        .await
        .unwrap_err();
    expect_parts(&error.to_string(), &["path"]);
    let error = session
        .read()
        .format("kafka")
        .load_paths(["x"])
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn missing_paths_and_empty_directories_are_named() {
    let lake = TempLake::new();
    let session = session().await;
    let empty = lake.table("empty");
    fs::create_dir_all(empty.join("_temporary")).unwrap();
    for format in ["parquet", "json"] {
        let read = async |place: &str| session.read().format(format).load_path(place).await;
        for (place, why) in [
            (
                path(&lake.table("none")).to_owned(),
                "no such file or directory",
            ),
            (format!("{}/x-*", path(&empty)), "nothing matches"),
            (path(&empty).to_owned(), "empty"),
        ] {
            let error = read(&place).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
            expect_parts(&error.to_string(), &[&place, why]);
        }
    }
    // With a schema, an empty directory is a table without rows, as in Spark.
    let schema = sql(&session, "select 1 as n")
        .await
        .schema()
        .as_arrow()
        .clone();
    let rows = session
        .read()
        .schema(schema.into())
        .parquet(path(&empty))
        .await
        .unwrap();
    assert_eq!(rows.count().await.unwrap(), 0);
}

#[tokio::test]
async fn parquet_file_that_is_damaged_is_named() {
    let lake = TempLake::new();
    let session = session().await;
    let place = lake.table("damaged");
    let query =
        "select value as n, md5(cast(value as string)) as text from generate_series(1, 20000)";
    for _ in 0..2 {
        let writer = sql(&session, query).await.write().mode(SaveMode::Append);
        writer
            .option("compression", "none")
            .parquet(path(&place))
            .await
            .unwrap();
    }
    let files = files_under(&place, ".parquet");
    let sound = fs::read(&files[1]).unwrap();
    let half = sound[..sound.len() / 2].to_vec();
    // A page in the middle that is no page: known only once its rows are read.
    let mut page = sound.clone();
    page[1000..sound.len() / 2].fill(0xff);
    fs::write(&files[1], page).unwrap();
    let read = session.read().parquet(path(&place)).await.unwrap();
    let error = read.collect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Storage, "{error}");
    expect_parts(&error.to_string(), &[path(&files[1])]);
    for damaged in [b"no parquet at all".to_vec(), half] {
        fs::write(&files[1], damaged).unwrap();
        let read = session.read().parquet(path(&place)).await.unwrap();
        let error = read.count().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Storage, "{error}");
        expect_parts(&error.to_string(), &[path(&files[1])]);
        let reader = session.read().option("mergeSchema", true);
        let error = reader.parquet(path(&place)).await.unwrap_err();
        expect_parts(&error.to_string(), &[path(&files[1])]);
    }
}

#[tokio::test]
async fn json_file_whose_compression_is_damaged_is_named() {
    let lake = TempLake::new();
    let root = lake.table("damaged");
    fs::create_dir_all(&root).unwrap();
    let session = session().await;
    for (name, kind, part) in [
        ("x.json.gz", ErrorKind::Storage, "x.json.gz"),
        ("x.json.snappy", ErrorKind::Unsupported, ".snappy"),
    ] {
        let file = root.join(name);
        fs::write(&file, "no gzip").unwrap();
        let error = session.read().json(path(&file)).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        expect_parts(&error.to_string(), &[path(&file), part]);
    }
    let file = root.join("scalars.json");
    fs::write(&file, "1\n2\n").unwrap();
    let reader = session.read().option("mode", "DROPMALFORMED");
    let error = reader.json(path(&file)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaMismatch);
    expect_parts(&error.to_string(), &[path(&file), "schema"]);
}

#[tokio::test]
async fn path_that_is_a_file_or_cannot_be_made_is_named() {
    let lake = TempLake::new();
    let session = session().await;
    let file = lake.file("file");
    fs::write(&file, "x").unwrap();
    for mode in [SaveMode::Append, SaveMode::Overwrite] {
        let writer = sql(&session, "select 1 as n").await.write().mode(mode);
        let error = writer.parquet(path(&file)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        expect_parts(&error.to_string(), &[path(&file), "is a file"]);
    }
    assert_eq!(fs::read(&file).unwrap(), b"x");
    let below = file.join("t");
    let writer = sql(&session, "select 1 as n").await.write();
    let error = writer.json(path(&below)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Storage);
    expect_parts(&error.to_string(), &[path(&below)]);
    // A directory in which nobody may write.
    let writer = sql(&session, "select 1 as n")
        .await
        .write()
        .mode(SaveMode::Append);
    let error = writer.parquet("/proc/self/t").await.unwrap_err();
    expect_parts(&error.to_string(), &["/proc/self/t"]);
}

#[tokio::test]
async fn full_disk_fails_the_write_and_what_was_there_stays() {
    let lake = TempLake::new();
    let disk = lake.file("disk");
    let Some(_disk) = SmallDisk::mount_or_skip(&disk, 2 << 20) else {
        return;
    };
    let session = session().await;
    let place = disk.join("t");
    let write = async |rows: u32| {
        let query = format!("select value as n, random() as r from generate_series(1, {rows})");
        let writer = sql(&session, &query)
            .await
            .write()
            .mode(SaveMode::Overwrite);
        writer.parquet(path(&place)).await
    };
    write(1000).await.unwrap();
    let error = write(2_000_000).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Storage, "{error}");
    expect_parts(&error.to_string(), &[path(&place), "No space left"]);
    let read = session.read().parquet(path(&place)).await.unwrap();
    assert_eq!(read.count().await.unwrap(), 1000);
    // What the failed write had put there is gone: there is room again.
    write(2000).await.unwrap();
}
