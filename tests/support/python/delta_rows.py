"""What the two scripts of this directory share: how a row counts in the checksum, and how columns that a table lacks are read.

The checksum of a table is the sum, modulo 2**64, over all rows of crc32(text), where text is the bytes of

    topic|partition|offset|KEY|VALUE

KEY and VALUE are the lower-case hexadecimal of the record's bytes, or \\N for a null. A record's bytes are the *_raw column if that is
not null, else the UTF-8 bytes of the string column if that is not null, else null. The timestamp checksum is the same sum over

    topic|partition|offset|TYPE|MICROSECONDS

TYPE is timestamp_type, MICROSECONDS kafka_timestamp since the epoch, each in decimal, or \\N for a null. tests/src/ledger.rs and
../spark/verify.py compute the same numbers.
"""

import os
import sys
import zlib

import pyarrow as pa
import pyarrow.compute as pc

KEYS = ["topic", "partition", "offset"]
CONTENTS = ["message_key", "message_key_raw", "message_value", "message_value_raw"]
TIMES = ["kafka_timestamp", "timestamp_type"]
MODULUS = 1 << 64


def checksums(batch):
    """The two sums over one record batch."""

    def column(name):
        if name not in batch.schema.names:
            return [None] * batch.num_rows
        return batch.column(name).to_pylist()

    keys = contents_of(column("message_key"), column("message_key_raw"))
    values = contents_of(column("message_value"), column("message_value_raw"))
    contents_sum = times_sum = 0
    rows = zip(
        column("topic"), column("partition"), column("offset"), keys, values, column("timestamp_type"), microseconds(batch)
    )
    for topic, partition, offset, key, value, kind, time in rows:
        row = f"{topic}|{partition}|{offset}|"
        contents_sum += zlib.crc32(f"{row}{text(key)}|{text(value)}".encode())
        times_sum += zlib.crc32(f"{row}{text(kind)}|{text(time)}".encode())
    return contents_sum, times_sum


def contents_of(strings, raws):
    """The hexadecimal of each record's bytes, None for a null."""
    for string, raw in zip(strings, raws):
        if raw is not None:
            yield raw.hex()
        elif string is not None:
            yield string.encode().hex()
        else:
            yield None


def microseconds(batch):
    """kafka_timestamp as integers."""
    if "kafka_timestamp" not in batch.schema.names:
        return [None] * batch.num_rows
    # Named without its zone: the number is the same, and a zone would need the machine's zone database.
    times = batch.column("kafka_timestamp")
    return pc.cast(pc.cast(times, pa.timestamp("us", times.type.tz)), pa.int64()).to_pylist()


def text(value):
    return "\\N" if value is None else str(value)


def per_partition(keys):
    """One row per (topic, partition) of a table of KEYS: rows, distinct offsets, least and greatest offset; sorted."""
    grouped = keys.group_by(["topic", "partition"]).aggregate(
        [("offset", "count"), ("offset", "count_distinct"), ("offset", "min"), ("offset", "max")]
    )
    partitions = [
        {
            "topic": row["topic"],
            "partition": row["partition"],
            "rows": row["offset_count"],
            "distinct": row["offset_count_distinct"],
            "offset_min": row["offset_min"],
            "offset_max": row["offset_max"],
        }
        for row in grouped.to_pylist()
    ]
    return sorted(partitions, key=lambda row: (row["topic"], row["partition"]))


def end(status):
    """Ends the process without tearing the interpreter down.

    pyarrow's reader threads, which call back into Python for the table's files, may still run when the last row is out. Under load
    about one run in a hundred then ended with "terminate called without an active exception" (SIGABRT), after a complete answer:
    Python 3.11 ends a thread that asks for the interpreter during its shutdown, and C++ does not allow that.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status or 0)
