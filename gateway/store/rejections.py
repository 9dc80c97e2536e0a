"""Images that rejection notes have withdrawn, whichever came first.

A worker keeps a note's references before it ends the note, in a transaction of its own: from then on no
answer to one of these images is recorded, also by a worker that has it in hand, for that worker asks within
the transaction of its answer. Ending the note then withdraws what has been answered. Both can be repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from gateway.records import Reason, State
from gateway.store.clock import now
from gateway.store.entries import DeliveryState, ImageIdentity
from gateway.store.schema import deliveries, instances, rejections, results
from gateway.store.session import IDENTITY, AuditEntry, Session
from gateway.telemetry.events import Event

AT_ONCE = 500  # references in one statement
_ANSWERABLE = (State.RECEIVED, State.INFERRED, State.DELIVERED, State.FAILED)
_STOPPED = "not sent: the image was rejected by a note"


@dataclass(frozen=True, slots=True)
class Rejection:
    """A note's rejection of some images.

    Attributes
    ----------
    code, title
        Of the note's title (PS3.16 CID 7011).
    note_sop_instance_uid
        The note.
    sop_instance_uids
        The rejected images.
    """

    code: str
    title: str
    note_sop_instance_uid: str
    sop_instance_uids: tuple[str, ...]


def keep_rejections(connection: sa.Connection, given: Iterable[Rejection]) -> None:
    """Keep the references of notes: once committed, no answer to these images is recorded."""
    rows = [
        {
            "sop_instance_uid": uid,
            "note_sop_instance_uid": each.note_sop_instance_uid,
            "code": each.code,
            "title": each.title,
            "time": now(),
        }
        for each in given
        for uid in each.sop_instance_uids
    ]
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(rejections).on_conflict_do_nothing()
    for first in range(0, len(rows), AT_ONCE):
        connection.execute(statement, rows[first : first + AT_ONCE])


def rejected(connection: sa.Connection, sop_instance_uids: Collection[str]) -> dict[str, str]:
    """Return why each of these images is rejected, in words; those that are not are left out."""
    found: dict[str, str] = {}
    for uid, title, code in connection.execute(_REJECTED, {"uids": list(sop_instance_uids)}):
        found.setdefault(uid, told(title, code))
    return found


_REJECTED = (  # built once: to build a statement takes longer than to execute it
    sa.select(rejections.c.sop_instance_uid, rejections.c.title, rejections.c.code)
    .where(rejections.c.sop_instance_uid.in_(sa.bindparam("uids", expanding=True)))
    .order_by(rejections.c.id)
)


def is_not_rejected() -> sa.ColumnElement[bool]:
    """Return the condition that an image has not been withdrawn."""
    return instances.c.reason.is_distinct_from(Reason.REJECTED)


def told(title: str, code: str) -> str:
    """Return the reason for a rejection in words."""
    return f"a rejection note says: {title} ({code}, DCM)"


def withdraw(session: Session, given: Rejection, audit: Callable[[str], AuditEntry]) -> int:
    """Withdraw the answers to rejected images, and let none be given; return how many images that were.

    An image keeps its answer, its results and what was delivered; what was not, is not sent any more. The
    images that no answer was due for stay as they are.

    Parameters
    ----------
    audit
        Returns the audit entry of an image from the path of its file as the ledger keeps it.
    """
    uids, count = given.sop_instance_uids, 0
    for first in range(0, len(uids), AT_ONCE):
        images = _end(session.connection, uids[first : first + AT_ONCE], told(given.title, given.code))
        _stop(session.connection, [image.id for image, _ in images])
        for image, path in images:
            told_of = {"code": given.code, "note_sop_instance_uid": given.note_sop_instance_uid}
            session.tell(Event.WITHDRAWN, image, audit=audit(path), **told_of)
        count += len(images)
    return count


def _end(connection: sa.Connection, uids: Sequence[str], detail: str) -> list[tuple[ImageIdentity, str]]:
    """Let images end as rejected; return them with their paths as kept."""
    these = instances.c.sop_instance_uid.in_(uids) & instances.c.state.in_(_ANSWERABLE)
    values = {"state": State.INELIGIBLE, "state_at": now(), "reason": Reason.REJECTED, "detail": detail}
    statement = sa.update(instances).where(these).values(batch=None, not_before=None, **values)
    rows = connection.execute(statement.returning(*IDENTITY, instances.c.path))
    return [(ImageIdentity(*identity), path) for *identity, path in rows]


def _stop(connection: sa.Connection, ids: Sequence[int]) -> None:
    """Send nothing more; what is in hand just now may have arrived."""
    mine = sa.select(results.c.id).where(results.c.instance_id.in_(ids))
    waits = deliveries.c.open & (deliveries.c.state == DeliveryState.PENDING)
    values = {"state": DeliveryState.WITHDRAWN, "state_at": now(), "open": False, "last_error": _STOPPED}
    in_hand = {"unsure": sa.or_(deliveries.c.unsure, deliveries.c.worker_id.is_not(None)), "worker_id": None}
    these = deliveries.c.result_id.in_(mine) & waits
    connection.execute(sa.update(deliveries).where(these).values(values | in_hand))
