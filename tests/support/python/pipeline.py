"""The daily pipeline, once more, in plain Python: what records become, without Weir, without SQL.

    pipeline.py make DIR SEED COUNT   writes DIR/1.jsonl and DIR/2.jsonl: the records of two days' loads, one JSON object a line,
                                      with topic, partition, value (null: a tombstone) and timestamp_ms
    pipeline.py products TABLE        writes the product dimension
    pipeline.py check DIR LAKE        says how the tables of LAKE differ from what the records of DIR become; one JSON line

A record's offset is its place among those of its topic and partition, over both files.
"""

import datetime as dt
import hashlib
import json
import pathlib
import random
import sys
from collections import Counter, defaultdict
from decimal import Decimal

from delta_rows import end

DAYS = ["2026-01-30", "2026-01-31"]
PARTITIONS = 3
GAP = dt.timedelta(minutes=30)
UTC = dt.timezone.utc
EPOCH = dt.datetime(1970, 1, 1, tzinfo=UTC)
# p10 and p11 are sold, and unknown here; p9 has no category.
CATEGORIES = {f"p{n}": ["books", "toys", "garden"][n % 3] for n in range(9)} | {"p9": None}


def midnight(day):
    return dt.datetime.fromisoformat(day).replace(tzinfo=UTC)


# --- the records ---------------------------------------------------------------------------------------------------------------


def make(directory, seed, count):
    rng = random.Random(seed)
    sent = []
    for number, day in enumerate(DAYS, 1):
        lines = []
        for n in range(count):
            arrives = midnight(day) + dt.timedelta(days=n / count)
            if sent and rng.random() < 0.03:
                # Sent again, to whichever partition: what comes later may have the lower place.
                topic, _, value = rng.choice(sent)
                partition = rng.randrange(PARTITIONS)
            else:
                topic = rng.choice(["orders", "clicks"])
                value = broken(rng, record(rng, topic, f"{day}-{n}", arrives), topic)
                partition = rng.randrange(PARTITIONS)
                sent.append((topic, partition, value))
            stamp = int(arrives.timestamp() * 1000)
            lines.append(json.dumps({"topic": topic, "partition": partition, "value": value, "timestamp_ms": stamp}))
        (directory / f"{number}.jsonl").write_text("\n".join(lines) + "\n")


def record(rng, topic, name, arrives):
    happened = arrives
    if rng.random() < 0.05:
        # Late, often by a day.
        happened = max(midnight(DAYS[0]), arrives - dt.timedelta(seconds=rng.randrange(60, 86_400)))
    stamp = happened.strftime("%Y-%m-%dT%H:%M:%S.") + f"{happened.microsecond // 1000:03}Z"
    fields = {"event_id": f"{topic[0]}-{name}", "user_id": f"u{rng.randrange(25)}", "product_id": f"p{rng.randrange(12)}"}
    if rng.random() < 0.01:
        fields["product_id"] = None
    if topic == "orders":
        cents = rng.randrange(0, 100_000)
        amount = f"{cents // 100}.{cents % 100:02}"
        fields |= {
            # Some orders have several lines.
            "order_id": f"order-{arrives:%d}-{rng.randrange(400)}",
            "quantity": rng.randrange(1, 9),
            "amount": amount if rng.random() < 0.5 else cents / 100,
        }
    else:
        fields["page"] = f"/{rng.randrange(50)}/ü"
    return fields | {"event_time": stamp}


def broken(rng, fields, topic):
    """The record's text; of one in 25 something is wrong."""
    fault = rng.randrange(200)
    if fault == 0:
        return json.dumps(fields)[: rng.randrange(1, 30)]
    if fault == 1:
        return None
    if fault == 2:
        return "[1, 2]"
    if fault == 3:
        del fields["event_id"]
    if fault == 4:
        fields["user_id"] = None
    if fault == 5:
        fields["event_time"] = "2027-05-05T05:05:05Z"
    if fault == 6:
        del fields["event_time"]
    if topic == "orders":
        if fault == 7:
            fields["amount"] = "-0.01"
        if fault == 8:
            fields["quantity"] = "many"
        if fault == 9:
            fields["order_id"] = ""
    return json.dumps(fields, ensure_ascii=rng.random() < 0.5)


def products(table):
    import pyarrow as pa
    from deltalake import write_deltalake

    rows = pa.table({"product_id": list(CATEGORIES), "category": pa.array(list(CATEGORIES.values()), pa.string())})
    write_deltalake(table, rows)


# --- what they become ----------------------------------------------------------------------------------------------------------


def loads(directory):
    """Every record with its place: (load date, topic, partition, offset, value)."""
    ends = Counter()
    for number, day in enumerate(DAYS, 1):
        for line in (directory / f"{number}.jsonl").read_text().splitlines():
            it = json.loads(line)
            key = it["topic"], it["partition"]
            yield day, it["topic"], it["partition"], ends[key], it["value"]
            ends[key] += 1


def broken_rule(fields, topic, load_date):
    """The first rule that a parsed record breaks."""
    if fields is None:
        return "parsable"
    for name in ["event_id", "user_id"]:
        if not fields.get(name):
            return f"{name}_given"
    if not fields.get("event_time"):
        return "event_time_given"
    if moment(fields) >= midnight(load_date) + dt.timedelta(days=1):
        return "event_time_not_in_future"
    if topic == "orders":
        if not fields.get("order_id"):
            return "order_id_given"
        if Decimal(str(fields["amount"])) < 0:
            return "amount_not_negative"
    return None


