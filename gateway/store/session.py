"""A transaction that tells its events once.

Stores open a session to change rows. `tell` writes an event to the history of an image within the
transaction; after the commit the session writes the same event to the log, and the audit entry that belongs
to it. `time` keeps the duration of a stage. What is rolled back leaves no trace in any of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from gateway.records import Stage
from gateway.store.clock import now
from gateway.store.database_errors import errors_are_for_later
from gateway.store.doorbell import Bell, Work
from gateway.store.entries import ImageIdentity
from gateway.store.history import write_history
from gateway.store.schema import events, instances
from gateway.telemetry.events import Event
from gateway.telemetry.log import log_event

IDENTITY = (
    instances.c.id,
    instances.c.sop_instance_uid,
    instances.c.study_instance_uid,
    instances.c.calling_ae_title,
)
"""The columns of an `ImageIdentity`, in its order."""

MAKES_WORK = {
    Event.RECEIVED: {Work.ANSWERS},
    Event.REPROCESSED: {Work.ANSWERS},
    Event.RETRIED: {Work.ANSWERS, Work.DELIVERIES},
    Event.INFERRED: {Work.DELIVERIES},
    Event.ENCODED: {Work.DELIVERIES},
    Event.RESENT: {Work.DELIVERIES},
    Event.WITHDRAWN: {Work.DELIVERIES},
}
"""The work that there is once an event has been committed."""

AuditEntry = Callable[[], None]
"""Writes one entry to the audit trail and raises nothing, as the functions of `telemetry.audit.trail`."""


class Session:
    """One transaction and its events.

    Parameters
    ----------
    connection
        Executes the statements of the transaction.
    bell
        Rung for the work that the events make.
    """

    def __init__(self, connection: sa.Connection, bell: Bell | None = None) -> None:
        self.connection = connection
        self._rows: list[dict[str, Any]] = []
        self._timings: list[dict[str, Any]] = []
        self._bell = bell
        self._told: list[tuple[Event, dict[str, Any], AuditEntry | None]] = []

    def tell(
        self, event: Event, image: ImageIdentity, *, audit: AuditEntry | None = None, **data: Any
    ) -> None:
        """Add an event to the history of an image, and to log and audit trail once it is committed.

        Parameters
        ----------
        data
            Kept as JSON. It holds UIDs, AE titles, codes and figures, never patient data.
        """
        self._rows.append({"instance_id": image.id, "time": now(), "event": event.value, "data": data})
        names = {
            "sop_instance_uid": image.sop_instance_uid,
            "study_instance_uid": image.study_instance_uid,
            "calling_ae_title": image.calling_ae_title,
        }
        self._told.append((event, names | data, audit))

    def time(self, *images: Mapping[Stage, float]) -> None:
        """Keep how long each stage of each image took, in seconds."""
        for seconds in images:
            for stage, spent in seconds.items():
                self._timings.append({"stage": stage.value, "seconds": max(0.0, spent), "time": now()})

    def write_history(self) -> None:
        """Write the events, in order, and the timings within the transaction."""
        write_history(self.connection, self._rows, self._timings)

    def is_committed(self, engine: sa.Engine) -> bool:
        """Look up a transaction whose commit was not answered, by the first event of its history.

        Only rows of a committed transaction are seen. The look-up is itself a write: where commits wait for a
        standby, the standby has the rows, too, when this returns. A transaction without events is unknown.
        """
        if not self._rows:
            return False
        row = self._rows[0]
        same = [events.c[name] == row[name] for name in ("instance_id", "time", "event")]
        there = sa.update(events).where(*same).values(event=row["event"]).returning(events.c.id)
        with engine.begin() as connection:
            return connection.execute(there).first() is not None

    def publish(self) -> None:
        """Write the events to log and audit trail, in order, then wake workers: all is committed."""
        for event, fields, audit in self._told:
            log_event(event, **fields)
            if audit is not None:
                audit()
        if self._bell is not None:
            for work in set[Work]().union(*(MAKES_WORK.get(event, ()) for event, *_ in self._told)):
                self._bell.ring(work)


@contextmanager
def open_session(engine: sa.Engine, bell: Bell | None = None) -> Iterator[Session]:
    """Open a session whose transaction is on disk when the block ends; `bell` wakes workers then.

    Where the connection is lost during the commit, the transaction is looked up over another one.

    Raises
    ------
    Retry
        When the database is away or locked; nothing is recorded or told then. Where the look-up finds nothing
        or no server, the rows may be there all the same, or come to be.
    """
    with errors_are_for_later():
        with engine.connect() as connection:
            session = Session(connection, bell)
            yield session
            session.write_history()
            unanswered = _commit(connection)
        if unanswered and not session.is_committed(engine):
            raise unanswered
    session.publish()


def _commit(connection: sa.Connection) -> sa.exc.DBAPIError | None:
    """Commit; return the error after which the outcome is unknown, as the connection was lost."""
    try:
        connection.commit()
    except sa.exc.DBAPIError as error:
        if error.connection_invalidated:
            return error
        connection.invalidate()  # its transaction is still open, and the pool would give it to the next one
        raise
    return None
