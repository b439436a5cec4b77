"""Reads and writes Parquet and JSON files without Weir: pyarrow, and Python's own json, gzip, bz2 and lzma.

    files.py read parquet|json DIRECTORY       every row of the directory's partitions, one line of JSON each
    files.py describe FILE.parquet             codec, rows of each row group, columns and types, one line of JSON
    files.py write parquet DIRECTORY           a sample: partitions by `place` (awkward names, a null) and `day`

Binary is lower-case hexadecimal, a timestamp is ISO 8601 in UTC, a decimal is a string.
"""

import bz2
import datetime
import decimal
import gzip
import json
import lzma
import pathlib
import sys
import urllib.parse

import pyarrow as pa
import pyarrow.parquet as pq

NULL = "__HIVE_DEFAULT_PARTITION__"


def main():
    command = sys.argv[1]
    if command == "read":
        read = {"parquet": read_parquet, "json": read_json}[sys.argv[2]]
        for row in read(sys.argv[3]):
            print(json.dumps(row, default=plain))
    elif command == "describe":
        print(json.dumps(describe(sys.argv[2])))
    elif command == "write":
        write(sys.argv[3])
    else:
        raise SystemExit(f"unknown command {command!r}")


def read_parquet(directory):
    for path, partitions in files(directory, ".parquet"):
        for row in pq.ParquetFile(path).read().to_pylist():
            yield {**row, **partitions}


def read_json(directory):
    for path, partitions in files(directory, ".json"):
        with opened(path) as lines:
            for line in lines:
                yield {**json.loads(line), **partitions}


def files(directory, kind):
    root = pathlib.Path(directory)
    for path in sorted(root.rglob("*")):
        parents = path.relative_to(root).parts[:-1]
        if not path.is_file() or path.name.startswith(("_", ".")) or kind not in path.suffixes:
            continue
        pairs = (parent.split("=", 1) for parent in parents)
        yield path, {urllib.parse.unquote(k): None if v == NULL else urllib.parse.unquote(v) for k, v in pairs}


def opened(path):
    if path.suffix == ".zst":
        return Zstd(path)
    return {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}.get(path.suffix, open)(path, "rt", encoding="utf-8")


class Zstd:
    """The lines of a file that Python's own library cannot decompress."""

    def __init__(self, path):
        self.path = path

    def __enter__(self):
        with pa.CompressedInputStream(pa.OSFile(str(self.path)), "zstd") as stream:
            return stream.read().decode().splitlines()

    def __exit__(self, *_):
        return False


def describe(path):
    metadata = pq.ParquetFile(path).metadata
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    schema = pq.ParquetFile(path).schema_arrow
    return {
        "codecs": sorted({g.column(i).compression for g in groups for i in range(g.num_columns)}),
        "rows": [g.num_rows for g in groups],
        "columns": {field.name: str(field.type) for field in schema},
    }


def write(directory):
    table = pa.table(
        {
            "n": pa.array([1, 2, 3, 4], pa.int32()),
            "at": pa.array([datetime.datetime(2026, 1, 31, 8, tzinfo=datetime.timezone.utc)] * 4, pa.timestamp("us", "UTC")),
            "place": ["a b/c", "ü=%", None, "plain"],
            "day": [datetime.date(2026, 1, 31), datetime.date(2026, 1, 31), datetime.date(2026, 2, 1), None],
        }
    )
    pq.write_to_dataset(table, directory, partition_cols=["place", "day"])
    (pathlib.Path(directory) / "_SUCCESS").touch()
    (pathlib.Path(directory) / ".hidden.parquet").write_text("no parquet")


def plain(value):
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return str(value)
    raise TypeError(type(value))


main()
