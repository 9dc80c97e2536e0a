"""Deliveries whose end is unknown, commitments asked for, couriers that hang, answers without a route."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.store.database import UTCDateTime

revision = "0004"
down_revision = "0003"

_NOT_ROUTED = """
    UPDATE instances SET state = 'failed', reason = 'not_routed',
        detail = 'no route matched when it was answered; state one under routes, then gateway retry'
    WHERE state = 'delivered' AND NOT EXISTS (
        SELECT 1 FROM results JOIN deliveries ON deliveries.result_id = results.id
        WHERE results.instance_id = instances.id AND results.superseded_at IS NULL)
"""


def upgrade() -> None:
    """Add columns; images that count as delivered although they never had a destination say so."""
    op.add_column("deliveries", sa.Column("unsure", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("deliveries", sa.Column("asked", sa.Integer, nullable=False, server_default="0"))
    op.add_column("destinations", sa.Column("hangs_since", UTCDateTime))
    op.execute(_NOT_ROUTED)
