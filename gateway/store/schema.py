"""The ledger's tables, the same for SQLite and PostgreSQL."""

from __future__ import annotations

import sqlalchemy as sa

from gateway.store.database import UTCDateTime

metadata = sa.MetaData()

_Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")

instances = sa.Table(
    "instances",
    metadata,
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
    sa.Column("path", sa.Text, nullable=False),  # under the data directory
    sa.Column("file_deleted_at", UTCDateTime),
    sa.Column("received_at", UTCDateTime, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("state_at", UTCDateTime, nullable=False),
    sa.Column("reason", sa.String(32)),
    sa.Column("detail", sa.Text),
    # claimed by a batch workflow, how often begun, how often it ended its process, not before when
    sa.Column("batch", sa.String(255)),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("deaths", sa.Integer, nullable=False, server_default="0"),
    sa.Column("not_before", UTCDateTime),
    # the answer
    sa.Column("pixel_digest", sa.String(64)),
    sa.Column("label", sa.String(16)),
    sa.Column("p_pneumonia", sa.Double),
    sa.Column("answer", sa.JSON),  # model, configuration, steps, activation
    sa.UniqueConstraint("sop_instance_uid", "sha256"),
    sa.Index("ix_instances_state", "state", "batch", "id"),
    sa.Index("ix_instances_study", "study_instance_uid"),
)

results = sa.Table(
    "results",
    metadata,
    sa.Column("id", _Id, primary_key=True, autoincrement=True),
    sa.Column("instance_id", _Id, sa.ForeignKey("instances.id"), nullable=False, index=True),
    sa.Column("kind", sa.String(8), nullable=False),
    sa.Column("sop_class_uid", sa.String(64), nullable=False),
    sa.Column("sop_instance_uid", sa.String(64), nullable=False, unique=True),
    sa.Column("path", sa.Text, nullable=False),  # under the data directory
    sa.Column("file_deleted_at", UTCDateTime),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("created_at", UTCDateTime, nullable=False),
    sa.Column("superseded_at", UTCDateTime),  # by the answer of another model or configuration
)

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("id", _Id, primary_key=True, autoincrement=True),
    sa.Column("result_id", _Id, sa.ForeignKey("results.id"), nullable=False),
    sa.Column("destination", sa.String(64), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("last_error", sa.Text),
    sa.Column("state_at", UTCDateTime, nullable=False),
    # something is still to be done: to send it, or, once delivered, to have its storage committed
    sa.Column("open", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("held_by", sa.String(255)),  # the worker that has it in hand
    sa.Column("not_before", UTCDateTime, nullable=False),
    sa.Column("begun_at", UTCDateTime, nullable=False),  # created, or retried by a person; then given up
    sa.Column("transaction_uid", sa.String(64), index=True),  # of the last Storage Commitment request
    sa.UniqueConstraint("result_id", "destination"),
    sa.Index("ix_deliveries_due", "destination", "open", "held_by", "not_before"),
)

destinations = sa.Table(
    "destinations",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    # while it is away: how often in a row it was not reached, why, and when it is tried next
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
    sa.Column("error", sa.Text),
    sa.Column("retry_at", UTCDateTime),
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("id", _Id, primary_key=True, autoincrement=True),
    sa.Column("instance_id", _Id, sa.ForeignKey("instances.id"), index=True),
    sa.Column("time", UTCDateTime, nullable=False),
    sa.Column("event", sa.String(32), nullable=False),
    sa.Column("data", sa.JSON, nullable=False),
)

executors = sa.Table(
    "executors",
    metadata,
    sa.Column("executor_id", sa.String(255), primary_key=True),
    sa.Column("beat_at", UTCDateTime, nullable=False),
)
