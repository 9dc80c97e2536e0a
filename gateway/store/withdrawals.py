"""Messages and Bundles of answers, and the rows of those that withdraw them.

The worker asks for the first when a rejection note has come, and registers the second within the transaction
that withdraws the image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa

from gateway.records import FHIR, HL7
from gateway.store.answers import register
from gateway.store.clock import now
from gateway.store.entries import DeliveryState, ImageIdentity, StoredResult
from gateway.store.schema import answers, deliveries, instances, results
from gateway.store.session import IDENTITY, Session

SETTLING_SECONDS = 300.0
"""Delay of a withdrawal where the end of an attempt is unknown: the answer must not arrive after it."""

_UIDS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class KeptMessage:
    """A message or Bundle of an answer; `path` is of its file, as the ledger keeps it."""

    id: int
    answer_id: int
    image: ImageIdentity
    model_name: str
    media_type: str
    path: str


def messages_kept(connection: sa.Connection, sop_instance_uids: Sequence[str]) -> list[KeptMessage]:
    """Return the messages and Bundles on these images whose files are there, of superseded answers, too."""
    found: list[KeptMessage] = []
    columns = results.c.id.label("result_id"), results.c.answer_id.label("of_answer")
    about = answers.c.model_name, results.c.media_type, results.c.path.label("kept_at")
    query = sa.select(*columns, *about, *IDENTITY).join(results, results.c.instance_id == instances.c.id)
    query = query.join(answers, answers.c.id == results.c.answer_id)
    query = query.where(results.c.kind.in_((HL7, FHIR)), results.c.file_deleted_at.is_(None))
    for first in range(0, len(sop_instance_uids), _UIDS_AT_ONCE):
        some = instances.c.sop_instance_uid.in_(sop_instance_uids[first : first + _UIDS_AT_ONCE])
        for number, answer_id, *of, image_id, uid, study, title in connection.execute(query.where(some)):
            found.append(KeptMessage(number, answer_id, ImageIdentity(image_id, uid, study, title), *of))
    return found


def record_withdrawal(session: Session, kept: KeptMessage, made: StoredResult, path: str) -> None:
    """Register what withdraws a message, due where nothing later has come or may come; once.

    Parameters
    ----------
    path
        Of the file that withdraws it, as the ledger keeps it.
    """
    connection = session.connection
    names = {row.destination: row.unsure for row in connection.execute(_last_ones(kept))}
    known = sa.select(results.c.id).where(results.c.name == made.path.name)
    if not names or connection.scalars(known).first() is not None:
        return
    number = register(session, kept.image, kept.answer_id, made, path, sorted(names))
    unsure = [name for name, is_unsure in names.items() if is_unsure]
    these = (deliveries.c.result_id == number) & deliveries.c.destination.in_(unsure)
    later = now() + timedelta(seconds=SETTLING_SECONDS)
    connection.execute(sa.update(deliveries).where(these).values(not_before=later))


def _last_ones(kept: KeptMessage) -> sa.Select[tuple[str, bool]]:
    """Pick the destinations that have, or may have, this message as the last one on image and model."""
    other, other_result, other_answer = deliveries.alias(), results.alias(), answers.alias()
    is_later = (other.c.state_at > deliveries.c.state_at) | (
        (other.c.state_at == deliveries.c.state_at) & (other.c.id > deliveries.c.id)
    )
    replaced = sa.exists().where(
        other_result.c.id == other.c.result_id,
        other_answer.c.id == other_result.c.answer_id,
        other_result.c.instance_id == kept.image.id,
        other_result.c.kind.in_((HL7, FHIR)),
        other_result.c.media_type == kept.media_type,
        other_answer.c.model_name == kept.model_name,
        other.c.destination == deliveries.c.destination,
        _arrived(other),
        is_later,
    )
    query = sa.select(deliveries.c.destination, deliveries.c.unsure)
    return query.where(deliveries.c.result_id == kept.id, _arrived(deliveries), ~replaced)


def _arrived(table: sa.FromClause) -> sa.ColumnElement[bool]:
    stored = table.c.state.in_((DeliveryState.STORED, DeliveryState.COMMITTED))
    return sa.or_(stored, table.c.unsure)
