"""Makes a bronze table as another engine would leave it, for the tests of what Weir does about such a table.

    make_table.py TABLE string-partition        an empty table whose column "partition" is a string
    make_table.py TABLE check NAME EXPRESSION   an empty table with a CHECK constraint
    make_table.py TABLE drop-check NAME         takes the constraint away
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
    else:
        raise SystemExit(f"unknown: {what}")


def create(table, schema):
    write_deltalake(table, schema.empty_table(), partition_by=["topic", "load_date"])


if __name__ == "__main__":
    end(main())
