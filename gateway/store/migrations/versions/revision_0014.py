"""Studies that are fetched from sources, and from which source an image came."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.store.database import UTCDateTime

revision = "0014"
down_revision = "0013"

_Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Add a column, empty in every row, and three tables."""
    op.add_column("instances", sa.Column("pulled_from", sa.String(64)))
    op.create_table(
        "pulls",
        sa.Column("id", _Id, primary_key=True, autoincrement=True),
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("study_instance_uid", sa.String(64), nullable=False),
        sa.Column("study_date", sa.String(8), nullable=False),
        sa.Column("modalities", sa.JSON, nullable=False),
        sa.Column("told", sa.Integer),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("state_at", UTCDateTime, nullable=False),
        sa.Column("found_at", UTCDateTime, nullable=False),
        sa.Column("listed_at", UTCDateTime),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("not_before", UTCDateTime, nullable=False),
        sa.Column("detail", sa.Text),
        sa.UniqueConstraint("source", "study_instance_uid"),
    )
    op.create_index("ix_pulls_due", "pulls", ["source", "state", "not_before"])
    op.create_index("ix_pulls_study", "pulls", ["study_instance_uid"])
    op.create_table(
        "pull_instances",
        sa.Column("pull_id", _Id, sa.ForeignKey("pulls.id"), primary_key=True, autoincrement=False),
        sa.Column("sop_instance_uid", sa.String(64), primary_key=True),
        sa.Column("series_instance_uid", sa.String(64), nullable=False),
        sa.Column("sop_class_uid", sa.String(64), nullable=False),
    )
    op.create_index("ix_pull_instances_uid", "pull_instances", ["sop_instance_uid"])
    op.create_table(
        "sources",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
        sa.Column("error", sa.Text),
        sa.Column("retry_at", UTCDateTime),
        sa.Column("searched", sa.JSON, nullable=False),
    )
