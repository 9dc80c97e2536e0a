"""The statements by which the ledger takes an image in: it is new, has come again, or has other bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from gateway.records import Received
from gateway.store.origin import source_that_was_asked
from gateway.store.schema import instances


def insert_if_new(connection: sa.Connection, row: Mapping[str, Any]) -> sa.Row[tuple[int, bool]] | None:
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


def there_again(received: Received) -> sa.Executable:
    """Find the image that has come again; its file, if it had been deleted, has been written again."""
    same = instances.c.sop_instance_uid == received.sop_instance_uid, instances.c.sha256 == received.sha256
    return sa.update(instances).where(*same).values(file_deleted_at=None).returning(instances.c.id)
