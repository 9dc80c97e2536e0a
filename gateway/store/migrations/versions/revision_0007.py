"""Refusals: who was turned away, why and how often."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.store.database import UTCDateTime

revision = "0007"
down_revision = "0006"

_Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Add a table; nothing that is there changes."""
    op.create_table(
        "refusals",
        sa.Column("id", _Id, primary_key=True, autoincrement=True),
        sa.Column("fingerprint", sa.String(64), nullable=False, unique=True),
        sa.Column("event", sa.String(32), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("calling_ae_title", sa.String(64), nullable=False),
        sa.Column("called_ae_title", sa.String(64), nullable=False),
        sa.Column("peer_address", sa.String(64), nullable=False),
        sa.Column("sop_instance_uid", sa.String(64), nullable=False),
        sa.Column("times", sa.BigInteger, nullable=False),
        sa.Column("first_at", UTCDateTime, nullable=False),
        sa.Column("last_at", UTCDateTime, nullable=False),
    )
    op.create_index("ix_refusals_last", "refusals", ["last_at"])
    op.create_index("ix_refusals_image", "refusals", ["sop_instance_uid"])
    op.create_index("ix_refusals_peer", "refusals", ["peer_address"])
