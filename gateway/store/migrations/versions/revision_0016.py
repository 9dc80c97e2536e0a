"""Receivers of all hosts tell each other their associations."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.store.database import UTCDateTime

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Add a table."""
    op.create_table(
        "receivers",
        sa.Column("host", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("places", sa.JSON, nullable=False),
        sa.Column("heard_at", UTCDateTime, nullable=False),
    )
