"""The Spark half of verify.sh: reads a Delta table and prints the summary that ../python/read_delta.py prints.

The numbers are computed by Spark SQL, independently of that script; their definition is in ../python/delta_rows.py.
"""

import argparse
import json
import os
import sys
import tempfile

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

KEYS = ["topic", "partition", "offset"]
# Spark can tell the number of files of the latest version only.
NOT_COMPARED = ["files"]


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("table")
    arguments.add_argument("--jars", required=True)
    arguments.add_argument("--version", type=int)
    arguments.add_argument("--compare")
    arguments = arguments.parse_args()

    with tempfile.TemporaryDirectory(prefix="weir-spark-") as scratch:
        spark = session(arguments.jars, scratch)
        found = summary(spark, arguments.table, arguments.version)
        spark.stop()
    print(json.dumps(found))
    if arguments.compare:
        with open(arguments.compare) as other:
            return compare(found, json.load(other))
    return 0


def session(jars, scratch):
    return (
        SparkSession.builder.master("local[2]")
        .appName("weir-verify")
        .config("spark.jars", jars)
        .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
        .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", "2")
        # The log is read by as many tasks as this: 50 by default, which costs more than the log of a test's table.
        .config("spark.databricks.delta.snapshotPartitions", "2")
        # Rows of megabytes: few in a batch.
        .config("spark.sql.parquet.columnarReaderBatchSize", "256")
        .config("spark.driver.memory", "2g")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.log.level", "ERROR")
        .config("spark.sql.warehouse.dir", os.path.join(scratch, "warehouse"))
        .getOrCreate()
    )


def summary(spark, url, version):
    reader = spark.read.format("delta")
    if version is None:
        # Pinned, so that all that is printed is of one version.
        version = spark.sql(f"describe history delta.`{url}` limit 1").first()["version"]
    table = reader.option("versionAsOf", version).load(url)
    detail = spark.sql(f"describe detail delta.`{url}`").first()
    found = {
        "version": version,
        "files": detail["numFiles"],
        "partition_columns": list(detail["partitionColumns"]),
        "schema": json.loads(table.schema.json()),
    }
    if not all(key in table.columns for key in KEYS):
        found["rows"] = table.count()
        return found

    partitions = [
        {**row.asDict(), "checksum": int(row["checksum"]), "timestamp_checksum": int(row["timestamp_checksum"])}
        for row in with_texts(table)
        .groupBy("topic", "partition")
        .agg(
            F.count("offset").alias("rows"),
            F.countDistinct("offset").alias("distinct"),
            F.min("offset").alias("offset_min"),
            F.max("offset").alias("offset_max"),
            F.sum(F.crc32("contents")).alias("checksum"),
            F.sum(F.crc32("times")).alias("timestamp_checksum"),
        )
        .orderBy("topic", "partition")
        .collect()
    ]
    found["rows"] = sum(row["rows"] for row in partitions)
    found["distinct_keys"] = sum(row["distinct"] for row in partitions)
    checksum = sum(row.pop("checksum") for row in partitions)
    timestamp_checksum = sum(row.pop("timestamp_checksum") for row in partitions)
    found["partitions"] = partitions
    found["checksum"] = checksum % (1 << 64)
    found["timestamp_checksum"] = timestamp_checksum % (1 << 64)
    return found


def with_texts(table):
    """The table's keys, and the two texts that each row's checksums are taken of."""

    def column(name, kind):
        return F.col(name).cast(kind) if name in table.columns else F.lit(None).cast(kind)

    def contents(name):
        raw, string = column(f"{name}_raw", "binary"), column(name, "string").cast("binary")
        return text(F.lower(F.hex(F.coalesce(raw, string))))

    def text(value):
        return F.coalesce(value, F.lit("\\N"))

    row = [F.col(key).cast("string") for key in KEYS]
    kind = text(column("timestamp_type", "string"))
    micros = text(F.unix_micros(column("kafka_timestamp", "timestamp")).cast("string"))
    return table.select(
        *KEYS,
        joined(*row, contents("message_key"), contents("message_value")).alias("contents"),
        joined(*row, kind, micros).alias("times"),
    )


def joined(*texts):
    """The texts with | between them, as bytes."""
    return F.concat_ws("|", *texts).cast("binary")


def compare(found, other):
    different = [
        name
        for name in sorted((found.keys() | other.keys()) - set(NOT_COMPARED))
        if comparable(found.get(name)) != comparable(other.get(name))
    ]
    for name in different:
        print(f"{name} differs: Spark reads {found.get(name)}, the other {other.get(name)}", file=sys.stderr)
    return 1 if different else 0


def comparable(value):
    """Partition rows and fields compare by name, not by the order of their entries."""
    return json.dumps(value, sort_keys=True)


if __name__ == "__main__":
    sys.exit(main())
