"""Checks every version of a Delta table, not only the last: what any reader could have seen at any time.

    check_versions.py TABLE [--dense] [--watch]

In each version no (topic, partition, offset) may occur twice. With --dense, each partition's offsets must also have no hole, begin where
they began in the version before, and never become fewer: a reader always sees a prefix of the topic.

With --watch it follows the table, which need not exist yet, until its standard input is closed, then looks once more. It reports
"watching" on stderr when it begins. At the end, one line of JSON: versions_checked, latest (null without a table), rows and
partitions of the latest, violations (a list of sentences).
"""

import argparse
import json
import select
import sys

import pyarrow as pa
import pyarrow.parquet
import pyarrow.dataset
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from delta_rows import KEYS, end, per_partition

POLL_SECONDS = 0.1


class Checker:
    def __init__(self, url, dense):
        self.url = url
        self.dense = dense
        self.table = None
        self.next_version = 0
        self.versions_checked = 0
        self.keys_of_file = {}
        self.partitions = []
        self.violations = []

    def check_new_versions(self):
        if self.table is None:
            try:
                self.table = DeltaTable(self.url)
            except TableNotFoundError:
                return
        try:
            self.table.update_incremental()
            latest = self.table.version()
        except Exception as error:
            self.violations.append(f"the table cannot be read: {error!r}")
            return
        # Each version anew: what is loaded at an older version says nothing of the newer.
        for version in range(self.next_version, latest + 1):
            try:
                self.check(version, DeltaTable(self.url, version=version))
            except Exception as error:
                self.violations.append(f"version {version} cannot be read: {error!r}")
            self.versions_checked += 1
        self.next_version = latest + 1

    def check(self, version, table):
        dataset = table.to_pyarrow_dataset()
        # Data files never change: each is read once, however many versions hold it.
        keys = [self.keys(fragment, dataset.schema) for fragment in dataset.get_fragments()]
        partitions = per_partition(pa.concat_tables(keys)) if keys else []
        for row in partitions:
            self.check_partition(version, row)
        if self.dense:
            self.check_growth(version, partitions)
        self.partitions = partitions

    def keys(self, fragment, schema):
        keys = self.keys_of_file.get(fragment.path)
        if keys is None:
            keys = fragment.to_table(schema=schema, columns=KEYS)
            self.keys_of_file[fragment.path] = keys
        return keys

    def check_partition(self, version, row):
        name = f"version {version}: {row['topic']}[{row['partition']}]"
        if row["rows"] != row["distinct"]:
            self.violations.append(f"{name} holds {row['rows']} rows of {row['distinct']} distinct offsets")
        span = row["offset_max"] - row["offset_min"] + 1
        if self.dense and span != row["distinct"]:
            self.violations.append(
                f"{name} has holes: {row['distinct']} offsets from {row['offset_min']} to {row['offset_max']}"
            )

    def check_growth(self, version, partitions):
        now = {(row["topic"], row["partition"]): row for row in partitions}
        for before in self.partitions:
            name = f"version {version}: {before['topic']}[{before['partition']}]"
            row = now.get((before["topic"], before["partition"]))
            if row is None:
                self.violations.append(f"{name} is gone")
            elif row["offset_min"] != before["offset_min"]:
                self.violations.append(f"{name} begins at {row['offset_min']}, and began at {before['offset_min']}")
            elif row["distinct"] < before["distinct"]:
                self.violations.append(f"{name} shrank from {before['distinct']} to {row['distinct']} offsets")

    def report(self):
        return {
            "versions_checked": self.versions_checked,
            "latest": self.next_version - 1 if self.next_version else None,
            "rows": sum(row["rows"] for row in self.partitions),
            "partitions": self.partitions,
            "violations": self.violations,
        }


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("table")
    arguments.add_argument("--dense", action="store_true")
    arguments.add_argument("--watch", action="store_true")
    arguments = arguments.parse_args()

    checker = Checker(arguments.table, arguments.dense)
    print("watching", file=sys.stderr, flush=True)
    while arguments.watch and not stdin_closes_within(POLL_SECONDS):
        checker.check_new_versions()
    checker.check_new_versions()
    print(json.dumps(checker.report()))


def stdin_closes_within(seconds):
    readable, _, _ = select.select([sys.stdin], [], [], seconds)
    return bool(readable) and not sys.stdin.buffer.read1()


if __name__ == "__main__":
    end(main())
