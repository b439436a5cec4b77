"""Adds up orders as silver_to_gold does, in plain Python: the rows that gold must hold, one line of JSON each.

    expect_gold.py SILVER PRODUCTS FIRST LAST
"""

import datetime
import json
import sys
from collections import defaultdict

from deltalake import DeltaTable

from delta_rows import end
from read_delta import plain


def main():
    silver, products, first, last = sys.argv[1:]
    first, last = datetime.date.fromisoformat(first), datetime.date.fromisoformat(last)
    categories = {row["product_id"]: row["category"] for row in rows(products)}
    groups = defaultdict(list)
    for row in rows(silver):
        if row["event_date"] is not None and first <= row["event_date"] <= last:
            product = row["product_id"]
            groups[(row["event_date"], categories.get(product), product in categories)].append(row)
    for (date, category, matched), lines in groups.items():
        quantities = [line["quantity"] for line in lines if line["quantity"] is not None]
        found = {
            "event_date": date,
            "category": category,
            "matched": matched,
            "order_count": len({line["order_id"] for line in lines}),
            "item_count": len(lines),
            "quantity": sum(quantities) if quantities else None,
            "revenue": sum(line["amount"] for line in lines),
        }
        print(json.dumps({name: plain(value) for name, value in found.items()}))


def rows(table):
    return DeltaTable(table).to_pyarrow_dataset().to_table().to_pylist()


if __name__ == "__main__":
    end(main())
