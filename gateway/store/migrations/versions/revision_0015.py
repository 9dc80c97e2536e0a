"""The database says which earlier gateways work on it, so that machines are upgraded one after another."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Add a table of one row, which `gateway.store.migrate` writes."""
    op.create_table("compatibility", sa.Column("revision", sa.String(16), primary_key=True))
