"""After the system clock is set back, clears times that now lie in the future and would keep work waiting."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from gateway.store.entries import AT_ONCE
from gateway.store.schema import deliveries, destinations, instances, pulls, receivers, sources, workers

TO_NOTHING = instances.c.not_before, destinations.c.retry_at, sources.c.retry_at
TO_LONG_AGO = (deliveries.c.not_before,)
TO_NOW = pulls.c.not_before, pulls.c.listed_at, workers.c.beat_at, receivers.c.heard_at
"""Columns that are compared with the clock to tell what is due; all others record the past."""


def clear_future_times(connection: sa.Connection, time: datetime) -> None:
    """Make due at once whatever waits beyond `time`; nobody was heard of later than `time`."""
    for columns, sooner in (TO_NOTHING, None), (TO_LONG_AGO, AT_ONCE), (TO_NOW, time):
        for column in columns:
            later = sa.update(column.table).where(column > time)
            connection.execute(later.values({column.name: sooner}))
