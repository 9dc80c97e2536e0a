"""Answers whose results the gateway rejects by a note of its own; rows of results that follow an answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from gateway.records import OWN_NOTE, SR
from gateway.store.answers import register
from gateway.store.entries import DeliveryState, ImageIdentity, StoredResult
from gateway.store.schema import deliveries, instances, results
from gateway.store.session import IDENTITY, Session

_UIDS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class SentRow:
    """A DICOM result of an answer."""

    kind: str
    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, slots=True)
class SentAnswer:
    """An answer with DICOM results; `report` is the path of its SR as the ledger keeps it."""

    id: int
    image: ImageIdentity
    report: str
    results: tuple[SentRow, ...]


def answers_sent(connection: sa.Connection, sop_instance_uids: Sequence[str]) -> list[SentAnswer]:
    """Return the answers to these images whose SR is still on disk, superseded ones, too."""
    found: dict[int, SentAnswer] = {}
    columns = results.c.answer_id, results.c.kind, results.c.sop_class_uid.label("of_class")
    uid = results.c.sop_instance_uid.label("result_uid")
    query = sa.select(*IDENTITY, *columns, uid, results.c.path, results.c.file_deleted_at)
    query = query.join(results, results.c.instance_id == instances.c.id)
    query = query.where(results.c.sop_instance_uid.is_not(None), results.c.kind != OWN_NOTE)
    for first in range(0, len(sop_instance_uids), _UIDS_AT_ONCE):
        some = instances.c.sop_instance_uid.in_(sop_instance_uids[first : first + _UIDS_AT_ONCE])
        for row in connection.execute(query.where(some).order_by(results.c.id)):
            image = ImageIdentity(*row[: len(IDENTITY)])
            before = found.get(row.answer_id, SentAnswer(row.answer_id, image, "", ()))
            is_report = row.kind == SR and row.file_deleted_at is None
            sent = SentRow(row.kind, row.of_class, row.result_uid)
            report = row.path if is_report else before.report
            found[row.answer_id] = replace(before, report=report, results=(*before.results, sent))
    return [each for each in found.values() if each.report]


def record_own_note(session: Session, answer: SentAnswer, note: StoredResult, path: str) -> None:
    """Register a note on an answer's results, due where one of them is or may be; once."""
    connection = session.connection
    names = connection.scalars(_where_sent(answer.id)).all()
    known = sa.select(results.c.id).where(results.c.name == note.path.name)
    if not names or connection.scalars(known).first() is not None:
        return
    register(session, answer.image, answer.id, note, path, names)


def _where_sent(answer_id: int) -> sa.Select[Any]:
    """Pick the destinations that have, or may have, a DICOM result of an answer."""
    arrived = deliveries.c.state.in_((DeliveryState.STORED, DeliveryState.COMMITTED)) | deliveries.c.unsure
    query = sa.select(deliveries.c.destination).join(results, results.c.id == deliveries.c.result_id)
    query = query.where(results.c.answer_id == answer_id, results.c.sop_instance_uid.is_not(None), arrived)
    return query.distinct().order_by(deliveries.c.destination)
