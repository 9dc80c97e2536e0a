"""Readers' words of which an SR is due, and the rows of such an SR.

The report page makes them due (`store.feedback`); `worker.reader_reports` writes the SRs. A reader's words on
one answer become SRs in the order in which they were said.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from gateway.records import SR
from gateway.store.answers import register
from gateway.store.entries import Agreement, DeliveryState, ImageIdentity, StoredResult
from gateway.store.rejections import is_not_rejected
from gateway.store.schema import deliveries, feedback, instances, reader_reports, results
from gateway.store.session import IDENTITY, Session
from gateway.telemetry.events import Event

REJECTED = "the image was rejected by a note"


@dataclass(frozen=True, slots=True)
class DueReport:
    """A reader's word of which an SR is due.

    Attributes
    ----------
    report
        Path of the gateway's own SR on the answer, as the ledger keeps it; None where it was deleted.
    earlier
        SOP Instance UID of the reader's last SR on the answer.
    same
        Number of that SR where it says the same.
    is_rejected
        The image has been withdrawn.
    """

    feedback_id: int
    image: ImageIdentity
    answer_id: int
    reader: str
    verdict: Agreement
    comment: str
    time: datetime
    report: str | None
    earlier: str | None
    same: int | None
    is_rejected: bool


def due_reports(connection: sa.Connection, limit: int) -> list[DueReport]:
    """Return the oldest words of which an SR is due, of each reader and answer only the first."""
    earlier_due, earlier_said = reader_reports.alias(), feedback.alias()
    waits = sa.exists().where(
        earlier_due.c.due,
        earlier_due.c.feedback_id == earlier_said.c.id,
        earlier_said.c.id < feedback.c.id,
        earlier_said.c.answer_id == feedback.c.answer_id,
        earlier_said.c.reader == feedback.c.reader,
    )
    query = (
        sa.select(
            *IDENTITY,
            feedback.c.id.label("feedback_id"),
            feedback.c.answer_id,
            feedback.c.reader,
            feedback.c.verdict,
            feedback.c.comment,
            feedback.c.time,
            is_not_rejected().label("stands"),
        )
        .join(feedback, feedback.c.instance_id == instances.c.id)
        .join(reader_reports, reader_reports.c.feedback_id == feedback.c.id)
        .where(reader_reports.c.due, ~waits)
    )
    rows = connection.execute(query.order_by(feedback.c.id).limit(limit)).all()
    return [_due(connection, row) for row in rows]


def _due(connection: sa.Connection, row: sa.Row[*tuple[Any, ...]]) -> DueReport:
    of_answer = results.c.answer_id == row.answer_id
    own = sa.select(results.c.path).where(
        of_answer, results.c.kind == SR, results.c.file_deleted_at.is_(None)
    )
    last = (
        sa.select(feedback.c.verdict, feedback.c.comment, results.c.id, results.c.sop_instance_uid)
        .join(reader_reports, reader_reports.c.feedback_id == feedback.c.id)
        .join(results, results.c.id == reader_reports.c.result_id)
        .where(feedback.c.answer_id == row.answer_id, feedback.c.reader == row.reader)
        .where(feedback.c.id < row.feedback_id)
        .order_by(feedback.c.id.desc())
        .limit(1)
    )
    before = connection.execute(last).first()
    is_same = before is not None and (before.verdict, before.comment) == (row.verdict, row.comment)
    return DueReport(
        feedback_id=row.feedback_id,
        image=ImageIdentity(*row[: len(IDENTITY)]),
        answer_id=row.answer_id,
        reader=row.reader,
        verdict=Agreement(row.verdict),
        comment=row.comment,
        time=row.time,
        report=connection.scalar(own),
        earlier=before.sop_instance_uid if before else None,
        same=before.id if before and is_same else None,
        is_rejected=not row.stands,
    )


def record_report(session: Session, due: DueReport, made: StoredResult, path: str) -> bool:
    """Register the SR of a word, due where the gateway's own SR is or will be; tell whether it was due still.

    Parameters
    ----------
    path
        Of the file, as the ledger keeps it.
    """
    this = sa.select(instances.c.id).where(instances.c.id == due.image.id, is_not_rejected())
    if session.connection.execute(this.with_for_update()).first() is None:
        return leave_unreported(session, due, REJECTED)
    if not _take(session.connection, due.feedback_id):
        return False
    names = session.connection.scalars(_where_report_is(due.answer_id)).all()
    number = register(session, due.image, due.answer_id, made, path, names)
    _point(session.connection, due.feedback_id, number)
    return True


def repeat_report(session: Session, due: DueReport, number: int) -> None:
    """Let a word that says the same as the one before have the same SR."""
    if _take(session.connection, due.feedback_id):
        _point(session.connection, due.feedback_id, number)


def leave_unreported(session: Session, due: DueReport, reason: str) -> bool:
    """Record and tell that a word gets no SR; tell whether one was due still."""
    taken = _take(session.connection, due.feedback_id)
    if taken:
        session.tell(Event.NOT_REPORTED, due.image, reader=due.reader, reason=reason)
    return taken


def _take(connection: sa.Connection, feedback_id: int) -> bool:
    """Let no SR be due of a word any more; False where another worker has been here."""
    still_due = (reader_reports.c.feedback_id == feedback_id) & reader_reports.c.due
    return connection.execute(sa.update(reader_reports).where(still_due).values(due=False)).rowcount == 1


def _point(connection: sa.Connection, feedback_id: int, number: int) -> None:
    this = reader_reports.c.feedback_id == feedback_id
    connection.execute(sa.update(reader_reports).where(this).values(result_id=number))


def _where_report_is(answer_id: int) -> sa.Select[str]:
    """Pick the destinations that have the gateway's SR on an answer, may have it, or will get it."""
    there = (DeliveryState.PENDING, DeliveryState.STORED, DeliveryState.COMMITTED)
    query = sa.select(deliveries.c.destination).join(results, results.c.id == deliveries.c.result_id)
    query = query.where(results.c.answer_id == answer_id, results.c.kind == SR)
    return query.where(deliveries.c.state.in_(there) | deliveries.c.unsure).order_by(deliveries.c.destination)
