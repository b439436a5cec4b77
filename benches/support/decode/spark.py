"""Spark's side of the benchmark of decoding (benches/src/decode.rs), on one thread.

Reads one command per line of stdin, {"size", "format"}, decodes those records, which are cached in memory, into columns that are dropped
(format noop), and answers with a line: seconds, records, and the sum of their customers.
"""

import argparse
import json
import sys
import time

from pyspark.sql import Observation, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.avro.functions import from_avro

STRICT = {"mode": "FAILFAST"}


def decoded(kind, size):
    text = F.col("value").cast("string")
    if kind == "json":
        return F.from_json(text, size["ddl"], STRICT)
    if kind == "csv":
        return F.from_csv(text, size["ddl"], STRICT)
    return from_avro("value", size["avro"], STRICT)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("spec")
    parser.add_argument("--jars", required=True)
    parser.add_argument("--memory", required=True)
    arguments = parser.parse_args()
    with open(arguments.spec) as file:
        sizes = {size["name"]: size for size in json.load(file)["sizes"]}
    spark = (
        SparkSession.builder.master("local[1]")
        .appName("decode")
        .config("spark.jars", arguments.jars)
        .config("spark.driver.memory", arguments.memory)
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.log.level", "ERROR")
        .getOrCreate()
    )
    read, rows, counted = None, None, None
    for line in sys.stdin:
        command = json.loads(line)
        size = sizes[command["size"]]
        path = f"{size['files']}-{command['format']}.parquet"
        if path != read:
            if rows is not None:
                rows.unpersist(blocking=True)
            read, rows = path, spark.read.parquet(path).cache()
            rows.count()
            # Observed, not aggregated: Spark would decode only the fields that are asked for, and cannot with from_avro.
            seen = Observation()
            record = rows.select(decoded(command["format"], size).alias("record"))
            record = record.observe(
                seen, F.count("record.order_id").alias("records"), F.sum("record.customer_id").alias("customers")
            )
            record.write.format("noop").mode("overwrite").save()
            counted = seen.get
        begun = time.perf_counter()
        record = rows.select(decoded(command["format"], size).alias("record"))
        record.write.format("noop").mode("overwrite").save()
        seconds = time.perf_counter() - begun
        print(json.dumps({"seconds": seconds, **counted}), flush=True)
    spark.stop()


main()
