"""Whether DuckDB finds the same answers in the same Parquet files: `scaling --answers DIR` leaves a query (N.sql) and its rows (N.tsv) there.

python check.py --tables /tmp/tpch/sf1 --answers DIR
"""

import argparse
import datetime
import math
import pathlib

import duckdb

TABLES = ["customer", "lineitem", "nation", "orders", "part", "partsupp", "region", "supplier"]


def same(ours, theirs):
    """`ours` is a text, `theirs` a value of DuckDB's."""
    if theirs is None:
        return ours == "null"
    if isinstance(theirs, (str, datetime.date)):
        return ours == str(theirs)
    # An average of decimals has six digits after the point here, all of a double there.
    return math.isclose(float(ours), float(theirs), rel_tol=1e-9, abs_tol=1e-6)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--tables", type=pathlib.Path, required=True)
    arguments.add_argument("--answers", type=pathlib.Path, required=True)
    arguments = arguments.parse_args()
    database = duckdb.connect()
    for table in TABLES:
        files = arguments.tables / table / "*.parquet"
        database.sql(f"create view {table} as select * from read_parquet('{files}')")
    wrong = 0
    for query in sorted(arguments.answers.glob("*.sql"), key=lambda path: int(path.stem)):
        theirs = database.sql(query.read_text()).fetchall()
        text = query.with_suffix(".tsv").read_text()
        ours = [line.split("\t") for line in text.splitlines()]
        # Some queries leave equal rows in any order.
        at_odds = [pair for pair in zip(ours, theirs) if not all(map(same, *pair))]
        unmatched = [row for _, row in at_odds]
        for row, _ in at_odds:
            found = next((other for other in unmatched if all(map(same, row, other))), None)
            if found is not None:
                unmatched.remove(found)
        right = len(ours) == len(theirs) and not unmatched
        wrong += not right
        print(f"query {query.stem}: {len(ours)} rows, {'the same' if right else f'NOT the same: {unmatched[:2]}'}")
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
