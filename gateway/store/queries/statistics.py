"""Counts over time for the dashboard's plots, summed up by the database from one index."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from gateway.records import Stage
from gateway.store.ledger import Ledger
from gateway.store.schema import instances, timings

DAY = 86_400


class Statistics:
    """Read-only. Methods raise `Retry` when the database is away."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def arrivals(self, since: datetime, width_seconds: int) -> dict[int, int]:
        """Return how many images came in each span of so many seconds, by its number since 1970."""
        span = _span(width_seconds)
        query = sa.select(span, sa.func.count()).where(instances.c.received_at >= since).group_by(span)
        with self._ledger.transaction() as connection:
            return {int(number): count for number, count in connection.execute(query)}

    def seconds(self, stage: Stage, limit: int = 2000) -> list[tuple[datetime, float]]:
        """Return how long the last runs of a stage took, oldest first."""
        query = sa.select(timings.c.time, timings.c.seconds).where(timings.c.stage == stage)
        with self._ledger.transaction() as connection:
            rows = connection.execute(query.order_by(timings.c.id.desc()).limit(limit)).all()
        return [(time, seconds) for time, seconds in reversed(rows)]

    def score_counts(self, since: datetime) -> list[tuple[str, int, int, int]]:
        """Return (scanner, day, tenth of the score, images) for what was answered with a score."""
        return self._tenths(instances.c.score, since)

    def brightness_counts(self, since: datetime) -> list[tuple[str, int, int, int]]:
        """Return (scanner, day, tenth of the brightness, images) for what was decoded."""
        return self._tenths(instances.c.brightness, since)

    def _tenths(self, column: sa.ColumnElement[Any], since: datetime) -> list[tuple[str, int, int, int]]:
        scanner = sa.func.coalesce(instances.c.scanner, "")
        day = _span(DAY)
        tenth = sa.case(*((column < bound / 10, bound - 1) for bound in range(1, 10)), else_=9)
        known = (instances.c.received_at >= since) & column.is_not(None)
        query = sa.select(scanner, day, tenth, sa.func.count()).where(known).group_by(scanner, day, tenth)
        with self._ledger.transaction() as connection:
            return [(name, int(number), part, n) for name, number, part, n in connection.execute(query)]


def _span(width_seconds: int) -> sa.ColumnElement[Any]:
    return sa.extract("epoch", instances.c.received_at) // width_seconds
