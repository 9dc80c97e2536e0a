"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.store.database import UTCDateTime

revision = "0001"
down_revision = None

_Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create every table."""
    _create_instances()
    _create_results()
    _create_deliveries()
    _create_events()
    op.create_table(
        "executors",
        sa.Column("executor_id", sa.String(255), primary_key=True),
        sa.Column("beat_at", UTCDateTime, nullable=False),
    )


def _create_instances() -> None:
    op.create_table(
        "instances",
        sa.Column("id", _Id, primary_key=True, autoincrement=True),
        sa.Column("sop_class_uid", sa.String(64), nullable=False),
        sa.Column("sop_instance_uid", sa.String(64), nullable=False),
        sa.Column("study_instance_uid", sa.String(64), nullable=False),
        sa.Column("series_instance_uid", sa.String(64), nullable=False),
        sa.Column("transfer_syntax_uid", sa.String(64), nullable=False),
        sa.Column("calling_ae_title", sa.String(16), nullable=False),
        sa.Column("called_ae_title", sa.String(16), nullable=False),
        sa.Column("peer_address", sa.String(64), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("received_at", UTCDateTime, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("state_at", UTCDateTime, nullable=False),
        sa.Column("reason", sa.String(32)),
        sa.Column("detail", sa.Text),
        sa.Column("batch", sa.String(255)),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("deaths", sa.Integer, nullable=False, server_default="0"),
        sa.Column("not_before", UTCDateTime),
        sa.Column("pixel_digest", sa.String(64)),
        sa.Column("label", sa.String(16)),
        sa.Column("p_pneumonia", sa.Double),
        sa.Column("answer", sa.JSON),
        sa.UniqueConstraint("sop_instance_uid", "sha256"),
    )
    op.create_index("ix_instances_state", "instances", ["state", "batch", "id"])
    op.create_index("ix_instances_study", "instances", ["study_instance_uid"])


def _create_results() -> None:
    op.create_table(
        "results",
        sa.Column("id", _Id, primary_key=True, autoincrement=True),
        sa.Column("instance_id", _Id, sa.ForeignKey("instances.id"), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("sop_class_uid", sa.String(64), nullable=False),
        sa.Column("sop_instance_uid", sa.String(64), nullable=False, unique=True),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("created_at", UTCDateTime, nullable=False),
    )
    op.create_index("ix_results_instance_id", "results", ["instance_id"])


def _create_deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("id", _Id, primary_key=True, autoincrement=True),
        sa.Column("result_id", _Id, sa.ForeignKey("results.id"), nullable=False),
        sa.Column("destination", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("last_error", sa.Text),
        sa.Column("state_at", UTCDateTime, nullable=False),
        sa.UniqueConstraint("result_id", "destination"),
    )


def _create_events() -> None:
    op.create_table(
        "events",
        sa.Column("id", _Id, primary_key=True, autoincrement=True),
        sa.Column("instance_id", _Id, sa.ForeignKey("instances.id")),
        sa.Column("time", UTCDateTime, nullable=False),
        sa.Column("event", sa.String(32), nullable=False),
        sa.Column("data", sa.JSON, nullable=False),
    )
    op.create_index("ix_events_instance_id", "events", ["instance_id"])
