"""After the system clock is set back, clears retry times that now lie in the future."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from gateway.store.entries import AT_ONCE
from gateway.store.schema import deliveries, destinations, instances, workers


def clear_future_times(connection: sa.Connection, time: datetime) -> None:
    """Make due at once whatever waits beyond `time`; no heartbeat stays later than `time`."""
    for column, sooner in (
        (instances.c.not_before, None),
        (deliveries.c.not_before, AT_ONCE),
        (destinations.c.retry_at, None),
        (workers.c.beat_at, time),
    ):
        later = sa.update(column.table).where(column > time)
        connection.execute(later.values({column.name: sooner}))
