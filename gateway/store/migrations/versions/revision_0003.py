"""Tables of the web pages: descriptions of images, readers' feedback, timings, indexes for search."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.store.database import UTCDateTime

revision = "0003"
down_revision = "0002"

_Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Add columns, tables and indexes; nothing that is there changes."""
    op.add_column("instances", sa.Column("study_description", sa.String(64)))
    op.add_column("instances", sa.Column("scanner", sa.String(129)))
    op.add_column("instances", sa.Column("brightness", sa.Double))
    op.add_column("instances", sa.Column("contrast", sa.Double))
    _index("instances", "calling", ["calling_ae_title", "id", "state", "reason", "label"])
    _index("instances", "reason", ["reason", "id"])
    _index("instances", "label", ["label", "id", "state"])
    _index("instances", "state_id", ["state", "id", "label", "reason"])
    drift = ["received_at", "scanner", "label", "p_pneumonia", "brightness", "contrast"]
    _index("instances", "received", drift)
    _index("deliveries", "health", ["destination", "state", "state_at"])
    _create_feedback()
    op.create_table(
        "timings",
        sa.Column("id", _Id, primary_key=True, autoincrement=True),
        sa.Column("stage", sa.String(16), nullable=False),
        sa.Column("seconds", sa.Double, nullable=False),
        sa.Column("time", UTCDateTime, nullable=False),
    )
    _index("timings", "stage", ["stage", "id"])
    op.create_table(
        "tallies",
        sa.Column("stage", sa.String(16), primary_key=True),
        sa.Column("bucket", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("runs", sa.BigInteger, nullable=False),
        sa.Column("seconds", sa.Double, nullable=False),
        sa.Column("last_timing", _Id, nullable=False),
    )


def _create_feedback() -> None:
    op.create_table(
        "feedback",
        sa.Column("id", _Id, primary_key=True, autoincrement=True),
        sa.Column("instance_id", _Id, sa.ForeignKey("instances.id"), nullable=False),
        sa.Column("reader", sa.String(64), nullable=False),
        sa.Column("verdict", sa.String(8), nullable=False),
        sa.Column("comment", sa.Text, nullable=False),
        sa.Column("time", UTCDateTime, nullable=False),
        sa.Column("label", sa.String(16)),
        sa.Column("p_pneumonia", sa.Double),
        sa.Column("threshold", sa.Double),
        sa.Column("model_version", sa.String(64)),
        sa.Column("device_uid", sa.String(64)),
    )
    _index("feedback", "instance_id", ["instance_id"])


def _index(table: str, name: str, columns: list[str]) -> None:
    op.create_index(f"ix_{table}_{name}", table, columns)
