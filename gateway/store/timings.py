"""How long each stage took: added within the transaction that says it is done, counted by `/metrics`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import sqlalchemy as sa

from gateway.records import Stage
from gateway.store.schema import timings

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)
"""Upper bounds in seconds."""

_SETTLED = timedelta(seconds=2)  # a row may be committed after one of a higher number


class Tally(NamedTuple):
    """How many runs of a stage fell into a bucket (the index into `BUCKETS`, or one more), and their sum."""

    stage: str
    bucket: int
    runs: int
    seconds: float


def record_timings(connection: sa.Connection, seconds: Mapping[Stage, float]) -> None:
    """Add one row for each stage."""
    time = datetime.now(UTC)
    rows = [{"stage": stage, "seconds": max(0.0, spent), "time": time} for stage, spent in seconds.items()]
    if rows:
        connection.execute(sa.insert(timings), rows)


def tallies_since(connection: sa.Connection, last: int) -> tuple[int, list[Tally]]:
    """Return what was added after row `last`, and the number of the last row that is counted in it."""
    new = (timings.c.id > last) & (timings.c.time < datetime.now(UTC) - _SETTLED)
    newest = connection.scalar(sa.select(sa.func.max(timings.c.id)).where(new)) or last
    these = (timings.c.id > last) & (timings.c.id <= newest)
    within = ((timings.c.seconds <= bound, number) for number, bound in enumerate(BUCKETS))
    bucket = sa.case(*within, else_=len(BUCKETS)).label("bucket")
    spent = sa.func.sum(timings.c.seconds)
    query = sa.select(timings.c.stage, bucket, sa.func.count(), spent).where(these)
    rows = connection.execute(query.group_by(timings.c.stage, bucket))
    return newest, [Tally(*row) for row in rows]
