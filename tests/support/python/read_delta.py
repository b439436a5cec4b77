"""Reads a Delta table with the `deltalake` package and prints what it holds.

    read_delta.py TABLE [--version N]                       a summary, one line of JSON
    read_delta.py TABLE [--version N] --rows [a,b,c]        the rows (of these columns), one line of JSON each

The summary: version, rows, schema (Delta's own), partition_columns, files; and, of a table with topic, partition and offset:
distinct_keys, partitions (see per_partition), checksum and timestamp_checksum (defined in delta_rows.py).

In rows, binary is lower-case hexadecimal, a timestamp is ISO 8601 in UTC, a decimal is a string.
"""

import argparse
import datetime
import decimal
import json

import pyarrow as pa
import pyarrow.dataset
from deltalake import DeltaTable, QueryBuilder
from deltalake.exceptions import DeltaProtocolError

from delta_rows import CONTENTS, KEYS, MODULUS, TIMES, checksums, end, per_partition

# Records may be megabytes each: few rows at a time, little read ahead.
SCAN = {"batch_size": 1024, "batch_readahead": 2, "fragment_readahead": 1}


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("table")
    arguments.add_argument("--version", type=int)
    arguments.add_argument("--rows", nargs="?", const="")
    arguments = arguments.parse_args()

    table = DeltaTable(arguments.table, version=arguments.version)
    if arguments.rows is None:
        print(json.dumps(summary(table)))
        return
    columns = arguments.rows.split(",") if arguments.rows else None
    for batch in batches(table, columns):
        for row in batch.to_pylist():
            print(json.dumps({name: plain(value) for name, value in row.items()}))


def summary(table):
    schema = json.loads(table.schema().to_json())
    names = [field["name"] for field in schema["fields"]]
    found = {
        "version": table.version(),
        "files": len(table.file_uris()),
        "partition_columns": table.metadata().partition_columns,
        "schema": schema,
    }
    if not all(key in names for key in KEYS):
        found["rows"] = sum(batch.num_rows for batch in batches(table, names[:1]))
        return found

    contents = times = 0
    keys = []
    for batch in batches(table, [name for name in KEYS + CONTENTS + TIMES if name in names]):
        keys.append(pa.Table.from_batches([batch]).select(KEYS))
        batch_contents, batch_times = checksums(batch)
        contents += batch_contents
        times += batch_times
    partitions = per_partition(pa.concat_tables(keys)) if keys else []
    found["rows"] = sum(row["rows"] for row in partitions)
    found["distinct_keys"] = sum(row["distinct"] for row in partitions)
    found["partitions"] = partitions
    found["checksum"] = contents % MODULUS
    found["timestamp_checksum"] = times % MODULUS
    return found


def batches(table, columns):
    try:
        yield from table.to_pyarrow_dataset().scanner(columns=columns, **SCAN).to_batches()
    except DeltaProtocolError:
        # Deletion vectors and the like: pyarrow's scan does not know them, the package's own engine does.
        projection = ", ".join(f'"{name}"' for name in columns) if columns else "*"
        for batch in QueryBuilder().register("t", table).execute(f"select {projection} from t"):
            yield pa.record_batch(batch)


def plain(value):
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.timezone.utc).isoformat() if value.tzinfo else value.isoformat()
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return str(value)
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return value


if __name__ == "__main__":
    end(main())
