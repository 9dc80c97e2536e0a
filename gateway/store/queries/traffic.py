"""What really came and went: by it the gateway's health is told, not by what it believes of itself."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from gateway.records import State
from gateway.store.entries import DeliveryState
from gateway.store.ledger import Ledger
from gateway.store.outbox import used_destinations
from gateway.store.schema import deliveries, destinations, executors, instances

_AT_DESTINATION = (DeliveryState.DELIVERED, DeliveryState.COMMITTED)
_UNUSED: dict[str, Any] = {state.value: 0 for state in DeliveryState} | {
    "failures": 0,
    "error": None,
    "retry_at": None,
    "hangs_since": None,
    "last": None,
}


class Traffic:
    """Read-only; each question is answered from an index. Methods raise `Retry` when the database is away."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def last_received(self) -> datetime | None:
        """Return when the last image came."""
        return self._time(sa.select(sa.func.max(instances.c.received_at)))

    def last_delivered(self) -> datetime | None:
        """Return when a destination last took a result."""
        last = sa.select(sa.func.max(deliveries.c.state_at))
        with self._ledger.transaction() as connection:
            times = [
                connection.scalar(last.where(deliveries.c.destination == name, deliveries.c.state == state))
                for name in used_destinations(connection)
                for state in _AT_DESTINATION
            ]
        return max(filter(None, times), default=None)

    def queue(self) -> tuple[int, datetime | None]:
        """Return how many images wait for their answer, and since when the first one does."""
        query = sa.select(sa.func.count(), sa.func.min(instances.c.received_at))
        with self._ledger.transaction() as connection:
            waiting, oldest = connection.execute(query.where(instances.c.state == State.RECEIVED)).one()
            return waiting, oldest

    def workers(self) -> dict[str, datetime]:
        """Return when each worker was last heard of."""
        query = sa.select(executors.c.executor_id, executors.c.beat_at)
        with self._ledger.transaction() as connection:
            return {row.executor_id: row.beat_at for row in connection.execute(query)}

    def destinations(self) -> list[dict[str, Any]]:
        """Return for each destination what it has, what waits, what was given up, and whether it is away."""
        counted = sa.select(
            deliveries.c.destination,
            deliveries.c.state,
            sa.func.count().label("count"),
            sa.func.max(deliveries.c.state_at).label("last"),
        ).group_by(deliveries.c.destination, deliveries.c.state)
        with self._ledger.transaction() as connection:
            known = connection.execute(sa.select(destinations).order_by(destinations.c.name)).mappings().all()
            rows = connection.execute(counted).all()
        told = {row["name"]: _UNUSED | dict(row) for row in known}
        for destination, state, count, last in rows:
            one = told.setdefault(destination, _UNUSED | {"name": destination})
            one[state] = count
            if state in _AT_DESTINATION:
                one["last"] = max(filter(None, (one["last"], last)))
        return list(told.values())

    def _time(self, query: sa.Select[Any]) -> datetime | None:
        with self._ledger.transaction() as connection:
            time: datetime | None = connection.scalar(query)
            return time
