"""Rows of images: what was received, which batch holds it, how it ended, how it was answered.

Receiver and workers call it. Each method commits before it returns: nobody is told of what could be lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import fields
from datetime import datetime, timedelta
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa

from gateway.errors import Retry
from gateway.records import Reason, Received, Stage, State
from gateway.store import answers as answers_of
from gateway.store.answers import Answered, standing_reports, supersede
from gateway.store.arrivals import insert_if_new, there_again
from gateway.store.clock_setback import clear_future_times
from gateway.store.database import UTCDateTime, is_pooled
from gateway.store.database_errors import errors_are_for_later, told_by
from gateway.store.deletions import wait_for_deletions
from gateway.store.descriptions import record_descriptions
from gateway.store.doorbell import Bell, Work
from gateway.store.entries import (
    AT_ONCE,
    AnsweredVersion,
    AnswerRecord,
    Arrival,
    EarlierReport,
    ImageIdentity,
    StoredInstance,
)
from gateway.store.outcome import NO_ROUTE, update_states
from gateway.store.rejections import rejected
from gateway.store.schema import answers, instances, workers
from gateway.store.session import AuditEntry, Session, open_session
from gateway.store.session import now as now
from gateway.store.shared_commit import SharedCommit
from gateway.telemetry.events import Event

CLOCK_TOLERANCE = timedelta(seconds=10)  # a clock set back by less makes nothing wait for long

_ENDS = {State.INELIGIBLE: Event.INELIGIBLE, State.FAILED: Event.FAILED}

_STORED = (
    instances.c.id,
    instances.c.sop_instance_uid,
    instances.c.study_instance_uid,
    instances.c.calling_ae_title,
    instances.c.path,
    instances.c.batch,
    instances.c.attempts,
    instances.c.received_at,
    instances.c.answer_id.is_not(None).label("was_answered"),
    instances.c.pulled_from,
)


Fetch = Callable[[Path], None]


class _Receipt(NamedTuple):
    """A received instance whose row is to be committed."""

    received: Received
    seconds: float
    audit: AuditEntry | None
    is_there: Callable[[], bool] | None = None


class _Gone(Exception):  # noqa: N818 - said of the file
    """The file of a received instance was deleted before its row was written."""


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
        self._receipts = SharedCommit(self._record_receipts, (sa.exc.IntegrityError, sa.exc.DataError, _Gone))

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
            return self._receipts(_Receipt(received, seconds, audit, is_there))
        except _Gone as gone:
            raise Retry("the file was deleted while it came again: send it again") from gone
        except sa.exc.DBAPIError as error:
            raise Retry(told_by(error)) from error

    def _record_receipts(self, receipts: Sequence[_Receipt]) -> list[Arrival]:
        # in one order everywhere, so that transactions of two receivers never wait for each other in a circle
        order = sorted(range(len(receipts)), key=lambda place: receipts[place].received.sop_instance_uid)
        with self.session() as session:
            arrivals = {place: self._record_receipt(session, receipts[place]) for place in order}
            session.time(*({Stage.RECEIVE: each.seconds} for each in receipts))
        return [arrivals[place] for place in range(len(receipts))]

    def _record_receipt(self, session: Session, receipt: _Receipt) -> Arrival:
        received = receipt.received
        instance_id, arrival = self._insert(session.connection, received)
        if receipt.is_there is not None:
            wait_for_deletions(session.connection)
            if not receipt.is_there():
                raise _Gone
        session.tell(
            Event.RECEIVED,
            ImageIdentity(
                instance_id,
                received.sop_instance_uid,
                received.study_instance_uid,
                received.calling_ae_title,
            ),
            audit=receipt.audit,
            arrival=arrival,
            calling_ae_title=received.calling_ae_title,
            called_ae_title=received.called_ae_title,
            peer_address=received.peer_address,
            transfer_syntax_uid=received.transfer_syntax_uid,
            size_bytes=received.size_bytes,
        )
        return arrival

    def _insert(self, connection: sa.Connection, received: Received) -> tuple[int, Arrival]:
        row = {field.name: getattr(received, field.name) for field in fields(received)}
        row |= {"path": self.relative(received.path), "state": State.RECEIVED}
        new = insert_if_new(connection, row | {"state_at": received.received_at})
        if new is None:
            return int(connection.execute(there_again(received)).scalar_one()), Arrival.RESENT
        return new.id, Arrival.CHANGED if new.has_other_bytes else Arrival.NEW

    def queued(self) -> int:
        """Return how many images wait for their answer."""
        query = sa.select(sa.func.count()).where(instances.c.state == State.RECEIVED)
        with self.look() as connection:
            return int(connection.execute(query).scalar_one())

    # --- claims

    def claim(self, connection: sa.Connection, batch: str, limit: int) -> int:
        """Mark up to `limit` images, oldest first, as this batch's; return how many."""
        these = {"claimed_by": batch, "time": now(), "most": limit}
        return len(connection.scalars(_CLAIM, these).all())

    def next_due(self) -> datetime | None:
        """Return when an image can next be claimed, without a write lock; None where none waits.

        `AT_ONCE` where one waits already.
        """
        with self.look() as connection:
            due: datetime | None = connection.scalar(_NEXT_DUE, {"time": now()})
            return due

    def begin_batch(self, batch: str) -> list[StoredInstance]:
        """Return the batch's images that have no answer yet, one attempt counted on each."""
        with self.statement() as connection:
            rows = sorted(connection.execute(_BEGIN, {"held_by": batch}), key=attrgetter("id"))
        with self.look() as connection:  # SQLite's other writers do not wait for the reading
            reports = standing_reports(connection, [row.id for row in rows if row.was_answered])
            uids = {row.sop_instance_uid for row in rows}
            answered, why = self._answered(connection, uids), rejected(connection, uids)
        return [
            self._stored(
                row,
                reports.get(row.id, ()),
                tuple(found for id_, found in answered.get(row.sop_instance_uid, ()) if id_ != row.id),
                why.get(row.sop_instance_uid),
            )
            for row in rows
        ]

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

    # --- workers

    def beat(self, worker_id: str, life: str = "", answering: dict[str, Any] | None = None) -> bool:
        """Record that this worker lives; tell whether the clock has been set back since its last beat.

        What was to wait is due at once then: nobody knows any more for how long. `life` is the process that
        has the name, see `worker_name`; `answering` is what its answers depend on, None once it stops.
        """
        this = workers.c.worker_id == worker_id
        with self.transaction() as connection:
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
                self.ring(work)
        return set_back

    def answering(self, seconds: float) -> list[dict[str, Any]]:
        """Return what the answers of the workers depend on that were heard of in the last `seconds`."""
        query = sa.select(workers.c.answering).where(workers.c.beat_at > now() - timedelta(seconds=seconds))
        with self.look() as connection:
            return [answering for answering in connection.scalars(query) if answering]

    def silent_workers(self, seconds: float) -> list[str]:
        """Return the workers that have not been heard of for so long."""
        query = sa.select(workers.c.worker_id)
        query = query.where(workers.c.beat_at < now() - timedelta(seconds=seconds))
        with self.look() as connection:
            return list(connection.scalars(query))

    def forget_worker(self, worker_id: str) -> None:
        """Drop a worker whose work has been taken over."""
        with self.transaction() as connection:
            connection.execute(sa.delete(workers).where(workers.c.worker_id == worker_id))

    # --- ends and answers

    def end(
        self, session: Session, instance: StoredInstance, state: State, reason: Reason, detail: str
    ) -> bool:
        """Record that no answer will come; False if the image already has its end or its answer."""
        if not _leave_received(session.connection, instance, state=state, reason=reason, detail=detail):
            return False
        session.tell(_ENDS[state], instance, reason=reason, detail=detail)
        return True

    def record_answers(self, session: Session, answered: Sequence[Answered]) -> set[int]:
        """Record the answers to images of one batch, with their results and deliveries.

        Earlier answers stay, superseded. Returns the numbers of the images; one that already has its end or
        its answers is left out, and nothing of it is changed.
        """
        connection = session.connection
        left = _leave_received_together(connection, [image for image, *_ in answered])
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

    def _stored(
        self,
        row: Any,
        reports: tuple[EarlierReport, ...],
        answered: tuple[AnsweredVersion, ...],
        why_rejected: str | None,
    ) -> StoredInstance:
        values = dict(row._mapping) | {"earlier_reports": reports, "answered": answered}
        values |= {"rejected": why_rejected}
        return StoredInstance(**values | {"path": self.absolute(values["path"])})

    def _answered(
        self, connection: sa.Connection, sop_instance_uids: set[str]
    ) -> dict[str, list[tuple[int, AnsweredVersion]]]:
        """Return the data sets under these UIDs that have an answer and a file, by UID."""
        found: dict[str, list[tuple[int, AnsweredVersion]]] = {}
        for row in connection.execute(_ANSWERED, {"uids": list(sop_instance_uids)}):
            version = AnsweredVersion(self.absolute(row.path), row.software)
            found.setdefault(row.sop_instance_uid, []).append((row.id, version))
        return found


