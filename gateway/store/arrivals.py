"""The statements by which the ledger takes an image in: it is new, has come again, or has other bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from gateway.records import Received
from gateway.store.origin import source_that_was_asked
from gateway.store.schema import instances


def insert_if_new(connection: sa.Connection, row: Mapping[str, Any]) -> int | None:
    """Insert an image; return its number, or None where the same bytes are known under this UID."""
    source = {"stated": row["pulled_from"], "asked": row["sop_instance_uid"]}
    values = {name: value for name, value in row.items() if name != "pulled_from"} | source
    number: int | None = connection.execute(_INSERT[connection.dialect.name], values).scalar_one_or_none()
    return number


def _unless_known(insert: postgresql.Insert | sqlite.Insert) -> sa.Executable:
    asked = source_that_was_asked(sa.bindparam("asked", type_=sa.String))
    source = sa.func.coalesce(sa.bindparam("stated", type_=sa.String), asked)
    new = insert.values(pulled_from=source)
    unless_known = new.on_conflict_do_nothing(index_elements=["sop_instance_uid", "sha256"])
    return unless_known.returning(instances.c.id)


_INSERT = {  # built once: to build one takes longer than to execute it, and other writers wait meanwhile
    "postgresql": _unless_known(postgresql.insert(instances)),
    "sqlite": _unless_known(sqlite.insert(instances)),
}


def there_again(received: Received) -> sa.Executable:
    """Find the image that has come again; its file, if it had been deleted, has been written again."""
    same = instances.c.sop_instance_uid == received.sop_instance_uid, instances.c.sha256 == received.sha256
    return sa.update(instances).where(*same).values(file_deleted_at=None).returning(instances.c.id)


def other_bytes(received: Received) -> sa.Executable:
    """Find an image under the same UID with other bytes."""
    return sa.select(instances.c.id).where(
        instances.c.sop_instance_uid == received.sop_instance_uid, instances.c.sha256 != received.sha256
    )
