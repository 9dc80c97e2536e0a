"""Model and settings on which each worker's answers depend."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add a column; nothing that is there changes."""
    op.add_column("executors", sa.Column("answering", sa.JSON))
