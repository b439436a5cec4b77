"""The queries of `benches/src/skew.rs` on Spark, in local mode with as many threads: a JSON line for each table.

Joins are shuffled, never broadcast; adaptive execution splits skewed partitions, with Spark's own settings, unless told not to.
"""

import argparse
import json
import statistics
import time

from pyspark.sql import SparkSession


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--directory", required=True)
    parser.add_argument("--tables", nargs="+", required=True)
    parser.add_argument("--query", required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--runs", type=int, required=True)
    parser.add_argument("--memory", default="4g")
    arguments = parser.parse_args()
    spark = (
        SparkSession.builder.master(f"local[{arguments.threads}]")
        .appName("skew")
        .config("spark.driver.memory", arguments.memory)
        .config("spark.ui.enabled", "false")
        .config("spark.sql.autoBroadcastJoinThreshold", "-1")
        .config("spark.sql.adaptive.autoBroadcastJoinThreshold", "-1")
        .config("spark.sql.shuffle.partitions", str(4 * arguments.threads))
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    spark.read.parquet(f"{arguments.directory}/dims").createOrReplaceTempView("dims")
    for table in arguments.tables:
        spark.read.parquet(f"{arguments.directory}/{table}").createOrReplaceTempView("facts")
        line = {"table": table}
        for skew in ["true", "false"]:
            spark.conf.set("spark.sql.adaptive.skewJoin.enabled", skew)
            seconds = []
            # The first warms up.
            for _ in range(arguments.runs + 1):
                begun = time.perf_counter()
                rows = spark.sql(arguments.query).collect()
                seconds.append(time.perf_counter() - begun)
            line["split" if skew == "true" else "whole"] = statistics.median(seconds[1:])
            line["rows"] = len(rows)
        print(json.dumps(line), flush=True)
    spark.stop()


if __name__ == "__main__":
    main()
