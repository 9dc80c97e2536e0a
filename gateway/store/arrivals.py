"""Rows of received images: an image is new, has come again, or has other bytes under a known UID.

The ledger calls it within the transaction that acknowledges images.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from gateway.records import Received, Stage, State
from gateway.store.deletions import wait_for_deletions
from gateway.store.entries import Arrival, ImageIdentity
from gateway.store.origin import source_that_was_asked
from gateway.store.schema import instances
from gateway.store.session import AuditEntry, Session
from gateway.telemetry.events import Event


class Receipt(NamedTuple):
    """A received instance whose row is to be committed; `seconds` were spent on its bytes."""

    received: Received
    seconds: float
    audit: AuditEntry | None
    is_there: Callable[[], bool] | None = None


class Gone(Exception):  # noqa: N818 - said of the file
    """The file of a received instance was deleted before its row was written."""


def record_receipts(
    session: Session, receipts: Sequence[Receipt], relative: Callable[[Path], str]
) -> list[Arrival]:
    """Record images that have arrived; return how each relates to the ledger.

    Parameters
    ----------
    relative
        Turns a file's path into the one that is kept.

    Raises
    ------
    Gone
        If the file of one was deleted meanwhile.
    """
    # in one order everywhere, so that transactions of two receivers never wait for each other in a circle
    order = sorted(range(len(receipts)), key=lambda place: receipts[place].received.sop_instance_uid)
    arrivals = {place: _record(session, receipts[place], relative) for place in order}
    session.time(*({Stage.RECEIVE: each.seconds} for each in receipts))
    return [arrivals[place] for place in range(len(receipts))]


def _record(session: Session, receipt: Receipt, relative: Callable[[Path], str]) -> Arrival:
    received = receipt.received
    instance_id, arrival = _insert(session.connection, received, relative(received.path))
    if receipt.is_there is not None:
        wait_for_deletions(session.connection)
        if not receipt.is_there():
            raise Gone
    identity = ImageIdentity(
        instance_id, received.sop_instance_uid, received.study_instance_uid, received.calling_ae_title
    )
    session.tell(
        Event.RECEIVED,
        identity,
        audit=receipt.audit,
        arrival=arrival,
        calling_ae_title=received.calling_ae_title,
        called_ae_title=received.called_ae_title,
        peer_address=received.peer_address,
        transfer_syntax_uid=received.transfer_syntax_uid,
        size_bytes=received.size_bytes,
    )
    return arrival


def _insert(connection: sa.Connection, received: Received, path: str) -> tuple[int, Arrival]:
    row = {field.name: getattr(received, field.name) for field in fields(received)}
    row |= {"path": path, "state": State.RECEIVED, "state_at": received.received_at}
    new = _insert_if_new(connection, row)
    if new is None:
        return int(connection.execute(_there_again(received)).scalar_one()), Arrival.RESENT
    return new.id, Arrival.CHANGED if new.has_other_bytes else Arrival.NEW


def _insert_if_new(connection: sa.Connection, row: Mapping[str, Any]) -> sa.Row[tuple[int, bool]] | None:
    """Insert the row of an image unless the same bytes are known under this UID.

    Return its number (`id`) and whether the same UID has an image with other bytes (`has_other_bytes`), or
    None where the bytes are known.
    """
    known = {"stated": row["pulled_from"], "asked": row["sop_instance_uid"], "bytes": row["sha256"]}
    values = {name: value for name, value in row.items() if name != "pulled_from"} | known
    return connection.execute(_INSERT[connection.dialect.name], values).one_or_none()


def _unless_known(insert: postgresql.Insert | sqlite.Insert) -> sa.Executable:
    uid = sa.bindparam("asked", type_=sa.String)
    source = sa.func.coalesce(sa.bindparam("stated", type_=sa.String), source_that_was_asked(uid))
    unless_known = insert.values(pulled_from=source).on_conflict_do_nothing(
        index_elements=["sop_instance_uid", "sha256"]
    )
    other = instances.alias()
    same_uid = other.c.sop_instance_uid == uid
    others = (
        sa.exists().where(same_uid, other.c.sha256 != sa.bindparam("bytes", type_=sa.String)).correlate(None)
    )
    return unless_known.returning(instances.c.id, others.label("has_other_bytes"))


_INSERT = {  # built once: to build one takes longer than to execute it, and other writers wait meanwhile
    "postgresql": _unless_known(postgresql.insert(instances)),
    "sqlite": _unless_known(sqlite.insert(instances)),
}


def _there_again(received: Received) -> sa.Executable:
    """Find the image that has come again; its file, if it had been deleted, has been written again."""
    same = instances.c.sop_instance_uid == received.sop_instance_uid, instances.c.sha256 == received.sha256
    return sa.update(instances).where(*same).values(file_deleted_at=None).returning(instances.c.id)
