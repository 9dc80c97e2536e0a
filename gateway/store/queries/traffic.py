"""Traffic as the ledger has it: `/health` and `doctor` judge by it, not by the roles' own words."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from gateway.records import State
from gateway.store.entries import DeliveryState
from gateway.store.ledger import Ledger
from gateway.store.outbox import used_destinations
from gateway.store.queries.views import DestinationView
from gateway.store.schema import deliveries, destinations, instances, workers

_AT_DESTINATION = (DeliveryState.STORED, DeliveryState.COMMITTED)


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
        query = sa.select(workers.c.worker_id, workers.c.beat_at)
        with self._ledger.transaction() as connection:
            return {row.worker_id: row.beat_at for row in connection.execute(query)}

    def destinations(self) -> list[DestinationView]:
        """Return for each destination what it has, what waits, what was given up, and whether it is away."""
        counted = sa.select(
            deliveries.c.destination,
            deliveries.c.state,
            sa.func.count(),
            sa.func.max(deliveries.c.state_at),
        ).group_by(deliveries.c.destination, deliveries.c.state)
        with self._ledger.transaction() as connection:
            known = connection.execute(sa.select(destinations).order_by(destinations.c.name)).mappings().all()
            rows = connection.execute(counted).all()
        views = {row["name"]: DestinationView(**row) for row in known}
        for name, state, count, last in rows:
            view = views.get(name, DestinationView(name))
            taken = (view.last, last if state in _AT_DESTINATION else None)
            counts: dict[str, Any] = {DeliveryState(state).value: count}
            views[name] = replace(view, **counts, last=max(filter(None, taken), default=None))
        return list(views.values())

    def _time(self, query: sa.Select[Any]) -> datetime | None:
        with self._ledger.transaction() as connection:
            time: datetime | None = connection.scalar(query)
            return time
