"""Answers say which part of the image the classifier saw: column `region`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add a column; it is empty in every row, as earlier models saw whole images."""
    op.add_column("answers", sa.Column("region", sa.JSON))
