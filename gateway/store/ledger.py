"""Rows of images: received, claimed by a batch, ended or answered; and the transactions of all other rows.

Receiver and workers call it. A method that takes no session commits before it returns: nobody is told of what
could be lost. Statements are in arrivals.py, claims.py, answers.py and descriptions.py. Workers, deliveries,
studies and refusals have classes of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from gateway.errors import Retry
from gateway.records import Reason, Received, State
from gateway.store import answers as answers_of
from gateway.store import claims
from gateway.store.answers import Answered, supersede
from gateway.store.arrivals import Gone, Receipt, record_receipts
from gateway.store.clock import now
from gateway.store.database import is_pooled
from gateway.store.database_errors import errors_are_for_later, told_by
from gateway.store.descriptions import record_descriptions
from gateway.store.doorbell import Bell, Work
from gateway.store.entries import AnswerRecord, Arrival, StoredInstance
from gateway.store.outcome import NO_ROUTE, update_states
from gateway.store.schema import instances
from gateway.store.session import AuditEntry, Session, open_session
from gateway.store.shared_commit import SharedCommit
from gateway.telemetry.events import Event

_ENDS = {State.INELIGIBLE: Event.INELIGIBLE, State.FAILED: Event.FAILED}


class Ledger:
    """The rows of one gateway.

    Every method raises `Retry` when the database is away or locked; nothing is half-recorded then.

    Parameters
    ----------
    engine
        From `open_engine`; the tables exist.
    kept
        Paths are stored relative to this folder, so that it can be moved.
    bell
        Wakes workers once work is committed; None where they find it by themselves.
    fetch
        Makes a received file readable at its path (`Objects.fetch`), for the ledger's own questions.
    """

    def __init__(
        self,
        engine: sa.Engine,
        kept: Path,
        bell: Bell | None = None,
        fetch: Callable[[Path], None] = lambda _: None,
    ) -> None:
        self._engine = engine
        self._kept = kept
        self.fetch = fetch
        self._bell = bell
        self._receipts = SharedCommit(self._record_receipts, (sa.exc.IntegrityError, sa.exc.DataError, Gone))

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """Open a transaction that is on disk when the block ends."""
        with errors_are_for_later(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def look(self) -> Iterator[sa.Connection]:
        """Open a connection for reading; each statement sees what is committed when it begins.

        It costs a server neither BEGIN nor COMMIT.
        """
        with errors_are_for_later(), self._engine.connect() as connection:
            if connection.dialect.name == "postgresql":
                connection.execution_options(isolation_level="AUTOCOMMIT")
            yield connection

    @contextmanager
    def statement(self) -> Iterator[sa.Connection]:
        """Open a transaction of one statement; it is on disk when the block ends.

        A server commits it in the same round trip; a pooler needs a transaction, for its settings.
        """
        with errors_are_for_later(), self._engine.connect() as connection:
            if connection.dialect.name == "postgresql" and not is_pooled(connection):
                yield connection.execution_options(isolation_level="AUTOCOMMIT")
                return
            with connection.begin():
                yield connection

    def session(self) -> AbstractContextManager[Session]:
        """Open a transaction that tells events; it is on disk, and they are told, when the block ends."""
        return open_session(self._engine, self._bell)

    def ring(self, work: Work) -> None:
        """Wake the workers that wait for such work: the times of some of it have changed."""
        if self._bell is not None:
            self._bell.ring(work)

    # --- RECEIVE

    def record_received(
        self,
        received: Received,
        seconds: float = 0,
        audit: AuditEntry | None = None,
        is_there: Callable[[], bool] | None = None,
    ) -> Arrival:
        """Commit the row that *is* the acknowledgement; `seconds` were spent on the bytes.

        Threads that wait share a commit. Whatever the database says, the sender may try again: the same bytes
        under the same UID are one row, also where the answer to a commit was lost.

        Parameters
        ----------
        is_there
            Asked within the transaction where the store had the file before: retention may have deleted it
            meanwhile, and does not while this transaction lasts. False is for later, `Retry`.
        """
        try:
            return self._receipts(Receipt(received, seconds, audit, is_there))
        except Gone as gone:
            raise Retry("the file was deleted while it came again: send it again") from gone
        except sa.exc.DBAPIError as error:
            raise Retry(told_by(error)) from error

    def _record_receipts(self, receipts: Sequence[Receipt]) -> list[Arrival]:
        with self.session() as session:
            return record_receipts(session, receipts, self.relative)

    def queued(self) -> int:
        """Return how many images wait for their answer."""
        query = sa.select(sa.func.count()).where(instances.c.state == State.RECEIVED)
        with self.look() as connection:
            return int(connection.execute(query).scalar_one())

    # --- claims

    def claim(self, batch: str, limit: int) -> int:
        """Mark up to `limit` images, oldest first, as this batch's; return how many."""
        with self.statement() as connection:
            return claims.claim(connection, batch, limit)

    def next_due(self) -> datetime | None:
        """Return when an image can next be claimed, without a write lock; None where none waits.

        `AT_ONCE` where one waits already.
        """
        with self.look() as connection:
            return claims.next_due(connection)

    def begin_batch(self, batch: str) -> list[StoredInstance]:
        """Return the batch's images that have no answer yet, one attempt counted on each."""
        with self.statement() as connection:
            rows = claims.begin(connection, batch)
        with self.look() as connection:  # SQLite's other writers do not wait for the reading
            return claims.stored(connection, rows, self.absolute)

    def release(self, batch: str, delay_seconds: float, *, keep_count: bool = False) -> None:
        """Give the batch's unanswered images back to the collectors, for later.

        The attempts start anew unless `keep_count`: what went wrong may be the images' own fault.
        """
        mine = (instances.c.batch == batch) & (instances.c.state == State.RECEIVED)
        values: dict[str, Any] = {"batch": None, "not_before": now() + timedelta(seconds=delay_seconds)}
        if not keep_count:
            values["attempts"] = 0
        with self.transaction() as connection:
            connection.execute(sa.update(instances).where(mine).values(values))
        self.ring(Work.ANSWERS)

    def open_batches(self, prefix: str = "") -> list[str]:
        """Return the batches that still hold unanswered images and whose names begin like this."""
        held = (instances.c.state == State.RECEIVED) & instances.c.batch.is_not(None)
        named = instances.c.batch.startswith(prefix, autoescape=True)
        query = sa.select(instances.c.batch).distinct().where(held & named)
        with self.look() as connection:
            return [batch for batch in connection.scalars(query) if batch is not None]

    # --- ends and answers

    def end(
        self, session: Session, instance: StoredInstance, state: State, reason: Reason, detail: str
    ) -> bool:
        """Record that no answer will come; False if the image already has its end or its answer."""
        if not claims.leave(session.connection, instance, state=state, reason=reason, detail=detail):
            return False
        session.tell(_ENDS[state], instance, reason=reason, detail=detail)
        return True

    def record_answers(self, session: Session, answered: Sequence[Answered]) -> set[int]:
        """Record the answers to images of one batch, with their results and deliveries.

        Earlier answers stay, superseded. Returns the numbers of the images; one that already has its end or
        its answers is left out, and nothing of it is changed.
        """
        connection = session.connection
        left = claims.leave_together(connection, [image for image, *_ in answered])
        new = [each for each in answered if each.image.id in left]
        for image, *_ in new:
            if image.was_answered:
                supersede(connection, image.id)
        shown = answers_of.record(session, new, self.relative)
        for image, given, _ in new:
            self._tell_routes(session, image, given)
        columns = {each.image.id: _shown(each, shown[each.image.id]) for each in new}
        record_descriptions(connection, {each.image.id: each.description for each in new}, columns)
        again = [
            image.id
            for image, given, _ in new
            if image.was_answered or not any(each.is_routed for each in given)
        ]
        if again:
            update_states(connection, again, now())
        return left

    def _tell_routes(self, session: Session, instance: StoredInstance, given: Sequence[AnswerRecord]) -> None:
        for number, problem in given[0].unclear:
            session.tell(Event.ROUTE_UNCLEAR, instance, route=number, reason=problem)
        if not any(each.is_routed for each in given):
            session.tell(Event.FAILED, instance, reason=Reason.NOT_ROUTED, detail=NO_ROUTE)

    # --- paths

    def relative(self, path: Path) -> str:
        """Return `path` as the ledger keeps it."""
        return str(path.relative_to(self._kept))

    def absolute(self, path: str) -> Path:
        """Return a kept path as a file's."""
        return self._kept / path


def _shown(answered: Answered, answer_id: int) -> dict[str, Any]:
    first = answered.given[0]
    return {"answer_id": answer_id, "label": first.label, "score": first.score}
