"""Keeps the deletion of files apart from the reception of the same bytes, on all hosts of one database.

Retention and the sweep of orphans look at rows, then delete files; a receiver finds that the store has the
bytes already, then writes their row. Without a lock the file could go between the two, and an acknowledged
image with it. The lock is PostgreSQL's; SQLite has one writer at a time anyway.
"""

from __future__ import annotations

import sqlalchemy as sa

_LOCK = 0x6378_7264  # of this purpose, among the advisory locks of the database


def hold_deletions(connection: sa.Connection) -> None:
    """Let only this transaction delete files; it reads what it deletes afterwards."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    else:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def wait_for_deletions(connection: sa.Connection) -> None:
    """Wait until nobody deletes files; nobody begins to before this transaction ends.

    The transaction has written a row already, which is the lock of SQLite.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock_shared(_LOCK)))
