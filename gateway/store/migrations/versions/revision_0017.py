"""Rejection notes: what they reference, also images that have not come yet."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.store.database import UTCDateTime

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Create the table, empty."""
    op.create_table(
        "rejections",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            primary_key=True,
            autoincrement=True,
        ),
        sa.Column("sop_instance_uid", sa.String(64), nullable=False),
        sa.Column("note_sop_instance_uid", sa.String(64), nullable=False),
        sa.Column("code", sa.String(16), nullable=False),
        sa.Column("title", sa.String(64), nullable=False),
        sa.Column("time", UTCDateTime, nullable=False),
        sa.UniqueConstraint("sop_instance_uid", "note_sop_instance_uid"),
    )
