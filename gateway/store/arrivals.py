"""The statements by which the ledger takes an image in: it is new, has come again, or has other bytes."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from gateway.records import Received
from gateway.store.schema import instances


def insert_if_new(connection: sa.Connection, row: dict[str, Any]) -> sa.Executable:
    """Insert the row of an image unless the same bytes are known under this UID.

    Return its number, and whether there is an image under the same UID with other bytes.
    """
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(instances).values(row)
    unless_known = statement.on_conflict_do_nothing(index_elements=["sop_instance_uid", "sha256"])
    other = instances.alias()
    same_uid = other.c.sop_instance_uid == row["sop_instance_uid"]
    others = sa.exists().where(same_uid, other.c.sha256 != row["sha256"]).correlate(None)
    return unless_known.returning(instances.c.id, others.label("has_other_bytes"))


def there_again(received: Received) -> sa.Executable:
    """Find the image that has come again; its file, if it had been deleted, has been written again."""
    same = instances.c.sop_instance_uid == received.sop_instance_uid, instances.c.sha256 == received.sha256
    return sa.update(instances).where(*same).values(file_deleted_at=None).returning(instances.c.id)