# built once: to build a statement takes longer than to execute it, and other writers wait meanwhile
_WAITS = (instances.c.state == State.RECEIVED) & instances.c.batch.is_(None)
_IS_DUE = sa.or_(instances.c.not_before.is_(None), instances.c.not_before <= sa.bindparam("time"))
_NEXT_DUE = sa.select(
    sa.case(
        (sa.exists().where(_WAITS, _IS_DUE), sa.literal(AT_ONCE, UTCDateTime)),
        else_=sa.select(sa.func.min(instances.c.not_before)).where(_WAITS).scalar_subquery(),
    )
)
_FREE = (
    sa.select(instances.c.id)
    .where(_WAITS, _IS_DUE)
    .order_by(instances.c.id)
    .limit(sa.bindparam("most"))
    .with_for_update(skip_locked=True)
)
_CLAIM = (
    sa.update(instances)
    .where(instances.c.id.in_(_FREE))
    .values(batch=sa.bindparam("claimed_by"))
    .returning(instances.c.id)
)
_HELD = (instances.c.state == State.RECEIVED) & (instances.c.batch == sa.bindparam("held_by"))
_BEGIN = sa.update(instances).where(_HELD).values(attempts=instances.c.attempts + 1).returning(*_STORED)
_ANSWERED = (
    sa.select(
        instances.c.id,
        instances.c.sop_instance_uid,
        instances.c.path,
        answers.c.software_version.label("software"),
    )
    .join_from(instances, answers, answers.c.id == instances.c.answer_id)
    .where(
        instances.c.sop_instance_uid.in_(sa.bindparam("uids", expanding=True)),
        instances.c.file_deleted_at.is_(None),
    )
)
_LEAVE = sa.update(instances).where(instances.c.id == sa.bindparam("image"), _HELD)
_LEAVE_TOGETHER = (
    sa.update(instances)
    .where(instances.c.id.in_(sa.bindparam("images", expanding=True)), _HELD)
    .values(state=State.INFERRED, batch=None, reason=None, detail=None, state_at=sa.bindparam("time"))
    .returning(instances.c.id)
)  # a reason for which an image has waited goes


def _leave_received(connection: sa.Connection, instance: StoredInstance, **values: Any) -> bool:
    """Only the batch that holds the image may end it: a worker that was given up comes too late."""
    mine = {"image": instance.id, "held_by": instance.batch}
    return connection.execute(_LEAVE, mine | values | {"batch": None, "state_at": now()}).rowcount == 1


def _leave_received_together(connection: sa.Connection, images: Sequence[StoredInstance]) -> set[int]:
    """Let the images of one batch become `inferred`; return the numbers of those that it still held."""
    mine = {"images": [image.id for image in images], "held_by": images[0].batch}
    return set(connection.scalars(_LEAVE_TOGETHER, mine | {"time": now()}))


def _shown(answered: Answered, answer_id: int) -> dict[str, Any]:
    first = answered.given[0]
    return {"answer_id": answer_id, "label": first.label, "score": first.score}
