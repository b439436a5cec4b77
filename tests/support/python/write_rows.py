"""Writes the rows of a JSON file as a new version of a Delta table, with the `deltalake` package.

    write_rows.py TABLE FILE

FILE holds {"schema": {NAME: TYPE, ...}, "partition_by": [NAME, ...], "rows": [{NAME: VALUE, ...}, ...]}. The rows replace those of the
table. A date and a timestamp are ISO 8601, a timestamp may be microseconds since the epoch; a decimal is a string.
"""

import datetime
import decimal
import json
import re
import sys

import pyarrow as pa
from deltalake import write_deltalake

from delta_rows import end

TYPES = {
    "string": pa.string(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", "UTC"),
    "timestamp_ntz": pa.timestamp("us"),
}


def main():
    table, file = sys.argv[1:]
    with open(file, encoding="utf-8") as opened:
        given = json.load(opened)
    schema = pa.schema([(name, type_of(text)) for name, text in given["schema"].items()])
    unknown = {name for row in given["rows"] for name in row} - set(schema.names)
    if unknown:
        raise SystemExit(f"not in the schema: {sorted(unknown)}")
    rows = [{field.name: value_of(row.get(field.name), field.type) for field in schema} for row in given["rows"]]
    table_of = pa.Table.from_pylist(rows, schema)
    write_deltalake(table, table_of, partition_by=given["partition_by"] or None, mode="overwrite", schema_mode="overwrite")


def type_of(text):
    found = re.fullmatch(r"decimal\((\d+),(\d+)\)", text)
    return pa.decimal128(int(found[1]), int(found[2])) if found else TYPES[text]


def value_of(value, kind):
    if value is None:
        return None
    if pa.types.is_date(kind):
        return datetime.date.fromisoformat(value)
    if pa.types.is_timestamp(kind):
        if isinstance(value, str):
            return datetime.datetime.fromisoformat(value)
        return datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc) + datetime.timedelta(microseconds=value)
    if pa.types.is_decimal(kind):
        return decimal.Decimal(value)
    return value


if __name__ == "__main__":
    end(main())