def moment(fields):
    return dt.datetime.fromisoformat(fields["event_time"].replace("Z", "+00:00"))


def parse(value):
    try:
        fields = json.loads(value)
    except (TypeError, ValueError):
        return None
    if not isinstance(fields, dict) or isinstance(fields.get("quantity"), str):
        return None
    return fields


def expected(directory):
    bronze, quarantine = Counter(), Counter()
    best, duplicates = {}, Counter()
    for load_date, topic, partition, offset, value in loads(directory):
        bronze[load_date, topic] += 1
        fields = parse(value)
        rule = broken_rule(fields, topic, load_date)
        if rule:
            quarantine[topic, load_date, rule, partition, offset] += 1
            continue
        at = moment(fields)
        row = {
            **{name: fields.get(name) for name in ["event_id", "user_id", "product_id"]},
            "event_time": at,
            "event_date": at.date(),
            "event_hour": at.hour,
            "is_weekend": at.isoweekday() >= 6,
            "partition": partition,
            "offset": offset,
            "load_date": load_date,
        }
        if topic == "orders":
            amount = Decimal(str(fields["amount"])).quantize(Decimal("0.01"))
            row |= {"order_id": fields["order_id"], "quantity": fields["quantity"], "amount": amount}
        else:
            row["page"] = fields["page"]
        other = best.get((topic, row["event_id"]))
        if other is None or (partition, offset) < (other["partition"], other["offset"]):
            best[topic, row["event_id"]] = row
        if other is not None:
            duplicates[topic] += 1
    silver = {topic: [row for (of, _), row in best.items() if of == topic] for topic in ["orders", "clicks"]}
    return bronze, quarantine, duplicates, silver


def gold(orders):
    groups = defaultdict(lambda: [set(), 0, 0, Decimal(0)])
    for row in orders:
        known = row["product_id"] in CATEGORIES
        group = groups[row["event_date"], CATEGORIES.get(row["product_id"]), known]
        group[0].add(row["order_id"])
        group[1] += 1
        group[2] += row["quantity"]
        group[3] += row["amount"]
    return [
        {
            "event_date": date, "category": category, "matched": known, "order_count": len(ids), "item_count": items,
            "quantity": quantity, "revenue": revenue,
        }
        for (date, category, known), (ids, items, quantity, revenue) in groups.items()
    ]


def sessions(clicks):
    by_user = defaultdict(list)
    for row in clicks:
        by_user[row["user_id"]].append(row["event_time"])
    found = []
    for user, times in by_user.items():
        times.sort()
        groups = [[times[0]]]
        for before, at in zip(times, times[1:]):
            if at - before > GAP:
                groups.append([])
            groups[-1].append(at)
        for group in groups:
            micros = (group[0] - EPOCH) // dt.timedelta(microseconds=1)
            found.append({
                "user_id": user,
                "session_id": hashlib.md5(f"{user}|{micros}".encode()).hexdigest(),
                "session_start": group[0],
                "session_end": group[-1],
                "event_count": len(group),
                "session_duration_seconds": (group[-1] - group[0]) // dt.timedelta(seconds=1),
                "session_date": group[0].date(),
            })
    return found


# --- and whether they did ------------------------------------------------------------------------------------------------------


def check(directory, lake):
    from deltalake import DeltaTable

    bronze, quarantine, duplicates, silver = expected(directory)
    problems = []

    def compare(name, wanted, key):
        columns = list(wanted[0])
        found = DeltaTable(str(lake / name)).to_pyarrow_table(columns=columns).to_pylist()
        wanted, found = (sorted(map(lambda row: json.dumps(row, default=str, sort_keys=True), rows)) for rows in (wanted, found))
        if wanted != found:
            missing, more = Counter(wanted) - Counter(found), Counter(found) - Counter(wanted)
            problems.append({
                "table": name, "missing": sum(missing.values()), "more": sum(more.values()),
                "examples": list(missing)[:3] + list(more)[:3],
            })
        return len(found)

    compare("silver_orders", silver["orders"], "event_id")
    compare("silver_clicks", silver["clicks"], "event_id")
    compare("gold", gold(silver["orders"]), "category")
    compare("sessions", sessions(silver["clicks"]), "session_id")
    rejected = DeltaTable(str(lake / "quarantine")).to_pyarrow_table(
        columns=["entity", "load_date", "rule", "partition", "offset"]
    ).to_pylist()
    found = Counter(tuple(row.values()) for row in rejected)
    if found != quarantine:
        problems.append({"table": "quarantine", "missing": str(quarantine - found), "more": str(found - quarantine)})
    print(json.dumps({
        "problems": problems,
        "records": sum(bronze.values()),
        "silver": sum(map(len, silver.values())),
        "duplicates": sum(duplicates.values()),
        "quarantine": sum(quarantine.values()),
        "rules": sorted({rule for _, _, rule, _, _ in quarantine}),
        "across_midnight": sum(s["session_start"].date() != s["session_end"].date() for s in sessions(silver["clicks"])),
        "unmatched": sum(row["item_count"] for row in gold(silver["orders"]) if not row["matched"]),
    }))


if __name__ == "__main__":
    command, *rest = sys.argv[1:]
    if command == "make":
        make(pathlib.Path(rest[0]), int(rest[1]), int(rest[2]))
    elif command == "products":
        products(rest[0])
    elif command == "check":
        check(pathlib.Path(rest[0]), pathlib.Path(rest[1]))
    else:
        sys.exit(__doc__)
    end(0)
