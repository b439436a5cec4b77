"""What Spark says of the cases on stdin.

In: {"tables": {name: {"schema": DDL, "rows": [{column: value}]}}, "cases": [Python that makes a dataframe]}.
Out, as the last line: {case: {"schema": [[name, type]], "rows": [[...]]} or {"error": class}}.
Values: floats and decimals as text, times as ISO text in UTC, binary as hexadecimal digits, structs as
lists, maps as sorted lists of pairs.
"""

import datetime
import decimal
import json
import sys

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import Row, SparkSession, Window, functions as F


def value(v):
    if isinstance(v, float):
        return repr(v)
    if isinstance(v, decimal.Decimal):
        return format(v, "f")
    if isinstance(v, datetime.datetime):
        return v.isoformat(sep=" ", timespec="microseconds")
    if isinstance(v, datetime.date):
        return v.isoformat()
    if isinstance(v, (bytes, bytearray)):
        return v.hex()
    if isinstance(v, (Row, list, tuple)):
        return [value(x) for x in v]
    if isinstance(v, dict):
        return sorted([value(k), value(x)] for k, x in v.items())
    return v


def main():
    asked = json.load(sys.stdin)
    spark = (
        SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", "1")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("OFF")
    names = {"F": F, "Window": Window, "spark": spark}
    for name, table in asked["tables"].items():
        text = spark.createDataFrame([(json.dumps(row),) for row in table["rows"]], "j string")
        names[name] = text.select(F.from_json("j", table["schema"]).alias("r")).select("r.*")
    answers = {}
    for case in asked["cases"]:
        try:
            frame = eval(case, names)
            answers[case] = {
                "schema": [[f.name, f.dataType.simpleString()] for f in frame.schema.fields],
                "rows": [value(row) for row in frame.collect()],
            }
        except PySparkException as error:
            answers[case] = {"error": error.getCondition() or type(error).__name__}
        except Py4JJavaError as error:
            answers[case] = {"error": error.java_exception.getClass().getName()}
    print(json.dumps(answers))


main()
