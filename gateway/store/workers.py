"""Rows of workers: heartbeats, and what the answers of each worker depend on.

The engine writes; pages, `gateway reprocess` and other workers read. Each method commits before it returns.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from gateway.store.clock import now
from gateway.store.clock_setback import clear_future_times
from gateway.store.doorbell import Work
from gateway.store.ledger import Ledger
from gateway.store.schema import workers

CLOCK_TOLERANCE = timedelta(seconds=10)  # a clock set back by less makes nothing wait for long


class Workers:
    """The ledger's workers. Methods raise `Retry` when the database is away."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def beat(self, worker_id: str, life: str = "", answering: dict[str, Any] | None = None) -> bool:
        """Record that a worker lives; tell whether the clock has been set back since its last beat.

        After that, all waiting work is due at once: its times mean nothing any more.

        Parameters
        ----------
        life
            The process that has the name, see `worker_name`.
        answering
            All that the worker's answers depend on; None once the worker stops.
        """
        this = workers.c.worker_id == worker_id
        with self._ledger.transaction() as connection:
            last = connection.scalars(sa.select(workers.c.beat_at).where(this)).first()
            set_back = last is not None and last > now() + CLOCK_TOLERANCE
            if set_back:
                clear_future_times(connection, now())
            if last is None:
                row = {"worker_id": worker_id, "life": life, "beat_at": now()}
                connection.execute(sa.insert(workers).values(row))
            connection.execute(sa.update(workers).where(this).values(beat_at=now(), answering=answering))
        if set_back:
            for work in Work:
                self._ledger.ring(work)
        return set_back

    def answering(self, seconds: float) -> list[dict[str, Any]]:
        """Return all that the answers of workers depend on whose last beat is at most `seconds` old."""
        query = sa.select(workers.c.answering).where(workers.c.beat_at > now() - timedelta(seconds=seconds))
        with self._ledger.look() as connection:
            return [answering for answering in connection.scalars(query) if answering]

    def silent(self, seconds: float) -> list[str]:
        """Return the workers whose last beat is older than `seconds`."""
        query = sa.select(workers.c.worker_id)
        query = query.where(workers.c.beat_at < now() - timedelta(seconds=seconds))
        with self._ledger.look() as connection:
            return list(connection.scalars(query))

    def forget(self, worker_id: str) -> None:
        """Drop a worker whose work has been taken over."""
        with self._ledger.transaction() as connection:
            connection.execute(sa.delete(workers).where(workers.c.worker_id == worker_id))
