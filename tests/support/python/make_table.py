"""Makes a table as another engine would leave it, for the tests of what Weir does about such a table.

    make_table.py TABLE string-partition        an empty table whose column "partition" is a string
    make_table.py TABLE check NAME EXPRESSION   an empty table with a CHECK constraint
    make_table.py TABLE drop-check NAME         takes the constraint away
    make_table.py TABLE days                    rows (day, id, name), partitioned by days whose names have to be escaped
"""

import sys

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from delta_rows import end
from write_sample import SCHEMA


def main():
    table, what, *rest = sys.argv[1:]
    if what == "string-partition":
        create(table, SCHEMA.set(SCHEMA.get_field_index("partition"), pa.field("partition", pa.string())))
    elif what == "check":
        create(table, SCHEMA)
        DeltaTable(table).alter.add_constraint({rest[0]: rest[1]})
    elif what == "drop-check":
        DeltaTable(table).alter.drop_constraint(rest[0])
    elif what == "days":
        days = ["a b", "x%20y", "\u00fc / =", None]
        rows = [{"day": day, "id": n, "name": f"n{n}"} for n, day in enumerate(days + days)]
        schema = pa.schema([("day", pa.string()), ("id", pa.int64()), ("name", pa.string())])
        write_deltalake(table, pa.Table.from_pylist(rows, schema), partition_by=["day"])
    else:
        raise SystemExit(f"unknown: {what}")


def create(table, schema):
    write_deltalake(table, schema.empty_table(), partition_by=["topic", "load_date"])


if __name__ == "__main__":
    end(main())
