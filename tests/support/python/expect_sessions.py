"""Makes sessions as sessionize does, in plain Python over all of the table: the rows of some days, one line of JSON each.

    expect_sessions.py SILVER DAY,DAY... GAP_SECONDS
"""

import datetime
import hashlib
import json
import sys
from collections import defaultdict

from deltalake import DeltaTable

from delta_rows import end
from read_delta import plain

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
MICROSECOND = datetime.timedelta(microseconds=1)


def main():
    silver, days, gap = sys.argv[1:]
    days = {datetime.date.fromisoformat(day) for day in days.split(",")}
    gap = datetime.timedelta(seconds=float(gap))
    events = defaultdict(list)
    for row in DeltaTable(silver).to_pyarrow_dataset().to_table(columns=["user_id", "event_time"]).to_pylist():
        if row["user_id"] is not None:
            events[row["user_id"]].append(row["event_time"].astimezone(datetime.timezone.utc))
    for user, times in events.items():
        for session in sessions(sorted(times), gap):
            if session[0].date() in days:
                print(json.dumps(described(user, session)))


def sessions(times, gap):
    current = []
    for time in times:
        if current and time - current[-1] > gap:
            yield current
            current = []
        current.append(time)
    yield current


def described(user, times):
    start = (times[0] - EPOCH) // MICROSECOND
    found = {
        "user_id": user,
        "session_id": hashlib.md5(f"{user}|{start}".encode()).hexdigest(),
        "session_start": times[0],
        "session_end": times[-1],
        "event_count": len(times),
        "session_duration_seconds": (times[-1] - times[0]) // datetime.timedelta(seconds=1),
        "session_date": times[0].date(),
    }
    return {name: plain(value) for name, value in found.items()}


if __name__ == "__main__":
    end(main())
