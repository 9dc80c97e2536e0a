"""Duration of each stage: added within the transaction that completes it, counted by `/metrics`."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from gateway.store.clock import now
from gateway.store.schema import tallies, timings

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)
"""Upper bounds in seconds."""

KEPT = timedelta(weeks=4)
_AT_ONCE = 10_000  # rows per transaction
_SETTLED = timedelta(seconds=2)  # a row may be committed after one of a higher number


class Tally(NamedTuple):
    """Count and sum of the runs of a stage in a bucket (the index into `BUCKETS`, or one more)."""

    stage: str
    bucket: int
    runs: int
    seconds: float


def tallies_since(connection: sa.Connection, last: int) -> tuple[int, list[Tally]]:
    """Return what was added after row `last`, and the number of the last row that is counted in it.

    After row 0 comes everything, also what was folded.
    """
    new = (timings.c.id > last) & (timings.c.time < now() - _SETTLED)
    newest = connection.scalar(sa.select(sa.func.max(timings.c.id)).where(new)) or last
    these = (timings.c.id > last) & (timings.c.id <= newest)
    within = ((timings.c.seconds <= bound, number) for number, bound in enumerate(BUCKETS))
    bucket = sa.case(*within, else_=len(BUCKETS)).label("bucket")
    spent = sa.func.sum(timings.c.seconds)
    query = sa.select(timings.c.stage, bucket, sa.func.count(), spent).where(these)
    folded = sa.select(tallies.c.stage, tallies.c.bucket, tallies.c.runs, tallies.c.seconds)
    counted = query.group_by(timings.c.stage, bucket)
    rows = connection.execute(sa.union_all(counted, folded.where(sa.literal(last == 0))))  # at one moment
    return newest, [Tally(*row) for row in rows]


def last_folded(connection: sa.Connection) -> int:
    """Return the number of the last row that is only in the tallies now."""
    return connection.scalar(sa.select(sa.func.max(tallies.c.last_timing))) or 0


def fold_timings(connection: sa.Connection, *, older_than: timedelta = KEPT) -> int:
    """Count some old rows in the tallies and delete them; return how many.

    The newest row stays, however old: SQLite gives the numbers after the last one again.
    """
    newest = sa.select(sa.func.max(timings.c.id)).scalar_subquery()
    first = sa.select(timings.c.id, timings.c.time).order_by(timings.c.id).limit(_AT_ONCE).subquery()
    is_old = (first.c.time < now() - older_than) & (first.c.id < newest)
    old = sa.select(first.c.id).where(is_old)
    columns = (timings.c.id, timings.c.stage, timings.c.seconds)
    rows = connection.execute(sa.delete(timings).where(timings.c.id.in_(old)).returning(*columns)).all()
    for (stage, bucket), seconds in _by_bucket(rows).items():
        counted = {"runs": len(seconds), "seconds": sum(seconds), "last_timing": max(row.id for row in rows)}
        _add(connection, {"stage": stage, "bucket": bucket, **counted})
    return len(rows)


def _by_bucket(rows: Iterable[Any]) -> dict[tuple[str, int], list[float]]:
    found = defaultdict(list)
    for row in rows:
        found[row.stage, bisect_left(BUCKETS, row.seconds)].append(row.seconds)
    return found


def _add(connection: sa.Connection, row: dict[str, Any]) -> None:
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    new = insert(tallies).values(row)
    more = {
        "runs": tallies.c.runs + new.excluded.runs,
        "seconds": tallies.c.seconds + new.excluded.seconds,
        "last_timing": new.excluded.last_timing,
    }
    connection.execute(new.on_conflict_do_update(index_elements=["stage", "bucket"], set_=more))
