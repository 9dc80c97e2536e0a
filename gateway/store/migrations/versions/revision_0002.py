"""Deliveries that workers claim, destinations that are away, answers superseded, files deleted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.store.database import UTCDateTime

revision = "0002"
down_revision = "0001"

_AT_ONCE = "1970-01-01 00:00:00"


def upgrade() -> None:
    """Change every table but `events` and `executors`; deliveries under way go on at once."""
    op.add_column("instances", sa.Column("file_deleted_at", UTCDateTime))
    op.add_column("results", sa.Column("file_deleted_at", UTCDateTime))
    op.add_column("results", sa.Column("superseded_at", UTCDateTime))
    _change_deliveries()
    op.create_table(
        "destinations",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
        sa.Column("error", sa.Text),
        sa.Column("retry_at", UTCDateTime),
    )


def _change_deliveries() -> None:
    op.add_column("deliveries", sa.Column("open", sa.Boolean, nullable=False, server_default=sa.true()))
    op.add_column("deliveries", sa.Column("held_by", sa.String(255)))
    op.add_column("deliveries", sa.Column("not_before", UTCDateTime))
    op.add_column("deliveries", sa.Column("begun_at", UTCDateTime))
    op.add_column("deliveries", sa.Column("transaction_uid", sa.String(64)))
    op.execute("UPDATE deliveries SET open = (state = 'pending'), begun_at = state_at")
    op.execute(f"UPDATE deliveries SET not_before = '{_AT_ONCE}'")  # noqa: S608 - a constant
    with op.batch_alter_table("deliveries") as deliveries:
        deliveries.alter_column("not_before", existing_type=UTCDateTime, nullable=False)
        deliveries.alter_column("begun_at", existing_type=UTCDateTime, nullable=False)
    op.create_index("ix_deliveries_transaction_uid", "deliveries", ["transaction_uid"])
    op.create_index("ix_deliveries_due", "deliveries", ["destination", "open", "held_by", "not_before"])
