"""Marks of folders, processes that workers are, indexes for retention."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_KEPT = sa.text("file_deleted_at IS NULL")


def upgrade() -> None:
    """Add a table, a column and indexes; nothing that is there changes."""
    op.create_table(
        "folders",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("mark", sa.String(36), nullable=False),
    )
    op.add_column("executors", sa.Column("life", sa.String(255)))
    _index_kept("instances", ["state", "state_at"])
    _index_kept("results", ["created_at", "instance_id"])


def _index_kept(table: str, columns: list[str]) -> None:
    op.create_index(f"ix_{table}_kept", table, columns, sqlite_where=_KEPT, postgresql_where=_KEPT)
