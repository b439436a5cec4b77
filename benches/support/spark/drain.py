"""Spark's drain for the benchmark: Kafka into a Delta table with Structured Streaming, once cold and then again in the same session.

Prints one JSON line when a drain is done: its seconds (without the start of Python and the JVM), CPU seconds and peak resident bytes of
Python and the JVM together. Whoever started this script adds the start.
"""

import argparse
import json
import os
import time

from pyspark.sql import SparkSession
from pyspark.sql import functions as F


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--jars", required=True)
    arguments.add_argument("--bootstrap", required=True)
    arguments.add_argument("--topic", required=True)
    arguments.add_argument("--scratch", required=True)
    arguments.add_argument("--memory", required=True)
    arguments.add_argument("--drains", type=int, required=True)
    arguments = arguments.parse_args()

    spark = session(arguments)
    processes = [os.getpid(), spark.sparkContext._gateway.proc.pid]
    for number in range(arguments.drains):
        cpu = cpu_seconds(processes) if number > 0 else 0.0
        begun = time.monotonic()
        drain(spark, arguments, number)
        report = {
            "drain": number,
            "seconds": time.monotonic() - begun,
            "cpu_seconds": cpu_seconds(processes) - cpu,
            "peak_bytes": sum(peak_bytes(process) for process in processes),
        }
        print(json.dumps(report), flush=True)
    spark.stop()


def session(arguments):
    return (
        SparkSession.builder.master("local[*]")
        .appName("drain")
        .config("spark.jars", arguments.jars)
        .config("spark.driver.memory", arguments.memory)
        .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
        .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
        .config("spark.sql.session.timeZone", "UTC")
        # The log of a new table needs no more tasks than this; the default is 50.
        .config("spark.databricks.delta.snapshotPartitions", "2")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.log.level", "ERROR")
        .config("spark.local.dir", os.path.join(arguments.scratch, "local"))
        .config("spark.sql.warehouse.dir", os.path.join(arguments.scratch, "warehouse"))
        .getOrCreate()
    )


def drain(spark, arguments, number):
    """One query, one batch: no limit per trigger, and no partition columns, by which Spark would sort."""
    records = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", arguments.bootstrap)
        .option("subscribe", arguments.topic)
        .option("startingOffsets", "earliest")
        # Every core reads, also of a topic of one partition.
        .option("minPartitions", str(os.cpu_count()))
        .option("kafka.max.poll.records", "10000")
        .option("kafka.max.partition.fetch.bytes", str(4 << 20))
        .option("kafka.fetch.max.bytes", str(16 << 20))
        .load()
    )
    rows = records.select(
        "topic",
        "partition",
        "offset",
        F.col("timestamp").alias("kafka_timestamp"),
        F.col("timestampType").alias("timestamp_type"),
        F.col("key").cast("string").alias("message_key"),
        F.col("value").cast("string").alias("message_value"),
        F.lit("2026-01-31").alias("load_date"),
    )
    query = (
        rows.writeStream.format("delta")
        .outputMode("append")
        .option("checkpointLocation", os.path.join(arguments.scratch, f"checkpoint-{number}"))
        .trigger(availableNow=True)
        .start(os.path.join(arguments.scratch, f"table-{number}"))
    )
    query.awaitTermination()


def cpu_seconds(processes):
    ticks = 0
    for process in processes:
        with open(f"/proc/{process}/stat") as stat:
            # User, system and those of children that ended, after the name in parentheses, which may hold spaces.
            fields = stat.read().rpartition(")")[2].split()
            ticks += sum(int(field) for field in fields[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


def peak_bytes(process):
    with open(f"/proc/{process}/status") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    raise RuntimeError(f"process {process} has no VmHWM")


if __name__ == "__main__":
    main()
