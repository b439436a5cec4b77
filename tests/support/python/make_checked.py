"""Makes the tables that the tests of check_table check.

    make_checked.py TABLE [--empty]    orders, in two commits (or none); version 0 is the first three rows

    id  day         at                    amount  price   status  email     sku
    1   2026-01-30  2026-01-30 10:00 UTC  10.0    1.50    new     a@x.org   p1
    2   2026-01-30  2026-01-30 11:00 UTC  20.0    2.50    new     b@x.org   p2
    3   2026-01-31  2026-01-31 09:00 UTC  NaN     0.10    paid    nobody    p3
    3   2026-01-31  2026-01-31 10:00 UTC  -5.0    null    lost    null      null
    -   2026-02-01  null                  null    99.99   null    e@x.org   p9
"""

import datetime
import decimal
import sys

import pyarrow as pa
from deltalake import write_deltalake

from delta_rows import end

SCHEMA = pa.schema(
    [
        ("id", pa.int64()),
        ("day", pa.date32()),
        ("at", pa.timestamp("us", "UTC")),
        ("amount", pa.float64()),
        ("price", pa.decimal128(10, 2)),
        ("status", pa.string()),
        ("email", pa.string()),
        ("sku", pa.string()),
    ]
)


def at(day, hour):
    return datetime.datetime(2026, 1, day, hour, tzinfo=datetime.timezone.utc)


def day(month, number):
    return datetime.date(2026, month, number)


ROWS = [
    (1, day(1, 30), at(30, 10), 10.0, "1.50", "new", "a@x.org", "p1"),
    (2, day(1, 30), at(30, 11), 20.0, "2.50", "new", "b@x.org", "p2"),
    (3, day(1, 31), at(31, 9), float("nan"), "0.10", "paid", "nobody", "p3"),
    (3, day(1, 31), at(31, 10), -5.0, None, "lost", None, None),
    (None, day(2, 1), None, None, "99.99", None, "e@x.org", "p9"),
]


def main():
    table, *rest = sys.argv[1:]
    if rest == ["--empty"]:
        write_deltalake(table, SCHEMA.empty_table(), partition_by=["status"])
        return
    for rows in (ROWS[:3], ROWS[3:]):
        write_deltalake(table, as_table(rows), partition_by=["status"], mode="append")


def as_table(rows):
    columns = [list(column) for column in zip(*rows)]
    columns[4] = [None if price is None else decimal.Decimal(price) for price in columns[4]]
    return pa.table([pa.array(values, field.type) for values, field in zip(columns, SCHEMA)], schema=SCHEMA)


if __name__ == "__main__":
    end(main())
