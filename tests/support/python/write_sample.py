"""Writes a small bronze table with known contents, for the tests of the readers themselves.

    write_sample.py TABLE [--duplicate | --hole]

Three versions of 20 offsets each in orders[0] and orders[1]. Offset i has the key k-<i>, or null if 5 divides i; as value null if 7
divides i, else the bytes FF 00 <i> if 3 divides i, else the text "wert-ü-<i>". Every third has no timestamp. --duplicate writes one
offset of the second version again in the third; --hole leaves one offset out.
"""

import argparse
import datetime

import pyarrow as pa
from deltalake import write_deltalake

from delta_rows import end

SCHEMA = pa.schema(
    [
        ("topic", pa.string()),
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("kafka_timestamp", pa.timestamp("us", "UTC")),
        ("timestamp_type", pa.int32()),
        ("message_key", pa.string()),
        ("message_key_raw", pa.binary()),
        ("message_value", pa.string()),
        ("message_value_raw", pa.binary()),
        ("load_date", pa.string()),
    ]
)
START = datetime.datetime(2026, 1, 31, 23, 59, 59, 123456, datetime.timezone.utc)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("table")
    arguments.add_argument("--duplicate", action="store_true")
    arguments.add_argument("--hole", action="store_true")
    arguments = arguments.parse_args()

    for version in range(3):
        offsets = list(range(version * 20, version * 20 + 20))
        if arguments.duplicate and version == 2:
            offsets.append(25)
        if arguments.hole and version == 2:
            offsets.remove(45)
        rows = [row(partition, offset) for partition in (0, 1) for offset in offsets]
        write_deltalake(
            arguments.table,
            pa.Table.from_pylist(rows, SCHEMA),
            partition_by=["topic", "load_date"],
            mode="append",
        )


def row(partition, offset):
    text = f"wert-ü-{offset}"
    raw = b"\xff\x00" + bytes([offset])
    is_null, is_raw = offset % 7 == 0, offset % 3 == 0
    return {
        "topic": "orders",
        "partition": partition,
        "offset": offset,
        "kafka_timestamp": None if offset % 3 == 2 else START + datetime.timedelta(microseconds=offset),
        "timestamp_type": 0,
        "message_key": None if offset % 5 == 0 else f"k-{offset}",
        "message_key_raw": None,
        "message_value": None if is_null or is_raw else text,
        "message_value_raw": raw if is_raw and not is_null else None,
        "load_date": "2026-01-31",
    }


if __name__ == "__main__":
    end(main())
